"""Examine submissions in several processes of this machine at once.

Workers are forked from a process that has loaded everything; each gets the number of a submission and answers with
what became of it. Whoever asks for the papers is the only one who writes. A cluster of machines is asked in the same
way, see `autograder.cluster`.
"""

import ctypes
import os
import signal
import traceback
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, NoReturn, Protocol

from autograder.course import Course, Problem
from autograder.engine.break_out import launched_jail, proved_jail
from autograder.engine.jail import EngineFailure
from autograder.engine.pipeline import Grader, Paper, Submission, ungraded
from autograder.engine.student_side.policy import PolicyFailure

_PR_SET_PDEATHSIG = 1
_ATTEMPTS = 2  # for a submission at which a worker ended
_AHEAD = 2  # submissions that a worker has at hand while there are many, so that it need not wait for the writer


class Examiner(Protocol):
    """What a worker does."""

    def examine(self, submission: Submission) -> Paper: ...


class Staff(Protocol):
    """Whoever examines a class: the cores of this machine, or a cluster."""

    def papers(self, todo: list[Submission]) -> Iterator[Paper]:
        """Examine submissions of one assignment; yield each paper when it is ready, in no particular order.

        Raises
        ------
        Problem
            That befalls all submissions.
        """


@dataclass(frozen=True)
class Pool:
    """Examines on this machine.

    Parameters
    ----------
    isolated : bool
        Run submissions in the jail.
    workers : int, optional
        How many are examined at once; by default, as many as there are processor cores.
    """

    isolated: bool = True
    workers: int | None = None

    def papers(self, todo: list[Submission]) -> Iterator[Paper]:
        grader = ready(todo[0].course, todo[0].assignment, self.isolated)
        return examine_all(grader, todo, self.workers or cores())


def ready(course: Course, assignment: str, isolated: bool) -> Grader:
    """Return a grader that has all it needs; while the jail comes up, what is right is worked out.

    Raises
    ------
    Problem
        If submissions cannot be isolated, or not be run.
    """
    try:
        grader = Grader(course, assignment, launched_jail(isolated))
        grader.get_ready()
        proved_jail(isolated)
    except PolicyFailure as failure:
        raise Problem(
            f"Submissions cannot be isolated here: {failure}. Mend that, or grade with --no-isolation, "
            "which runs them with your rights."
        ) from failure
    except EngineFailure as failure:
        raise Problem(f"Submissions cannot be run here: {failure}.") from failure
    return grader


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Worker:
    process: int
    connection: Connection
    at_hand: deque[int] = field(default_factory=deque)


def examine_all(examiner: Examiner, todo: list[Submission], workers: int) -> Iterator[Paper]:
    """Examine submissions; yield each paper when it is ready, in no particular order.

    A submission at which a worker ends is given to another one; if that ends too, it stays ungraded.

    Raises
    ------
    Problem
        That befalls all submissions, such as a release that cannot be read.
    """
    waiting, tries = deque(range(len(todo))), [0] * len(todo)
    staff: list[_Worker] = []
    try:
        while waiting or any(worker.at_hand for worker in staff):
            while waiting and len(staff) < workers:
                staff.append(_hire(examiner, todo, staff))
                _hand_out(staff[-1], waiting, workers)
            for connection in wait([worker.connection for worker in staff]):
                worker = next(worker for worker in staff if worker.connection is connection)
                try:
                    paper = worker.connection.recv()
                except (EOFError, OSError):
                    staff.remove(worker)
                    _dismiss(worker)
                    yield from _given_up(worker.at_hand, waiting, tries, todo)
                    continue
                worker.at_hand.popleft()
                _hand_out(worker, waiting, workers)
                if isinstance(paper, Problem):
                    raise paper
                yield paper
    finally:
        for worker in staff:
            _dismiss(worker)


def _given_up(at_hand: deque[int], waiting: deque[int], tries: list[int], todo: list[Submission]) -> Iterator[Paper]:
    """Put back what an ended worker had at hand; yield the paper of a submission at which too many ended."""
    if at_hand:
        first = at_hand.popleft()  # at which it was
        tries[first] += 1
        if tries[first] < _ATTEMPTS:
            waiting.appendleft(first)
        else:
            why = f"the process that graded it ended, {_ATTEMPTS} times; grade again."
            yield ungraded(todo[first].student, why)
    waiting.extendleft(reversed(at_hand))


def _hand_out(worker: _Worker, waiting: deque[int], workers: int) -> None:
    most = _AHEAD if len(waiting) > _AHEAD * workers else 1
    while waiting and len(worker.at_hand) < most:
        number = waiting.popleft()
        worker.at_hand.append(number)
        with suppress(OSError):  # it has ended: that is noticed when it is waited for
            worker.connection.send(number)


def _hire(examiner: Examiner, todo: list[Submission], staff: list[_Worker]) -> _Worker:
    ours, theirs = Pipe()
    parent = os.getpid()
    process = fork()
    if process == 0:
        ours.close()
        for other in staff:
            other.connection.close()
        _serve(theirs, examiner, todo, parent)
    theirs.close()
    return _Worker(process, ours)


def fork() -> int:
    """Fork a process that has loaded everything."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: those of the numerical library wait for work
        return os.fork()


def _dismiss(worker: _Worker) -> None:
    worker.connection.close()
    with suppress(ProcessLookupError):
        os.kill(worker.process, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(worker.process, 0)


def _serve(connection: Connection, examiner: Examiner, todo: list[Submission], parent: int) -> NoReturn:
    """Examine what is asked for until nobody asks any more."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the writer ends its workers itself
        end_with(parent)
        while True:
            connection.send(_examined(examiner, todo[connection.recv()]))
    except (EOFError, OSError):
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def end_with(parent: int) -> None:
    """Have this process killed when its parent ends, however that ends."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _examined(examiner: Examiner, submission: Submission) -> Any:
    """Examine a submission, whatever happens: what befalls one does not keep the others from their marks."""
    try:
        return examiner.examine(submission)
    except Problem as problem:
        return problem  # of the course: it befalls all
    except Exception as error:
        why = f"the grader failed ({type(error).__name__}: {error}); its marks are as they were."
        return ungraded(submission.student, why)
