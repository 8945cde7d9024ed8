"""The warm process: it loads the students' packages once and forks for each submission.

It serves one request at a time on its control socket: a descriptor comes in, on which the new fork will serve the
grader; the fork answers there with a descriptor by which the grader can end it and everything that it started.
"""

import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TextIO

import matplotlib.pyplot  # noqa: F401 - loaded here once for every fork
import numpy  # noqa: F401
from matplotlib import font_manager, mathtext
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from . import pictures, policy, student, wire

_SECONDS = 30.0  # for each of an assignment's first cells


def serve(control: int, seccomp: int) -> None:
    """Fork for each request until the grader closes the control socket.

    Parameters
    ----------
    control : int
        Descriptor of the control socket.
    seccomp : int
        Descriptor from which the filter of `policy.seccomp_program` is read; -1 to fork without a jail.
    """
    requests = socket.socket(fileno=control)
    program: bytes | None = None
    if seccomp >= 0:
        with open(seccomp, "rb") as file:
            program = file.read()
    complaints = sys.stderr  # before the shell takes its place
    pictures.install()
    zygote = _Zygote(requests, program, student.Shell(), complaints)
    _draw_once()
    _close_fonts()
    gc.freeze()  # what is loaded now stays: forks need not look at it, nor copy it
    requests.send(b"ready")
    zygote.serve()


def _draw_once() -> None:
    """Draw a figure that nobody sees: the parser of formulas and much else is then there for every fork."""
    figure = Figure(layout="constrained")
    axis = figure.add_subplot(title="title", xlabel="label", xscale="log", xlim=(1e-16, 1e2))
    axis.plot([1e-8, 1.0], [0.25, -1.5], label="$x^2$")
    axis.legend()
    FigureCanvasAgg(figure)
    pictures.print_figure(figure, base64=True)


def _import_rest(files: Iterable[str]) -> None:
    """Import what else there is of the packages among the files that are loaded, once for every fork."""
    for module in (file.removesuffix(".py").replace("/", ".") for file in files if file.endswith(".py")):
        package = module.partition(".")[0]
        if package != module and package in sys.modules:
            importlib.import_module(module.removesuffix(".__init__"))


def _close_fonts() -> None:
    """Close the font files: forks would share the place at which each is read, and could signal by it."""
    fonts, formulas = font_manager._get_font, mathtext.MathTextParser._parse_cached  # type: ignore[attr-defined]
    for kept in (fonts, formulas):
        kept.cache_clear()
    gc.collect()


def _descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@dataclass
class _Zygote:
    """Forks on request: submissions, or another one of its kind that has run the first cells of an assignment."""

    requests: socket.socket
    program: bytes | None
    shell: student.Shell
    complaints: TextIO
    files: dict[str, bytes] = field(default_factory=dict)

    def serve(self) -> NoReturn:
        signal.signal(signal.SIGCHLD, _reap)
        while True:
            asked, descriptors, _, _ = socket.recv_fds(self.requests, 4096, 2)
            if not descriptors:
                os._exit(0)
            if asked != b"open" and self.program is not None:
                try:
                    self._begin(socket.socket(fileno=descriptors[0]), asked.decode())
                except Exception as error:
                    _say(error, self.complaints)
                    os._exit(1)
                continue
            if os.fork() == 0:
                with _last_words(self.complaints):
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
                    if asked == b"open":
                        self.requests.close()
                        self._open(*sockets)
                    os.setsid()
                    os.waitpid(self._begin(sockets[0], asked.decode()), 0)
                    os.killpg(0, signal.SIGKILL)  # what it started and left behind
            for descriptor in descriptors:
                os.close(descriptor)

    def _open(self, requests: socket.socket, connection: socket.socket) -> NoReturn:
        """Run the first cells of an assignment, tell what they put out, and serve behind them."""
        opening = wire.receive(connection)
        os.chdir(policy.WORK)
        student.lay(opening["files"])
        sys.path.append(policy.WORK)
        outputs, before = [], _descriptors()
        for source in opening["cells"]:
            told, late = self.shell.run(source, _SECONDS)
            if late or any(output["output_type"] == "error" for output in told):
                wire.send(connection, None)
                os._exit(0)
            outputs.append(told)
        _import_rest(opening["files"])
        _close_fonts()
        if not _descriptors() <= before:  # forks would share a file
            wire.send(connection, None)
            os._exit(0)
        gc.freeze()
        wire.send(connection, outputs)
        connection.close()
        replace(self, requests=requests, files=opening["files"]).serve()
        raise AssertionError

    def _begin(self, connection: socket.socket, folder: str) -> int:
        """Fork the submission's first process, and hand out the descriptor that ends it."""
        go, gone = os.pipe()
        first = os.fork() if self.program is None else policy.fork_apart()
        if first == 0:
            with _last_words(self.complaints):
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                self.requests.close()
                os.close(gone)
                os.read(go, 1)  # the grader must hold the means to end it before anything runs
                os.close(go)
                if self.program is not None:
                    policy.separate()
                    os.setsid()  # a signal to one's own process group reaches nobody else
                    policy.confine(self.program)
                else:
                    policy.limit()
                    os.chdir(folder)
                _close_complaints()
                student.serve(connection, self.shell, self.files)
        end = os.pidfd_open(first)
        socket.send_fds(connection, [str(os.getpid()).encode()], [end])
        connection.close()
        os.write(gone, b"!")
        for descriptor in (end, go, gone):
            os.close(descriptor)
        return first


class _last_words:  # noqa: N801 - reads as a statement
    """End this process after the block; say why if it raised."""

    def __init__(self, complaints: TextIO):
        self.complaints = complaints

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is not None:
            _say(error, self.complaints)
        os._exit(1)


def _say(error: BaseException, complaints: TextIO) -> None:
    print(f"{type(error).__name__}: {error}", file=complaints, flush=True)


def _close_complaints() -> None:
    """Take away the file of complaints, in which submissions could write to each other."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _reap(*_: Any) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
