"""Call a student's function by its name: the one way in which a check reaches student code."""

import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from . import lending
from .lending import Function, Lender

__all__ = ["Call", "CallError", "Function", "Handle", "LocalCall", "Reply", "own_line"]


@dataclass(frozen=True)
class CallError:
    """What went wrong in a call.

    `kind` is the exception's type name, or 'missing', 'timeout', 'died' when there was none; `kinds` the names
    of its type and of all base types, `text` its message, `line` the student's own line that raised it.
    """

    kind: str
    text: str = ""
    line: str = ""
    kinds: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: BaseException, harness: str) -> "CallError":
        """Describe an exception that passed through the file `harness`."""
        kinds = tuple(base.__name__ for base in type(error).__mro__)
        try:
            text = str(error)[:500]
        except Exception:  # of the student's own __str__
            text = ""
        return cls(kinds[0], text, own_line(error, harness), kinds)


@dataclass(frozen=True)
class Handle:
    """Stands for an object that stays where the student's code runs, such as a cache; `handle[1]` for its item."""

    of: Any
    path: tuple[int, ...] = ()

    def __getitem__(self, index: int) -> "Handle":
        return Handle(self.of, (*self.path, index))


class Reply(NamedTuple):
    """What a call gave: its result, the arguments as they are afterwards, its warnings, its error if it raised."""

    result: Any
    arguments: tuple[Any, ...] = ()
    warnings: tuple[str, ...] = ()
    error: CallError | None = None
    kept: Handle = Handle(None)


class Call(Protocol):
    """Call the function `name`.

    A `Handle` among the arguments becomes the object that it stands for, a `Function` a plain function that serves
    until the call ends.
    """

    def __call__(self, name: str, *args: Any) -> Reply: ...


def own_line(error: BaseException, harness: str) -> str:
    """Return the text of the innermost line of a traceback that belongs neither to `harness` nor to a library."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = (harness, lending.__file__)
    own = [frame for frame in frames if frame.filename not in ours and "site-packages" not in frame.filename]
    return (own[-1].line or "") if own else ""


def _copied(arg: Any) -> Any:
    """Copy an array, or the arrays of a dict; what else a student has put into a dict may not be copyable."""
    if isinstance(arg, dict):
        return {key: value.copy() if issubclass(type(value), np.ndarray) else value for key, value in arg.items()}
    return arg.copy() if isinstance(arg, np.ndarray) else arg


@dataclass
class LocalCall:
    """Call functions of this very process, each time with copies of the arguments.

    Parameters
    ----------
    functions : mapping from names to functions
    """

    functions: Mapping[str, Callable[..., Any]]

    def __call__(self, name: str, *args: Any) -> Reply:
        function = self.functions.get(name)
        if not callable(function):
            return Reply(None, error=CallError("missing"))
        lender = Lender()
        given = tuple(self._given(arg, lender) for arg in args)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = function(*given)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # also of sys.exit()
                return Reply(None, given, error=CallError.of(error, __file__))
            finally:
                lender.close()
        return Reply(result, given, tuple(str(w.message) for w in caught), None, Handle(result))

    def _given(self, arg: Any, lender: Lender) -> Any:
        if isinstance(arg, Function):
            return lender.lend(arg)
        return self._resolve(arg) if isinstance(arg, Handle) else _copied(arg)

    @staticmethod
    def _resolve(handle: Handle) -> Any:
        value = handle.of
        for index in handle.path:
            value = value[index]
        return value
