"""What travels between home and the nodes: what a course is graded with, submissions as they lie in their folders.

Both ends trust each other, for both run the same project: bytes are pickled, as Dask's own messages are.
"""

import hashlib
import os
import pickle
import platform
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from traitlets.config import Config

from autograder.course import FOLDER, Course, Problem, secret
from autograder.engine.files import MAX_BYTES, MAX_FILES, helper_files, wanted
from autograder.engine.pipeline import Submission, engine_digest, template_path
from autograder.engine.reading import LARGEST_FILE

LARGEST = 256 << 20  # bytes of one submission
_LOADED = ("numpy", "matplotlib", "nbformat")  # packages that leave their marks in marked notebooks


def packed(what: Any) -> bytes:
    return zlib.compress(pickle.dumps(what, pickle.HIGHEST_PROTOCOL), 1)


def unpacked(parcel: bytes) -> Any:
    return pickle.loads(zlib.decompress(parcel))


@dataclass(frozen=True)
class Kit:
    """What all submissions of an assignment are graded with.

    Attributes
    ----------
    assignment : str
    isolated : bool
    submitted : str
        Where submissions lie at home, as messages say it.
    code : mapping from names to versions
        Of what must be the same on both ends, or marks could differ.
    settings : mapping
        The section `Course` of the course's settings.
    files : mapping from paths in the course folder to contents
    """

    assignment: str
    isolated: bool
    submitted: str
    code: dict[str, str]
    settings: dict[str, Any]
    files: dict[str, bytes]

    @classmethod
    def of(cls, course: Course, assignment: str, isolated: bool) -> "Kit":
        """Gather what a node needs of a course."""
        paths = (template_path(course, assignment), course.root / "releases.json")
        files = {str(path.relative_to(course.root)): path.read_bytes() for path in paths if path.is_file()}
        helper = course.source(assignment) / "bn_helper"
        files |= {f"source/{assignment}/{name}": content for name, content in helper_files(helper).items()}
        files["secret"] = secret(course.root).encode()
        settings = dict(course.config.get("Course", {}))
        return cls(assignment, isolated, str(course.root / "submitted"), code_here(), settings, files)

    def lay_out(self, root: Path) -> Course:
        """Make a course folder.

        Raises
        ------
        Problem
            If the code that is here is another.
        """
        here = code_here()
        for name, version in self.code.items():
            if here.get(name) != version:
                raise Problem(
                    f"Its {name} is {here.get(name)}, and where you grade it is {version}; "
                    "install the same version of the project and of its packages on both."
                )
        for name, content in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        course = Course(root)
        vars(course)["config"] = Config({"Course": self.settings})  # and not that of this machine
        return course


@cache
def code_here() -> dict[str, str]:
    """Return the versions of what marks depend on."""
    digest = hashlib.sha256(engine_digest().encode())
    for path in [FOLDER / "course.py", FOLDER / "sections.py", *sorted(Path(__file__).parent.glob("*.py"))]:
        digest.update(path.read_bytes())
    found = {"Python": ".".join(platform.python_version_tuple()[:2]), "copy of this project": digest.hexdigest()[:12]}
    return found | {name: metadata.version(name) for name in _LOADED}


@dataclass(frozen=True)
class Entry:
    """A file of a submission, or what stands for it.

    Attributes
    ----------
    name : str
        From the submission's folder.
    kind : str
        'file', 'hollow' for a file of which only the size counts, 'folder', 'link', 'dead link' or 'pipe'.
    """

    name: str
    kind: str
    content: bytes = b""
    size: int = 0
    modified: int = 0


@dataclass(frozen=True)
class Handed:
    """A submission on its way."""

    student: str
    fingerprint: str
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, submission: Submission) -> "Handed":
        """Read a submission's folder, as far as the grader would.

        Raises
        ------
        Problem
            If it is too large.
        OSError
            If it cannot be read.
        """
        fingerprint = submission.fingerprint  # before anything is read: a change later is seen
        entries, size = [], 0
        for entry in _entries(submission.folder):
            entries.append(entry)
            size += len(entry.content)
            if size > LARGEST:
                raise Problem(f"{submission.folder} is too large to be sent; grade it without --scheduler.")
        return cls(submission.student, fingerprint, tuple(entries))

    @property
    def size(self) -> int:
        return sum(len(entry.content) for entry in self.entries)

    def lay_out(self, course: Course, assignment: str, root: Path) -> Submission:
        """Make the submission's folder below a root."""
        folder = root / self.student / assignment
        folder.mkdir(parents=True)
        for entry in self.entries:
            _make(folder / entry.name, entry)
        submission = Submission(course, folder)
        vars(submission)["fingerprint"] = self.fingerprint  # with what was not sent, too
        return submission


def _entries(folder: Path) -> Iterator[Entry]:
    room, count = MAX_BYTES, 0
    for path in sorted(folder.rglob("*")):
        name, status = path.relative_to(folder), path.lstat()
        if stat.S_ISREG(status.st_mode):
            beside, notebook = wanted(path, name), ".ipynb" in path.name.lower()
            if not (beside or notebook):
                continue  # nobody looks at it
            fits = beside and count < MAX_FILES and status.st_size <= room
            room, count = (room - status.st_size, count + 1) if fits else (0 if beside else room, count)
            if fits or (notebook and status.st_size <= LARGEST_FILE):
                yield Entry(str(name), "file", path.read_bytes(), modified=status.st_mtime_ns)
            else:
                yield Entry(str(name), "hollow", size=status.st_size, modified=status.st_mtime_ns)
        elif stat.S_ISDIR(status.st_mode):
            yield Entry(str(name), "folder")
        elif stat.S_ISLNK(status.st_mode):
            yield Entry(str(name), "link" if path.exists() else "dead link")
        else:
            yield Entry(str(name), "pipe")


def _make(path: Path, entry: Entry) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match entry.kind:
        case "file":
            path.write_bytes(entry.content)
            os.utime(path, ns=(entry.modified, entry.modified))
        case "hollow":
            path.touch()
            os.truncate(path, entry.size)
            os.utime(path, ns=(entry.modified, entry.modified))
        case "folder":
            path.mkdir(exist_ok=True)
        case "link":
            path.symlink_to(os.devnull)  # links are told, and never followed
        case "dead link":
            path.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(path)
