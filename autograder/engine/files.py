"""What lies in a submission's work folder: the files that came beside the notebook, and the course's own bn_helper."""

from pathlib import Path

MAX_BYTES = 20 * 1024 * 1024
MAX_FILES = 200

# Names that files beside a notebook may not take.
_RESERVED = ("solutions", "autograder", "bn_helper")


def work_files(submission: Path, helper: Path) -> tuple[dict[str, bytes], list[str]]:
    """Read the files for a work folder.

    Parameters
    ----------
    submission : Path
        The folder that was handed in.
    helper : Path
        The folder of the assignment's `bn_helper`, as the builder made it.

    Returns
    -------
    files : mapping from relative paths to contents
    oddities : list of str
        What was left out, a sentence each.
    """
    files: dict[str, bytes] = {}
    oddities: list[str] = []
    room = MAX_BYTES
    for path in sorted(submission.rglob("*")) if submission.is_dir() else []:
        name = path.relative_to(submission)
        if not wanted(path, name):
            continue
        size = path.stat().st_size
        if size > room or len(files) >= MAX_FILES:
            oddities.append(f"too many or too large files lie beside the notebook: {name} and the rest are left out")
            break
        room -= size
        files[str(name)] = path.read_bytes()
    return files | helper_files(helper), oddities


def helper_files(helper: Path) -> dict[str, bytes]:
    """Read the course's own `bn_helper`."""
    return {
        f"bn_helper/{path.relative_to(helper)}": path.read_bytes()
        for path in sorted(helper.rglob("*"))
        if path.suffix in (".py", ".json", ".gz")
    }


def wanted(path: Path, name: Path) -> bool:
    """Tell whether a file, named from a submission's folder, goes to the work folder."""
    hidden = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
    reserved = name.parts[0].partition(".")[0] in _RESERVED
    return path.is_file() and not path.is_symlink() and not hidden and not reserved and path.suffix != ".ipynb"
