"""The student's process: an IPython shell that runs cells and calls functions on request."""

import ast
import base64
import builtins
import io
import os
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.text import SList
from traitlets import Type
from traitlets.config import Config

from . import policy, wire

MAX_OUTPUT = 512 * 1024  # characters and base64 digits that one cell may put out
_HERE = str(Path(__file__).parent)
_PROMPTS = (">>>", "...:", "In [")  # which IPython takes from pasted code


class OutOfTime(BaseException):
    """Raised in student code when its time is up; no `except Exception` catches it."""


class time_limit:  # noqa: N801 - reads as a statement
    """Raise `OutOfTime` in the block after so many seconds of CPU, or `policy.PATIENCE` times as many on the clock."""

    held = False  # while the wire is in use: a frame is sent and received whole
    rung = False

    def __init__(self, seconds: float):
        self.seconds = seconds

    def __enter__(self) -> None:
        signal.signal(signal.SIGPROF, _ring)
        signal.signal(signal.SIGALRM, _ring)
        signal.setitimer(signal.ITIMER_PROF, self.seconds)
        signal.setitimer(signal.ITIMER_REAL, self.seconds * policy.PATIENCE)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        time_limit.held = time_limit.rung = False


def _ring(*_: Any) -> None:
    time_limit.rung = True
    if not time_limit.held:
        raise OutOfTime


class Outputs:
    """The outputs of one cell in the notebook format, in their order, up to `MAX_OUTPUT`."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []
        self.room = MAX_OUTPUT

    def stream(self, name: str, text: str) -> None:
        """Add text to a stream, joined to what the stream said last."""
        text, cut = text[: self.room], len(text) > self.room
        self.room -= len(text)
        if cut and self.room == 0:
            text, self.room = text + "\n... more was put out than can be kept\n", -1
        if not text:
            return
        if self.kept and self.kept[-1].get("name") == name:
            self.kept[-1]["text"] += text
        else:
            self.kept.append({"output_type": "stream", "name": name, "text": text})

    def rich(self, kind: str, data: dict[str, Any], **more: Any) -> None:
        """Add a figure, a table or a value: text, with bytes as base64."""
        plain = {
            str(mime): base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for mime, value in data.items()
            if isinstance(value, str | bytes)
        }
        size = sum(map(len, plain.values()))
        if size <= self.room:
            self.room -= size
            self.kept.append({"output_type": kind, "data": plain, "metadata": {}, **more})


class Stream(io.TextIOBase):
    """A standard stream of the student's process: into the current cell's outputs, or nowhere."""

    def __init__(self, name: str):
        self.name = name
        self.outputs: Outputs | None = None

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.outputs is not None:
            self.outputs.stream(self.name, str(text))
        return len(text)


class Publisher(DisplayPublisher):
    """Puts what is displayed into the current cell's outputs."""

    outputs: Outputs | None = None

    def publish(self, data: dict[str, Any], metadata: dict[str, Any] | None = None, **_: Any) -> None:
        if self.outputs is not None:
            self.outputs.rich("display_data", data)

    def clear_output(self, wait: bool = False) -> None:
        if self.outputs is not None:
            self.outputs.kept.clear()


class Hook(DisplayHook):
    """Puts the value of a cell's last expression into the cell's outputs."""

    outputs: Outputs | None = None

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        if self.outputs is not None:
            self.outputs.rich("execute_result", format_dict, execution_count=self.prompt_count)

    def finish_displayhook(self) -> None:
        pass


