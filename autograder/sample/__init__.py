"""The sample class: submissions kept as text, each with the scores that it must get, declared by hand."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import yaml
from markdown_it import MarkdownIt
from nbformat.v4 import new_code_cell

from autograder.course import Course, Problem

FOLDER = Path(__file__).parent
_FENCE = re.compile(r"(?P<kind>python|text|added|removed)(?: (?P<name>[\w-]+))?")


@dataclass(frozen=True)
class Submission:
    """One student's work on one assignment, as text.

    The text is a header and fenced blocks: 'python ID' replaces the code of the cell with that grade id, 'text ID' a
    written answer; 'added' is a code cell of the student's own, put before the next cell named; 'removed ID' takes a
    cell away.

    Attributes
    ----------
    scores : mapping from a part to the points that it must get
    found : names of the misconceptions that must be found
    """

    assignment: str
    student: str
    about: str
    scores: dict[str, float]
    found: tuple[str, ...] = ()
    blocks: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)


def read_submissions() -> list[Submission]:
    """Read the whole sample class.

    Raises
    ------
    Problem
        If a text is malformed.
    """
    return [_read(path) for path in sorted(FOLDER.glob("*/*.md"))]


def _read(path: Path) -> Submission:
    match = re.match(r"---\n(.*?)\n---\n(.*)", path.read_text(encoding="utf-8"), re.DOTALL)
    if match is None:
        raise Problem(f"{path}:1: a sample submission begins with a header between two lines of '---'.")
    header = yaml.safe_load(match[1])
    blocks = []
    for token in MarkdownIt().parse(match[2]):
        if token.type == "fence":
            fence = _FENCE.fullmatch(token.info.strip())
            if fence is None:
                raise Problem(f"{path}: a block begins with python, text, added or removed, not {token.info!r}.")
            blocks.append((fence["kind"], fence["name"] or "", token.content.rstrip("\n")))
    return Submission(
        path.parent.name, path.stem, header["about"], header["scores"], tuple(header.get("found", ())), tuple(blocks)
    )


def write_submission(course: Course, submission: Submission) -> Path:
    """Make a submission's notebook from the release version and lay it in the course's submitted/ folder."""
    name = submission.assignment
    notebook = nbformat.read(course.release(name) / f"{name}.ipynb", as_version=4)
    added: list[nbformat.NotebookNode] = []
    for kind, cell_id, content in submission.blocks:
        if kind == "added":
            added.append(new_code_cell(content, id=f"added-{len(notebook.cells)}-{len(added)}"))
            continue
        at = _position(notebook, cell_id, submission)
        if kind == "removed":
            del notebook.cells[at]
        else:
            notebook.cells[at].source = content
        notebook.cells[at:at], added = added, []
    notebook.cells += added
    target = course.root / "submitted" / submission.student / name / f"{name}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    return target


def _position(notebook: nbformat.NotebookNode, cell_id: str, submission: Submission) -> int:
    for at, cell in enumerate(notebook.cells):
        if cell.metadata.get("nbgrader", {}).get("grade_id") == cell_id:
            return at
    raise Problem(f"sample {submission.assignment}/{submission.student}: the release has no cell {cell_id!r}.")
