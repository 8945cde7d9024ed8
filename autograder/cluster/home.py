"""At home: send batches of submissions to a Dask cluster, and take papers back."""

import asyncio
import ipaddress
import logging
import math
import queue
import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from autograder.cluster import node
from autograder.cluster.parcel import LARGEST, Handed, Kit, packed, unpacked
from autograder.course import Problem
from autograder.engine.pipeline import Paper, Submission, ungraded

INSTALL = "python -m pip install -c requirements-dev.txt distributed"

_MOST, _MOST_BYTES = 50, 20_000_000  # submissions of a batch, and bytes
_FEW = 8  # batches that are sent at least, so that a cluster that grows with its work sees some
_ATTEMPTS = 2  # for a submission whose batch was lost
_PATIENCE = 5.0  # seconds in which a scheduler must answer
_LOOK = 1.0  # seconds between looks at the cluster

# What a worker does, as a line of code: the scheduler, which reads every task, need not have the project.
_ERRAND = "__import__('autograder.cluster.node', fromlist=['examine']).examine(kit, batch)"


@dataclass(frozen=True)
class Cluster:
    """Examines on the nodes of a Dask cluster.

    Parameters
    ----------
    address : str
        Of the scheduler.
    isolated : bool
        Run submissions in a jail.
    """

    address: str
    isolated: bool = True

    def papers(self, todo: list[Submission]) -> Iterator[Paper]:
        """Examine submissions of one assignment; yield each paper when it is there, in no particular order.

        A batch whose worker ends is done again by Dask, on another worker, as often as its scheduler allows. If it
        is lost for good, its submissions go one by one; one that is lost again stays ungraded.

        Raises
        ------
        Problem
            If Dask is missing, the scheduler cannot be reached or ends, or a node cannot grade.
        """
        client = connected(self.address)
        try:
            course, assignment = todo[0].course, todo[0].assignment
            run = _Run(client, self.address, packed(Kit.of(course, assignment, self.isolated)), deque(todo))
        except BaseException:
            client.close()
            raise
        return run.papers()


def connected(address: str) -> Any:
    """Return a client of the scheduler at an address.

    Raises
    ------
    Problem
        If there is none.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise Problem(f"--scheduler needs Dask, which is not installed; install it: {INSTALL}") from error
    for name in ("distributed", "distributed.client", "asyncio"):  # what matters is told in our own words
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise Problem(
            f"No Dask scheduler answers at {address} ({reason}); start one with `python -m dask scheduler`, "
            "and give the address that it prints."
        ) from error
    if not is_private(client.scheduler.address):
        tell(
            f"The link to {client.scheduler.address} is not encrypted; the course's secret and your students' work "
            "travel over it. The guide says how to encrypt it, under 'Past one machine'."
        )
    return client


def is_private(address: str) -> bool:
    """Tell whether nobody can listen on the way to an address: it is encrypted, or on this machine."""
    scheme, _, place = address.partition("://")
    host = place.rpartition(":")[0].strip("[]")
    with suppress(ValueError):
        return scheme in ("tls", "wss", "inproc") or ipaddress.ip_address(host).is_loopback
    return False


def tell(sentence: str) -> None:
    """Say something beside the progress bar."""
    tqdm.write(f"autograder: {sentence}", file=sys.stderr)


@dataclass
class _Run:
    """The examination of one class."""

    client: Any
    address: str
    kit: bytes
    waiting: deque[Submission]

    def __post_init__(self) -> None:
        self._total = len(self.waiting)
        self._threads = 0  # of all workers; each examines one submission at a time
        self._deserted = False
        self._sent: dict[Any, list[Submission]] = {}
        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._losses: Counter[str] = Counter()
        self._alone: deque[Submission] = deque()  # whose batch was lost

    def papers(self) -> Iterator[Paper]:
        try:
            while self.waiting or self._alone or self._sent:
                self._look()
                yield from self._send()
                if not self._sent:
                    continue
                with suppress(queue.Empty):
                    future = self._finished.get(timeout=_LOOK)
                    yield from self._received(future, self._sent.pop(future))
                    future.release()
        finally:
            self.client.close()

    def _look(self) -> None:
        """See whether the scheduler is there, and how many threads its workers have."""
        try:
            self._threads = sum(self.client.nthreads().values())
        except Exception as error:
            raise self._gone() from error
        if self.client.status != "running":
            raise self._gone()
        if not self._threads and not self._deserted:
            tell(f"The cluster of {self.address} has no worker; this waits for one, and Ctrl-C ends it.")
        self._deserted = not self._threads

    def _send(self) -> Iterator[Paper]:
        """Send batches, so many that no worker need wait; yield papers of what cannot be sent."""
        import dask

        while (self.waiting or self._alone) and len(self._sent) < max(_FEW, 2 * self._threads):
            batch: list[Submission] = []
            handed, size = [], 0
            queued, most = (self._alone, 1) if self._alone else (self.waiting, self._most())
            while queued and len(batch) < most and size < _MOST_BYTES:
                submission = queued.popleft()
                try:
                    handed.append(Handed.of(submission))
                except Problem as problem:
                    yield ungraded(submission.student, str(problem))
                except OSError as error:
                    yield ungraded(submission.student, f"{error.filename} cannot be read: {error.strerror}.")
                else:
                    batch.append(submission)
                    size += handed[-1].size
            if batch:
                given = {"kit": self.kit, "batch": packed(tuple(handed))}
                with dask.config.set({"distributed.admin.large-graph-warning-threshold": LARGEST}):
                    future = self.client.submit(eval, _ERRAND, given, pure=False)
                self._sent[future] = batch
                future.add_done_callback(self._finished.put)

    def _most(self) -> int:
        """Return how many make a batch: few where otherwise some worker would have nothing to do."""
        return min(_MOST, math.ceil(self._total / (2 * max(_FEW // 2, self._threads))))

    def _received(self, future: Any, batch: list[Submission]) -> Iterator[Paper]:
        """Yield the papers of a batch; what is lost is sent again, or given up."""
        from distributed import KilledWorker

        try:
            answer: bytes = future.result()
        except KilledWorker:
            answer = node.LOST
        except ModuleNotFoundError as error:
            raise Problem(
                f"A worker of {self.address} lacks {error.name}; start `python -m dask worker` in a copy of this "
                "project's folder, with the packages of its requirements.txt."
            ) from error
        except (Exception, asyncio.CancelledError) as error:
            if future.status != "error":
                raise self._gone() from error
            raise Problem(f"A worker of {self.address} failed ({type(error).__name__}: {error}).") from error
        if answer.startswith(node.REFUSED):
            refusal = answer[len(node.REFUSED) :].decode()
            raise Problem(f"A node of the cluster cannot grade. {refusal}")
        papers: list[Paper] = unpacked(answer[len(node.PAPERS) :]) if answer.startswith(node.PAPERS) else []
        yield from papers
        arrived = {paper.student for paper in papers}
        for submission in batch:
            if submission.student not in arrived:
                self._losses[submission.student] += 1
                if self._losses[submission.student] < _ATTEMPTS:
                    self._alone.append(submission)
                else:
                    yield ungraded(submission.student, "the workers that had it ended; grade again.")

    def _gone(self) -> Problem:
        return Problem(
            f"The scheduler at {self.address} is gone. What was graded stays graded; "
            "start the cluster and run the same command again."
        )
