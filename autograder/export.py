"""Export the marks of a course: an empty field for what is not graded, never a zero that nobody gave."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nbgrader.api import Gradebook
from sqlalchemy.exc import DBAPIError
from tqdm import tqdm

from autograder.bn_helper.parts import PARTS
from autograder.course import Course, Problem
from autograder.engine.record import verdicts


@dataclass(frozen=True)
class Mark:
    """One student's marks for one assignment.

    Attributes
    ----------
    score : float or None
        Marks by checks and by hand, after a late penalty; None while a part is not graded.
    max_score : float
    waiting : float
        Points that wait for a mark by hand.
    parts : mapping from a part to its score, None while it is not graded
    findings : list of dict
        What the checks found, as in the graded notebook; none if that cannot be read.
    """

    assignment: str
    student: str
    score: float | None
    max_score: float
    waiting: float
    parts: dict[str, float | None]
    findings: list[dict[str, Any]]


def marks(course: Course) -> list[Mark]:
    """Read all marks of a course, in the order of assignments and students.

    Raises
    ------
    Problem
        If the course has no gradebook, or it cannot be read.
    """
    if course.gradebook_url.startswith("sqlite:///") and not (course.root / "gradebook.db").is_file():
        raise Problem(f"{course.root} has no gradebook; build and grade an assignment first.")
    try:
        with Gradebook(course.gradebook_url, course.course_id) as gradebook:
            return list(_marks(course, gradebook))
    except DBAPIError as error:
        raise Problem(f"The gradebook {course.gradebook_url} cannot be read: {error.orig}.") from error


def _marks(course: Course, gradebook: Gradebook) -> Iterator[Mark]:
    for assignment in sorted(gradebook.assignments, key=lambda a: a.name):
        submissions = sorted(assignment.submissions, key=lambda s: s.student.id)
        for submission in tqdm(submissions, f"marks of {assignment.name}", unit="submission", delay=2, leave=False):
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            yield _mark(course, assignment.name, submission, grades)


def _mark(course: Course, assignment: str, submission: Any, grades: list[Any]) -> Mark:
    parts = {grade.name: _score(grade) for grade in grades}
    by_hand = [grade for grade in grades if grade.name not in PARTS]  # a written answer, a plot
    waiting = sum(g.max_score for g in by_hand if g.needs_manual_grade and g.manual_score is None)
    ungraded = any(parts[grade.name] is None for grade in grades if grade not in by_hand)
    total = sum(score for score in parts.values() if score is not None)
    score = None if ungraded else max(0.0, total - submission.late_submission_penalty)
    try:
        records = verdicts(course.autograded(submission.student.id, assignment))
    except (OSError, ValueError):
        records = []  # the marks hold without it; the class report says that it cannot be read
    found = [{"part": record["part"], **finding} for record in records for finding in record["findings"]]
    return Mark(assignment, submission.student.id, score, sum(g.max_score for g in grades), waiting, parts, found)


def _score(grade: Any) -> float | None:
    given = grade.manual_score if grade.manual_score is not None else grade.auto_score
    return None if given is None else float(given) + float(grade.extra_credit or 0.0)


def as_csv(found: list[Mark]) -> str:
    """Return the marks as comma-separated values, a line for each student and assignment."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["assignment", "student", "score", "max_score", "waiting_for_hand_marks"])
    for mark in found:
        score = "" if mark.score is None else f"{mark.score:g}"
        writer.writerow([mark.assignment, mark.student, score, f"{mark.max_score:g}", f"{mark.waiting:g}"])
    return text.getvalue()


def as_json(found: list[Mark]) -> str:
    """Return the marks as JSON, with the score of each part and what was found."""
    return json.dumps([vars(mark) for mark in found], indent=1) + "\n"


FORMATS: dict[str, Callable[[list[Mark]], str]] = {"csv": as_csv, "json": as_json}
