"""The jail, seen from the grader: start the warm process, get a submission's process from it, try to break out."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from packaging.requirements import Requirement

from autograder.engine.student_side import policy, wire

STUDENT_SIDE = Path(__file__).with_name("student_side")

# What students have at home; the jail holds these, what they require, and nothing else.
BUNDLE = ("numpy", "matplotlib", "jupyterlab")

_START_SECONDS = 60.0
_PROGRAM = """
import sys
sys.path[:0] = sys.argv[1:3]
from student_side import policy
if int(sys.argv[4]) >= 0:
    policy.begin_processes()
from student_side import zygote
del sys.path[0]
zygote.serve(int(sys.argv[3]), int(sys.argv[4]))
"""
_PYTHON = (sys._base_executable, "-I", "-S", "-c", _PROGRAM)  # type: ignore[attr-defined]


class EngineFailure(Exception):
    """The engine itself could not do its work: nothing is known of the submission, and nothing may be marked."""


@dataclass
class Student:
    """A submission's process: the wire that leads to it, and the means to end it."""

    connection: socket.socket
    descriptor: int
    leader: int
    folder: Path | None

    def end(self) -> None:
        """End the process and everything that it started, and remove its work folder."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)
        os.close(self.descriptor)
        self.connection.close()
        if self.folder is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.leader, signal.SIGKILL)
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Opening:
    """The first cells of an assignment, which stand there before anything that a student writes.

    Who leaves them as they are need not wait for them: submissions are forked behind them.

    Parameters
    ----------
    cells : tuple of str
    files : mapping from relative paths to contents
        The work folder in which they run.
    """

    cells: tuple[str, ...]
    files: Mapping[str, bytes]


@dataclass
class Jail:
    """The warm process; `student()` forks a submission's process from it.

    Processes that are forked from this one share the warm process. If it ends, each makes one of its own.

    Parameters
    ----------
    isolated : bool
        False runs submissions with the rights of the grader: in processes of their own, but in no jail.

    Attributes
    ----------
    generation : int
        How many warm processes there have been. With one, all submissions end that were forked from it.
    """

    isolated: bool = True
    generation: int = field(default=0, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _owner: int = field(default=0, init=False, repr=False)
    _up: bool = field(default=False, init=False, repr=False)
    _control: socket.socket = field(init=False, repr=False)
    _complaints: IO[bytes] = field(init=False, repr=False)
    _opened: "_Opened | None" = field(default=None, init=False, repr=False)

    def launch(self) -> None:
        """Start the warm process without waiting until it is up.

        Raises
        ------
        PolicyFailure
            If a part of the jail is missing.
        """
        if self._process is None:
            self._start()

    def student(self, opening: Opening | None = None) -> Student:
        """Fork a process for a submission, if an opening is given with its cells run.

        Raises
        ------
        EngineFailure
            If there is none to be had.
        """
        folder = None if self.isolated else Path(tempfile.mkdtemp(prefix="submission-"))
        for attempt in (1, 2):
            try:
                self._await()
                control = self._control if opening is None else self._open(opening).control
                return self._fork(control, folder)
            except OSError as error:
                complaint = str(error) or self._complaint()
                self.close()
                if attempt == 2:
                    raise EngineFailure(f"no process for the submission: {complaint}") from error
        raise AssertionError

    def outputs(self, opening: Opening) -> list[list[dict[str, Any]]] | None:
        """Return what the cells of an opening put out; None if submissions cannot be forked behind it.

        Raises
        ------
        EngineFailure
            If there is no warm process to be had.
        """
        if not self.isolated or not opening.cells:
            return None
        try:
            self._await()
            return self._open(opening).outputs
        except OSError:
            self.close()
            return None

    def close(self) -> None:
        """End the warm process and every submission that was forked from it."""
        if self._process is None:
            return
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
        self._control.close()
        self._complaints.close()
        self._process = None
        self._close_opened()

    def _close_opened(self) -> None:
        if self._opened is not None:
            self._opened.control.close()
            self._opened = None

    def _open(self, opening: Opening) -> "_Opened":
        """Have a process forked that runs the opening and from then on forks as the warm process does."""
        if self._opened is not None and self._opened.opening == opening:
            return self._opened
        self._close_opened()
        control, their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours, theirs = socket.socketpair()
        try:
            with theirs, their_control, ours:
                socket.send_fds(self._control, [b"open"], [their_control.fileno(), theirs.fileno()])
                theirs.close()
                wire.send(ours, {"cells": list(opening.cells), "files": dict(opening.files)})
                outputs = wire.receive(ours, time.monotonic() + _START_SECONDS)
        except (wire.WireError, EOFError) as error:
            control.close()
            raise OSError(f"the first cells cannot be run: {error}") from error
        except BaseException:
            control.close()
            raise
        self._opened = _Opened(opening, control, outputs)
        return self._opened

    def _fork(self, control: socket.socket, folder: Path | None) -> Student:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(control, [str(folder or policy.WORK).encode()], [theirs.fileno()])
            ours.settimeout(_START_SECONDS)
            leader, descriptors, _, _ = socket.recv_fds(ours, 64, 1)
            if not descriptors:
                raise OSError(self._complaint())
        except BaseException:
            ours.close()
            raise
        ours.settimeout(None)
        return Student(ours, descriptors[0], int(leader), folder)

    def _start(self) -> None:
        self.close()
        prepared = self._isolated() if self.isolated else self._unconfined()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._owner, self._up = os.getpid(), False
        self.generation += 1
        self._control, self._complaints = ours, tempfile.TemporaryFile()  # noqa: SIM115 - read when something fails
        with theirs, tempfile.TemporaryFile() as program:
            program.write(prepared.seccomp)
            program.seek(0)
            seccomp = program.fileno() if self.isolated else -1
            self._process = subprocess.Popen(
                [*prepared.command, str(theirs.fileno()), str(seccomp)],
                pass_fds=[theirs.fileno(), program.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._complaints,
                env=prepared.environment,
                start_new_session=True,
            )

    def _await(self) -> None:
        """Wait until a warm process is up."""
        if self._process is None or (self._owner == os.getpid() and self._process.poll() is not None):
            self._start()
        if self._up:
            return
        self._control.settimeout(_START_SECONDS)
        try:
            up = self._control.recv(16)
        except OSError:
            up = b""
        if up != b"ready":
            complaint = self._complaint()
            self.close()
            raise EngineFailure(f"the warm process does not start: {complaint}")
        self._control.settimeout(None)
        self._up = True

    def _isolated(self) -> "_Prepared":
        if shutil.which("bwrap") is None:
            raise policy.PolicyFailure("bubblewrap is missing; on Debian: sudo apt-get install bubblewrap")
        jail = policy.bubblewrap(Path(sys.base_prefix), bundle(), STUDENT_SIDE)
        settings = [word for item in environment("/tmp").items() for word in ("--setenv", *item)]
        command = [*jail, *settings, *_PYTHON, "/jail", "/packages"]
        return _Prepared(command, {"PATH": os.environ.get("PATH", os.defpath)}, policy.seccomp_program())

    def _unconfined(self) -> "_Prepared":
        command = [*_PYTHON, str(STUDENT_SIDE.parent), sysconfig.get_path("purelib")]
        return _Prepared(command, environment(tempfile.gettempdir()))

    def _complaint(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it does not say why"


@dataclass(frozen=True)
class _Opened:
    """A process that has run an opening: where it takes requests, and what the cells put out."""

    opening: Opening
    control: socket.socket
    outputs: list[list[dict[str, Any]]] | None


@dataclass(frozen=True)
class _Prepared:
    """How to start the warm process: its command, environment, and filter of system calls."""

    command: list[str]
    environment: dict[str, str]
    seccomp: bytes = b""


def environment(home: str) -> dict[str, str]:
    """Return the environment variables of student code."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "MPLCONFIGDIR": home,
        "IPYTHONDIR": home,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def bundle() -> list[Path]:
    """Return the modules and packages that students have: the bundle and what it requires, as installed here."""
    found: dict[Path, None] = {}
    for name in _required(list(BUNDLE)):
        distribution = metadata.distribution(name)
        for file in distribution.files or ():
            top = Path(file.parts[0])
            if file.parts[0] not in ("..", "__pycache__") and top.suffix != ".pth":
                found[Path(str(distribution.locate_file(top)))] = None
    return [path for path in found if path.exists()]


def _required(names: list[str]) -> Iterator[str]:
    seen: set[str] = set()
    while names:
        name = names.pop()
        if name.lower() in seen:
            continue
        seen.add(name.lower())
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # of another platform, or optional
        yield name
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                names.append(requirement.name)
