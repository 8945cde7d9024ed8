"""What students download: the release version of an assignment as one zip."""

import zipfile
from pathlib import Path

from autograder.course import Course, Problem

_DATE = (2020, 1, 1, 0, 0, 0)  # of every file, so that the same release makes the same zip
REQUIREMENTS = "numpy>=2.1\nmatplotlib\njupyterlab\n"


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
    release = course.release(assignment)
    if not (release / f"{assignment}.ipynb").is_file():
        raise Problem(f"{assignment} has no release version yet; build it: python -m autograder build {assignment}.")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{assignment}.zip"
    partial = target.with_name(f".{target.name}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(release.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                _add(archive, f"{assignment}/{path.relative_to(release).as_posix()}", path.read_bytes())
        _add(archive, f"{assignment}/requirements.txt", REQUIREMENTS.encode())
    partial.replace(target)
    return target


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
