"""The student's process: an IPython shell that runs cells and calls functions on request.

Started by `session` with an isolated interpreter, so that nothing of the project but this folder can be imported.
"""

import base64
import os
import signal
import socket
import sys
import traceback
import warnings
from typing import Any, ClassVar

from IPython.core.displayhook import DisplayHook
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from . import wire


class OutOfTime(BaseException):
    """Raised in student code when its time is up; no `except Exception` catches it."""


def _ring(*_: Any) -> None:
    raise OutOfTime


class time_limit:  # noqa: N801 - reads as a statement
    """Raise `OutOfTime` in the block after so many seconds."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def __enter__(self) -> None:
        signal.signal(signal.SIGALRM, _ring)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


class RecordingHook(DisplayHook):
    """Keeps the value of a cell's last expression instead of printing it."""

    values: ClassVar[list[dict[str, Any]]] = []

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        self.values.append(_plain(format_dict))

    def finish_displayhook(self) -> None:
        pass


class RecordingShell(InteractiveShell):
    displayhook_class = RecordingHook

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: plots go into the outputs, whatever backend a notebook asks for."""

    def ask_exit(self) -> None:
        """Ignore exit() in a cell: the cells after it are graded too."""


class Shell:
    """An IPython shell whose outputs are collected in the notebook format."""

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        self.ipython = RecordingShell.instance(config=config)
        InteractiveShell._instance = self.ipython  # what get_ipython() and the plot backends look for
        self.ipython._showtraceback = self._keep_traceback
        self._error: dict[str, Any] | None = None

    def _keep_traceback(self, kind: type, value: BaseException, lines: list[str]) -> None:
        self._error = {
            "output_type": "error",
            "ename": str(kind.__name__),
            "evalue": str(value),
            "traceback": [str(line) for line in lines],
        }

    def run(self, source: str, seconds: float) -> tuple[list[dict[str, Any]], bool]:
        """Run a cell; return its outputs and whether its time ran out."""
        self._error, late = None, False
        RecordingHook.values.clear()
        with capture_output() as captured:
            try:
                with time_limit(seconds):
                    self.ipython.run_cell(source, store_history=True)
            except OutOfTime:
                late = True
        outputs: list[dict[str, Any]] = [
            {"output_type": "stream", "name": name, "text": text}
            for name, text in (("stdout", captured.stdout), ("stderr", captured.stderr))
            if text
        ]
        shown = [_plain(rich.data) for rich in captured.outputs]
        outputs += [{"output_type": "display_data", "data": data, "metadata": {}} for data in shown]
        count = self.ipython.execution_count - 1
        outputs += [
            {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": count}
            for data in RecordingHook.values
        ]
        if self._error is not None and self._error["ename"] == OutOfTime.__name__:
            late = True
        elif self._error is not None:
            outputs.append(self._error)
        return outputs, late

    def function(self, name: str) -> Any:
        """Find a function by name: of the notebook, or of bn_helper under its full name."""
        module, _, attribute = name.rpartition(".")
        if module:
            return getattr(__import__(module), attribute, None)
        return self.ipython.user_ns.get(name)


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """Keep of rich output what a notebook can hold: text, with bytes as base64."""
    return {
        str(kind): base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in data.items()
        if isinstance(value, str | bytes | dict)
    }


class Calls:
    """Calls functions of a shell, keeping results that a later call may need."""

    def __init__(self, shell: Shell):
        self.shell = shell
        self.kept: dict[int, Any] = {}

    def call(self, name: str, args: list[Any], seconds: float, keep: int) -> dict[str, Any]:
        function = self.shell.function(name)
        if not callable(function):
            return {"error": {"kind": "missing"}}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                given = [self._resolve(arg) for arg in args]
                with time_limit(seconds):
                    result = function(*given)
            except OutOfTime:
                return {"error": {"kind": "timeout"}}
            except BaseException as error:
                return {"error": _describe(error)}
        self.kept[keep] = result
        given = [value if "value" in arg else None for arg, value in zip(args, given, strict=True)]
        texts = [str(warning.message)[:200] for warning in caught[:20]]
        return {"result": result, "arguments": given, "warnings": texts}

    def _resolve(self, arg: dict[str, Any]) -> Any:
        if "value" in arg:
            return arg["value"]
        value = self.kept[arg["kept"]]
        for index in arg["path"]:
            value = value[index]
        return value


def _describe(error: BaseException) -> dict[str, Any]:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "site-packages" not in frame.filename
    ]
    return {
        "kind": type(error).__name__,
        "kinds": [base.__name__ for base in type(error).__mro__],
        "text": str(error)[:500],
        "line": (frames[-1].line or "")[:200] if frames else "",
    }


def serve(descriptor: int, folder: str) -> None:
    """Serve requests until the grader closes the wire.

    Parameters
    ----------
    descriptor : int
        Of the socket that leads to the grader.
    folder : str
        The work folder; the files that came beside the notebook lie there.
    """
    os.chdir(folder)
    connection = socket.socket(fileno=descriptor)
    shell = Shell()
    sys.path.append(folder)  # last, so that a numpy.py beside the notebook hides nothing
    calls = Calls(shell)
    wire.send(connection, {"ready": True})
    while True:
        try:
            request = wire.receive(connection)
        except EOFError:
            os._exit(0)
        if request["do"] == "cell":
            outputs, late = shell.run(request["source"], request["seconds"])
            answer: dict[str, Any] = {"outputs": outputs, "late": late}
        else:
            with capture_output():
                answer = calls.call(request["name"], request["args"], request["seconds"], request["number"])
        try:
            wire.send(connection, {**answer, "number": request["number"]})
        except wire.WireError as error:
            wire.send(connection, {"error": {"kind": "WireError", "text": str(error)}, "number": request["number"]})
