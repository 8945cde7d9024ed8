"""From a submission's folder to a marked notebook and its marks in the gradebook."""

import gc
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import parse_utc

from autograder.bn_helper.parts import PARTS
from autograder.checks.expectations import grading_expectations
from autograder.course import FOLDER, Course, Problem, secret
from autograder.engine.files import helper_files, work_files
from autograder.engine.gradebook import Ledger, Marks, marks_of
from autograder.engine.jail import EngineFailure, Jail
from autograder.engine.marking import Marker, opening_of, showing_in
from autograder.engine.reading import find_notebook, read_notebook
from autograder.engine.rebuild import rebuild, release_oddity
from autograder.engine.record import findings, recorded, text_of, verdicts_in

STAMP = "timestamp.txt"  # nbgrader's, beside the notebook
_ATTEMPTS = 2


@dataclass(frozen=True)
class Submission:
    """One student's work on one assignment, as it lies in the course folder.

    Attributes
    ----------
    folder : Path
        submitted/STUDENT/ASSIGNMENT
    """

    course: Course
    folder: Path

    @property
    def student(self) -> str:
        return self.folder.parent.name

    @property
    def assignment(self) -> str:
        return self.folder.name

    @property
    def graded(self) -> Path:
        """Where the marked notebook goes."""
        return self.course.autograded(self.student, self.assignment)

    @cached_property
    def fingerprint(self) -> str:
        """What determines the marks: the files that were handed in, the release, the checks and the secret."""
        digest = hashlib.sha256(f"{engine_digest()} {secret(self.course.root)}".encode())
        digest.update(template_path(self.course, self.assignment).read_bytes())
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                digest.update(b"\x1f" + os.fsencode(path.relative_to(self.folder)) + b"\x1f")
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def is_graded(self) -> bool:
        """Tell whether the marks in the gradebook are those of what is handed in now."""
        try:
            return self.recorded.get("fingerprint") == self.fingerprint
        except OSError:
            return False  # a file that cannot be read is told when it is graded

    def oddities(self) -> list[str]:
        """Return what was odd about it when it was graded."""
        told = self.recorded.get("oddities")
        return [str(oddity) for oddity in told] if isinstance(told, list) else []

    @cached_property
    def recorded(self) -> dict[str, Any]:
        """What the marked notebook records about its grading; empty if there is none."""
        return recorded(self.graded)


@dataclass
class Outcome:
    """What became of a submission: what was odd about it, or why it was not graded."""

    oddities: list[str] = field(default_factory=list)
    not_graded: str | None = None


@dataclass(frozen=True)
class Paper:
    """An examined submission, on its way to the gradebook.

    Attributes
    ----------
    notebook : str, optional
        The text of the marked notebook; None if the submission was not graded.
    """

    student: str
    outcome: Outcome
    marks: Marks
    notebook: str | None = None


@cache
def engine_digest() -> str:
    """Return a digest of the code on which marks depend."""
    digest = hashlib.sha256()
    folders = [FOLDER / name for name in ("bn_helper", "checks", "engine")] + [FOLDER.parent / "solutions"]
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def template_path(course: Course, assignment: str) -> Path:
    return course.release(assignment) / f"{assignment}.ipynb"


