"""Change the reference solutions in every small way, and see whether the grader takes marks off for it.

    python -m benchmarks.mutants            all mutants; writes benchmarks/mutants.md
    python -m benchmarks.mutants FUNCTION   those of one function, told one by one

A mutant that keeps every point is either a gap in the checks or no mistake at all. What is no mistake stands in
`equivalent_mutants.py`, with the reason; any other survivor makes the command fail.
"""

import ast
import contextlib
import copy
import importlib
import inspect
import io
import platform
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from tqdm import tqdm

import solutions
from autograder.bn_helper.calls import LocalCall
from autograder.bn_helper.parts import PARTS
from autograder.checks import grader
from autograder.checks.topics import topic_with
from benchmarks.equivalent_mutants import reason

SUMMARY = Path(__file__).with_name("mutants.md")
SECRET = "the mutants' secret"

_OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
_NAMES = {
    "mean": ("sum",),
    "sum": ("mean", "max"),
    "max": ("min", "mean"),
    "min": ("max",),
    "maximum": ("minimum",),
    "minimum": ("maximum",),
    "zeros": ("ones",),
    "zeros_like": ("ones_like",),
    "ones_like": ("zeros_like",),
    "sqrt": ("square",),
    "exp": ("log",),
    "log": ("exp",),
    "abs": ("asarray",),
    "copy": ("view",),
    "reversed": ("list",),
    "all": ("any",),
    "any": ("all",),
}


@dataclass(frozen=True)
class Mutant:
    """One change of one function: the statement as it was and as it is now, and the source of the module with it."""

    module: str
    function: str
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.function}: {self.after}"

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Run the changed module and return its functions."""
        namespace: dict[str, Any] = {"__name__": self.module, "__package__": "solutions"}
        exec(compile(self.source, f"<mutant of {self.function}>", "exec"), namespace)
        return {name: value for name, value in namespace.items() if inspect.isfunction(value)}


def mutants(functions: list[str]) -> Iterator[Mutant]:
    """Yield every mutant of the given functions of `solutions`, and of the private ones of their modules."""
    modules: dict[str, ModuleType] = {}
    for name in functions:
        module = getattr(solutions, name).__module__
        modules[module] = importlib.import_module(module)
    for module in modules.values():
        tree = ast.parse(inspect.getsource(module))
        for position, node in enumerate(tree.body):
            if isinstance(node, ast.FunctionDef) and (node.name in functions or node.name.startswith("_")):
                yield from _mutants_of(module.__name__, tree, position, node)


def _mutants_of(module: str, tree: ast.Module, position: int, function: ast.FunctionDef) -> Iterator[Mutant]:
    for at, statement in enumerate(_statements(function)):
        for number, node in enumerate(_own_nodes(statement)):
            for change in _changes(node):
                changed = copy.deepcopy(tree)
                target = _statements(changed.body[position])[at]
                change(_own_nodes(target)[number])
                before, after = _header(statement), _header(target)
                if before != after:
                    source = ast.unparse(ast.fix_missing_locations(changed))
                    yield Mutant(module, function.name, before, after, source)


def _statements(function: ast.AST) -> list[ast.stmt]:
    """Return the statements of a function, its docstring left out."""
    found = [node for node in ast.walk(function) if isinstance(node, ast.stmt) and node is not function]
    return [node for node in found if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]


def _own_nodes(statement: ast.stmt) -> list[ast.AST]:
    """Return a statement and what it holds, without the statements inside of it."""
    inner = [child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt)]
    return [statement, *(node for child in inner for node in ast.walk(child))]


def _header(statement: ast.stmt) -> str:
    """Return a statement's text; of one with statements inside the first line."""
    return ast.unparse(statement).partition("\n")[0] if hasattr(statement, "body") else ast.unparse(statement)


Change = Callable[[Any], None]


