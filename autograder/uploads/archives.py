"""Read the files of an upload: a folder, a zip, a zip in a zip. What is not safe to unpack is refused and told."""

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from autograder.course import Problem

LARGEST_FILE = 50 * 1024 * 1024  # bytes, unpacked
LARGEST_ARCHIVE = 4 * 1024 * 1024 * 1024  # bytes of all files, unpacked
MOST_FILES = 100_000
DEEPEST = 3  # zips inside of zips
_MOST_PACKED = 400  # times smaller than its content: so much no notebook shrinks


@dataclass(frozen=True)
class File:
    """One file of an upload: its path in there, with '/' between the parts, its content and when it was changed."""

    path: PurePosixPath
    content: bytes
    changed: datetime | None


@dataclass(frozen=True)
class Refused:
    """A file that was not read, and why, in one sentence."""

    path: PurePosixPath
    why: str


def files_of(source: Path) -> Iterator[File | Refused]:
    """Yield the files of a folder or a zip; a zip that lies in it is opened where it stands.

    Parameters
    ----------
    source : Path

    Raises
    ------
    Problem
        If there is no such file or folder, or it is no zip.
    """
    room = _Room()
    if source.is_dir():
        yield from _of_folder(source, room)
        return
    if not source.exists():
        raise Problem(f"There is no {source}.")
    try:
        archive = zipfile.ZipFile(source)
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise Problem(f"{source} is no folder, and no zip that can be read ({error}); download it again.") from error
    with archive:
        yield from _of_zip(archive, PurePosixPath(), room, depth=1)


@dataclass
class _Room:
    """How much may still be unpacked."""

    size: int = LARGEST_ARCHIVE
    files: int = MOST_FILES

    def refusal(self, size: int, packed: int | None = None) -> str:
        """Return why a file of such a size is not unpacked, or an empty text."""
        if size > LARGEST_FILE:
            return f"it has {size / 2**20:.0f} MB, and a file may have {LARGEST_FILE // 2**20}"
        if packed is not None and size > 2**20 and size > _MOST_PACKED * max(packed, 1):
            return "it unpacks to hundreds of times its size, as no notebook does"
        if size > self.size or self.files < 1:
            return "the upload holds more than can be unpacked"
        self.size -= size
        self.files -= 1
        return ""


def _of_folder(folder: Path, room: _Room) -> Iterator[File | Refused]:
    found: list[Path] = []
    closed: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=closed.append):
        found += [Path(here, name) for name in (*files, *folders)]
    for error in closed:
        name = PurePosixPath(Path(error.filename).relative_to(folder).as_posix())
        yield Refused(name, f"the folder cannot be read ({error.strerror})")
    for path in sorted(found):
        name = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file():
            yield Refused(name, "it is a link or no ordinary file")
            continue
        told = path.stat()
        why = room.refusal(told.st_size)
        if why:
            yield Refused(name, why)
            continue
        try:
            content = path.read_bytes()
        except OSError as error:
            yield Refused(name, f"it cannot be read ({error.strerror})")
            continue
        yield from _opened(File(name, content, datetime.fromtimestamp(told.st_mtime, UTC)), room, depth=0)


def _of_zip(archive: zipfile.ZipFile, within: PurePosixPath, room: _Room, depth: int) -> Iterator[File | Refused]:
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        inside = PurePosixPath(entry.filename.replace("\\", "/"))
        name = within / inside.name if inside.is_absolute() or ".." in inside.parts else within / inside
        why = _unsafe(entry, inside) or room.refusal(entry.file_size, entry.compress_size)
        if why:
            yield Refused(name, why)
            continue
        try:
            with archive.open(entry) as stream:
                content = stream.read(entry.file_size + 1)  # a size that lies is noticed
        except (OSError, zipfile.BadZipFile, RuntimeError, EOFError, ValueError, zlib.error) as error:
            yield Refused(name, f"it cannot be unpacked ({error})")
            continue
        if len(content) > entry.file_size:
            yield Refused(name, "it is larger than the zip says")
            continue
        yield from _opened(File(name, content, _changed(entry)), room, depth)


def _opened(file: File, room: _Room, depth: int) -> Iterator[File | Refused]:
    """Yield a file, or, of a zip, what lies in it."""
    if file.path.suffix.lower() != ".zip" or not zipfile.is_zipfile(io.BytesIO(file.content)):
        yield file
        return
    if depth >= DEEPEST:
        yield Refused(file.path, "it is a zip in a zip in a zip")
        return
    try:
        with zipfile.ZipFile(io.BytesIO(file.content)) as inner:
            yield from _of_zip(inner, file.path, room, depth + 1)
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        yield Refused(file.path, f"it is a zip that cannot be read ({error})")


def _unsafe(entry: zipfile.ZipInfo, inside: PurePosixPath) -> str:
    if inside.is_absolute() or ".." in inside.parts or ":" in inside.parts[0]:
        return "its path leads out of the zip"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "it is a link"
    if entry.flag_bits & 0x1:
        return "it is encrypted"
    return ""


def _changed(entry: zipfile.ZipInfo) -> datetime | None:
    try:
        return datetime(*entry.date_time, tzinfo=UTC)
    except ValueError:
        return None
