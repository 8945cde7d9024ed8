"""Grade the submissions of an assignment, and say what was found."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from tqdm import tqdm

from autograder.course import Course, Problem, assignment_names
from autograder.engine.break_out import proved_jail
from autograder.engine.marking import VERDICT_TYPE
from autograder.engine.pipeline import Grader, Outcome, Submission, submissions, template_path
from autograder.engine.student_side.policy import PolicyFailure


@dataclass(frozen=True)
class Row:
    """One student's line of the table.

    Attributes
    ----------
    score, max_score : float
        Of the parts that are marked by checks.
    by_hand : float
        Points that wait for a mark by hand.
    found : list of str
        Misconceptions and other findings, in the order of the notebook.
    """

    student: str
    score: float
    max_score: float
    by_hand: float
    found: list[str]


def grade(
    course: Course,
    assignment: str,
    student: str | None = None,
    *,
    force: bool = False,
    dry_run: bool = False,
    isolated: bool = True,
) -> int:
    """Grade what is submitted, with progress on the standard error stream, and print the table of the class.

    Parameters
    ----------
    course : Course
    assignment : str
    student : str, optional
        Only this one.
    force : bool
        Also what is graded already.
    dry_run : bool
        Only say what would be graded.
    isolated : bool
        Run submissions in the jail.

    Returns
    -------
    int
        Exit status: 1 if a submission was not graded.

    Raises
    ------
    Problem
        If there is nothing to grade, or nothing to grade it with.
    """
    found = find_submissions(course, assignment, student)
    todo = [submission for submission in found if force or not submission.is_graded()]
    if dry_run:
        for submission in found:
            print(f"{submission.student}: {'would be graded' if submission in todo else 'unchanged'}")
        return 0
    outcomes = grade_submissions(todo, isolated)
    graded = [s.student for s in found if s.student not in outcomes or outcomes[s.student].not_graded is None]
    print(table(assignment, list(rows(course, assignment, graded))))
    unchanged = {submission.student: Outcome(submission.oddities()) for submission in found if submission not in todo}
    return summarize(outcomes, unchanged)


def find_submissions(course: Course, assignment: str, student: str | None = None) -> list[Submission]:
    """Return the submissions, or raise a `Problem` that says what is missing and how to get it."""
    names = assignment_names()
    if assignment not in names:
        raise Problem(f"There is no assignment {assignment!r}; the assignments are {', '.join(names)}.")
    if not template_path(course, assignment).is_file():
        command = f"python -m autograder build {assignment}"
        raise Problem(f"{assignment} is not built in {course.root}; run `{command}` first.")
    found = [found for found in submissions(course, assignment) if student in (None, found.student)]
    if not found:
        where = course.root / "submitted" / (student or "STUDENT") / assignment / f"{assignment}.ipynb"
        raise Problem(f"There is no submission of {assignment}; put it at {where}.")
    return found


def grade_submissions(todo: list[Submission], isolated: bool = True) -> dict[str, Outcome]:
    """Grade submissions of one assignment; return what became of each, by student.

    Raises
    ------
    Problem
        If they cannot be isolated.
    """
    if not todo:
        return {}
    try:
        jail = proved_jail(isolated)
    except PolicyFailure as failure:
        raise Problem(
            f"Submissions cannot be isolated here: {failure}. Mend that, or grade with --no-isolation, "
            "which runs them with your rights."
        ) from failure
    if not isolated:
        print("Submissions run with your rights: grade only code that you would run yourself.", file=sys.stderr)
    grader = Grader(todo[0].course, todo[0].assignment, jail)
    bar = tqdm(todo, desc=f"grading {grader.assignment}", unit="submission")
    return {submission.student: _outcome(grader, submission) for submission in bar}


def _outcome(grader: Grader, submission: Submission) -> Outcome:
    """Grade a submission, whatever happens: what befalls one does not keep the others from their marks."""
    try:
        return grader.grade(submission)
    except Problem:
        raise  # of the course: it befalls all
    except Exception as error:
        return Outcome(not_graded=f"the grader failed ({type(error).__name__}: {error}); its marks are as they were.")


def summarize(outcomes: dict[str, Outcome], unchanged: dict[str, Outcome]) -> int:
    """Print what became of those who were graded now, and of those who had been; return the exit status."""
    ungraded = {student: outcome.not_graded for student, outcome in outcomes.items() if outcome.not_graded}
    odd = {student: outcome.oddities for student, outcome in (unchanged | outcomes).items() if outcome.oddities}
    graded = len(outcomes) - len(ungraded)
    print(f"{graded} graded, {len(unchanged)} unchanged, {len(odd)} to look at, {len(ungraded)} not graded.")
    for student, oddities in odd.items():
        for oddity in oddities:
            print(f"look at {student}: {oddity}")
    for student, why in ungraded.items():
        print(f"not graded: {student}: {why}", file=sys.stderr)
    if ungraded:
        print(
            "`nbgrader export` writes 0.0 for what is not graded; `python -m autograder export` leaves it empty.",
            file=sys.stderr,
        )
    return 1 if ungraded else 0


def rows(course: Course, assignment: str, students: list[str]) -> Iterator[Row]:
    """Yield the line of each student who is in the gradebook."""
    with Gradebook(course.gradebook_url, course.course_id) as gradebook:
        for student in students:
            try:
                submission = gradebook.find_submission(assignment, student)
            except MissingEntry:
                continue
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            checked = [grade for grade in grades if grade.auto_score is not None]
            yield Row(
                student,
                sum(grade.auto_score for grade in checked),
                sum(grade.max_score for grade in checked),
                sum(grade.max_score for grade in grades if grade.needs_manual_grade),
                findings(course.autograded(student, assignment)),
            )


def findings(notebook: Path) -> list[str]:
    """Return what the checks found in a graded notebook: misconceptions by name, else the part and its finding."""
    names: dict[str, None] = {}
    for record in verdicts(notebook):
        for finding in record["findings"]:
            named = " or ".join(finding["misconceptions"])
            names[named or f"{record['part']}: {finding['sentence']}"] = None
    return list(names)


def verdicts(notebook: Path) -> list[dict[str, Any]]:
    """Return the records that the engine left in a graded notebook, one for each part."""
    if not notebook.is_file():
        return []
    cells = nbformat.read(notebook, as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.data[VERDICT_TYPE] for output in outputs if VERDICT_TYPE in output.get("data", {})]


def table(assignment: str, lines: list[Row]) -> str:
    """Return the table of a class as text."""
    name_width = max([len("student"), *(len(row.student) for row in lines)])
    head = f"{assignment}\n  {'student':<{name_width}}  {'score':>11}  found"
    return "\n".join([head, *(_line(row, name_width) for row in lines)])


def _line(row: Row, name_width: int) -> str:
    silent = row.score < row.max_score  # nbgrader gives 0 for an answer that is still the stub
    first = row.found[0] if row.found else "a written answer is missing" if silent else "nothing to mend"
    more = f" (+{len(row.found) - 1} more)" if len(row.found) > 1 else ""
    by_hand = f"; {row.by_hand:g} by hand" if row.by_hand else ""
    first = first if len(first) <= 80 else first[:77] + "..."
    return f"  {row.student:<{name_width}}  {row.score:>5g} / {row.max_score:<3g}  {first}{more}{by_hand}"
