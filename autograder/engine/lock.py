"""Let one grader at a time work on an assignment of a course."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder.course import Problem

_WAIT = 3.0  # seconds in which the workers of a grader that was killed are gone too


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a file of an assignment locked; the lock is gone with the process, however that ends.

    Raises
    ------
    Problem
        If another process holds it.
    """
    with path.open("rb") as file:
        deadline = time.monotonic() + _WAIT
        while not _locked(file.fileno()):
            if time.monotonic() > deadline:
                raise Problem(f"Another grader is at work on {path.stem} in this course; wait until it is done.")
            time.sleep(0.05)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True
