"""Whatever a function does, every part that tries it says so in one clear sentence, and no other part suffers."""

import contextlib
import sys
import warnings

import numpy as np
import pytest
from graded import graded, named

import solutions
from autograder.bn_helper.parts import PARTS

FUNCTIONS = sorted({part.function for part in PARTS.values()})


class EqualToAll:
    def __eq__(self, other):
        return True

    __hash__ = None


class Trap:
    def __getattribute__(self, name):
        raise RuntimeError(name)


def returning(value):
    return lambda right: lambda *args, **kwargs: value


def raising(error):
    def odd(right):
        def function(*args, **kwargs):
            raise error

        return function

    return odd


def changing(change):
    """Return the right result with each of its arrays changed."""

    def every(value):
        if isinstance(value, tuple | list):
            return type(value)(map(every, value))
        return change(value) if isinstance(value, np.ndarray | float) else value

    return lambda right: lambda *args, **kwargs: every(right(*args, **kwargs))


def recursing(right):
    def function(*args, **kwargs):
        return function(*args, **kwargs)

    return function


def missing(right):
    return None


WRONG = {
    "is not there": missing,
    "returns nothing": returning(None),
    "returns text": returning("ab"),
    "returns a list of lists": returning([[1.0, 2.0], [3.0]]),
    "returns a dict": returning({"out": 1}),
    "returns an object equal to everything": returning(EqualToAll()),
    "returns a tuple of objects equal to everything": returning((EqualToAll(), EqualToAll(), EqualToAll())),
    "returns an object that refuses every question": returning(Trap()),
    "returns traps": returning((Trap(), Trap())),
    "returns a huge array": returning(np.broadcast_to(np.int8(0), (30_000_000,))),
    "returns complex numbers": changing(lambda value: value + 1j),
    "returns NaN": changing(lambda value: value * np.nan),
    "returns infinity": changing(lambda value: value * 0 + np.inf),
    "returns arrays of another shape": changing(lambda value: np.asarray(value)[None, None, None]),
    "raises": raising(ZeroDivisionError("x")),
    "raises an interrupt of its own": raising(BaseException("x")),
    "ends the program": raising(SystemExit(1)),
    "recurses without end": recursing,
    "takes no arguments": lambda right: lambda: None,
}


CHANGED = ("returns complex numbers", "returns NaN", "returns infinity", "returns arrays of another shape")
ODD = [
    pytest.param(name, oddity, id=f"{name} {oddity}")
    for name in FUNCTIONS
    for oddity in WRONG
    if not (name == "check_gradients" and oddity in CHANGED)  # a truth value holds no numbers to change
]


@pytest.mark.parametrize(("name", "oddity"), ODD)
def test_an_odd_function_loses_its_marks_and_is_told_why_in_a_line(name, oddity):
    own = [part for part in PARTS if PARTS[part].function == name]
    functions = {**vars(solutions), name: WRONG[oddity](getattr(solutions, name))}
    with np.errstate(all="ignore"):
        verdicts = graded(functions, parts=own)
    assert any(verdict.share < 1 for verdict in verdicts.values())
    for part, verdict in verdicts.items():
        assert (verdict.share < 1) == bool(verdict.findings), part
        for finding in verdict.findings:
            for text in (finding.sentence, finding.blind):
                assert text.endswith((".", "?")), text
                assert "\n" not in text
                assert len(text) < 400
        assert not named(verdict) or oddity in ("returns NaN", "returns infinity"), part


def printing(right):
    def function(*args, **kwargs):
        print("noise")
        print("noise", file=sys.stderr)
        return right(*args, **kwargs)

    return function


def warning(right):
    def function(*args, **kwargs):
        warnings.warn("noise", stacklevel=1)
        return right(*args, **kwargs)

    return function


def strict(right):
    def function(*args, **kwargs):
        np.seterr(all="raise", under="ignore")
        return right(*args, **kwargs)

    return function


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("habit", [printing, warning, strict])
def test_a_right_function_with_a_habit_keeps_every_point(name, habit):
    own = [part for part in PARTS if PARTS[part].function == name]
    functions = {**vars(solutions), name: habit(getattr(solutions, name))}
    with np.errstate(), contextlib.redirect_stderr(None):
        verdicts = graded(functions, parts=own)
    for part, verdict in verdicts.items():
        if habit is warning and part == "sigmoid_forward-stable":  # which asks for no warning
            continue
        assert verdict.share == 1, (part, verdict.message())