class Compiler(CachingCompiler):
    """IPython's compiler; a cell that has been looked at need not be parsed again."""

    _parsed: tuple[str, int, ast.AST] | None = None

    def is_python(self, cell: str) -> bool:
        """Tell whether a cell is plain Python, of more than a line, in which IPython looks for magics in vain."""
        self._parsed = None
        if "\n" not in cell.strip() or cell[0].isspace() or any(prompt in cell for prompt in _PROMPTS):
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # IPython shall give them, with the cell's name
            try:
                self._parsed = cell, self.flags, self.ast_parse(cell)
            except (SyntaxError, ValueError, MemoryError, RecursionError, Warning):
                return False
        return True

    def ast_parse(self, source: str, filename: str = "<unknown>", symbol: str = "exec") -> ast.AST:
        parsed, self._parsed = self._parsed, None
        if parsed is not None and parsed[:2] == (source, self.flags) and symbol == "exec":
            return parsed[2]
        return super().ast_parse(source, filename, symbol)


class RecordingShell(InteractiveShell):
    """An IPython shell without a terminal."""

    displayhook_class = Hook
    display_pub_class = Publisher
    compiler_class = Type(Compiler)

    def transform_cell(self, raw_cell: str) -> str:
        """Leave plain Python as it is: to look for magics in it takes longer than most cells."""
        cell = dedent(raw_cell if raw_cell.endswith("\n") else raw_cell + "\n")  # as IPython does
        plain = not self.input_transformers_post and self.compile.is_python(cell)
        return cell if plain else super().transform_cell(raw_cell)

    def should_run_async(self, raw_cell: str, **known: Any) -> bool:
        """Look closer only at a cell that could wait for something."""
        return ("async" in raw_cell or "await" in raw_cell) and super().should_run_async(raw_cell, **known)

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: plots go into the outputs, whatever backend a notebook asks for."""

    def system(self, cmd: str) -> None:
        """Say that a line such as `!ls` runs nothing, and go on: the function below it counts."""
        print(f"!{cmd} was not run: a submission can start no other program.")

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """Return no output, for the same reason."""
        self.system(cmd)
        return SList() if split else ""

    def ask_exit(self) -> None:
        """Ignore exit() in a cell: the cells after it are graded too."""


class Shell:
    """Runs cells and finds the functions that they define."""

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        self.ipython = RecordingShell.instance(config=config)
        InteractiveShell._instance = self.ipython  # what get_ipython() and the plot backends look for
        self.ipython._showtraceback = self._keep_traceback
        self.streams = (Stream("stdout"), Stream("stderr"))
        sys.stdout, sys.stderr = self.streams
        self._error: dict[str, Any] | None = None

    def _keep_traceback(self, kind: type, value: BaseException, lines: list[str]) -> None:
        self._error = {
            "output_type": "error",
            "ename": str(kind.__name__)[:200],
            "evalue": str(value)[:10_000],
            "traceback": [str(line)[:10_000] for line in lines[:100]],
        }

    def hide_plots(self) -> None:
        """Draw nothing: the pictures of this process are not wanted."""
        shown = self.ipython.display_formatter.active_types
        self.ipython.display_formatter.active_types = [kind for kind in shown if not kind.startswith("image/")]

    def run(self, source: str, seconds: float) -> tuple[list[dict[str, Any]], bool]:
        """Run a cell; return its outputs and whether its time ran out."""
        self._error, late = None, False
        outputs = Outputs()
        self._record(outputs)
        try:
            with time_limit(seconds):
                self.ipython.run_cell(source, store_history=True)
        except OutOfTime:
            late = True
        self._record(None)
        if self._error is not None and self._error["ename"] == OutOfTime.__name__:
            late = True
        elif self._error is not None:
            outputs.kept.append(self._error)
        return outputs.kept, late

    def _record(self, outputs: Outputs | None) -> None:
        for place in (*self.streams, self.ipython.display_pub, self.ipython.displayhook):
            place.outputs = outputs

    def function(self, name: str) -> Any:
        """Find a function by name: of the notebook, or of bn_helper under its full name."""
        module, _, attribute = name.rpartition(".")
        if module:
            return getattr(__import__(module), attribute, None)
        return self.ipython.user_ns.get(name)


class Kept:
    """Stands for something of the grader's that can only be passed on."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<kept>"

    def __copy__(self) -> "Kept":
        return self

    def __deepcopy__(self, _: Any) -> "Kept":
        return self

    def __reduce_ex__(self, _: Any) -> Any:
        raise TypeError("this object can only be passed on")


