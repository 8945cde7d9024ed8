"""What is known of a class after grading: marks from the gradebook, findings from the marked notebooks."""

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbformat import NotebookNode
from nbgrader.api import Assignment, BaseCell, Grade, GradeCell, SubmittedAssignment, SubmittedNotebook, TaskCell
from nbgrader.utils import is_grade, is_solution
from sqlalchemy import create_engine, func, make_url, select
from sqlalchemy.exc import DBAPIError
from tqdm import tqdm

from autograder.bn_helper.parts import PARTS
from autograder.checks.topics import CATALOGUE
from autograder.course import Course, Problem, assignment_names, secret
from autograder.engine.pipeline import Submission, template_path
from autograder.engine.record import verdicts_in

FEWEST = 10  # submissions below which a check's separation is chance
FEW = 30  # below which it is rough


@dataclass(frozen=True)
class Part:
    """A graded cell: its id, its points, and whether a person marks it."""

    name: str
    points: float
    by_hand: bool


@dataclass
class Paper:
    """One student's graded submission.

    Attributes
    ----------
    name : how the report calls it: the student's id, or a number
    scores : mapping from a part to its marks, None while it has none
    penalty : marks taken off for being late
    late : seconds from the deadline to the hand-in, negative if early; None if either is not known
    records : verdicts of the checks
    oddities : sentences
    isolated : whether it ran in the jail; None if the marked notebook does not say
    current : whether what is handed in now is what was graded
    code, answers : texts of the student's own, cell by cell
    """

    student: str
    name: str
    scores: dict[str, float | None]
    penalty: float = 0.0
    late: float | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)
    isolated: bool | None = None
    current: bool = True
    code: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Agenda:
    """Something that went wrong in several submissions.

    Attributes
    ----------
    misconceptions : names; several if the numbers fit each of them; none if no known misconception fits
    sentence : what it is
    section : label of the section to teach from
    parts : ids of the parts in which it was found
    papers : names of the submissions
    """

    misconceptions: tuple[str, ...]
    sentence: str
    section: str
    parts: tuple[str, ...]
    papers: tuple[str, ...]


@dataclass(frozen=True)
class Separation:
    """How well a part separates: the correlation of its marks with those of all other parts; None if undefined."""

    part: Part
    mean: float
    correlation: float | None


@dataclass(frozen=True)
class ClassData:
    """All submissions of one assignment.

    Attributes
    ----------
    papers : those with a mark in every part that checks mark
    ungraded : names of those that are handed in and have none
    """

    assignment: str
    parts: tuple[Part, ...]
    papers: tuple[Paper, ...]
    ungraded: tuple[str, ...] = ()

    @property
    def max_score(self) -> float:
        return sum(part.points for part in self.parts)

    def totals(self) -> np.ndarray:
        """Return the marks of each submission so far, after a late penalty."""
        given = (sum(score for score in paper.scores.values() if score is not None) for paper in self.papers)
        return np.array([max(0.0, total - paper.penalty) for total, paper in zip(given, self.papers, strict=True)])

    def shares(self, part: Part) -> np.ndarray:
        """Return the share of a part's points that each submission has; nan while it has no mark."""
        given = (paper.scores.get(part.name) for paper in self.papers)
        return np.array([np.nan if score is None else score / part.points for score in given], dtype=float)

    def marked_parts(self) -> list[Part]:
        """Return the parts with points for which somebody has a mark."""
        return [part for part in self.parts if part.points > 0 and not np.isnan(self.shares(part)).all()]

    def waiting(self) -> dict[str, float]:
        """Return how many points of a submission wait for a mark by hand, by its name."""
        missing = {
            paper.name: sum(part.points for part in self.parts if paper.scores.get(part.name) is None)
            for paper in self.papers
        }
        return {name: points for name, points in missing.items() if points}


