"""Write the marks of many submissions into nbgrader's gradebook, all in one transaction.

nbgrader's own preprocessors ask the gradebook for every cell of every submission, in a transaction each. What is
written here is what they write: scores and comments of checks, the flag of what waits for a mark by hand, late
penalties. Marks and comments that were given by hand stay as they are.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import (
    Assignment,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    Notebook,
    SolutionCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
    new_uuid,
)
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution, is_task
from sqlalchemy import (
    Connection,
    Engine,
    bindparam,
    case,
    create_engine,
    event,
    func,
    insert,
    inspect,
    make_url,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from autograder.course import Course, Problem

WAIT = 60.0  # seconds for others who write to the gradebook
_ATTEMPTS = 3


@dataclass(frozen=True)
class Marks:
    """What the gradebook is to hold of one student's submission.

    Attributes
    ----------
    timestamp : datetime, optional
        When it was handed in, in UTC.
    scores : mapping from grade ids to points
        None for what waits for a mark by hand.
    comments : mapping from grade ids to comments
    graded : bool
        False leaves the marks as they are, and those that are missing yet to be looked at.
    """

    student: str
    timestamp: datetime | None = None
    scores: dict[str, float | None] = field(default_factory=dict)
    comments: dict[str, str | None] = field(default_factory=dict)
    graded: bool = True


def marks_of(student: str, timestamp: datetime | None, notebook: NotebookNode) -> Marks:
    """Read the marks from the outputs of a marked notebook, as nbgrader does."""
    scores: dict[str, float | None] = {}
    comments: dict[str, str | None] = {}
    for cell in notebook.cells:
        if is_grade(cell):
            score = determine_grade(cell)[0]
            scores[cell.metadata.nbgrader.grade_id] = None if score is None else float(score)
        if is_solution(cell) or is_task(cell):
            untouched = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell) and not is_task(cell)
            comments[cell.metadata.nbgrader.grade_id] = "No response." if untouched else None
    return Marks(student, timestamp, scores, comments)


@dataclass(frozen=True)
class Held:
    """What the gradebook holds of one student's submission.

    Attributes
    ----------
    score, max_score : float
        Of the parts that are marked by checks.
    by_hand : float
        Points that wait for a mark by hand.
    """

    score: float
    max_score: float
    by_hand: float


def held(course: Course, assignment: str) -> dict[str, Held]:
    """Read what the gradebook holds of an assignment, by student."""
    database, in_file = make_url(course.gradebook_url).database, course.gradebook_url.startswith("sqlite")
    if in_file and not (database and Path(database).is_file()):
        return {}
    grades, cells = Grade.__table__, GradeCell.__table__
    most = func.coalesce(cells.c.max_score, 0.0)
    sums = (
        func.coalesce(func.sum(grades.c.auto_score), 0.0),
        func.sum(case((grades.c.auto_score.is_not(None), most), else_=0.0)),
        func.sum(case((grades.c.needs_manual_grade, most), else_=0.0)),
    )
    submitted, notebooks = SubmittedAssignment.__table__, SubmittedNotebook.__table__
    joined = (
        submitted.join(Assignment.__table__, Assignment.__table__.c.id == submitted.c.assignment_id)
        .join(notebooks, notebooks.c.assignment_id == submitted.c.id)
        .join(grades, grades.c.notebook_id == notebooks.c.id)
        .outerjoin(cells, cells.c.id == grades.c.cell_id)
    )
    query = select(submitted.c.student_id, *sums).select_from(joined).group_by(submitted.c.student_id)
    engine = create_engine(course.gradebook_url)
    try:
        with engine.connect() as connection:
            if not in_file and not inspect(connection).has_table(submitted.name):
                return {}  # a database that a server has made, and nbgrader not yet filled
            rows = connection.execute(query.where(Assignment.__table__.c.name == assignment))
            return {student: Held(*map(float, numbers)) for student, *numbers in rows}
    except DBAPIError as error:
        raise Problem(f"The gradebook {course.gradebook_url} cannot be read: {error.orig}.") from error
    finally:
        engine.dispose()


class Ledger:
    """The gradebook's pages of one assignment.

    Parameters
    ----------
    course : Course
    assignment : str
    wait : float
        Seconds for others who write.

    Raises
    ------
    Problem
        If the gradebook cannot be opened, or does not know the assignment.
    """

    def __init__(self, course: Course, assignment: str, wait: float = WAIT):
        self._course = course
        self._name = assignment
        self._wait = wait
        try:
            with Gradebook(course.gradebook_url, course.course_id) as gradebook:  # makes a new one
                gradebook.find_assignment(assignment)
        except MissingEntry as error:
            raise Problem(
                f"The gradebook of {course.root} does not know {assignment}; "
                f"build it again: python -m autograder build {assignment}."
            ) from error
        except DBAPIError as error:
            raise self._problem(error) from error
        self._engine = _engine(course.gradebook_url, wait)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, batch: Sequence[Marks]) -> None:
        """Write the marks of some students: all of them, or none.

        Raises
        ------
        Problem
            If the gradebook does not take them; then it is as it was.
        """
        if not batch:
            return
        deadline = time.monotonic() + self._wait
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._engine.begin() as connection:
                    page = _Page(self._course, self._name, connection)
                    page.write({marks.student: marks for marks in sorted(batch, key=lambda marks: marks.student)})
                return
            except DBAPIError as error:
                # Another program was first with a row, which now is there; or a server let it go first.
                again = isinstance(error, IntegrityError) or self._engine.dialect.name != "sqlite"
                if not again or attempt == _ATTEMPTS or time.monotonic() > deadline:
                    raise self._problem(error) from error

    def _problem(self, error: DBAPIError) -> Problem:
        return Problem(
            f"The gradebook {self._course.gradebook_url} cannot be written: {error.orig}. "
            "What was graded so far stays graded; mend that and run the same command again."
        )


def _engine(url: str, wait: float) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": wait})

    # Python's driver opens a transaction late, at the first change: what was read before may be changed by then.
    @event.listens_for(engine, "connect")
    def leave_transactions_alone(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class _Page:
    """One transaction's view of an assignment."""

    def __init__(self, course: Course, assignment: str, connection: Connection):
        self._course = course
        self._connection = connection
        table = Assignment.__table__
        row = connection.execute(select(table.c.id, table.c.duedate).where(table.c.name == assignment)).one()
        self._assignment, self._due = row.id, row.duedate
        notebooks = connection.execute(select(Notebook.id).where(Notebook.assignment_id == row.id)).scalars().all()
        self._notebooks = list(notebooks)
        self._grades = self._cells(GradeCell) | self._cells(TaskCell)
        self._comments = self._cells(SolutionCell) | self._cells(TaskCell)

    def _cells(self, kind: Any) -> dict[str, tuple[str, str]]:
        """Return a cell's id and its notebook's, by grade id."""
        rows = self._connection.execute(
            select(kind.name, kind.id, kind.notebook_id).where(kind.notebook_id.in_(self._notebooks))
        )
        return {name: (cell, notebook) for name, cell, notebook in rows}

    def write(self, batch: dict[str, Marks]) -> None:
        for marks in batch.values():
            unknown = sorted((marks.scores.keys() - self._grades) | (marks.comments.keys() - self._comments))
            if unknown:
                raise Problem(
                    f"The gradebook does not know the cell {unknown[0]} of the release; build the assignment again."
                )
        self._add_students(batch)
        submitted = self._submissions(batch)
        notebooks = self._submitted_notebooks({row["id"]: student for student, row in submitted.items()})
        grades = self._rows(Grade, self._grades, notebooks)
        comments = self._rows(Comment, self._comments, notebooks)
        for student, marks in batch.items():
            for name, score in marks.scores.items():
                row = grades[student, name]
                row.update(auto_score=score, needs_manual_grade=score is None or row["manual_score"] is not None)
            for name, comment in marks.comments.items():
                comments[student, name].update(auto_comment=comment)
        if not all(marks.graded for marks in batch.values()):
            for (student, _), row in grades.items():
                if not batch[student].graded and row["auto_score"] is None:
                    row.update(needs_manual_grade=True)
        self._save(Grade, grades.values(), ("auto_score", "needs_manual_grade"))
        self._save(Comment, comments.values(), ("auto_comment",))
        self._save(
            SubmittedNotebook, self._penalties(batch, submitted, notebooks, grades), ("late_submission_penalty",)
        )

    def _add_students(self, batch: dict[str, Marks]) -> None:
        known = set(self._connection.execute(select(Student.id).where(Student.id.in_(list(batch)))).scalars())
        self._insert(Student, [{"id": student} for student in batch if student not in known])

    def _submissions(self, batch: dict[str, Marks]) -> dict[str, dict[str, Any]]:
        """Return the row of each student's submission, made or brought up to date."""
        table = SubmittedAssignment.__table__
        rows = self._connection.execute(
            select(table).where(table.c.assignment_id == self._assignment, table.c.student_id.in_(list(batch)))
        )
        found = {row.student_id: dict(row._mapping) for row in rows}
        new, late = [], []
        for student, marks in batch.items():
            row = found.get(student)
            if row is None:
                row = {"id": new_uuid(), "assignment_id": self._assignment, "student_id": student}
                row |= {"timestamp": marks.timestamp, "extension": None}
                new.append(row)
            elif marks.timestamp is not None and row["timestamp"] != marks.timestamp:
                row["timestamp"] = marks.timestamp
                late.append(row)
            found[student] = row
        self._insert(SubmittedAssignment, new)
        self._save(SubmittedAssignment, late, ("timestamp",))
        return found

    def _submitted_notebooks(self, submissions: dict[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the rows by student and notebook."""
        table = SubmittedNotebook.__table__
        # The notebook, too, for the table's index begins with it.
        ours = table.c.notebook_id.in_(self._notebooks), table.c.assignment_id.in_(list(submissions))
        rows = self._connection.execute(select(table).where(*ours))
        found = {(submissions[row.assignment_id], row.notebook_id): dict(row._mapping) for row in rows}
        new = []
        for submission, student in submissions.items():
            for notebook in self._notebooks:
                if (student, notebook) not in found:
                    row = {"id": new_uuid(), "assignment_id": submission, "notebook_id": notebook, "flagged": False}
                    found[student, notebook] = {**row, "late_submission_penalty": None}
                    new.append(row)
        self._insert(SubmittedNotebook, new)
        return found

    def _rows(
        self, kind: Any, cells: dict[str, tuple[str, str]], notebooks: dict[tuple[str, str], dict[str, Any]]
    ) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the rows of grades or comments by student and grade id; those that are missing are made."""
        table = kind.__table__
        names = {cell: name for name, (cell, _) in cells.items()}
        students = {row["id"]: student for (student, _), row in notebooks.items()}
        ours = table.c.cell_id.in_(list(names)), table.c.notebook_id.in_(list(students))  # in the index's order
        rows = self._connection.execute(select(table).where(*ours))
        found = {(students[row.notebook_id], names[row.cell_id]): dict(row._mapping) for row in rows}
        empty = {column.name: None for column in table.columns} | (
            {"needs_manual_grade": True} if kind is Grade else {}
        )
        new = []
        for (student, notebook), submitted in notebooks.items():
            for name, (cell, home) in cells.items():
                if home == notebook and (student, name) not in found:
                    row = {**empty, "id": new_uuid(), "notebook_id": submitted["id"], "cell_id": cell}
                    found[student, name] = row
                    new.append(row)
        self._insert(kind, new)
        return found

    def _penalties(
        self,
        batch: dict[str, Marks],
        submitted: dict[str, dict[str, Any]],
        notebooks: dict[tuple[str, str], dict[str, Any]],
        grades: dict[tuple[str, str], dict[str, Any]],
    ) -> list[dict[str, Any]]:
        """Return the rows of notebooks whose late penalty changes."""
        assign = AssignLatePenalties(config=self._course.config)
        assign.init_plugin()
        changed = []
        for (student, notebook), row in notebooks.items():
            if not batch[student].graded:
                continue
            seconds = _seconds_late(submitted[student], self._due)
            penalty = None
            if seconds > 0:
                score = sum(
                    _score(grades[student, name]) for name, (_, home) in self._grades.items() if home == notebook
                )
                penalty = assign.plugin_inst.late_submission_penalty(student, score, seconds)
                penalty = None if penalty is None else min(max(penalty, 0.0), score)
            if row["late_submission_penalty"] != penalty:
                row["late_submission_penalty"] = penalty
                changed.append(row)
        return changed

    def _insert(self, kind: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(insert(kind.__table__), rows)

    def _save(self, kind: Any, rows: Iterable[dict[str, Any]], columns: tuple[str, ...]) -> None:
        """Write some columns of rows that are there."""
        table, rows = kind.__table__, list(rows)
        if rows:
            values = [{"row": row["id"], **{column: row[column] for column in columns}} for row in rows]
            self._connection.execute(update(table).where(table.c.id == bindparam("row")), values)


def _seconds_late(row: dict[str, Any], due: datetime | None) -> float:
    if row["timestamp"] is None or due is None:
        return 0.0
    late: timedelta = row["timestamp"] - (due + (row["extension"] or timedelta()))
    return max(0.0, late.total_seconds())


def _score(grade: dict[str, Any]) -> float:
    """Return what counts of a grade, as nbgrader does: the mark by hand, else the checks', and extra credit."""
    given = grade["manual_score"] if grade["manual_score"] is not None else grade["auto_score"]
    return 0.0 if given is None else float(given) + (grade["extra_credit"] or 0.0)
