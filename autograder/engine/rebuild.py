"""Rebuild a submitted notebook from the release notebook: of the submission, only the cells' text is taken.

A cell is known by its grade id, else by its id, else by its text. The rebuilt notebook has the release notebook's
cells, in their order and with their metadata; what the student added stands between them, unmarked.
"""

import copy
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

from autograder.engine.reading import LONGEST_TEXT, grade_id_of, pictures_of, places, text_of

MOST_ADDED = 2000  # cells
MOST_ADDED_TEXT = 10_000_000  # characters, of all added cells

_ATTACHMENT = re.compile(r"(?<![\w-])attachment:(?P<name>[^\s)>\"']+)")


@dataclass(eq=False)
class _Given:
    """A submitted cell: its place, counted from one, and all that is taken of it.

    Attributes
    ----------
    known : int, optional
        The place of its cell in the template, counted from zero.
    copy_of : int, optional
        The same, if another submitted cell is that one.
    """

    place: int
    kind: str
    text: str
    pictures: dict[str, dict[str, str]]
    grade_id: str | None
    id: str | None
    known: int | None = None
    copy_of: int | None = None


def rebuild(template: NotebookNode, submitted: Any) -> tuple[NotebookNode, list[str]]:
    """Put a submission's text into the structure of the release notebook.

    Parameters
    ----------
    template : NotebookNode
        The release notebook; it stays as it is.
    submitted : NotebookNode
        As `read_notebook` returns it, or anything else: what is no cell is passed over.

    Returns
    -------
    notebook : NotebookNode
        Valid, and without outputs. A cell that is locked in the template has the template's text, a cell to solve or
        to answer the student's. A missing solution is empty, a missing answer has its stub, a missing cell to try
        stays out. Each added cell stands behind the template's cell that it stood behind.
    oddities : list of str
        Sentences about what was not as it should be.
    """
    rebuilding = _Rebuilding(template, submitted)
    return rebuilding.notebook(), rebuilding.oddities


def release_oddity(template: NotebookNode, submitted: Any, known_releases: Sequence[str]) -> str | None:
    """Say from which release a submission was made, unless it is the template's.

    Parameters
    ----------
    template : NotebookNode
        The current release notebook.
    submitted : NotebookNode
    known_releases : sequence of str
        Of this assignment, the oldest first.
    """
    assignment, theirs = _recorded(template, "assignment"), _recorded(submitted, "assignment")
    current, made_from = _recorded(template, "release"), _recorded(submitted, "release")
    if theirs and theirs != assignment:
        return f"The notebook was made from the assignment {theirs[:40]!r}, not from {assignment!r}."
    if made_from == current:
        return None
    if not made_from:
        return "The notebook does not say from which release it was made."
    earlier = [release for release in known_releases if release != current]
    if made_from not in earlier:
        return f"The notebook was made from a release that is not known, {made_from[:40]!r}."
    if made_from == earlier[-1]:
        return "The notebook was made from the release before the current one."
    return "The notebook was made from a release older than the one before the current one."


