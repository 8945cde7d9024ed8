"""Make the nbgrader source notebook of an assignment."""

import ast
import builtins
import hashlib
import inspect
import re
import textwrap
from types import CodeType

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import solutions
from autograder.bn_helper.parts import PARTS
from autograder.builder.text import BEGIN, BY_HAND, END, Block, Text
from autograder.sections import link

_BOOK_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\(book:(?P<label>[\w-]+)\)")


def make_notebook(text: Text, book_url: str) -> NotebookNode:
    """Make the source notebook: every cell with the metadata that nbgrader needs.

    Parameters
    ----------
    text : Text
    book_url : str
        Where the book is; links of the text lead there.

    Raises
    ------
    Problem
        If the text asks for what does not exist; the message names file and line.
    """
    cells = [_cell(text, block, number, book_url) for number, block in enumerate(text.blocks)]
    _refuse_unknown_names(text, cells)
    notebook = new_notebook(cells=cells)
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
        batchnorm={"assignment": text.path.stem, "release": release(text)},
    )
    return notebook


def release(text: Text) -> str:
    """Return what identifies a release: a digest of its cells."""
    content = "\x1f".join(f"{b.kind} {b.name} {b.points} {b.content}" for b in text.blocks)
    lifted = "\x1f".join(_source(text, b) for b in text.blocks if b.kind == "solution")
    return hashlib.sha256((content + lifted).encode()).hexdigest()[:12]


def _cell(text: Text, block: Block, number: int, book_url: str) -> NotebookNode:
    match block.kind:
        case "text":
            return new_markdown_cell(_with_links(text, block, book_url), id=f"text-{number}")
        case "marks":
            return new_markdown_cell(_marks(text), id="marks")
        case "code-cell":
            return new_code_cell(block.content, id=f"try-{number}")
        case "setup":
            return _graded(new_code_cell(block.content), "setup", locked=True)
        case "solution":
            return _graded(new_code_cell(_solution(text, block)), block.name, solution=True)
        case "check":
            if block.name not in PARTS:
                raise text.problem(block.line, f"there is no part {block.name}; the parts are {', '.join(PARTS)}.")
            if PARTS[block.name].function not in {b.name for b in text.blocks if b.kind == "solution"}:
                raise text.problem(
                    block.line, f"{block.name} tries {PARTS[block.name].function}, which is not asked for."
                )
            cell = new_code_cell(f'check("{block.name}")')
            return _graded(cell, block.name, points=block.points, grade=True, locked=True)
        case "answer" | "plot":
            cell = (new_markdown_cell if block.kind == "answer" else new_code_cell)(block.content)
            return _graded(cell, block.name, points=block.points, grade=True, solution=True)
    raise AssertionError(block.kind)


def _graded(
    cell: NotebookNode,
    grade_id: str,
    points: float | None = None,
    grade: bool = False,
    solution: bool = False,
    locked: bool = False,
) -> NotebookNode:
    cell.id = grade_id.replace(".", "-")
    cell.metadata.nbgrader = NotebookNode(
        schema_version=3, grade_id=grade_id, grade=grade, solution=solution, locked=locked, task=False
    )
    if points is not None:
        cell.metadata.nbgrader.points = int(points) if points == int(points) else points
    return cell


def _source(text: Text, block: Block) -> str:
    function = getattr(solutions, block.name, None) if block.name in solutions.__all__ else None
    if not inspect.isfunction(function):
        raise text.problem(block.line, f"solutions has no function {block.name}.")
    return inspect.getsource(function)


def _solution(text: Text, block: Block) -> str:
    """Lift a function: signature and docstring stay for the student, the body goes between nbgrader's marks."""
    source = _source(text, block)
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    lines = source.rstrip().splitlines()
    body = function.body[1:] if ast.get_docstring(function) else function.body
    if not body:
        raise text.problem(block.line, f"{block.name} of solutions has no body to lift.")
    first = body[0].lineno - 1
    while lines[first - 1].lstrip().startswith("#"):  # comments above the first statement belong to the body
        first -= 1
    head = [re.sub(r"\{eq\}`([^`]+)`", r"(\1)", line) for line in lines[:first]]
    return "\n".join([*head, f"    {BEGIN}", *lines[first:], f"    {END}"])


def _marks(text: Text) -> str:
    rows = [block for block in text.blocks if block.points is not None]
    total = sum(block.points or 0.0 for block in rows)
    lines = ["| part | marked | points |", "|---|---|---:|"]
    lines += [f"| `{b.name}` | {'by hand' if b.kind in BY_HAND else 'by checks'} | {b.points:g} |" for b in rows]
    lines += [f"| **total** | | **{total:g}** |"]
    return "\n".join(lines)


def _with_links(text: Text, block: Block, book_url: str) -> str:
    def replace(match: re.Match[str]) -> str:
        try:
            where = link(match["label"], book_url)
        except KeyError:
            line = block.line + block.content[: match.start()].count("\n")
            raise text.problem(line, f"the book has no section {match['label']}.") from None
        address = where.rpartition("(")[2].rstrip(")")
        return f"[{match['text']}]({address})" if book_url else f"{match['text']} ({where.rpartition(' (')[0]})"

    return _BOOK_LINK.sub(replace, block.content)


def _refuse_unknown_names(text: Text, cells: list[NotebookNode]) -> None:
    """A lifted function may use NumPy, builtins and what the notebook itself defines, and nothing else."""
    defined: set[str] = {*dir(builtins)}
    for cell in cells:
        if cell.cell_type == "code":
            defined |= _assigned(textwrap.dedent(cell.source))
    for block in text.blocks:
        if block.kind == "solution":
            function = getattr(solutions, block.name)
            unknown = sorted(_names(function.__code__) & set(vars(inspect.getmodule(function))) - defined)
            if unknown:
                names = ", ".join(unknown)
                raise text.problem(block.line, f"{block.name} uses {names}, which the notebook does not define.")


def _names(code: CodeType) -> set[str]:
    """Return the global names and attributes that code uses, inner functions included."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


def _assigned(source: str) -> set[str]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()  # a cell with magics
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names