def read_class(course: Course, assignment: str, anonymous: bool = False) -> ClassData:
    """Read what is known of an assignment's submissions.

    Parameters
    ----------
    course : Course
    assignment : str
    anonymous : bool
        Call submissions by numbers, in an order that tells nothing and stays the same.

    Raises
    ------
    Problem
        If there is no such assignment, or nothing is graded.
    """
    known = assignment_names()
    if assignment not in known:
        raise Problem(f"There is no assignment {assignment!r}; the assignments are {', '.join(known)}.")
    command = f"python -m autograder grade {assignment}"
    nothing = Problem(f"Nothing of {assignment} is graded in {course.root}; run `{command}` first.")
    if not template_path(course, assignment).is_file():
        raise nothing
    parts, found = _gradebook(course, assignment)
    students = sorted({*found, *(folder.parent.name for folder in course.submitted(assignment))})
    names = {student: student for student in students}
    if anonymous:
        students = sorted(students, key=lambda student: _shuffled(course, assignment, student))
        names = {student: f"submission {number}" for number, student in enumerate(students, start=1)}
    papers, ungraded = [], []
    checked = [part.name for part in parts if not part.by_hand]
    for student in tqdm(students, desc="reading marked notebooks", unit="submission", delay=2, leave=False):
        paper = found.get(student)
        if paper is None or any(paper.scores.get(name) is None for name in checked):
            ungraded.append(names[student])
            continue
        paper.name = names[student]
        _read_notebook(course, assignment, paper)
        papers.append(paper)
    if not papers:
        raise nothing
    return ClassData(assignment, _in_order(course, assignment, parts), tuple(papers), tuple(ungraded))


def _shuffled(course: Course, assignment: str, student: str) -> bytes:
    return hmac.digest(secret(course.root).encode(), f"{assignment} {student}".encode(), hashlib.sha256)


def _gradebook(course: Course, assignment: str) -> tuple[list[Part], dict[str, Paper]]:
    """Read the parts of an assignment and the marks of its submissions, by student."""
    url = make_url(course.gradebook_url)
    if url.drivername.startswith("sqlite") and not (url.database and Path(url.database).is_file()):
        return [], {}
    cells, graded, tasks = BaseCell.__table__, GradeCell.__table__, TaskCell.__table__
    grades, notebooks = Grade.__table__, SubmittedNotebook.__table__
    submitted, assignments = SubmittedAssignment.__table__, Assignment.__table__
    points = func.coalesce(graded.c.max_score, tasks.c.max_score, 0.0).label("points")
    columns = (
        *(submitted.c.student_id, submitted.c.timestamp, submitted.c.extension, assignments.c.duedate),
        *(notebooks.c.late_submission_penalty, cells.c.name, points),
        *(grades.c.auto_score, grades.c.manual_score, grades.c.extra_credit),
    )
    query = (
        select(*columns)
        .select_from(grades)
        .join(notebooks, notebooks.c.id == grades.c.notebook_id)
        .join(submitted, submitted.c.id == notebooks.c.assignment_id)
        .join(assignments, assignments.c.id == submitted.c.assignment_id)
        .join(cells, cells.c.id == grades.c.cell_id)
        .outerjoin(graded, graded.c.id == cells.c.id)
        .outerjoin(tasks, tasks.c.id == cells.c.id)
        .where(assignments.c.name == assignment)
    )
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(query).all()
    except DBAPIError as error:
        raise Problem(f"The gradebook {course.gradebook_url} cannot be read: {error.orig}.") from error
    finally:
        engine.dispose()
    parts = {row.name: Part(row.name, float(row.points), row.name not in PARTS) for row in rows}
    papers: dict[str, Paper] = {}
    for row in rows:
        paper = papers.setdefault(row.student_id, Paper(row.student_id, row.student_id, {}))
        given = row.manual_score if row.manual_score is not None else row.auto_score
        paper.scores[row.name] = None if given is None else float(given) + float(row.extra_credit or 0.0)
        paper.penalty = float(row.late_submission_penalty or 0.0)
        if row.timestamp is not None and row.duedate is not None:
            due = row.duedate + (row.extension or timedelta())
            paper.late = (row.timestamp - due).total_seconds()
    return list(parts.values()), papers


def _in_order(course: Course, assignment: str, parts: list[Part]) -> tuple[Part, ...]:
    """Return the parts in the order of the notebook."""
    cells = template(template_path(course, assignment)).cells
    order = {cell.metadata.nbgrader.grade_id: at for at, cell in enumerate(cells) if "nbgrader" in cell.metadata}
    return tuple(sorted(parts, key=lambda part: order.get(part.name, len(order))))


