"""A student's process, seen from the grader: start it, run cells, call functions, end it."""

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.bn_helper.calls import CallError, Handle, Reply
from autograder.engine.student_side import wire

STUDENT_SIDE = Path(__file__).with_name("student_side")
BN_HELPER = Path(__file__).parents[1] / "bn_helper"

_START = """
import sys
sys.path[:0] = sys.argv[1:3]
from student_side import student
del sys.path[0]
student.serve(int(sys.argv[3]), sys.argv[4])
"""

# Names that files beside a notebook may not take; of bn_helper the course's own copy is laid there.
_RESERVED = ("solutions", "autograder", "bn_helper")


class EngineFailure(Exception):
    """The engine itself could not do its work: nothing is known of the submission, and nothing may be marked."""


@dataclass(frozen=True)
class Limits:
    """Seconds that a submission may take; a second more is granted before its process is killed."""

    cell: float = 20.0
    call: float = 3.0
    start: float = 60.0
    timeouts_per_function: int = 2


@dataclass
class CellResult:
    """What a cell gave: outputs in the notebook format, and whether its time ran out or its process ended."""

    outputs: list[dict[str, Any]]
    late: bool = False
    died: bool = False


@dataclass
class Session:
    """Runs one submission. If its process ends, another is started and the cells that had run are run again.

    Parameters
    ----------
    files : Path, optional
        Folder with the files that came beside the notebook; they are copied to the work folder.
    helper_data : Path, optional
        The file of expected outputs of `bn_helper`.
    limits : Limits
    """

    files: Path | None = None
    helper_data: Path | None = None
    limits: Limits = field(default_factory=Limits)
    restarts: int = 0

    def __post_init__(self) -> None:
        self._done: list[str] = []
        self._timeouts: Counter[str] = Counter()
        self._number = 0
        self._folder = Path(tempfile.mkdtemp(prefix="submission-"))
        try:
            self._lay_files()
            self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove its work folder."""
        self._kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run_cell(self, source: str) -> CellResult:
        """Run a cell in the student's process."""
        answer = self._request({"do": "cell", "source": source, "seconds": self.limits.cell}, self.limits.cell)
        if answer is None:
            self._restart()
            return CellResult([_stopped("The process in which this cell ran has ended.")], died=True)
        if not isinstance(answer.get("outputs"), list):
            return CellResult([_stopped(f"The outputs of this cell cannot be kept: {answer.get('error')}")])
        late = answer.get("late") is True
        if late:
            seconds = f"{self.limits.cell:g} s"
            return CellResult([*answer["outputs"], _stopped(f"This cell did not finish in {seconds}.")], late=True)
        self._done.append(source)
        return CellResult(answer["outputs"])

    def call(self, name: str, *args: Any) -> Reply:
        """Call a student's function; see `autograder.bn_helper.calls.Call`."""
        if self._timeouts[name] >= self.limits.timeouts_per_function:
            return Reply(None, error=CallError("timeout"))
        request = {"do": "call", "name": name, "args": [_argument(arg) for arg in args], "seconds": self.limits.call}
        answer = self._request(request, self.limits.call)
        if answer is None:
            late = self._late
            self._timeouts[name] += 1
            self._restart()
            return Reply(None, error=CallError("timeout" if late else "died"))
        if "error" in answer:
            error = _error(answer["error"])
            self._timeouts[name] += error.kind == "timeout"
            return Reply(None, error=error)
        warned = answer.get("warnings", [])
        return Reply(
            answer.get("result"),
            tuple(answer.get("arguments", ())),
            tuple(str(text) for text in warned) if isinstance(warned, list) else (),
            None,
            Handle(self._number),
        )

    def _lay_files(self) -> None:
        if self.files is not None and self.files.is_dir():
            for path in self.files.iterdir():
                if path.suffix == ".ipynb" or path.is_symlink() or path.name.partition(".")[0] in _RESERVED:
                    continue
                target = self._folder / path.name
                shutil.copytree(path, target, symlinks=True) if path.is_dir() else shutil.copy(path, target)
        shutil.copytree(BN_HELPER, self._folder / "bn_helper", ignore=shutil.ignore_patterns("__pycache__"))
        if self.helper_data is not None and self.helper_data.is_file():
            shutil.copy(self.helper_data, self._folder / "bn_helper")

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {
            "PATH": os.defpath,
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "LANG": "C.UTF-8",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-I", "-S", "-c", _START, str(STUDENT_SIDE.parent), sysconfig.get_path("purelib")]
        try:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(self._folder)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise EngineFailure(f"a process for the submission could not be started: {error}") from error
        finally:
            theirs.close()
        self._connection = ours
        if self._answer(self.limits.start) is None:
            raise EngineFailure("the process for the submission did not come up")

    def _kill(self) -> None:
        process = getattr(self, "_process", None)
        if process is None:
            return
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            process.kill()
        process.wait()
        self._connection.close()

    def _restart(self) -> None:
        self._kill()
        self._start()
        self.restarts += 1
        done, self._done = self._done, []
        for source in done:
            answer = self._request({"do": "cell", "source": source, "seconds": self.limits.cell}, self.limits.cell)
            if answer is None:  # a cell that ran once does not run twice: go on without it
                self._kill()
                self._start()
                continue
            self._done.append(source)

    def _request(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        self._number += 1
        try:
            wire.send(self._connection, {**request, "number": self._number})
        except (OSError, wire.WireError):
            self._late = False
            return None
        return self._answer(seconds + 1.0, self._number)

    def _answer(self, seconds: float, number: int | None = None) -> dict[str, Any] | None:
        """Wait for the answer; None if the process is gone, late, or breaks the wire's rules."""
        self._late = False
        deadline = time.monotonic() + seconds
        readable, _, _ = select.select([self._connection], [], [], seconds)
        if not readable:
            self._late = True
            return None
        self._connection.settimeout(max(deadline - time.monotonic(), 1.0))
        try:
            answer = wire.receive(self._connection)
        except (EOFError, OSError, wire.WireError):
            return None
        finally:
            self._connection.settimeout(None)
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


def _stopped(text: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": "Stopped", "evalue": text, "traceback": [text]}
