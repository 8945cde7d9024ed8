"""Grade the submissions of an assignment, and say what was found."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tqdm import tqdm

from autograder.course import Course, Problem, assignment_names
from autograder.engine.gradebook import Ledger, held
from autograder.engine.lock import alone
from autograder.engine.pipeline import Outcome, Paper, Submission, file_papers, submissions, template_path
from autograder.engine.pool import Pool, Staff
from autograder.engine.record import recorded, verdicts

__all__ = ["grade", "grade_submissions", "rows", "table", "verdicts"]

_MOST_PAPERS = 50  # in one transaction
_LONGEST_WAIT = 1.0  # seconds until marks are saved


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
    workers: int | None = None,
    scheduler: str | None = None,
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
    workers : int, optional
        How many are graded at once.
    scheduler : str, optional
        Address of a Dask scheduler: its workers grade, and the marks are saved here.

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
    marks = held(course, assignment)
    todo = [
        submission for submission in found if force or submission.student not in marks or not submission.is_graded()
    ]
    names = {submission.student for submission in todo}
    if dry_run:
        for submission in found:
            print(f"{submission.student}: {'would be graded' if submission.student in names else 'unchanged'}")
        return 0
    outcomes = grade_submissions(todo, isolated, workers, scheduler)
    graded = [s.student for s in found if s.student not in outcomes or outcomes[s.student].not_graded is None]
    print(table(assignment, list(rows(course, assignment, graded))))
    unchanged = {s.student: Outcome(s.oddities()) for s in found if s.student not in names}
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


def grade_submissions(
    todo: list[Submission], isolated: bool = True, workers: int | None = None, scheduler: str | None = None
) -> dict[str, Outcome]:
    """Grade submissions of one assignment; return what became of each, by student.

    Parameters
    ----------
    todo : list of Submission
    isolated : bool
        Run them in the jail.
    workers : int, optional
        How many are graded at once; by default, as many as there are processor cores.
    scheduler : str, optional
        Address of a Dask scheduler whose workers grade.

    Raises
    ------
    Problem
        If they cannot be isolated, or another grader is at work, or their marks cannot be saved.
    """
    if not todo:
        return {}
    course, assignment = todo[0].course, todo[0].assignment
    if not isolated:
        print("Submissions run with your rights: grade only code that you would run yourself.", file=sys.stderr)
    outcomes: dict[str, Outcome] = {}
    with alone(template_path(course, assignment)), Ledger(course, assignment) as ledger:
        papers = _staff(isolated, workers, scheduler).papers(todo)
        with tqdm(total=len(todo), desc=f"grading {assignment}", unit="submission") as bar:
            for batch in batches(papers):
                file_papers(course, assignment, ledger, batch)
                outcomes |= {paper.student: paper.outcome for paper in batch}
                bar.update(len(batch))
    return {submission.student: outcomes[submission.student] for submission in todo}


def _staff(isolated: bool, workers: int | None, scheduler: str | None) -> Staff:
    """Return whoever examines: this machine's cores, or the cluster of a scheduler."""
    if scheduler is None:
        return Pool(isolated, workers)
    if workers is not None:
        raise Problem("How many are graded at once on a cluster is said where its workers start: leave --workers out.")
    from autograder.cluster.home import Cluster

    return Cluster(scheduler, isolated)


def batches(papers: Iterator[Paper]) -> Iterator[list[Paper]]:
    """Gather papers until there are many, or the first has waited long enough."""
    batch: list[Paper] = []
    try:
        for paper in papers:
            if not batch:
                begun = time.monotonic()
            batch.append(paper)
            if len(batch) >= _MOST_PAPERS or time.monotonic() - begun > _LONGEST_WAIT:
                yield batch
                batch = []
    except (KeyboardInterrupt, Problem):
        if batch:
            yield batch
        raise
    if batch:
        yield batch


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
    marks = held(course, assignment)
    for student in students:
        if student in marks:
            mark, summary = marks[student], recorded(course.autograded(student, assignment))
            yield Row(student, mark.score, mark.max_score, mark.by_hand, list(map(str, summary.get("found", ()))))


def table(assignment: str, lines: list[Row]) -> str:
    """Return the table of a class as text."""
    name_width = max([len("student"), *(len(row.student) for row in lines)])
    head = f"{assignment}\n  {'student':<{name_width}}  {'score':>11}  found"
    return "\n".join([head, *(_line(row, name_width) for row in lines)])


def _line(row: Row, name_width: int) -> str:
    silent = row.score < row.max_score  # nbgrader gives 0 for an answer that is still the stub
    first = row.found[0] if row.found else "a part marked by hand is missing" if silent else "nothing to mend"
    more = f" (+{len(row.found) - 1} more)" if len(row.found) > 1 else ""
    by_hand = f"; {row.by_hand:g} by hand" if row.by_hand else ""
    first = first if len(first) <= 80 else first[:77] + "..."
    return f"  {row.student:<{name_width}}  {row.score:>5g} / {row.max_score:<3g}  {first}{more}{by_hand}"
