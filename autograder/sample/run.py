"""Build and grade the sample class, and compare every part's score with the declared one."""

import shutil
from pathlib import Path

from autograder.builder.build import build
from autograder.course import Course, Problem, assignment_names
from autograder.engine.break_out import proved_jail
from autograder.engine.pipeline import submissions as submitted
from autograder.engine.student_side.policy import PolicyFailure
from autograder.grading import grade_submissions, rows, table, verdicts
from autograder.sample import Submission, read_submissions, write_submission

_MARKER = "this-is-the-sample-class"


def grade_sample(course: Course) -> int:
    """Make the sample class anew in a course folder, grade it, print the tables.

    Returns
    -------
    int
        Exit status: 1 if a score or a finding is not the declared one.

    Raises
    ------
    Problem
        If the folder holds something else than a sample class.
    """
    prepare(course.root)
    build(course, [])
    submissions = read_submissions()
    for submission in submissions:
        write_submission(course, submission)
    isolated, why = can_isolate()
    wrong: list[str] = []
    for assignment in assignment_names():
        outcomes = grade_submissions(list(submitted(course, assignment)), isolated)
        wrong += [f"{assignment}/{name} was not graded: {o.not_graded}" for name, o in outcomes.items() if o.not_graded]
        if outcomes:
            print(table(assignment, list(rows(course, assignment, list(outcomes)))))
    for submission in submissions:
        wrong += differences(course, submission)
    for line in wrong:
        print(f"not as declared: {line}")
    count = len(submissions)
    print(
        f"{count} submissions of the sample class graded in {course.root}" + ("." if wrong else ", each as declared.")
    )
    if not isolated:
        print(f"The sample class, which is ours, ran in no jail: {why}.")
    return 1 if wrong else 0


def can_isolate() -> tuple[bool, str]:
    """Tell whether submissions can be isolated here, and if not, why."""
    try:
        proved_jail()
    except PolicyFailure as failure:
        return False, str(failure)
    return True, ""


def prepare(root: Path) -> None:
    """Empty the folder of a sample class, or make one; never touch a folder that holds anything else."""
    if root.exists() and any(root.iterdir()):
        if not (root / _MARKER).is_file():
            raise Problem(f"{root} is not a sample class and stays as it is; name an empty folder or one of its own.")
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    (root / _MARKER).touch()


def differences(course: Course, submission: Submission) -> list[str]:
    """Compare what a submission got with what is declared for it."""
    name = f"{submission.assignment}/{submission.student}"
    records = {r["part"]: r for r in verdicts(course.autograded(submission.student, submission.assignment))}
    wrong = [
        f"{name} {part}: {records[part]['score']:g} points, declared {submission.scores.get(part, 0.0):g}"
        for part in records
        if abs(records[part]["score"] - submission.scores.get(part, 0.0)) > 1e-9
    ]
    wrong += [f"{name} {part}: was not tried" for part in submission.scores if part not in records]
    named = {name for r in records.values() for finding in r["findings"] for name in finding["misconceptions"]}
    if named != set(submission.found):
        wrong.append(f"{name}: found {sorted(named)}, declared {sorted(submission.found)}")
    return wrong
