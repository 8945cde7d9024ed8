"""A submission's process, seen from the grader: run cells, call functions, start it again when it dies."""

import secrets
import select
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from autograder.bn_helper.calls import CallError, Handle, Reply
from autograder.engine.jail import EngineFailure, Jail
from autograder.engine.student_side import policy, wire


@dataclass(frozen=True)
class Limits:
    """Seconds of CPU that a submission may take; what does not end then by itself is ended soon after.

    Each cell that is late leaves the next ones a fifth of the time, down to a second: most often it is the same
    loop again.
    """

    cell: float = 10.0
    call: float = 3.0
    start: float = 60.0
    timeouts_per_function: int = 2

    def cell_after(self, late: int) -> float:
        """Return the time of a cell when so many were late before it."""
        return max(self.cell / 5**late, min(self.cell, 1.0))


@dataclass
class CellResult:
    """What a cell gave: outputs in the notebook format, and whether its time ran out or its process ended."""

    outputs: list[dict[str, Any]]
    late: bool = False
    died: bool = False


@dataclass
class Session:
    """Runs one submission. If its process dies, another is started and the cells that had run are run again.

    Parameters
    ----------
    jail : Jail
    files : mapping from relative paths to contents
        What lies in the work folder.
    limits : Limits
    plots : bool
        False if nobody will look at the outputs.
    """

    jail: Jail
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    limits: Limits = field(default_factory=Limits)
    plots: bool = True

    def __post_init__(self) -> None:
        self._done: list[str] = []
        self._timeouts: Counter[str] = Counter()
        self._late = False
        self._late_cells = 0
        self._number = 0
        self._start()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._student.end()

    def run_cell(self, source: str) -> CellResult:
        """Run a cell in the student's process."""
        seconds = self.limits.cell_after(self._late_cells)
        answer = self._request(seconds, do="cell", source=source, seconds=seconds)
        late = self._late if answer is None else answer.get("late") is True
        outputs = [] if answer is None else _outputs(answer.get("outputs"))
        if late:
            outputs.append(_stopped(f"This cell did not finish in {seconds:g} s."))
        elif answer is None:
            outputs.append(_stopped("The process in which this cell ran has ended."))
        if answer is None:
            self._restart()
        if answer is not None and not late:
            self._done.append(source)
        self._late_cells += late
        return CellResult(outputs, late=late, died=answer is None)

    def call(self, name: str, *args: Any) -> Reply:
        """Call a student's function; see `autograder.bn_helper.calls.Call`."""
        if self._timeouts[name] >= self.limits.timeouts_per_function:
            return Reply(None, error=CallError("timeout"))
        arguments = [_argument(arg) for arg in args]
        answer = self._request(self.limits.call, do="call", name=name, args=arguments, seconds=self.limits.call)
        if answer is None:
            error = CallError("timeout" if self._late else "died")
            self._timeouts[name] += 1
            self._restart()
            return Reply(None, error=error)
        if "error" in answer:
            error = _error(answer["error"])
            self._timeouts[name] += error.kind == "timeout"
            return Reply(None, error=error)
        afterwards, warned = answer.get("arguments"), answer.get("warnings")
        return Reply(
            answer.get("result"),
            tuple(afterwards) if isinstance(afterwards, list) and len(afterwards) == len(args) else (None,) * len(args),
            tuple(str(text) for text in warned) if isinstance(warned, list) else (),
            None,
            Handle(self._number),
        )

    def _start(self) -> None:
        self._student = self.jail.student()
        try:
            if self._answer(self.limits.start) is None:
                raise EngineFailure("the submission's process does not come up")
            if self._request(self.limits.start, do="files", files=self.files, plots=self.plots) is None:
                raise EngineFailure("the files beside the notebook cannot be laid in the work folder")
        except BaseException:
            self._student.end()
            raise

    def _restart(self) -> None:
        self._student.end()
        self._start()
        done, self._done = self._done, []
        for source in done:
            if self._request(self.limits.cell, do="cell", source=source, seconds=self.limits.cell) is None:
                self._student.end()  # a cell that ran once does not run again: go on without it
                self._start()
            else:
                self._done.append(source)

    def _request(self, wait: float, **request: Any) -> dict[str, Any] | None:
        self._number = secrets.randbits(62)
        self._late = False
        try:
            wire.send(self._student.connection, {**request, "number": self._number})
        except (OSError, wire.WireError):
            return None
        return self._answer(wait * policy.PATIENCE + 1.0, self._number)

    def _answer(self, seconds: float, number: int | None = None) -> dict[str, Any] | None:
        """Wait for the answer; None if the process is gone, late, or breaks the wire's rules."""
        connection = self._student.connection
        deadline = time.monotonic() + seconds
        readable, _, _ = select.select([connection], [], [], seconds)
        if not readable:
            self._late = True
            return None
        connection.settimeout(max(deadline - time.monotonic(), 1.0))
        try:
            answer = wire.receive(connection)
        except (EOFError, OSError, wire.WireError):
            return None
        connection.settimeout(None)
        if not isinstance(answer, dict) or answer.get("number") != number:
            return None
        return answer


def _argument(arg: Any) -> dict[str, Any]:
    return {"kept": arg.of, "path": list(arg.path)} if isinstance(arg, Handle) else {"value": arg}


def _error(told: Any) -> CallError:
    if not isinstance(told, dict):
        return CallError("died")
    kinds = told.get("kinds", [])
    names = tuple(str(kind) for kind in kinds) if isinstance(kinds, list) else ()
    return CallError(str(told.get("kind")), str(told.get("text", "")), str(told.get("line", "")), names)


def _outputs(told: Any) -> list[dict[str, Any]]:
    """Keep of the outputs what is in the notebook format: the student's process may say anything."""
    kept = []
    for output in told if isinstance(told, list) else []:
        match output:
            case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
                kept.append({"output_type": "stream", "name": name, "text": text})
            case {"output_type": "display_data" | "execute_result" as kind, "data": dict(data)}:
                texts = {str(mime): text for mime, text in data.items() if isinstance(text, str)}
                count = {"execution_count": None} if kind == "execute_result" else {}
                kept.append({"output_type": kind, "data": texts, "metadata": {}, **count})
            case {"output_type": "error", "ename": str(name), "evalue": str(text), "traceback": list(lines)}:
                told_lines = [str(line) for line in lines]
                kept.append({"output_type": "error", "ename": name, "evalue": text, "traceback": told_lines})
    return kept


def _stopped(text: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": "Stopped", "evalue": text, "traceback": [text]}