def _changes(node: ast.AST) -> Iterator[Change]:
    """Yield ways to change a copy of a node."""

    def set_to(field: str, value: Any, index: int | None = None) -> Change:
        def change(target: Any) -> None:
            if index is None:
                setattr(target, field, value)
            else:
                getattr(target, field)[index] = value

        return change

    match node:
        case ast.BinOp() | ast.BoolOp():
            for other in _OPERATORS.get(type(node.op), ()):
                yield set_to("op", other())
            if isinstance(node, ast.BinOp):
                yield _become("left")
                yield _become("right")
        case ast.UnaryOp():
            yield _become("operand")
        case ast.Compare():
            for other in _OPERATORS.get(type(node.ops[0]), ()):
                yield set_to("ops", other(), 0)
        case ast.Constant(value=bool()):
            yield set_to("value", not node.value)
        case ast.Constant(value=int() | float()):
            for value in {node.value + 1, -node.value, 0, 2 * node.value} - {node.value}:
                yield set_to("value", value)
        case ast.Constant(value=str()):
            yield set_to("value", node.value + "?")
        case ast.Attribute(attr=name) if name in _NAMES:
            for other in _NAMES[name]:
                yield set_to("attr", other)
        case ast.Name(id=name, ctx=ast.Load()) if name in _NAMES:
            for other in _NAMES[name]:
                yield set_to("id", other)
        case ast.Tuple(elts=elements, ctx=ast.Load()) if len(elements) > 1:
            yield _swapped
        case ast.Call(keywords=keywords) if keywords:
            for index in range(len(keywords)):
                yield _without_keyword(index)
        case ast.IfExp():
            yield _become("body")
            yield _become("orelse")
        case ast.If():
            yield set_to("test", ast.Constant(True))
            yield set_to("test", ast.Constant(False))
        case ast.Assign(targets=[ast.Subscript()]) | ast.AugAssign():
            yield _nothing
        case ast.Raise():
            yield _nothing


def _become(field: str) -> Change:
    """Put one operand in the place of the whole."""

    def change(target: Any) -> None:
        operand = getattr(target, field)
        target.__class__ = operand.__class__
        target.__dict__ = operand.__dict__

    return change


def _swapped(target: Any) -> None:
    target.elts[0], target.elts[1] = target.elts[1], target.elts[0]


def _without_keyword(index: int) -> Change:
    def change(target: Any) -> None:
        del target.keywords[index]

    return change


def _nothing(target: Any) -> None:
    """Leave a statement out; the text that stands there instead tells it from others."""
    text = ast.unparse(target)
    target.__class__ = ast.Expr
    target.__dict__ = {"value": ast.Constant(f"without {text}")}


def survives(mutant: Mutant) -> bool:
    """Tell whether a mutant keeps every point of every part that tries a function of its module."""
    try:
        functions = mutant.functions()
    except Exception:
        return False
    own = [part for part in PARTS.values() if mutant.module == _module_of(part.function)]
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        return all(_share(part.id, functions) == 1.0 for part in own)


def _module_of(function: str) -> str:
    return str(getattr(solutions, function).__module__)


def _share(part: str, functions: dict[str, Callable[..., Any]]) -> float:
    given = {f"bn_helper.{name}": getattr(solutions, name) for name in topic_with(part).given}
    return grader.verdict(part, LocalCall({**functions, **given}), SECRET, "mutants").share


def summary(tried: Counter[str], equivalent: Counter[str], survivors: list[Mutant]) -> str:
    """Return the page that is committed."""
    rows = [
        f"| `{name}` | {tried[name]} | {tried[name] - equivalent[name] - left} | {equivalent[name]} | {left} |"
        for name in tried
        for left in [sum(mutant.function == name for mutant in survivors)]
    ]
    caught = tried.total() - equivalent.total() - len(survivors)
    return "\n".join(
        [
            "# Mutants of the reference, and what the grader makes of them",
            "",
            f"{date.today().isoformat()}, Python {platform.python_version()}, NumPy {np.__version__}; made by "
            "`make mutants`.",
            "",
            "Each mutant is a function of `solutions/` with one small change: another operator, operand, constant,",
            "name, keyword, branch or order, or a statement less. It is caught if it loses a point somewhere. What",
            "keeps every point and is no mistake is listed with the reason in `equivalent_mutants.py`.",
            "",
            "| function | mutants | caught | equivalent | not caught |",
            "|---|---:|---:|---:|---:|",
            *rows,
            f"| **all** | **{tried.total()}** | **{caught}** | **{equivalent.total()}** | **{len(survivors)}** |",
            "",
        ]
    )


def main(names: list[str]) -> int:
    asked = sorted({part.function for part in PARTS.values()})
    unknown = [name for name in names if name not in asked]
    if unknown:
        print(f"No part tries {unknown[0]!r}; the functions are {', '.join(asked)}.", file=sys.stderr)
        return 2
    tried: Counter[str] = Counter()
    equivalent: Counter[str] = Counter()
    survivors = []
    for mutant in tqdm(list(mutants(names or asked)), desc="mutants", unit=""):
        tried[mutant.function] += 1
        if not survives(mutant):
            continue
        if reason(mutant.name) is not None:
            equivalent[mutant.function] += 1
        else:
            survivors.append(mutant)
    for mutant in survivors:
        print(f"not caught: {mutant.name}\n       was: {mutant.before}")
    if not names:
        SUMMARY.write_text(summary(tried, equivalent, survivors), encoding="utf-8")
        print(f"{tried.total()} mutants, {len(survivors)} not caught; see {SUMMARY}")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
