"""Lay uploads in submitted/, the newest of each student; what is replaced or belongs to nobody is kept aside."""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from autograder.course import Course, Problem, assignment_names
from autograder.uploads.archives import File, Refused, files_of
from autograder.uploads.names import Upload, is_junk, upload_of
from autograder.uploads.roster import Roster, student_id

STAMP = "timestamp.txt"
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Taken:
    """A submission that was laid in submitted/, and what is to be said of it."""

    student: str
    assignment: str
    name: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """A file that was not taken, and why; it lies in collected/unmatched/ if it could be read."""

    path: str
    why: str


@dataclass
class Collected:
    """What a collection did."""

    taken: list[Taken] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


@dataclass(frozen=True)
class _Candidate:
    """One notebook that a student uploaded, with the files that came with it."""

    student: str
    assignment: str
    upload: Upload
    notebook: File
    companions: tuple[tuple[PurePosixPath, bytes], ...]
    aside: Path

    @property
    def age(self) -> tuple[int, datetime]:
        return self.upload.attempt, self.notebook.changed or _EARLIEST


def collect(course: Course, sources: Sequence[Path], roster: Roster, assignment: str | None = None) -> Collected:
    """Read uploads and lay the newest submission of each student and assignment in submitted/.

    Parameters
    ----------
    course : Course
    sources : sequence of Path
        Zips of a learning platform, or folders.
    roster : Roster
        Which number of the platform is which student; without it the numbers themselves are the ids.
    assignment : str, optional
        What all notebooks are; by default each tells by its cells.

    Raises
    ------
    Problem
        If a source cannot be read at all, or there is no such assignment.
    """
    names = assignment_names()
    if assignment is not None and assignment not in names:
        raise Problem(f"There is no assignment {assignment!r}; the assignments are {', '.join(names)}.")
    done = Collected()
    candidates: list[_Candidate] = []
    for source in sources:
        keep = course.root / "collected" / "unmatched" / source.stem
        uploads = _by_student(files_of(source), keep, done)
        groups = tqdm(uploads.values(), desc=f"reading {source.name}", unit="student", delay=2, leave=False)
        candidates += [c for group in groups for c in _candidates(course, group, roster, assignment, keep, done)]
    newest: dict[tuple[str, str], _Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: c.age):
        key = (candidate.student, candidate.assignment)
        older = newest.get(key)
        if older is not None and older.upload.id != candidate.upload.id:
            why = f"the student {candidate.student} is {older.upload.name} already; give both an id in a roster"
            _leave(done, candidate.aside, candidate.notebook, why)
            continue
        newest[key] = candidate
    attempts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for candidate in candidates:
        attempts[candidate.student, candidate.assignment] += 1
    for key in tqdm(sorted(newest), desc="laying in submitted/", unit="submission", delay=2, leave=False):
        done.taken.append(_lay(course, newest[key], attempts[key], roster))
    return done


def _by_student(
    found: Iterator[File | Refused], keep: Path, done: Collected
) -> dict[tuple[str, str, int], list[tuple[Upload, File]]]:
    uploads: defaultdict[tuple[str, str, int], list[tuple[Upload, File]]] = defaultdict(list)
    for file in found:
        if is_junk(file.path):
            continue
        if isinstance(file, Refused):
            done.left.append(Left(file.path.as_posix(), file.why))
            continue
        upload = upload_of(file.path)
        if upload is None:
            _leave(done, keep, file, "its name does not tell whose it is")
            continue
        uploads[upload.platform, upload.id, upload.attempt].append((upload, file))
    return uploads


def _candidates(
    course: Course,
    group: list[tuple[Upload, File]],
    roster: Roster,
    assignment: str | None,
    keep: Path,
    done: Collected,
) -> list[_Candidate]:
    upload = group[0][0]
    person = roster.find(upload.id)
    if person is None and roster.people:
        for _, file in group:
            _leave(done, keep, file, f"the roster has no {upload.id} ({upload.name})")
        return []
    student = person.student if person else student_id(upload.id)
    if not student:
        for _, file in group:
            _leave(done, keep, file, f"{upload.id!r} cannot be a student's id; name it in a roster")
        return []
    notebooks = [(one, file) for one, file in group if file.path.suffix.lower() == ".ipynb"]
    found = []
    for one, file in notebooks:
        name = assignment or assignment_of(course, one.file, file.content)
        if name is None:
            _leave(done, keep, file, "it is no notebook of any assignment")
            continue
        base = one.file.parent
        beside = [(o.file, f.content) for o, f in group if f.path.suffix.lower() != ".ipynb"]
        companions = tuple((_relative(path, base), content) for path, content in beside)
        found.append(_Candidate(student, name, one, file, companions, keep))
    if not notebooks:
        for _, file in group:
            _leave(done, keep, file, f"{upload.name} uploaded no notebook")
    return found