class Borrowed:
    """The functions that the grader lends for one call: plain functions, which ask the grader for every result."""

    def __init__(self, connection: socket.socket, number: int):
        self._connection = connection
        self._number = number
        self._turn = 0
        self._thread = threading.get_ident()
        self._open = True
        self._kept: dict[Kept, int] = {}

    def function(self, place: int) -> Callable[..., Any]:
        """Make a function that serves until `close`, in this thread."""

        def function(*args: Any, **named: Any) -> Any:
            return self._ask(place, args, named)

        function.__qualname__ = "function"
        return function

    def close(self) -> None:
        """Serve no longer."""
        self._open = False

    def _ask(self, place: int, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if not self._open or time_limit.held or threading.get_ident() != self._thread:
            raise RuntimeError("this function serves only the call in which it was given")
        given = [self._given(arg) for arg in args]
        given_named = {name: self._given(arg) for name, arg in named.items()}
        asked = {"ask": place, "turn": self._turn, "args": given, "named": given_named, "number": self._number}
        try:
            frame = wire.encode(asked)
        except wire.WireError as error:
            raise MemoryError(str(error)) from None
        time_limit.held = True
        self._turn += 1
        wire.send_encoded(self._connection, frame)
        answer = wire.receive(self._connection)
        time_limit.held = False
        if time_limit.rung:
            raise OutOfTime
        if "raised" in answer:
            raise getattr(builtins, answer["raised"])(answer["text"])
        mine = (*args, *named.values())
        for arg, after in zip(mine, answer["afterwards"], strict=True):
            if type(after) is dict:
                for name in arg.keys() - after.keys():
                    del arg[name]
                arg.update(after)
            elif after is not None and arg.flags.writeable:
                np.copyto(arg, after)
        result = answer["result"]
        if "argument" not in result:
            return self._taken(result)
        own = mine[result["argument"]]
        return own if own.flags.writeable else answer["afterwards"][result["argument"]]

    def _given(self, arg: Any) -> dict[str, Any]:
        if type(arg) is Kept and arg in self._kept:
            return {"kept": self._kept[arg]}
        if type(arg) is dict:
            return {"value": {key: _plain_array(value) for key, value in arg.items()}}
        return {"value": _plain_array(arg)}

    def _taken(self, result: dict[str, Any]) -> Any:
        if "items" in result:
            return type(result["items"])(map(self._taken, result["items"]))
        if "value" in result:
            return result["value"]
        kept = Kept()
        self._kept[kept] = result["kept"]
        return kept


class Calls:
    """Calls functions of a shell, keeping results that a later call may need."""

    def __init__(self, shell: Shell, connection: socket.socket):
        self.shell = shell
        self.connection = connection
        self.kept: dict[int, Any] = {}

    def call(self, name: str, args: list[Any], others: dict[str, Any], seconds: float, keep: int) -> dict[str, Any]:
        """Call a function; return its result and those arguments that it changed, or its error.

        Parameters
        ----------
        name : str
        args : list
        others : mapping from places among the arguments to what stands for something else there
        seconds : float
        keep : int
            Under this number the result can be asked for in a later call.
        """
        borrowed = Borrowed(self.connection, keep)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                function = self.shell.function(name)
                if not callable(function):
                    return {"error": {"kind": "missing"}}
                given = list(args)
                for place, other in others.items():
                    given[int(place)] = self._resolve(other, borrowed)
                before = [_copied(arg) for arg in args]
                with time_limit(seconds):
                    result = function(*given)
            except OutOfTime:
                return {"error": {"kind": "timeout"}}
            except BaseException as error:
                return {"error": _describe(error)}
            finally:
                borrowed.close()
        self.kept[keep] = result
        given = [None if _same(*pair) else _readable(pair[1]) for pair in zip(before, args, strict=True)]
        texts = [str(warning.message)[:200] for warning in caught[:20]]
        return {"result": _plain(result), "arguments": given, "warnings": texts}

    def _resolve(self, other: dict[str, Any], borrowed: Borrowed) -> Any:
        if "lent" in other:
            return borrowed.function(other["lent"])
        value = self.kept[other["kept"]]
        for index in other["path"]:
            value = value[index]
        return value


def _copied(value: Any) -> Any:
    """Copy what came over the wire."""
    kind = type(value)
    if kind is np.ndarray:
        return value.copy()
    if kind is dict:
        return {key: _copied(item) for key, item in value.items()}
    return kind(map(_copied, value)) if kind in (list, tuple) else value


def _same(before: Any, after: Any) -> bool:
    """Tell whether a value, whatever it holds by now, is still what came over the wire; no method of it is called."""
    kind = type(before)
    if before is after or type(after) is not kind:
        return before is after
    if kind is np.ndarray:
        return after.dtype == before.dtype and after.shape == before.shape and after.tobytes() == before.tobytes()
    if kind is dict:
        keys = list(after)
        return (
            all(type(key) is str for key in keys)
            and keys == list(before)
            and all(_same(before[key], after[key]) for key in keys)
        )
    return kind in (list, tuple) and len(before) == len(after) and all(map(_same, before, after))


def _plain(result: Any) -> Any:
    """Turn named tuples into tuples, and arrays of other kinds into the arrays that cross the wire."""
    if issubclass(type(result), tuple | list):  # not isinstance, which asks the value itself
        return (
            type(result)(map(_plain_array, result))
            if type(result) in (tuple, list)
            else tuple(map(_plain_array, result))
        )
    return _plain_array(result)


def _plain_array(value: Any) -> Any:
    if not issubclass(type(value), np.ndarray | np.longdouble):
        return value
    array = np.asarray(value)
    if array.dtype.char == np.dtype(np.longdouble).char:
        return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _readable(argument: Any) -> Any:
    """Drop keys that do not cross the wire, so that the others can be looked at."""
    if type(argument) is dict:
        return {key: value for key, value in argument.items() if type(key) is str}
    return argument


def _describe(error: BaseException) -> dict[str, Any]:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_HERE) and "/packages/" not in frame.filename
    ]
    return {
        "kind": type(error).__name__,
        "kinds": [base.__name__ for base in type(error).__mro__],
        "text": str(error)[:500],
        "line": (frames[-1].line or "")[:200] if frames else "",
    }


