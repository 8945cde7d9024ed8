"""A right implementation is a notebook in a function: the function's docstring says which freedom it takes."""

import ast
import inspect
import textwrap

IMPORTS = """
import contextlib, functools, itertools, math, types, warnings
from collections import namedtuple
import numpy as np
"""


def functions_of(notebook):
    """Run a notebook and return what it defines."""
    return {name: value for name, value in notebook().items() if callable(value)}


def source_of(notebook):
    """Return the body of a notebook as the text of a cell."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(notebook))).body[0]
    body = [node for node in tree.body if not isinstance(node, ast.Return | ast.Nonlocal)][1:]
    return IMPORTS + "\n".join(ast.unparse(node) for node in body)
