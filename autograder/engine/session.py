"""A submission's process, seen from the grader: run cells, call functions, start it again when it dies.

What the process answers may be anything that crosses the wire: of each answer only what has the right type is taken,
cut to a size that a notebook can hold.
"""

import builtins
import secrets
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from autograder.bn_helper.calls import CallError, Function, Handle, Reply
from autograder.bn_helper.lending import Kept, Loan
from autograder.engine.jail import EngineFailure, Jail, Opening
from autograder.engine.student_side import policy, wire

_MOST_OUTPUTS = 300  # of one cell
_MOST_TEXT = 2_000_000  # characters of one cell's outputs
_MOST_TEXT_IN_ALL = 20_000_000
_MOST_REFUSED = 100  # calls of a lent function after its budget is used up
_OWN_KINDS = ("missing", "timeout", "died", "WireError")


@dataclass(frozen=True)
class Limits:
    """Seconds of CPU that a submission may take; what does not end then by itself is ended soon after.

    `submission` is on the clock, for everything together: what is asked afterwards is refused as late.

    Each cell that is late leaves the next ones a fifth of the time, down to a second: most often it is the same
    loop again.
    """

    cell: float = 10.0
    call: float = 3.0
    lent: float = 3.0  # of the grader's, for the functions that it lends in a call
    start: float = 60.0
    submission: float = 120.0
    ends_per_function: int = 1  # in a part

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
        False if nobody will look at pictures.
    opening : Opening, optional
        The first cells of this submission, if they are those of the assignment.
    """

    jail: Jail
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    limits: Limits = field(default_factory=Limits)
    plots: bool = True
    opening: Opening | None = None

    def __post_init__(self) -> None:
        self._done: list[str] = []
        self._ended: defaultdict[str, list[str]] = defaultdict(list)  # how calls of a function ended that had to be
        self._lines: set[str] = set()
        self._late = False
        self._late_cells = 0
        self._number = 0
        self._seconds = self.limits.submission
        self._room = _MOST_TEXT_IN_ALL
        self._opened = list(self.jail.outputs(self.opening) or []) if self.opening else []
        if not self._opened:
            self.opening = None
        self._start()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def opened(self) -> bool:
        """Whether the next cell is one of the opening's, which have run."""
        return bool(self._opened)

    def close(self) -> None:
        """End the process."""
        self._student.end()

    def run_cell(self, source: str) -> CellResult:
        """Run a cell in the student's process."""
        if self._seconds <= 0:
            return CellResult([_stopped("This cell was not run: the notebook has used up its time.")], late=True)
        self._lines.update(line.strip() for line in source.splitlines())
        if self._opened:  # it has run
            return CellResult(self._outputs(self._opened.pop(0)))
        seconds = self.limits.cell_after(self._late_cells)
        answer = self._request(seconds, do="cell", source=source, seconds=seconds)
        late = self._late if answer is None else answer.get("late") is True
        outputs = [] if answer is None else self._outputs(answer.get("outputs"))
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

    def next_part(self) -> None:
        """Call functions again that had to be ended: another part may try them in another mode."""
        self._ended.clear()

    def call(self, name: str, *args: Any) -> Reply:
        """Call a student's function; see `autograder.bn_helper.calls.Call`."""
        ended = self._ended[name]
        if len(ended) >= self.limits.ends_per_function or self._seconds <= 0:
            return Reply(None, error=CallError(ended[-1] if ended else "timeout"))
        lent = _Lent(Loan(self.limits.lent))
        others = {str(place): lent.other(arg) for place, arg in enumerate(args) if type(arg) in (Function, Handle)}
        plain = [None if str(place) in others else arg for place, arg in enumerate(args)] if others else list(args)
        request = {"do": "call", "name": name, "args": plain, "others": others, "seconds": self.limits.call}
        answer = self._request(self.limits.call, lent, **request)
        if answer is None:
            ended.append("timeout" if self._late else "died")
            self._restart()
            return Reply(None, error=CallError(ended[-1]))
        if "error" in answer:
            error = _error(answer["error"])
            if error.kind == "timeout":
                ended.append(error.kind)
            # The line is the student's process's word, and shown: it must be a line of the notebook.
            return Reply(None, error=error if error.line in self._lines else replace(error, line=""))
        changed, warned = answer.get("arguments"), answer.get("warnings")
        if not isinstance(changed, list) or len(changed) != len(args):
            changed = [None] * len(args)
        return Reply(
            answer.get("result"),
            tuple(before if after is None else after for before, after in zip(plain, changed, strict=True)),
            tuple(_text(text, 200) for text in warned[:20]) if isinstance(warned, list) else (),
            None,
            Handle(self._number),
        )

    def _start(self) -> None:
        self._student = self.jail.student(self.opening)
        self._generation = self.jail.generation
        try:
            if self._answer(time.monotonic() + self.limits.start) is None:
                raise EngineFailure("the submission's process does not come up")
            there = self.opening.files if self.opening else {}
            files = {name: content for name, content in self.files.items() if there.get(name) != content}
            if self._request(self.limits.start, do="files", files=files, plots=self.plots) is None:
                raise EngineFailure("the files beside the notebook cannot be laid in the work folder")
        except BaseException:
            self._student.end()
            raise

    def _begin_again(self) -> None:
        """Start another process; if the jail itself had ended, that was no doing of the submission's."""
        generation = self._generation
        self._student.end()
        self._start()
        if self._generation != generation:
            raise EngineFailure("the jail ended while the submission ran")

    def _restart(self) -> None:
        self._begin_again()
        done, self._done = self._done, []
        for source in done:
            if self._seconds <= 0:
                return
            if self._request(self.limits.cell, do="cell", source=source, seconds=self.limits.cell) is None:
                self._begin_again()  # a cell that ran once does not run again: go on without it
            else:
                self._done.append(source)

    def _request(self, wait: float, lent: "_Lent | None" = None, **request: Any) -> dict[str, Any] | None:
        self._number = secrets.randbits(62)
        self._late = False
        begun = time.monotonic()
        deadline = begun + wait * policy.PATIENCE + 1.0
        try:
            self._student.connection.settimeout(deadline - begun)  # it may have stopped to listen
            wire.send(self._student.connection, {**request, "number": self._number})
            answer = self._answer(deadline, self._number)
            while answer is not None and "ask" in answer:
                reply = lent.reply(answer) if lent else None
                if reply is None:
                    self._late = lent is not None and lent.worn_out
                    return None
                self._student.connection.settimeout(max(deadline - time.monotonic(), 1e-3))
                wire.send(self._student.connection, {**reply, "number": self._number})
                answer = self._answer(deadline, self._number)
            return answer
        except TimeoutError:
            self._late = True
            return None
        except (OSError, wire.WireError):
            return None
        finally:
            self._seconds -= time.monotonic() - begun

    def _answer(self, deadline: float, number: int | None = None) -> dict[str, Any] | None:
        """Wait for the answer; None if the process is gone, late, or breaks the wire's rules."""
        try:
            answer = wire.receive(self._student.connection, deadline)
        except TimeoutError:
            self._late = True
            return None
        except (EOFError, OSError, wire.WireError):
            return None
        told = answer.get("number") if isinstance(answer, dict) else None
        return (
            answer if isinstance(told, int | None) and told == number else None
        )  # an array would be compared by items

    def _outputs(self, told: Any) -> list[dict[str, Any]]:
        """Keep of the outputs what is in the notebook format and finds room: the student's process may say anything."""
        kept: list[dict[str, Any]] = []
        room = min(_MOST_TEXT, self._room)
        for output in told[:_MOST_OUTPUTS] if isinstance(told, list) else []:
            checked = _output(output, room)
            if checked is not None:
                room -= _size(checked)
                kept.append(checked)
            if room <= 0:
                break
        self._room -= sum(map(_size, kept))
        return kept


