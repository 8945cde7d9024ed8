"""Find and read a submitted notebook: damage is mended and told, or refused in one sentence.

Only what grading needs is read: of each cell its type, text, id, grade id and pasted pictures. Everything else, above
all the outputs, is passed over in the file without being built, so a large notebook costs little more than its bytes.
"""

import codecs
import json
import os
import re
import stat
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.course import Problem

LARGEST_FILE = 200_000_000  # bytes
LONGEST_TEXT = 1_000_000  # characters of one cell
MOST_CELLS = 10_000
MOST_STEPS = 3_000_000  # brackets passed over and values read; bounds the time that a hostile file can take
MOST_CANDIDATES = 20
_SMALL = 1_000_000  # bytes of a notebook that is loaded as a whole
_LONGEST_VALUE = 8 * LONGEST_TEXT  # bytes of a text or picture in JSON, with its escapes
_LONGEST_NAME = 200

_NAME = re.compile(r"[^.].*\.ipynb(\.txt|\.json)?", re.IGNORECASE | re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb"-?[0-9][0-9.eE+-]*+|true|false|null|NaN|-?Infinity")
_UNFINISHED = re.compile(rb"[a-zA-Z]{0,8}")
_UP_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_BASE64 = re.compile(r"[A-Za-z0-9+/]++={0,2}")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_CLOSING = {b"{": b"}", b"[": b"]"}


def find_notebook(folder: Path, assignment: str, grade_ids: set[str]) -> tuple[Path, list[str]]:
    """Find the notebook to grade in a submission folder: the one under its own name, else the one that fits best.

    Parameters
    ----------
    folder : Path
        One student's submission of one assignment.
    assignment : str
        The notebook's name without suffix.
    grade_ids : set of str
        Of the assignment's cells.

    Returns
    -------
    path : Path
    oddities : list of str
        Sentences about what is not as it should be.

    Raises
    ------
    Problem
        If the folder holds no notebook of this assignment.
    """
    expected = folder / f"{assignment}.ipynb"
    try:
        others = sorted(path for path in _notebooks(folder, depth=2) if path != expected)
    except OSError as error:
        raise Problem(f"{folder} cannot be read: {error.strerror}.") from error
    if os.path.lexists(expected):
        names = ", ".join(path.relative_to(folder).as_posix() for path in others[:3])
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        return expected, [f"Beside {expected.name} lies {names}{more}, which is not graded."] if others else []
    if not others:
        raise Problem(f"{folder} holds no notebook; the submission should be {expected}.")
    return _best(folder, expected, others, grade_ids)


def read_notebook(path: Path) -> tuple[NotebookNode, list[str]]:
    """Read the cells of a submitted notebook, whatever else is wrong with it; the file stays as it is.

    Parameters
    ----------
    path : Path

    Returns
    -------
    notebook : NotebookNode
        In the layout of format 4: the cells with their text, and of the metadata only `nbgrader.grade_id` of cells
        and `batchnorm` of the notebook. Ids may be missing, repeated or malformed: see `rebuild`.
    oddities : list of str
        Sentences about what was mended.

    Raises
    ------
    Problem
        If there is nothing to read; the message is one sentence.
    """
    content, oddities = _as_utf8(_content(path))
    if re.fullmatch(rb"[\0\s]*+", content):
        raise Problem(f"{path} is empty; ask for the notebook again.")
    scan = _tree(path, content) or _Scan(path, content)
    if scan.peek() != b"{":
        raise Problem(f"{path} is no notebook, whatever its name says; ask for it again.")
    reader = _Cells(scan)
    metadata, version, seen = NotebookNode(), None, False
    for key in scan.members():
        if key in ("cells", "worksheets") and scan.peek() == b"[":
            seen = True
            reader.cells() if key == "cells" else reader.worksheets()
        elif key == "metadata":
            if isinstance(record := scan.at("batchnorm"), dict):
                metadata.batchnorm = NotebookNode({key: name for key, name in record.items() if isinstance(name, str)})
        elif key == "nbformat":
            version = scan.value()
        else:
            scan.skip()
    if not seen:
        raise Problem(f"{path} is JSON but no notebook, for it has no list of cells; ask for the notebook again.")
    if not scan.at_end():
        oddities.append("Behind the end of the notebook the file goes on; the rest was left out.")
    if isinstance(version, int) and version != 4:
        oddities.append(f"The notebook is in format {version} of Jupyter and was read as format 4.")
    if scan.recoded:
        oddities.append("The file is not all in UTF-8; the other characters were read as Windows-1252.")
    notebook = NotebookNode(nbformat=4, nbformat_minor=5, metadata=metadata, cells=reader.found)
    return notebook, oddities + reader.oddities()