@dataclass(frozen=True)
class Grader:
    """Grades the submissions of one assignment.

    Parameters
    ----------
    course : Course
    assignment : str
    jail : Jail
    """

    course: Course
    assignment: str
    jail: Jail

    @cached_property
    def template(self) -> NotebookNode:
        path = template_path(self.course, self.assignment)
        try:
            return nbformat.read(path, as_version=4)
        except (OSError, ValueError) as error:
            command = f"python -m autograder build {self.assignment}"
            raise Problem(f"The release version {path} cannot be read; build it again: {command}.") from error

    @cached_property
    def marker(self) -> Marker:
        opening = opening_of(self.template, helper_files(self.course.source(self.assignment) / "bn_helper"))
        return Marker(
            self.assignment,
            secret(self.course.root),
            self.jail,
            self.course.book_url,
            opening=opening,
            showing=showing_in(self.template),
            pictures=bool(self.course.config.get("Course", {}).get("pictures", True)),
        )

    def get_ready(self) -> None:
        """Make now, and once for all processes that are forked from this one, what every submission needs."""
        for grade_id in sorted(self._grade_ids() & PARTS.keys()):
            grading_expectations(self.marker.secret, self.assignment, grade_id)
        if self.marker.opening is not None:
            self.jail.outputs(self.marker.opening)
        engine_digest()
        gc.collect()
        gc.freeze()  # what is there now is shared by all that are forked, as long as nobody touches it

    def grade(self, submission: Submission) -> Outcome:
        """Grade one submission: examine it, save its marks, then the marked notebook."""
        paper = self.examine(submission)
        with Ledger(self.course, self.assignment) as ledger:
            file_papers(self.course, self.assignment, ledger, [paper])
        return paper.outcome

    def examine(self, submission: Submission) -> Paper:
        """Rebuild a submission's notebook, run and mark it; nothing is saved.

        What goes wrong with the submission is marked; what goes wrong with the engine is tried again, and if it
        goes wrong again the submission stays ungraded.
        """
        try:
            path, found = find_notebook(submission.folder, self.assignment, self._grade_ids())
            fingerprint = submission.fingerprint  # of what is there before it is read: a change later is seen
            notebook, read = self.read(path)
            left_out = self.mark(notebook, submission)
        except Problem as problem:
            return ungraded(submission.student, str(problem))
        except EngineFailure as failure:
            return ungraded(submission.student, f"the engine failed ({failure}); grade again.")
        timestamp = handed_in(submission)
        if timestamp is None and (submission.folder / STAMP).exists():
            left_out.append(f"{STAMP} holds no date and time that can be read; the submission counts as in time")
        outcome = Outcome([*found, *read, *left_out])
        self.record(notebook, fingerprint, outcome.oddities)
        marks = marks_of(submission.student, timestamp, notebook)
        return Paper(submission.student, outcome, marks, text_of(notebook))

    def record(self, notebook: NotebookNode, fingerprint: str, oddities: list[str]) -> None:
        """Write into a marked notebook what determined its marks, and what was found."""
        notebook.metadata.batchnorm.update(
            fingerprint=fingerprint,
            isolated=self.jail.isolated,
            oddities=oddities,
            found=list(findings(verdicts_in(notebook))),
        )

    def read(self, path: Path) -> tuple[NotebookNode, list[str]]:
        """Read a submitted notebook and put its texts into the release version's cells; say what was odd.

        Raises
        ------
        Problem
            If it cannot be read.
        """
        submitted, read = read_notebook(path)
        notebook, rebuilt = rebuild(self.template, submitted)
        release = release_oddity(self.template, submitted, self.course.releases(self.assignment))
        return notebook, [*read, *rebuilt, *([release] if release else [])]

    def mark(self, notebook: NotebookNode, submission: Submission) -> list[str]:
        """Run a rebuilt notebook and mark it; say what was left out.

        Raises
        ------
        EngineFailure
            If the engine could not do its work, twice.
        """
        files, left_out = work_files(submission.folder, self.course.source(self.assignment) / "bn_helper")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self.marker.mark(notebook, files)
                break
            except EngineFailure:
                self.jail.close()
                if attempt == _ATTEMPTS:
                    raise
        return left_out

    def _grade_ids(self) -> set[str]:
        return {cell.metadata.nbgrader.grade_id for cell in self.template.cells if "nbgrader" in cell.metadata}


def handed_in(submission: Submission) -> datetime | None:
    """Return when a submission was handed in, in UTC, or None if it does not say so in a way that can be read."""
    stamp = submission.folder / STAMP
    try:
        if stamp.is_symlink() or not stamp.is_file() or stamp.stat().st_size > 200:
            return None  # a pipe would keep the grader waiting
        return parse_utc(stamp.read_text(encoding="utf-8").strip())
    except (OSError, ValueError, OverflowError):
        return None


def ungraded(student: str, why: str) -> Paper:
    """Return what becomes of a submission that could not be marked: its marks stay as they are."""
    return Paper(student, Outcome(not_graded=why), Marks(student, graded=False))


def flag_ungraded(submission: Submission) -> None:
    """Leave the marks of a submission as they are, and those that it does not have yet to be looked at."""
    with Ledger(submission.course, submission.assignment) as ledger:
        ledger.write([Marks(submission.student, graded=False)])


def file_papers(course: Course, assignment: str, ledger: Ledger, papers: list[Paper]) -> None:
    """Save marks in one transaction, then the marked notebooks, each of which says that its marks are saved.

    Whenever this is broken off, what is there is right, and what is not is graded by the next run.

    Raises
    ------
    Problem
        If the gradebook or the folder cannot be written.
    """
    ledger.write([paper.marks for paper in papers])
    for paper in papers:
        if paper.notebook is None:
            continue
        target = course.autograded(paper.student, assignment)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if paper.marks.timestamp is not None:
                _replace(target.with_name(STAMP), f"{paper.marks.timestamp} UTC")
            _replace(target, paper.notebook)
        except OSError as error:
            raise Problem(
                f"The marked notebook {target} cannot be written: {error.strerror}. "
                "Its marks are saved; mend that and run the same command again."
            ) from error


def _replace(path: Path, text: str) -> None:
    """Write a file aside and rename it: it is there whole or not at all, also where a read-only one stood."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)  # of a run that was broken off
        partial.write_text(text, encoding="utf-8")
        partial.chmod(0o444)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def submissions(course: Course, assignment: str, student: str | None = None) -> Iterator[Submission]:
    """Yield what is submitted for an assignment, in the order of the students' ids."""
    for folder in course.submitted(assignment, student or "*"):
        yield Submission(course, folder)