class _Lent:
    """The functions that a call lends, as they cross the wire: what the student's process asks, and what it hears."""

    def __init__(self, loan: Loan):
        self._loan = loan
        self._kept: list[Kept] = []  # what the process knows by its place here
        self._turn = 0

    @property
    def worn_out(self) -> bool:
        """Whether the process goes on asking though nothing is answered any more."""
        return self._loan.refused > _MOST_REFUSED

    def other(self, arg: Function | Handle) -> dict[str, Any]:
        """Encode an argument of the call that is no value."""
        return {"lent": self._loan.add(arg)} if isinstance(arg, Function) else {"kept": arg.of, "path": list(arg.path)}

    def reply(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Run a function for the student's process; None if the process asks for what it cannot ask for."""
        place, turn, args, named = (asked.get(key) for key in ("ask", "turn", "args", "named"))
        if not (type(place) is type(turn) is int and type(args) is list and type(named) is dict):
            return None
        if turn != self._turn or not 0 <= place < len(self._loan.functions):
            return None
        self._turn += 1
        try:
            given = [self._decoded(arg) for arg in args]
            given_named = {name: self._decoded(arg) for name, arg in named.items()}
        except _Malformed:
            return None
        try:
            result = self._loan.run(place, given, given_named)
        except Exception as error:  # a built-in one: `Loan.run` has seen to it
            return None if self.worn_out else {"turn": turn, "raised": type(error).__name__, "text": str(error.args[0])}
        mine = (*given, *given_named.values())
        written = (dict, np.ndarray) if self._loan.functions[place].writes else (dict,)
        afterwards = [arg if type(arg) in written else None for arg in mine]
        own = next((number for number, arg in enumerate(mine) if arg is result and type(arg) is np.ndarray), None)
        told = self._encoded(result) if own is None else {"argument": own}
        return {"turn": turn, "result": told, "afterwards": afterwards}

    def _decoded(self, arg: Any) -> Any:
        match arg:
            case {"value": value} if len(arg) == 1:
                return value
            case {"kept": int(place)} if len(arg) == 1 and type(place) is int and 0 <= place < len(self._kept):
                return self._kept[place]
        raise _Malformed

    def _encoded(self, result: Any) -> dict[str, Any]:
        if type(result) in (tuple, list):
            return {"items": type(result)(map(self._encoded, result))}
        if type(result) is not Kept:
            return {"value": result}
        self._kept.append(result)
        return {"kept": len(self._kept) - 1}


class _Malformed(Exception):
    """The student's process says something that it cannot have meant."""


def _error(told: Any) -> CallError:
    if not isinstance(told, dict):
        return CallError("died")
    kind, kinds = _text(told.get("kind"), 100), told.get("kinds")
    names = tuple(_text(name, 100) for name in kinds[:50]) if isinstance(kinds, list) else ()
    if kind not in _OWN_KINDS and not any(hasattr(builtins, name) for name in names):
        names = (*names, "Exception")
    return CallError(kind, _text(told.get("text"), 500), _text(told.get("line"), 200), names)


def _output(output: Any, room: int) -> dict[str, Any] | None:
    match output:
        case {"output_type": str(kind), "name": str(name), "text": str(text)} if kind == "stream" and name in (
            "stdout",
            "stderr",
        ):
            return {"output_type": "stream", "name": name, "text": _text(text, room)}
        case {"output_type": str(kind), "data": dict(data)} if kind in ("display_data", "execute_result"):
            texts = {_text(mime, 200): _text(text, len(text)) for mime, text in data.items() if isinstance(text, str)}
            count = {"execution_count": None} if kind == "execute_result" else {}
            rich = {"output_type": kind, "data": texts, "metadata": {}, **count}
            return rich if _size(rich) <= room else None
        case {"output_type": str(kind), "ename": str(name), "evalue": str(text), "traceback": list(lines)} if (
            kind == "error"
        ):
            told_lines = [_text(line, 10_000) for line in lines[:100]]
            return {
                "output_type": "error",
                "ename": _text(name, 200),
                "evalue": _text(text, 10_000),
                "traceback": told_lines,
            }
    return None


def _size(output: dict[str, Any]) -> int:
    """Return about how many characters an output takes in a notebook."""
    texts = [*output.get("data", {}).values(), *output.get("traceback", ()), output.get("text", "")]
    return 100 + sum(map(len, texts))


def _text(value: Any, most: int) -> str:
    """Return a text as a file can hold it, or an empty one for what is none."""
    return value[:most].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _stopped(text: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": "Stopped", "evalue": text, "traceback": [text]}
