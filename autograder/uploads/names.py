r"""Tell from the path of an uploaded file who uploaded it, and when.

Canvas names each file `<name>_[LATE_]<user id>_<submission id>_<file>`, and adds -1, -2, ... to the file of a second,
third, ... attempt. Moodle puts each student's files into a folder `<full name>_<participant>_assignsubmission_file`,
or, without folders, begins their names with it. A plain folder holds one folder or one notebook for each student.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

_CANVAS = re.compile(
    r"(?P<name>[^/]+?)_(?:(?P<late>late)_)?(?P<id>\d+)_(?P<submission>\d+)_(?P<file>[^/]+)", re.IGNORECASE
)
_CANVAS_ANONYMOUS = re.compile(
    r"anon_(?P<id>\w{5})_(?:(?P<late>late)_)?(?P<submission>\d+)_(?P<file>[^/]+)", re.IGNORECASE
)
_MOODLE = re.compile(r"(?P<name>[^/]+)_(?P<id>\d+)_assignsubmission_(?P<kind>file|onlinetext)_?/?(?P<file>.*)")
_ATTEMPT = re.compile(r"(?P<stem>.+?)-(?P<attempt>\d{1,3})(?P<suffix>\.[^.]*)?")
_JUNK = ("__MACOSX", ".ipynb_checkpoints", ".DS_Store", "Thumbs.db", "__pycache__")


@dataclass(frozen=True)
class Upload:
    """Who uploaded a file, as the platform tells it.

    Attributes
    ----------
    platform : 'canvas', 'moodle' or 'folder'
    id : the platform's number of the student or participant, or the name of the folder
    name : as the platform writes it, for people to read
    file : the path of the file within what the student uploaded
    attempt : 0 for the first
    late : whether the platform says so
    """

    platform: str
    id: str
    name: str
    file: PurePosixPath
    attempt: int = 0
    late: bool = False


def is_junk(path: PurePosixPath) -> bool:
    """Tell whether a file was left there by a system and by no student."""
    return any(part in _JUNK or part.startswith("._") for part in path.parts)


def upload_of(path: PurePosixPath) -> Upload | None:
    """Return who uploaded a file; None if its path does not tell."""
    text = path.as_posix()
    if match := _MOODLE.search(text):
        if match["kind"] == "onlinetext":
            return None
        return Upload("moodle", match["id"], match["name"], PurePosixPath(match["file"] or path.name))
    for pattern in (_CANVAS_ANONYMOUS, _CANVAS):
        at = next((n for n, part in enumerate(path.parts) if pattern.fullmatch(part)), None)
        if at is None:
            continue
        match = pattern.fullmatch(path.parts[at])
        assert match is not None
        name, attempt = _without_attempt(match["file"])
        inner = PurePosixPath(name, *path.parts[at + 1 :]) if path.parts[at + 1 :] else PurePosixPath(name)
        told = match.groupdict().get("name") or f"anonymous {match['id']}"
        return Upload("canvas", match["id"], told, inner, attempt, match["late"] is not None)
    if len(path.parts) > 1:
        name = path.parts[0].removesuffix(".zip")
        return Upload("folder", name, name, PurePosixPath(*path.parts[1:]))
    if path.suffix == ".ipynb":
        return Upload("folder", path.stem, path.stem, PurePosixPath(path.name))
    return None


def _without_attempt(name: str) -> tuple[str, int]:
    match = _ATTEMPT.fullmatch(name)
    return (match["stem"] + (match["suffix"] or ""), int(match["attempt"])) if match else (name, 0)
