"""The warm process: it loads the students' packages once and forks for each submission.

It serves one request at a time on its control socket: a descriptor comes in, on which the new fork will serve the
grader; the fork answers there with a descriptor by which the grader can end it and everything that it started.
"""

import os
import signal
import socket
import sys
from typing import TextIO

import matplotlib.pyplot  # noqa: F401 - loaded here once for every fork
import numpy  # noqa: F401

from . import policy, student


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
    complaints = sys.stderr
    shell = student.Shell()
    requests.send(b"ready")
    while True:
        folder, descriptors, _, _ = socket.recv_fds(requests, 4096, 1)
        if not descriptors:
            os._exit(0)
        _reap()
        if os.fork() == 0:
            requests.close()
            with _last_words(complaints):
                _begin(socket.socket(fileno=descriptors[0]), folder.decode(), program, shell, complaints)
        os.close(descriptors[0])


class _last_words:  # noqa: N801 - reads as a statement
    """End this process after the block; say why if it raised."""

    def __init__(self, complaints: TextIO):
        self.complaints = complaints

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is not None:
            print(f"{type(error).__name__}: {error}", file=self.complaints, flush=True)
        os._exit(1)


def _close_complaints() -> None:
    """Take away the file of complaints, in which submissions could write to each other."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _begin(
    connection: socket.socket, folder: str, program: bytes | None, shell: student.Shell, complaints: TextIO
) -> None:
    """Fork the submission's first process, hand out the descriptor that ends it, and wait for its end."""
    if program is not None:
        policy.separate()
    else:
        os.setsid()
    go, gone = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(gone)
        os.read(go, 1)  # the grader must hold the means to end it before anything runs
        os.close(go)
        with _last_words(complaints):
            if program is not None:
                os.setsid()  # a signal to one's own process group reaches nobody else
                policy.confine(program)
            else:
                policy.limit()
                os.chdir(folder)
            _close_complaints()
            student.serve(connection, shell)
    socket.send_fds(connection, [str(os.getpid()).encode()], [os.pidfd_open(first)])
    connection.close()
    os.write(gone, b"!")
    os.waitpid(first, 0)
    if program is None:
        os.killpg(0, signal.SIGKILL)  # what it started and left behind
    os._exit(0)