class _Rebuilding:
    """One submission on its way into the template."""

    def __init__(self, template: NotebookNode, submitted: Any) -> None:
        self.oddities: list[str] = []
        self._template = template
        self._models: list[NotebookNode] = template.cells
        self._given = list(_given_cells(submitted))
        # Ids such as 'try-6' number the cells of one release; in another they are other cells.
        self._same_release = _recorded(submitted, "release") in ("", _recorded(template, "release"))

    def notebook(self) -> NotebookNode:
        self._cap_texts()
        self._tell_unknown()
        for find in (self._by_grade_id(), self._by_id(), self._by_text()):
            self._match(find)
        self._tell_order()
        owners = {cell.known: cell for cell in self._given if cell.known is not None}
        added = self._added()
        cells = added[-1]
        for at, model in enumerate(self._models):
            cells += [*self._restored(at, model, owners.get(at)), *added[at]]
        _give_ids(cells)
        metadata = copy.deepcopy(self._template.metadata)
        return NotebookNode(nbformat=4, nbformat_minor=5, metadata=metadata, cells=cells)

    def _cap_texts(self) -> None:
        too_long = [cell for cell in self._given if len(cell.text) > LONGEST_TEXT]
        for cell in too_long:
            cell.text = ""
        self._tell(f"A text of more than {LONGEST_TEXT} characters was left out", too_long)

    def _tell_unknown(self) -> None:
        ids = {grade_id_of(model) for model in self._models}
        unknown = [cell for cell in self._given if cell.grade_id is not None and cell.grade_id not in ids]
        self._tell("A grade id that this assignment does not have counts for nothing", unknown)

    def _by_grade_id(self) -> Callable[[_Given], int | None]:
        at = {grade_id: at for at, model in enumerate(self._models) if (grade_id := grade_id_of(model)) is not None}
        return lambda cell: at.get(cell.grade_id or "")

    def _by_id(self) -> Callable[[_Given], int | None]:
        lasting = (
            (at, model) for at, model in enumerate(self._models) if self._same_release or grade_id_of(model) is not None
        )
        at = {model.get("id"): at for at, model in lasting}
        return lambda cell: at.get(cell.id) if cell.id and cell.grade_id is None else None

    def _by_text(self) -> Callable[[_Given], int | None]:
        """Know unchanged cells that have lost their ids; a stub is none, for it would undo the student's own cell."""
        texts = {_bare(model.source): at for at, model in enumerate(self._models) if not is_solution(model)}
        return lambda cell: texts.get(_bare(cell.text)) if _bare(cell.text) and cell.grade_id is None else None

    def _match(self, find: Callable[[_Given], int | None]) -> None:
        taken = {cell.known for cell in self._given}
        claims: dict[int, list[_Given]] = defaultdict(list)
        for cell in self._given:
            if cell.known is None and cell.copy_of is None:
                at = find(cell)
                if at is not None and at not in taken:
                    claims[at].append(cell)
        for at, cells in claims.items():
            chosen = self._chosen(at, cells)
            for cell in cells:
                cell.known, cell.copy_of = (at, None) if cell is chosen else (None, at)

    def _chosen(self, at: int, cells: list[_Given]) -> _Given:
        """Of several cells that are one in the template, return the last; of answers the last that says something."""
        model = self._models[at]
        answers = [cell for cell in cells if _is_answer(model) and _bare(cell.text) not in ("", _bare(model.source))]
        chosen = (answers or cells)[-1]
        if len(cells) > 1 and grade_id_of(model) is not None:
            where = places([cell.place for cell in cells])
            self.oddities.append(f"{_name(model)} is there {len(cells)} times ({where}); cell {chosen.place} counts.")
        return chosen

    def _tell_order(self) -> None:
        order = [cell.known for cell in self._given if cell.known is not None]
        if order != sorted(order):
            self.oddities.append("The cells were in another order, and were put back into that of the release.")

    def _restored(self, at: int, model: NotebookNode, given: _Given | None) -> list[NotebookNode]:
        """Return the template's cell with the text that counts; before it what was written into a locked one."""
        if grade_id_of(model) is None:
            return self._unmarked(model, given)
        cell = _emptied(model)
        if is_solution(model):
            self._fill(cell, model, given)
            return [cell]
        if given is None:
            self.oddities.append(f"{_name(model)} was missing and was put back.")
        elif _bare(given.text) != _bare(model.source):
            self.oddities.append(
                f"{_name(model)} was changed and was restored; what was written there stands before it."
            )
            return [_added_cell(given), cell] if _bare(given.text) else [cell]
        return [cell]

    def _fill(self, cell: NotebookNode, model: NotebookNode, given: _Given | None) -> None:
        """Put the student's text into a cell to solve or to answer."""
        if given is None:
            cell.source = model.source if _is_answer(model) else ""  # a stub would undo what stands in an added cell
            how = "unanswered" if _is_answer(model) else "empty"
            self.oddities.append(f"{_name(model)} was missing and was put back {how}.")
            return
        cell.source = given.text
        if _bare(given.text) == _bare(model.source):
            switched_off = model.cell_type == "code" != given.kind
            cell.source = "" if switched_off else model.source  # nbgrader knows an unanswered cell by its exact text
        elif given.kind != model.cell_type:
            self.oddities.append(f"{_name(model)} was of type {given.kind} and counts as {model.cell_type}.")
        _show_pictures(cell, given.pictures)

    def _unmarked(self, model: NotebookNode, given: _Given | None) -> list[NotebookNode]:
        """Return a cell to try or of prose: as the student has it, else the prose as it was."""
        if given is None:
            return [] if model.cell_type == "code" else [_emptied(model)]
        cell = _added_cell(given)
        cell.id, cell.metadata = model.id, copy.deepcopy(model.metadata)
        return [cell]

    def _added(self) -> dict[int, list[NotebookNode]]:
        """Return the student's own cells by the place of the template's cell behind which they stand; -1 is in front.

        Where a template cell that stood behind them belongs further up, they go with it: it may need them.
        """
        added: dict[int, list[NotebookNode]] = defaultdict(list)
        left_out = []
        count = length = 0
        for cell, previous, following in self._neighbours():
            if cell.known is not None or not _bare(cell.text):
                continue
            count, length = count + 1, length + len(cell.text)
            if count > MOST_ADDED or length > MOST_ADDED_TEXT:
                left_out.append(cell)
                continue
            behind = min(previous, following - 1)
            if cell.copy_of is not None and is_solution(self._models[cell.copy_of]):
                behind = min(behind, cell.copy_of - 1)  # so that the last defines
            added[behind].append(_added_cell(cell))
        self._tell(
            f"Of added cells, {MOST_ADDED} with {MOST_ADDED_TEXT} characters are kept; more were left out", left_out
        )
        return added

    def _neighbours(self) -> Iterator[tuple[_Given, int, int]]:
        """Yield each cell with the template's places of the known cells before and behind it."""
        following = len(self._models)
        behind = []
        for cell in reversed(self._given):
            behind.append(following)
            following = following if cell.known is None else cell.known
        previous = -1
        for cell, following in zip(self._given, reversed(behind), strict=True):
            yield cell, previous, following
            previous = previous if cell.known is None else cell.known

    def _tell(self, told: str, cells: list[_Given]) -> None:
        if cells:
            self.oddities.append(f"{told} ({places([cell.place for cell in cells])}).")


