"""Lend functions of the checks to a student's function for the time of one call: run on copies, counted, opaque."""

import math
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_ENTRIES = 65_536  # of the box that holds all arrays among the arguments: what broadcasting could make of them
MOST_KEPT = 64 << 20  # bytes, estimated, of what is kept in one call
MOST_RESULT = 8 << 20  # bytes of an array
MOST_TEXT = 1000
MOST_NAMES = 100
_NUMBERS = (bool, int, float, complex)
_ERRORS: tuple[type[Exception], ...] = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, ZeroDivisionError, FloatingPointError),
    *(OverflowError, MemoryError, RecursionError, NotImplementedError, AssertionError),
)


@dataclass(frozen=True)
class Function:
    """A function of the checks among the arguments of a call; the student's function gets a plain one in its place.

    The student's arrays are copied on the way in and the results on the way out, and what the function puts into a
    dict or takes from it is done to the student's dict. Of its result, or of the items of a tuple or list that it
    returns, arrays and numbers arrive; anything else arrives as an object that can only be passed on, to this or
    another function lent in the same call. An exception arrives as the built-in one nearest to it.

    Parameters
    ----------
    of : callable
    most : int
        So many calls are answered.
    hidden : tuple of int
        Items of the returned tuple that never arrive, whatever they are.
    writes : bool
        What the function writes into an array appears in the student's, and an array that it returns as it came
        arrives as the student's own.
    """

    of: Callable[..., Any]
    most: int = 20_000
    hidden: tuple[int, ...] = ()
    writes: bool = False


class Kept:
    """Stands for something that can only be passed on."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<kept>"

    def __copy__(self) -> "Kept":
        return self

    def __deepcopy__(self, _: Any) -> "Kept":
        return self

    def __reduce_ex__(self, _: Any) -> Any:
        raise TypeError("this object can only be passed on")


class Loan:
    """The functions lent in one call.

    Parameters
    ----------
    seconds : float
        Of CPU, for all calls together.

    Attributes
    ----------
    functions : list of Function
    refused : int
        How many calls came after the budget was used up.
    """

    def __init__(self, seconds: float = float("inf")):
        self.functions: list[Function] = []
        self.refused = 0
        self._left: list[int] = []
        self._seconds = seconds
        self._room = MOST_KEPT
        self._kept: dict[Kept, Any] = {}

    def add(self, function: Function) -> int:
        """Lend a function; return its place."""
        self.functions.append(function)
        self._left.append(function.most)
        return len(self.functions) - 1

    def run(self, place: int, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Run the function at `place` on copies of the arguments; update the dicts, or whatever it writes, in place.

        Returns
        -------
        result
            A value, or a tuple or list of values: None, numbers, arrays and `Kept`.

        Raises
        ------
        RuntimeError
            If the function has been called too often.
        Exception
            A built-in one, with a text in place of whatever else it held.
        """
        function = self.functions[place]
        if self._left[place] <= 0 or self._seconds <= 0:
            self.refused += 1
            raise RuntimeError(f"this function has been called too often: {function.most} calls should do")
        self._left[place] -= 1
        begun = time.thread_time()
        failure: Exception | None = None
        try:
            taken = [self._taken(arg) for arg in args]
            taken_named = {name: self._taken(arg) for name, arg in named.items()}
            size = check_size([*taken, *taken_named.values()])
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                result = function.of(*taken, **taken_named)
            given = self._given(result, function.hidden, size)
        except Exception as error:
            failure = _as_builtin(error, function.of)
        finally:
            self._seconds -= time.thread_time() - begun
        if failure is not None:
            raise failure  # out here, where it remembers no other exception and no frame of the function
        for arg, after in zip((*args, *named.values()), (*taken, *taken_named.values()), strict=True):
            if type(arg) is dict:
                _update(arg, after)
            elif function.writes and type(arg) is np.ndarray and arg.shape == after.shape and arg.flags.writeable:
                np.copyto(arg, after)
                given = arg if result is after else given
        return given

    def _taken(self, arg: Any) -> Any:
        if type(arg) is Kept:
            if arg not in self._kept:
                raise TypeError("an argument belongs to an earlier call")
            return self._kept[arg]
        if type(arg) is dict:
            if len(arg) > MOST_NAMES or not all(type(key) is str for key in arg):
                raise TypeError(f"a dict should have names as keys, and no more than {MOST_NAMES}")
            return {key: _taken_value(value) for key, value in arg.items()}
        return _taken_value(arg)

    def _given(self, result: Any, hidden: tuple[int, ...], size: int) -> Any:
        if isinstance(result, tuple | list):
            items = [self._item(item, number in hidden, size) for number, item in enumerate(result)]
            return tuple(items) if isinstance(result, tuple) else items
        return self._item(result, False, size)

    def _item(self, value: Any, hidden: bool, size: int) -> Any:
        if not hidden:
            if value is None or type(value) in _NUMBERS:
                return value
            if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
                if value.nbytes > MOST_RESULT:
                    raise MemoryError("the result is too large")
                return np.array(value) if isinstance(value, np.ndarray) else value
        self._room -= 8 * size + 100
        if self._room < 0:
            raise MemoryError("too much is kept of the results in this call")
        kept = Kept()
        self._kept[kept] = value
        return kept