def template(path: Path) -> NotebookNode:
    """Return a notebook of the course's own, or raise a `Problem` that says how to mend it."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError) as error:
        raise Problem(f"{path} cannot be read; build it again: python -m autograder build {path.stem}.") from error


def _read_notebook(course: Course, assignment: str, paper: Paper) -> None:
    submission = Submission(course, course.root / "submitted" / paper.student / assignment)
    path = submission.graded
    if not path.is_file():
        return
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError):
        paper.oddities = ["The marked notebook cannot be read; grade this submission again with --force."]
        return
    paper.records = verdicts_in(notebook)
    paper.oddities = submission.oddities()
    isolated = submission.recorded.get("isolated")
    paper.isolated = isolated if isinstance(isolated, bool) else None
    paper.current = not submission.folder.is_dir() or submission.is_graded()
    for cell in notebook.cells:
        if _is_own(cell):
            (paper.code if cell.cell_type == "code" else paper.answers).append(cell.source)


def _is_own(cell: NotebookNode) -> bool:
    """Tell whether a student may write in a cell: what they solve, answer, try, and add."""
    return bool(is_solution(cell) or not is_grade(cell))


# How a call can end before there is a result to compare: what a finding's sentence holds, and how the class is told.
_ENDS = (
    (" is not written yet", "is not written yet"),
    (" is not defined when", "is not defined in the notebook"),
    (" did not finish in time", "does not finish in time"),
    (" cannot be called with", "cannot be called with the arguments of its contract"),
    (" raised ", "ends with an error"),
)


def agenda(data: ClassData) -> tuple[list[Agenda], list[Agenda]]:
    """Gather what went wrong: known misconceptions, and findings that none explains; the most frequent first."""
    entries = {entry.name: entry for entry in CATALOGUE}
    known: dict[tuple[str, ...], Agenda] = {}
    other: dict[str, Agenda] = {}
    for paper in data.papers:
        for record in paper.records:
            for finding in record["findings"]:
                names = tuple(name for name in finding["misconceptions"] if name in entries)
                here = Agenda(names, "", finding["section"], (record["part"],), (paper.name,))
                if names:
                    sentence = " or when ".join(entries[name].sentence for name in names)
                    here = replace(here, sentence=sentence, section=entries[names[0]].section)
                    known[names] = _joined(known.get(names), here)
                else:
                    here = replace(here, sentence=_unexplained(record["part"], finding))
                    other[here.sentence] = _joined(other.get(here.sentence), here)
    by_number, others = (sorted(found, key=lambda a: -len(a.papers)) for found in (known.values(), other.values()))
    return by_number, others


def _joined(before: Agenda | None, here: Agenda) -> Agenda:
    if before is None:
        return here
    parts, papers = dict.fromkeys(before.parts + here.parts), dict.fromkeys(before.papers + here.papers)
    return replace(before, parts=tuple(parts), papers=tuple(papers))


def _unexplained(part: str, finding: dict[str, Any]) -> str:
    """Say what a finding without a known cause has in common with others: its own sentence is one student's."""
    function = PARTS[part].function if part in PARTS else part
    how = next((told for words, told in _ENDS if words in finding["sentence"]), "")
    return f"{function} {how}" if how else f"{function}: not so that \u201c{finding['claim']}\u201d"


def separations(data: ClassData) -> list[Separation]:
    """Tell how well each part separates those who did well in the other parts from those who did not.

    Parts marked by hand count only where every submission has its mark.
    """
    parts = [part for part in data.marked_parts() if not np.isnan(data.shares(part)).any()]
    marks = np.array([data.shares(part) * part.points for part in parts])
    found = []
    for part, own in zip(parts, marks, strict=True):
        rest = marks.sum(axis=0) - own
        varied = len(parts) > 1 and own.std() > 1e-12 and rest.std() > 1e-12
        correlation = float(np.corrcoef(own, rest)[0, 1]) if varied and len(own) >= FEWEST else None
        found.append(Separation(part, float(data.shares(part).mean()), correlation))
    return found