def text_of(value: Any) -> str | None:
    """Return the text that a cell's source holds, fit to be encoded; None if it holds none."""
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    if not isinstance(value, str):
        return None
    if not value.isascii():  # a lone surrogate can be written in JSON, but no file can hold it
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return str(value).replace("\r\n", "\n").replace("\r", "\n")


def pictures_of(value: Any) -> dict[str, dict[str, str]]:
    """Return the pictures that are pasted into a cell, by name and type; what is anything else is left out."""
    if not isinstance(value, dict):
        return {}
    pictures = {}
    for name, bundle in value.items():
        if isinstance(name, str) and text_of(name) == name and isinstance(bundle, dict):
            kept = {kind: text for kind in _PICTURES if (text := _base64(bundle.get(kind))) is not None}
            if kept:
                pictures[name] = kept
    return pictures


def _base64(value: Any) -> str | None:
    text = (text_of(value) or "").replace("\n", "")
    return text if text and _BASE64.fullmatch(text) else None


def grade_id_of(cell: Any) -> str | None:
    """Return the grade id that a cell claims to have; None if it has none."""
    for key in ("metadata", "nbgrader", "grade_id"):
        cell = cell.get(key) if isinstance(cell, dict) else None
    return cell if isinstance(cell, str) else None


def places(numbers: list[int]) -> str:
    """Name cells by their places, counted from one: 'cell 3', 'cells 3, 7, 9 and 4 more'."""
    named = ", ".join(str(number) for number in numbers[:3])
    more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
    return f"cell{'s' if len(numbers) > 1 else ''} {named}{more}"


