"""Grade the submissions of an assignment, and say what was found."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from tqdm import tqdm

from autograder.course import Course, Problem, assignment_names
from autograder.engine.marking import VERDICT_TYPE
from autograder.nbgrader_runs import api, reason


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
    course: Course, assignment: str, student: str | None = None, *, force: bool = False, dry_run: bool = False
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

    Returns
    -------
    int
        Exit status: 1 if a submission was not graded.

    Raises
    ------
    Problem
        If there is nothing to grade, or nothing to grade it with.
    """
    folders = find_submissions(course, assignment, student)
    todo = [folder for folder in folders if force or is_new(course, folder)]
    if dry_run:
        for folder in folders:
            print(f"{folder.parent.name}: {'would be graded' if folder in todo else 'is graded'}")
        return 0
    if todo:
        print("Submissions run with your rights: grade only code that you would run yourself.", file=sys.stderr)
    failed = grade_folders(course, todo)
    print(
        table(
            assignment, list(rows(course, assignment, [f.parent.name for f in folders if f.parent.name not in failed]))
        )
    )
    print(f"{len(todo) - len(failed)} graded, {len(folders) - len(todo)} unchanged, {len(failed)} not graded.")
    for name, why in failed.items():
        print(f"not graded: {name}: {why}", file=sys.stderr)
    return 1 if failed else 0


def find_submissions(course: Course, assignment: str, student: str | None = None) -> list[Path]:
    """Return the submission folders, or raise a `Problem` that says what is missing and how to get it."""
    names = assignment_names()
    if assignment not in names:
        raise Problem(f"There is no assignment {assignment!r}; the assignments are {', '.join(names)}.")
    if not (course.source(assignment) / f"{assignment}.ipynb").is_file():
        raise Problem(
            f"{assignment} is not built in {course.root}; run `python -m autograder build {assignment}` first."
        )
    folders = course.submitted(assignment, student or "*")
    if not folders:
        where = course.root / "submitted" / (student or "STUDENT") / assignment / f"{assignment}.ipynb"
        raise Problem(f"There is no submission of {assignment}; put it at {where}.")
    return folders


def is_new(course: Course, folder: Path) -> bool:
    """Tell whether a submission is not graded yet, or has changed since."""
    graded = course.autograded(folder.parent.name, folder.name)
    submitted = folder / f"{folder.name}.ipynb"
    if not graded.is_file():
        return True
    return submitted.is_file() and submitted.stat().st_mtime > graded.stat().st_mtime


def grade_folders(course: Course, folders: list[Path]) -> dict[str, str]:
    """Grade submissions one after the other; return why some were not graded, by student."""
    nbgrader = api(course)
    failed: dict[str, str] = {}
    for folder in tqdm(folders, desc="grading", unit="submission", disable=not folders):
        student, assignment = folder.parent.name, folder.name
        if not (folder / f"{assignment}.ipynb").is_file():
            failed[student] = f"{folder} holds no {assignment}.ipynb; a notebook under another name must be renamed."
            continue
        if (unreadable := why_unreadable(folder / f"{assignment}.ipynb")) is not None:
            failed[student] = unreadable
            continue
        result = nbgrader.autograde(assignment, student, force=True, create=True)
        if not result["success"]:
            failed[student] = reason(result)
    return failed


def why_unreadable(path: Path) -> str | None:
    """Say why a file is no notebook, or return None if it is one."""
    try:
        nbformat.read(path, as_version=4)
    except UnicodeDecodeError:
        return f"{path} is not encoded as UTF-8; ask for the notebook again."
    except json.JSONDecodeError as error:
        return f"{path} is not a complete notebook (line {error.lineno}): ask for it again."
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."
    except Exception as error:  # nbformat raises what its parsers raise
        return f"{path} is not a notebook that Jupyter can open ({type(error).__name__}): ask for it again."
    return None


def rows(course: Course, assignment: str, students: list[str]) -> Iterator[Row]:
    """Yield the line of each student who is in the gradebook."""
    with Gradebook(course.gradebook_url) as gradebook:
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
                found(course.autograded(student, assignment)),
            )


def found(notebook: Path) -> list[str]:
    """Return what the checks found in a graded notebook: misconceptions by name, else the part's first finding."""
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
    first = row.found[0] if row.found else "nothing to mend"
    more = f" (+{len(row.found) - 1} more)" if len(row.found) > 1 else ""
    by_hand = f"; {row.by_hand:g} by hand" if row.by_hand else ""
    first = first if len(first) <= 80 else first[:77] + "..."
    return f"  {row.student:<{name_width}}  {row.score:>5g} / {row.max_score:<3g}  {first}{more}{by_hand}"
