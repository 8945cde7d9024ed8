"""The agent of a node: it loads everything once, proves its jail, and forks for each batch of submissions.

    python -m autograder.cluster.agent SOCKET FOLDER

On the socket it is sent connections. The first brings what the submissions are graded with; each other brings a
batch. It ends with the Dask worker that started it, or when for a while there was nothing to do, and removes the
folder, in which lie the submissions that it is at.
"""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from autograder.cluster.node import PAPERS, REFUSED
from autograder.cluster.parcel import Handed, Kit, packed, unpacked
from autograder.course import Problem
from autograder.engine.pipeline import Grader, Outcome, Paper
from autograder.engine.pool import end_with, examine_all, fork, ready

_IDLE = 60.0  # seconds


def main() -> None:
    """Serve until nobody asks any more."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    root = Path(sys.argv[2])
    try:
        kit_and_grader = _made_ready(requests, root)
        if kit_and_grader is not None:
            _serve(requests, *kit_and_grader)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _serve(requests: socket.socket, kit: Kit, grader: Grader) -> None:
    """Fork for each batch."""
    children: set[int] = set()
    process = os.getpid()
    try:
        while (connection := _connection(requests, children)) is not None:
            child = fork()
            if child == 0:
                _examine(connection, kit, grader, process)
            connection.close()
            children.add(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _made_ready(requests: socket.socket, root: Path) -> tuple[Kit, Grader] | None:
    """Take what submissions are graded with; return it with a grader, or say why there can be none here."""
    connection = _connection(requests, set())
    if connection is None:
        return None
    with connection:
        kit: Kit = unpacked(connection.recv_bytes())
        try:
            grader = ready(kit.lay_out(root), kit.assignment, kit.isolated)
        except Problem as problem:
            connection.send_bytes(REFUSED + str(problem).encode())
            return None
        connection.send_bytes(PAPERS)
    return kit, grader


def _connection(requests: socket.socket, children: set[int]) -> Connection | None:
    """Return the next connection, or None if there will be none."""
    while True:
        requests.settimeout(_IDLE)
        try:
            asked, descriptors, _, _ = socket.recv_fds(requests, 1, 1)
            return Connection(descriptors[0]) if asked else None
        except TimeoutError:
            _forget_ended(children)
            if not children:
                return None
        finally:
            _forget_ended(children)


def _forget_ended(children: set[int]) -> None:
    for child in list(children):
        if os.waitpid(child, os.WNOHANG)[0]:
            children.remove(child)


def _examine(connection: Connection, kit: Kit, grader: Grader, parent: int) -> NoReturn:
    """Examine one batch, in a process of its own."""
    try:
        end_with(parent)
        batch: tuple[Handed, ...] = unpacked(connection.recv_bytes())
        with tempfile.TemporaryDirectory(dir=grader.course.root, prefix="batch-", ignore_cleanup_errors=True) as name:
            todo = [handed.lay_out(grader.course, grader.assignment, Path(name)) for handed in batch]
            try:
                papers = [_readdressed(paper, name, kit.submitted) for paper in examine_all(grader, todo, 1)]
                answer = PAPERS + packed(papers)
            except Problem as problem:
                answer = REFUSED + str(problem).encode()
        connection.send_bytes(answer)
    except (EOFError, ConnectionError):
        pass  # the worker has ended
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _readdressed(paper: Paper, here: str, home: str) -> Paper:
    """Name in what is told of a submission the folder in which it lies at home."""
    outcome = paper.outcome
    oddities = [oddity.replace(here, home) for oddity in outcome.oddities]
    not_graded = outcome.not_graded and outcome.not_graded.replace(here, home)
    notebook = paper.notebook and paper.notebook.replace(_in_json(here), _in_json(home))
    return replace(paper, outcome=Outcome(oddities, not_graded), notebook=notebook)


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


if __name__ == "__main__":
    main()