def _notebooks(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the notebooks in a folder and the folders below; no link is followed."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=attrgetter("name")):
            if entry.is_dir(follow_symlinks=False):
                if depth and not entry.name.startswith((".", "__MACOSX")):
                    yield from _notebooks(Path(entry.path), depth - 1)
            elif entry.is_file(follow_symlinks=False) and _NAME.fullmatch(entry.name):
                yield Path(entry.path)


def _best(folder: Path, expected: Path, candidates: list[Path], grade_ids: set[str]) -> tuple[Path, list[str]]:
    fits: list[tuple[tuple[int, int], float, Path]] = []
    oddities: list[str] = []
    for path in candidates[:MOST_CANDIDATES]:
        try:
            notebook, _ = read_notebook(path)
            claimed = {grade_id for cell in notebook.cells if (grade_id := grade_id_of(cell)) is not None}
            modified = path.lstat().st_mtime
        except (Problem, OSError) as problem:
            oddities.append(str(problem))
            continue
        if claimed & grade_ids or (not claimed and len(candidates) == 1):
            fits.append(((len(claimed & grade_ids), -len(claimed - grade_ids)), modified, path))
    if not fits and len(oddities) == len(candidates) == 1:
        raise Problem(oddities[0])
    if not fits:
        raise Problem(f"{folder} holds no notebook with cells of this assignment; the submission should be {expected}.")
    fit, _, path = max(fits)
    named = path.relative_to(folder).as_posix()
    equal = [other for other_fit, _, other in fits if other_fit == fit and other != path]
    reason = f"the newest of {len(equal) + 1} that fit equally well" if equal else "whose cells fit best"
    return path, [f"There is no {expected.name}; {named} was graded, {reason}.", *oddities]


def _content(path: Path) -> bytes:
    """Return a file's bytes; no link is followed, and nothing but a file is waited for."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)

    try:
        if path.is_symlink():
            raise Problem(f"{path} is a link, which is not followed; ask for the notebook itself.")
        with open(path, "rb", buffering=0, opener=opener) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Problem(f"{path} is no ordinary file; ask for the notebook itself.")
            if status.st_size > LARGEST_FILE:
                size, largest = status.st_size / 1e6, LARGEST_FILE / 1e6
                raise Problem(f"{path} has {size:.0f} MB, more than {largest:.0f}; ask for it without its outputs.")
            return file.read(LARGEST_FILE)
    except IsADirectoryError as error:
        raise Problem(f"{path} is a folder; ask for the notebook itself.") from error
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}.") from error


def _as_utf8(content: bytes) -> tuple[bytes, list[str]]:
    encoding = json.detect_encoding(content)
    if encoding == "utf-8":
        return content, []
    if encoding == "utf-8-sig":
        return content[len(codecs.BOM_UTF8) :], ["The file begins with a byte order mark and was read without it."]
    text = content.decode(encoding, "replace")
    return text.encode("utf-8", "replace"), [f"The file is encoded as {encoding.upper()} and was read as such."]


def _windows_1252(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("windows-1252", _windows_1252)


class _Scan:
    """Reads JSON in order, and passes over what nobody asks for without building it."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.content = content
        self.recoded = False
        self._at = 0
        self._steps = 0

    def peek(self) -> bytes:
        """Return the next byte that is no space; empty at the end."""
        match = _SPACE.match(self.content, self._at)
        assert match is not None
        self._at = match.end()
        return self.content[self._at : self._at + 1]

    def at_end(self) -> bool:
        """Tell whether nothing more follows; zeros count as nothing."""
        return re.compile(rb"[\0\s]*+").fullmatch(self.content, self._at) is not None

    def members(self) -> Iterator[str]:
        """Yield the keys of the object that comes next; whoever asks for one reads or skips its value."""
        for _ in self._items(b"{"):
            key = self.value() if self.peek() == b'"' else None
            if not isinstance(key, str) or self.peek() != b":":
                raise self._problem()
            self._at += 1
            yield key

    def elements(self) -> Iterator[None]:
        """Halt before each element of the array that comes next; whoever asks for one reads or skips it."""
        return self._items(b"[")

    def skip(self) -> int:
        """Pass over the value that comes next; return the number of its bytes."""
        first, start = self.peek(), self._at
        if first not in _CLOSING:
            self._pass(_STRING if first == b'"' else _SCALAR)
            return self._at - start
        awaited = bytearray()
        while True:
            self._pass(_UP_TO_BRACKET)
            bracket = self.content[self._at : self._at + 1]
            if bracket in _CLOSING:
                awaited += _CLOSING[bracket]
            elif not bracket or bracket != awaited[-1:]:
                raise self._problem()
            else:
                del awaited[-1]
            self._at += 1
            self._step()
            if not awaited:
                return self._at - start

    def value(self) -> Any:
        """Read the value that comes next; None if it is too large to be meant."""
        self.peek()
        start = self._at
        if self.skip() > _LONGEST_VALUE:
            return None
        raw = self.content[start : self._at]
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("utf-8", "windows-1252")
            self.recoded = True
        try:
            return json.loads(text, strict=False)
        except (ValueError, RecursionError):
            raise self._problem() from None

    def at(self, *keys: str) -> Any:
        """Read the value at a path of keys in what comes next; None if there is none."""
        if not keys:
            return self.value()
        if self.peek() != b"{":
            self.skip()
            return None
        found = None
        for key in self.members():
            if key == keys[0]:
                found = self.at(*keys[1:])
            else:
                self.skip()
        return found

    def _items(self, opening: bytes) -> Iterator[None]:
        if self.peek() != opening:
            raise self._problem()
        self._at += 1
        if self.peek() == _CLOSING[opening]:
            self._at += 1
            return
        while True:
            self._step()
            yield
            mark = self.peek()
            if mark not in (b",", _CLOSING[opening]):
                raise self._problem()
            self._at += 1
            if mark != b",":
                return

    def _pass(self, pattern: re.Pattern[bytes]) -> None:
        match = pattern.match(self.content, self._at)
        if match is None:
            raise self._problem()
        self._at = match.end()

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise Problem(f"{self.path} holds more data than a notebook should; ask for it without its outputs.")

    def _problem(self) -> Problem:
        """Return what to raise about the place where reading stopped."""
        rest, line = self.peek(), self.content.count(b"\n", 0, self._at) + 1
        if _UNFINISHED.fullmatch(self.content, self._at) or (
            rest == b'"' and not _STRING.match(self.content, self._at)
        ):
            return Problem(f"{self.path} breaks off in line {line}, in the middle of the notebook; ask for it again.")
        return Problem(f"{self.path} is damaged in line {line}, where it is no valid JSON; ask for it again.")


class _Tree:
    """Reads what was loaded as a whole, in the same way."""

    recoded = False

    def __init__(self, path: Path, root: Any) -> None:
        self.path = path
        self._next = root

    def peek(self) -> bytes:
        """Return the byte with which the next value begins in JSON; any other than a bracket is as good as none."""
        return b"{" if isinstance(self._next, dict) else b"[" if isinstance(self._next, list) else b" "

    def at_end(self) -> bool:
        return True

    def members(self) -> Iterator[str]:
        for key, self._next in self._next.items():  # noqa: B020 - that is how it goes on
            yield key

    def elements(self) -> Iterator[None]:
        for self._next in self._next:  # noqa: B020
            yield

    def skip(self) -> int:
        return 0

    def value(self) -> Any:
        return self._next

    def at(self, *keys: str) -> Any:
        found = self._next
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found


class _Repeated(ValueError):
    """A key stands in an object twice."""


def _tree(path: Path, content: bytes) -> _Tree | None:
    """Load a notebook of the usual size as a whole, which is ten times as fast; None if anything is odd about it."""
    if len(content) > _SMALL:
        return None
    try:
        return _Tree(path, json.loads(content.decode("utf-8"), strict=False, object_pairs_hook=_object))
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Repeated
    return found


class _Cells:
    """Collects the cells of a notebook, and what is odd about them."""

    def __init__(self, scan: "_Scan | _Tree") -> None:
        self.found: list[NotebookNode] = []
        self._scan = scan
        self._number = 0
        self._odd: dict[str, list[int]] = {}

    def worksheets(self) -> None:
        """Read the sheets in which formats 2 and 3 keep cells."""
        for _ in self._scan.elements():
            if self._scan.peek() != b"{":
                self._scan.skip()
                continue
            for key in self._scan.members():
                self.cells() if key == "cells" and self._scan.peek() == b"[" else self._scan.skip()

    def cells(self) -> None:
        """Read the cells of the list that comes next."""
        for _ in self._scan.elements():
            self._number += 1
            if self._number > MOST_CELLS:
                raise Problem(f"{self._scan.path} has more than {MOST_CELLS} cells; ask for a notebook with fewer.")
            if self._scan.peek() == b"{":
                self.found.append(self._cell())
            else:
                self._scan.skip()
                self._tell("What is no cell was left out")

    def oddities(self) -> list[str]:
        """Return a sentence for each kind of mended cell, with their places."""
        return [f"{told} ({places(numbers)})." for told, numbers in self._odd.items()]

    def _tell(self, told: str) -> None:
        self._odd.setdefault(told, []).append(self._number)

    def _cell(self) -> NotebookNode:
        cell = NotebookNode(cell_type=None, metadata=NotebookNode(), source="")
        ran, level = False, 0
        for key in self._scan.members():
            match key:
                case "cell_type" | "id":
                    if isinstance(name := self._scan.value(), str):
                        cell[key] = name[:_LONGEST_NAME]
                case "source" | "input":  # code was called input in formats 2 and 3
                    ran = ran or key == "input"
                    cell.source = self._text()
                case "metadata":
                    if isinstance(grade_id := self._scan.at("nbgrader", "grade_id"), str):
                        cell.metadata.nbgrader = NotebookNode(grade_id=grade_id[:_LONGEST_NAME])
                case "attachments":
                    if pictures := pictures_of(self._scan.value()):
                        cell.attachments = NotebookNode(pictures)
                case "level":  # of a heading in formats 2 and 3
                    level = value if isinstance(value := self._scan.value(), int) else 0
                case _:
                    ran = ran or key in ("outputs", "execution_count", "prompt_number")
                    self._scan.skip()
        if cell.cell_type == "heading":
            cell.cell_type, cell.source = "markdown", "#" * max(1, min(level, 6)) + " " + cell.source
        elif cell.cell_type not in ("code", "markdown", "raw"):
            self._tell("A cell of unknown type was read as code if it had run, else as text")
            cell.cell_type = "code" if ran else "markdown"
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
        return cell

    def _text(self) -> str:
        text = text_of(self._scan.value())
        if text is None:
            self._tell("What is no text, or far too much of it, was left out")
        return text or ""
