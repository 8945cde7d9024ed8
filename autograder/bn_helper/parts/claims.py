"""What a part is made of, and the calls from which its scripts are built."""

import builtins
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..calls import Call, CallError, Reply
from ..probes import Probe

Notes = dict[str, Any]


class Unusable(Exception):
    """A function could not be tried to the end; the message says why in one sentence.

    `brief` says it without anything that the function may have made up from its inputs, such as a shape.
    """

    def __init__(self, sentence: str, brief: str = "", error: CallError | None = None):
        super().__init__(sentence)
        self.brief = brief or sentence
        self.error = error


@dataclass(frozen=True)
class Claim:
    """One thing that a part asks of a function.

    Attributes
    ----------
    text : what right code does, as a clause
    script : notes what the functions behind `call` do with a probe
    share : of the part's points
    core : without it the rest of the part counts for nothing
    tolerance : largest deviation that is taken for rounding, relative to the scale of a note
    hint : what to think of when only the numbers of this claim differ
    betrays : a misconception, and a part: where that part is right and this claim does not hold, it can be no other;
        without a part, where the core of its own part is right
    broken : names the properties of a right array that a wrong one lacks, in sentences; it gets the probe, the note's
        name and the array, and knows no right answer
    on_own : tells whether the function does right by other functions of the student's, where these are wrong: then the
        claim holds all the same, for what is wrong in them costs their own marks alone
    about : names of the notes that have to be right; all of them if empty. Claims with the same script share its run,
        in which a note may be an `Unusable`, for the claims that are about it; a misconception fits only if it fits
        all notes
    """

    text: str
    script: Callable[[Call, Probe], Notes]
    share: float
    core: bool = False
    tolerance: float = 1e-6
    hint: str = ""
    betrays: tuple[str, str] | None = None
    broken: Callable[[Probe, str, np.ndarray], str] | None = None
    on_own: Callable[[Call, Probe], bool] | None = None
    about: tuple[str, ...] = ()

    def asked(self, notes: Notes) -> Notes:
        """Return the notes that the claim is about."""
        return {name: notes[name] for name in self.about if name in notes} if self.about else notes


@dataclass(frozen=True)
class Part:
    """A graded part: its grade id, the function that it tries, where to read on, and its claims."""

    id: str
    function: str
    section: str
    claims: tuple[Claim, ...]


def describe(value: Any) -> str:
    """Say in a few words what a value is."""
    if value is None:
        return "nothing (None)"
    kind = type(value)  # and not isinstance, which would ask the value itself
    if issubclass(kind, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if issubclass(kind, tuple | list):
        return f"a {kind.__name__} of {len(value)}"
    name = value.type_name if kind.__name__ == "Opaque" else kind.__name__
    known = hasattr(builtins, name) or hasattr(np, name) or name in ("function", "generator", "MaskedArray")
    return f"a value of type {name}" if known else "a value of a type of its own"


def ask(call: Call, name: str, *args: Any) -> Reply:
    """Call a function; `Unusable` if it raised."""
    reply = call(name, *args)
    if reply.error is not None:
        kinds = (reply.error.kind, *reply.error.kinds)  # a class of the student's own may be named by an input
        kind = next((kind for kind in kinds if hasattr(builtins, kind)), reply.error.kind)
        brief = failure(name, replace(reply.error, kind=kind))
        raise Unusable(failure(name, reply.error), brief, error=reply.error)
    return reply


def failure(name: str, error: CallError) -> str:
    """Say in a sentence how a call failed."""
    if error.kind == "missing":
        return f"{name} is not defined when it is tried; run or repair the cell that defines it."
    if error.kind == "timeout":
        return f"{name} did not finish in time; look for a loop that never ends."
    if error.kind == "died":
        return f"{name} ended the process in which it ran."
    if error.kind == "NotImplementedError":
        return f"{name} is not written yet."
    if error.kind == "TypeError" and not error.line:  # raised by the call itself
        return f"{name} cannot be called with the arguments of its contract; keep the first line of its definition."
    where = f" in your line `{error.line}`" if error.line else ""
    return f"{name} raised {error.kind}{where}."


def array(value: Any, what: str) -> np.ndarray:
    """Take a value for an array of real numbers; `Unusable` if it is none."""
    if not issubclass(type(value), np.ndarray | np.number):
        raise Unusable(f"{what} should be an array, and is {describe(value)}.", f"{what} should be an array.")
    if value.dtype.kind not in "fiu":
        sentence = f"{what} should hold real numbers, and is {describe(np.asarray(value))}."
        raise Unusable(sentence, f"{what} should hold real numbers.")
    return np.array(value)


def number(value: Any, what: str) -> np.ndarray:
    """Take a value for one real number, Python's or NumPy's, as an array without axes; `Unusable` if it is none."""
    kind = type(value)
    try:
        if issubclass(kind, float):  # also of np.float64
            return np.array(float.__float__(value))
        if issubclass(kind, int) and kind is not bool:
            return np.array(float(int.__index__(value)))
        if issubclass(kind, np.ndarray | np.number) and value.shape == () and value.dtype.kind in "fiu":
            return np.array(value, dtype=np.float64)
    except OverflowError:  # of an int beyond the floats
        pass
    raise Unusable(f"{what} should be a number, and is {describe(value)}.", f"{what} should be a number.")


def several(reply: Reply, name: str, signature: str, count: int) -> tuple[Any, ...]:
    """Take a result apart into so many; `Unusable` if it is no tuple of that length."""
    if not issubclass(type(reply.result), tuple | list) or len(reply.result) != count:
        brief = f"{name} should return {signature}"
        raise Unusable(f"{brief}, and returned {describe(reply.result)}.", f"{brief}.")
    return tuple(reply.result)


def same_without(
    call: Call, name: str, args: tuple[Any, ...], param: dict[str, Any], key: str, seen: Callable[[Reply], np.ndarray]
) -> bool:
    """Tell whether a function shows the same without a key of its last argument, which holds the key's default.

    To refuse the call by a KeyError is as good.
    """
    given = seen(ask(call, name, *args, param))
    without = {other: value for other, value in param.items() if other != key}
    reply = call(name, *args, without)
    if reply.error is not None and "KeyError" in reply.error.kinds:
        return True
    found = seen(ask(call, name, *args, without))
    return found.shape == given.shape and np.allclose(found, given, rtol=1e-7, atol=1e-9, equal_nan=True)