def lay(files: dict[str, bytes]) -> None:
    """Write files into the current folder."""
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def serve(connection: socket.socket, shell: Shell, files: dict[str, bytes]) -> None:
    """Serve requests in the current folder until the grader closes the wire.

    Parameters
    ----------
    connection : socket
        Leads to the grader.
    shell : Shell
    files : mapping from relative paths to contents
        They lie in the folder of every submission that is forked here.
    """
    if sys.path[-1] != os.getcwd():
        sys.path.append(os.getcwd())  # last, so that a numpy.py beside the notebook hides nothing
    calls = Calls(shell, connection)
    wire.send(connection, {"ready": True})
    while True:
        try:
            request = wire.receive(connection)
        except EOFError:
            os._exit(0)
        answer: dict[str, Any]
        match request["do"]:
            case "files":
                lay({**files, **request["files"]})
                if not request["plots"]:
                    shell.hide_plots()
                answer = {}
            case "cell":
                outputs, late = shell.run(request["source"], request["seconds"])
                answer = {"outputs": outputs, "late": late}
            case "call":
                told = (request[key] for key in ("name", "args", "others", "seconds", "number"))
                answer = calls.call(*told)
        try:
            wire.send(connection, {**answer, "number": request["number"]})
        except wire.WireError as error:
            wire.send(connection, {"error": {"kind": "WireError", "text": str(error)}, "number": request["number"]})