def _given_cells(submitted: Any) -> Iterator[_Given]:
    cells = submitted.get("cells") if isinstance(submitted, dict) else None
    for place, cell in enumerate(cells if isinstance(cells, list) else [], start=1):
        if isinstance(cell, dict):
            kind = cell.get("cell_type")
            kind = kind if kind in ("code", "raw") else "markdown"
            text = text_of(cell.get("source")) or ""
            cell_id = cell["id"] if isinstance(cell.get("id"), str) else None
            yield _Given(place, kind, text, pictures_of(cell.get("attachments")), grade_id_of(cell), cell_id)


def _recorded(notebook: Any, key: str) -> str:
    """Return what a notebook records about its origin; empty if it says nothing."""
    for name in ("metadata", "batchnorm", key):
        notebook = notebook.get(name) if isinstance(notebook, dict) else None
    return notebook if isinstance(notebook, str) else ""


def _bare(text: str) -> str:
    return text.strip()


def _is_answer(model: NotebookNode) -> bool:
    return bool(is_grade(model) and is_solution(model))


def _name(model: NotebookNode) -> str:
    kind = "answer" if _is_answer(model) else "solution" if is_solution(model) else "locked cell"
    return f"The {kind} {grade_id_of(model)}"


def _emptied(model: NotebookNode) -> NotebookNode:
    cell = copy.deepcopy(model)
    if cell.cell_type == "code":
        cell.update(outputs=[], execution_count=None)
    return cell


def _added_cell(given: _Given) -> NotebookNode:
    if given.kind == "code":
        return NotebookNode(
            cell_type="code", metadata=NotebookNode(), source=given.text, outputs=[], execution_count=None
        )
    cell = NotebookNode(cell_type="markdown", metadata=NotebookNode(), source=given.text)
    _show_pictures(cell, given.pictures)
    return cell


def _show_pictures(cell: NotebookNode, pictures: dict[str, dict[str, str]]) -> None:
    """Keep pasted pictures; a reference to one that is missing would stop nbconvert, so it is renamed."""
    if cell.cell_type != "markdown":
        return
    cell.source = _ATTACHMENT.sub(lambda m: m[0] if m["name"] in pictures else f"missing-{m[0]}", cell.source)
    if pictures:
        cell.attachments = NotebookNode({name: NotebookNode(bundle) for name, bundle in pictures.items()})


def _give_ids(cells: list[NotebookNode]) -> None:
    used = {cell.id for cell in cells if "id" in cell}
    free = (name for number in itertools.count(1) if (name := f"added-{number}") not in used)
    for cell in cells:
        if "id" not in cell:
            cell.id = next(free)