def check_size(args: Sequence[Any]) -> int:
    """Refuse arrays of which a function could make a giant one; return their size in bytes.

    Raises
    ------
    MemoryError
    """
    values = [value for arg in args for value in (arg.values() if type(arg) is dict else (arg,))]
    arrays = [value for value in values if type(value) is np.ndarray]
    box = [1] * max((array.ndim for array in arrays), default=0)
    for array in arrays:
        for place, length in enumerate(reversed(array.shape)):
            box[place] = max(box[place], length)
    if math.prod(box) > MOST_ENTRIES:
        raise MemoryError(f"the arrays are too large for this function, which takes {MOST_ENTRIES} entries")
    return sum(array.nbytes for array in arrays)


def _taken_value(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, float, complex):
        return value
    if kind is int:
        if value.bit_length() > 64:
            raise OverflowError("a number has more than 64 bits")
        return value
    if kind is str and len(value) <= MOST_TEXT:
        return value
    if issubclass(kind, np.ndarray | np.generic):
        array = np.array(value, subok=False)
        if array.dtype.kind not in "biufc":
            raise TypeError("the entries of an array are no numbers")
        return array if issubclass(kind, np.ndarray) else array[()]
    raise TypeError("an argument is neither an array nor a number, a short text or a dict of them")


def _update(mine: dict[str, Any], after: dict[str, Any]) -> None:
    """Do to a student's dict what was done to its copy; only what could have come is put in."""
    for name in [name for name in mine if name not in after]:
        del mine[name]
    for name, value in after.items():
        try:
            mine[name] = _taken_value(value)
        except (TypeError, OverflowError):
            mine[name] = None


def _as_builtin(error: Exception, function: Callable[..., Any]) -> Exception:
    kind = next((kind for kind in _ERRORS if isinstance(error, kind)), RuntimeError)
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    for name in ("__qualname__", "__name__"):
        text = text.replace(f"{getattr(function, name, 'function')}()", "function()")
    return kind(text[:MOST_TEXT])


class Lender:
    """Makes the plain functions that a student's function gets; they serve until `close`, in this thread."""

    def __init__(self) -> None:
        self._loan = Loan()
        self._thread = threading.get_ident()
        self._open = True

    def lend(self, lent: Function) -> Callable[..., Any]:
        """Return the plain function for a lent one."""
        place = self._loan.add(lent)

        def function(*args: Any, **named: Any) -> Any:
            if not self._open or threading.get_ident() != self._thread:
                raise RuntimeError("this function serves only the call in which it was given")
            return self._loan.run(place, args, named)

        function.__qualname__ = "function"
        return function

    def close(self) -> None:
        """Serve no longer."""
        self._open = False
