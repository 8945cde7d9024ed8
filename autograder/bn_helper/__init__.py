"""Helps you while you work: `check("batchnorm_forward-train")` tries your functions and says what it sees.

The grader makes these checks and further ones on other inputs.
"""

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

import __main__

from . import given
from .calls import LocalCall
from .given import *  # noqa: F403 - what this assignment gives
from .judge import Judge
from .parts import topic_of
from .tables import Tables, read_tables

__all__ = ["CheckFailed", "check", "draw_before_and_after", "draw_deviations", *given.__all__]

_tables = cache(read_tables)


class CheckFailed(AssertionError):
    """A part is not right yet; the message says what was seen."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows for it: the message, without the lines of this package that led to it."""
        return str(self).splitlines()


def check(part: str, functions: Mapping[str, Callable[..., Any]] | None = None) -> None:
    """Try one part of your work and print what is seen.

    Parameters
    ----------
    part : str
        A part's name, as in `check("batchnorm_forward-train")`.
    functions : mapping from names to functions, optional
        Where to find your functions; by default, in this notebook.

    Raises
    ------
    CheckFailed
        If the part is not right and the notebook runs under `nbgrader validate`; otherwise the message is printed.
    ValueError
        If the assignment has no such part.
    FileNotFoundError
        If the file with the expected outputs is not there.
    """
    if os.environ.get("NBGRADER_EXECUTION") == "autograde":
        raise RuntimeError("grade with the course's nbgrader_config.py: this check is the student's, not the grader's")
    tables: Tables = _tables()
    if part not in tables.expected:
        raise ValueError(f"there is no part {part!r} in this assignment; the parts are {', '.join(tables.expected)}")
    own = vars(__main__) if functions is None else functions
    probes = tables.probes[topic_of(part)]
    judge = Judge(LocalCall(own), lambda _: probes, lambda part: tables.expected[part], len(probes))
    verdict = judge.verdict(part)

    def link(label: str) -> str:
        title, address = tables.sections[label]
        return f"{title} ({address})"

    message = verdict.message(link)
    if not verdict.passed and os.environ.get("NBGRADER_EXECUTION") == "validate":
        raise CheckFailed(message)
    print(message)


def draw_deviations(function: str, functions: Mapping[str, Callable[..., Any]] | None = None) -> None:
    """Draw a bar for each result of a function: how far it is off on the inputs of the checks that you see.

    Parameters
    ----------
    function : str
        Its name, as in `draw_deviations("batchnorm_backward")`.
    functions : mapping from names to functions, optional
        Where to find your functions; by default, in this notebook.

    Raises
    ------
    ValueError
        If no part of the assignment tries the function.
    """
    from . import pictures  # loads matplotlib, which a check does not need

    pictures.draw_deviations(function, vars(__main__) if functions is None else functions, _tables())


def draw_before_and_after(x: np.ndarray, out: np.ndarray) -> None:
    """Draw a histogram of each feature, on the left before a layer, on the right after it.

    Parameters
    ----------
    x, out : ndarray of shape (N, D)
    """
    from . import pictures

    pictures.draw_before_and_after(x, out)
