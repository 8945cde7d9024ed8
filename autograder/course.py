"""A course folder: where things lie in it, its settings and its secret."""

import json
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from traitlets.config import Config, PyFileConfigLoader

FOLDER = Path(__file__).resolve().parent
ASSIGNMENTS = FOLDER / "assignments"


class Problem(Exception):
    """Something the user can mend; the message says what, where and how, in one sentence."""


def assignment_names() -> list[str]:
    """Return the names of the assignments whose text is there."""
    return sorted(path.stem for path in ASSIGNMENTS.glob("*.md"))


@dataclass(frozen=True)
class Course:
    """A course folder in nbgrader's layout.

    Parameters
    ----------
    root : Path
        Holds source/, release/, submitted/, autograded/, feedback/ and gradebook.db.
    """

    root: Path = FOLDER

    @cached_property
    def config(self) -> Config:
        """The settings of `nbgrader_config.py`, for this folder."""
        config = PyFileConfigLoader("nbgrader_config.py", path=str(FOLDER)).load_config()
        config.CourseDirectory.root = str(self.root.resolve())
        return config

    @property
    def book_url(self) -> str:
        return book_url(self.config)

    @property
    def gradebook_url(self) -> str:
        return str(self.config.CourseDirectory.get("db_url", f"sqlite:///{self.root.resolve() / 'gradebook.db'}"))

    @property
    def course_id(self) -> str:
        return str(self.config.CourseDirectory.get("course_id", "")) or "*"

    def releases(self, assignment: str) -> list[str]:
        """Return what identifies the known releases of an assignment, the newest last."""
        try:
            told = json.loads((self.root / "releases.json").read_text(encoding="utf-8"))
            return [str(release) for release in told[assignment]]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def add_release(self, assignment: str, release: str) -> None:
        """Remember a release as the newest; the one before it stays known."""
        known = self.releases(assignment)
        if known[-1:] == [release]:
            return
        path = self.root / "releases.json"
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            told = {}
        told[assignment] = [*known, release][-2:]
        partial = path.with_name(f".releases-{os.getpid()}")
        partial.write_text(json.dumps(told, indent=1), encoding="utf-8")
        partial.replace(path)

    def source(self, assignment: str) -> Path:
        return self.root / "source" / assignment

    def release(self, assignment: str) -> Path:
        return self.root / "release" / assignment

    def submitted(self, assignment: str, student: str = "*") -> list[Path]:
        """Return the submission folders of an assignment, in the order of the students' ids."""
        return sorted(path for path in (self.root / "submitted").glob(f"{student}/{assignment}") if path.is_dir())

    def autograded(self, student: str, assignment: str) -> Path:
        return self.root / "autograded" / student / assignment / f"{assignment}.ipynb"


def book_url(config: Config) -> str:
    """Return the one setting that says where the book is; empty if it is not set."""
    return str(config.get("Course", {}).get("book_url", ""))


def secret(root: Path) -> str:
    """Return the secret of a course folder, from which the hidden inputs derive; make it on first use.

    Raises
    ------
    Problem
        If the folder cannot hold it.
    """
    path = root / "secret"
    try:
        if not path.exists():
            partial = path.with_name(f".secret-{os.getpid()}")
            partial.touch(mode=0o600)
            partial.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
            try:
                os.link(partial, path)  # fails where another process was first
            except FileExistsError:
                pass
            finally:
                partial.unlink()
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise Problem(f"The course's secret {path} can be neither read nor made: {error.strerror}.") from error
    if len(text) < 32:
        raise Problem(f"The course's secret {path} is damaged; remove it and grade again with --force.")
    return text


def renew_secret(root: Path) -> None:
    """Draw another secret for a course folder: the next grading tries everyone on other hidden inputs.

    Raises
    ------
    Problem
        If the folder cannot hold it; the secret that was there then stays.
    """
    secret(root)  # that there is one, and the folder can hold it
    partial = root / f".secret-{os.getpid()}"
    try:
        partial.touch(mode=0o600)
        partial.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
        partial.replace(root / "secret")
    except OSError as error:
        raise Problem(f"No new secret could be written in {root}: {error.strerror}.") from error