def assignment_of(course: Course, path: PurePosixPath, content: bytes) -> str | None:
    """Tell to which assignment a notebook belongs: by what it says, by its cells, else by its name."""
    names = assignment_names()
    try:
        notebook = json.loads(content)
        told = notebook["metadata"].get("batchnorm", {}).get("assignment")
        if told in names:
            return str(told)
        ids = {cell["metadata"]["nbgrader"]["grade_id"] for cell in notebook["cells"] if "nbgrader" in cell["metadata"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        ids = set()  # a damaged notebook; grading says more of it
    shared = {name: len(ids & known) for name, known in _grade_ids(course, names).items()}
    best = max(shared, key=lambda name: shared[name], default=None)
    if best is not None and shared[best] > 1:
        return best
    return next((name for name in sorted(names, key=len, reverse=True) if name in path.stem.lower()), None)


def _grade_ids(course: Course, names: list[str]) -> Mapping[str, set[str]]:
    found = {}
    for name in names:
        try:
            release = json.loads((course.release(name) / f"{name}.ipynb").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        cells = (cell["metadata"].get("nbgrader", {}) for cell in release["cells"])
        found[name] = {cell["grade_id"] for cell in cells if "grade_id" in cell} - {"setup"}
    return found


def _relative(path: PurePosixPath, base: PurePosixPath) -> PurePosixPath:
    return path.relative_to(base) if path.is_relative_to(base) else PurePosixPath(path.name)


def _lay(course: Course, candidate: _Candidate, attempts: int, roster: Roster) -> Taken:
    """Write a submission aside and put it into its place; what stands there moves to collected/replaced/."""
    remarks = []
    if attempts > 1:
        remarks.append(f"the newest of {attempts}")
    if candidate.upload.late:
        remarks.append("late, says the platform")
    if candidate.upload.file.name != f"{candidate.assignment}.ipynb":
        remarks.append(f"was named {candidate.upload.file.name}")
    target = course.root / "submitted" / candidate.student / candidate.assignment
    content = {PurePosixPath(f"{candidate.assignment}.ipynb"): candidate.notebook.content, **dict(candidate.companions)}
    person = roster.find(candidate.upload.id)
    if person is not None and person.handed_in is not None:
        stamp = person.handed_in.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        content[PurePosixPath(STAMP)] = stamp.encode()
    if target.is_dir() and _same(target, content):
        remarks.append("unchanged")
        return Taken(candidate.student, candidate.assignment, candidate.upload.name, tuple(remarks))
    partial = target.with_name(f".{candidate.assignment}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for path, data in content.items():
        file = partial / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    if target.exists():
        replaced = _unused(course.root / "collected" / "replaced" / candidate.student / candidate.assignment)
        replaced.parent.mkdir(parents=True, exist_ok=True)
        target.rename(replaced)
        remarks.append(f"what was there is now in {replaced.relative_to(course.root)}")
    partial.rename(target)
    return Taken(candidate.student, candidate.assignment, candidate.upload.name, tuple(remarks))


def _same(folder: Path, content: Mapping[PurePosixPath, bytes]) -> bool:
    held = {PurePosixPath(p.relative_to(folder).as_posix()): p for p in folder.rglob("*") if p.is_file()}
    return set(held) == set(content) and all(path.read_bytes() == content[name] for name, path in held.items())


def _unused(folder: Path) -> Path:
    number = 1
    while (folder / str(number)).exists():
        number += 1
    return folder / str(number)


def _leave(done: Collected, keep: Path, file: File, why: str) -> None:
    target = keep / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.content)
    done.left.append(Left(file.path.as_posix(), why))


def table(done: Collected) -> str:
    """Return what was taken and what was not, for people to read."""
    if not done.taken and not done.left:
        return "Nothing was taken: what you named holds no files."
    lines = []
    if done.taken:
        width = max(len(taken.student) for taken in done.taken)
        kind = max(len(taken.assignment) for taken in done.taken)
        for taken in done.taken:
            told = "; ".join(([taken.name] if taken.name != taken.student else []) + list(taken.remarks))
            lines.append(f"{taken.student:<{width}}  {taken.assignment:<{kind}}  {told}".rstrip())
    if done.left:
        lines += ["", "Not taken:"] if lines else ["Not taken:"]
        lines += [f"  {left.path}: {left.why}" for left in done.left]
    lines += ["", f"{len(done.taken)} taken, {len(done.left)} not."]
    return "\n".join(lines)
