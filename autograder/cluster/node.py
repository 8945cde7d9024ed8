"""On a node, in the process of its Dask worker: hand batches on to the agent, which is started for the first one.

This process has threads, so it never forks, and it loads nothing of the grader.
"""

import hashlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]
_ATTEMPTS = 2  # with a batch at which an agent's process ended

# What an answer begins with.
PAPERS, REFUSED, LOST = b"papers:", b"refused:", b"lost:"

_lock = threading.Lock()
_agents: dict[str, "_Agent"] = {}


def examine(kit: bytes, batch: bytes) -> bytes:
    """Have a batch of submissions examined.

    Parameters
    ----------
    kit : bytes
        A packed `Kit`.
    batch : bytes
        A packed tuple of `Handed`.

    Returns
    -------
    bytes
        `PAPERS` with packed papers, or `REFUSED` with a sentence about this node, or `LOST` if the process that had
        the batch ended.
    """
    for _ in range(_ATTEMPTS):
        with suppress(EOFError, OSError):
            agent = _agent(kit)
            return agent.refusal or agent.ask(batch)
    return LOST


def _agent(kit: bytes) -> "_Agent":
    """Return the agent that grades with a kit; it ends by itself when it has nothing to do."""
    key = hashlib.sha256(kit).hexdigest()
    with _lock:
        if key in _agents and _agents[key].has_ended():
            _agents.pop(key).close()
        if key not in _agents:
            _agents[key] = _Agent(kit)
        return _agents[key]


class _Agent:
    """An agent's process, and the socket on which it is sent a connection for each batch."""

    def __init__(self, kit: bytes):
        from distributed import get_worker

        # Within a folder that Dask removes, however its worker ends.
        self._folder = tempfile.mkdtemp(prefix="grading-", dir=get_worker().local_directory)
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "autograder.cluster.agent", str(theirs.fileno()), self._folder]
            self._process = subprocess.Popen(
                command,
                cwd=_PROJECT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # it ends with its worker, and not by an interrupt that is meant for that
            )
        told = self.ask(kit)
        self.refusal = b"" if told == PAPERS else REFUSED + f"{socket.gethostname()}: ".encode() + told[len(REFUSED) :]

    def ask(self, parcel: bytes) -> bytes:
        """Send a parcel; return the answer.

        Raises
        ------
        EOFError, OSError
            If whoever should answer ended.
        """
        ours: Connection
        ours, theirs = Pipe()
        with ours:
            with theirs:
                socket.send_fds(self._requests, [b"."], [theirs.fileno()])
            ours.send_bytes(parcel)
            return ours.recv_bytes()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """Have the process end, and wait until it has; nothing of the course is left then."""
        self._requests.close()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
