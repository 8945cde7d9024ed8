"""What students download: the release version of an assignment as one zip, or all of them with the book."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from jinja2 import Environment
from tqdm import tqdm

from autograder.builder.text import read_text
from autograder.course import ASSIGNMENTS, FOLDER, Course, Problem, assignment_names

_DATE = (2020, 1, 1, 0, 0, 0)  # of every file, so that the same release makes the same zip
_ORDER = ("saturation", "forward", "gradcheck", "backward", "network", "beyond")  # as the book has them
_NAME = "batch-normalization"
REQUIREMENTS = "numpy>=2.1\nmatplotlib\njupyterlab\n"
BOOK = FOLDER.parent / "_build" / "html"


def zip_release(course: Course, assignment: str, folder: Path) -> Path:
    """Pack an assignment's release folder, with the list of what it needs, into `<assignment>.zip`.

    Parameters
    ----------
    course : Course
        Holds the release.
    assignment : str
    folder : Path
        Where the zip goes; made if it is not there.

    Returns
    -------
    Path
        The zip.

    Raises
    ------
    Problem
        If the assignment has not been built.
    """
    files = list(_release(course, assignment))
    return _write(folder / f"{assignment}.zip", files)


def zip_all(course: Course, book: Path = BOOK) -> Path:
    """Pack all assignments, the book, what to install and where to start into `bundles/batch-normalization.zip`.

    Parameters
    ----------
    course : Course
        Holds the releases.
    book : Path
        The built book.

    Returns
    -------
    Path
        The zip.

    Raises
    ------
    Problem
        If an assignment or the book has not been built.
    """
    names = sorted(assignment_names(), key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    files = [file for name in names for file in _release(course, name)]
    if not (book / "index.html").is_file():
        raise Problem(f"{book} holds no book yet; build it with `make book`, or name the built one with --book DIR.")
    files = [(name, path) for name, path in files if not name.endswith("/requirements.txt")]
    files += [("requirements.txt", REQUIREMENTS.encode()), ("start.html", start_page(names).encode())]
    pages = (path for path in sorted(book.rglob("*")) if path.is_file())
    inside = ((path.relative_to(book), path) for path in pages)
    files += [(f"book/{name.as_posix()}", path) for name, path in inside if not _is_hidden(name)]
    return _write(course.root / "bundles" / f"{_NAME}.zip", [(f"{_NAME}/{name}", content) for name, content in files])


def start_page(names: list[str]) -> str:
    """Return the page that leads from the zip to the first check, on Windows, macOS and Linux."""
    texts = [read_text(ASSIGNMENTS / f"{name}.md") for name in names]
    notebooks = [(text.path.stem, text.title, text.minutes) for text in texts]
    template = (FOLDER / "templates" / "start.html").read_text(encoding="utf-8")
    return Environment(autoescape=True).from_string(template).render(notebooks=notebooks)


def _release(course: Course, assignment: str) -> Iterator[tuple[str, Path | bytes]]:
    """Yield the names and contents of what a student gets of an assignment."""
    release = course.release(assignment)
    if not (release / f"{assignment}.ipynb").is_file():
        raise Problem(f"{assignment} has no release version yet; build it: python -m autograder build {assignment}.")
    for path in sorted(release.rglob("*")):
        name = path.relative_to(release)
        if path.is_file() and not _is_hidden(name):
            yield f"{assignment}/{name.as_posix()}", path
    yield f"{assignment}/requirements.txt", REQUIREMENTS.encode()


def _is_hidden(name: Path) -> bool:
    """Tell whether a file is nobody's reading: caches, and what tools leave behind."""
    return any(part == "__pycache__" or part.startswith(".") for part in name.parts)


def _write(target: Path, files: Iterable[tuple[str, Path | bytes]]) -> Path:
    """Write a zip aside and rename it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in tqdm(files, desc="packing", unit="file", delay=2, leave=False):
            _add(archive, name, content if isinstance(content, bytes) else content.read_bytes())
    partial.replace(target)
    return target


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
