"""Try to break out of the jail, before any submission is let in."""

import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autograder.engine.jail import Jail, Opening
from autograder.engine.session import Session
from autograder.engine.student_side.policy import PolicyFailure

PROJECT = Path(__file__).resolve().parents[2]

_FREE = "the way is free"


@dataclass(frozen=True)
class Attempt:
    """Code that prints `_FREE` where the jail does not hold, the part that should, and how to get that part."""

    part: str
    remedy: str
    code: str


_BUBBLEWRAP = "look whether bubblewrap works: bwrap --unshare-all --ro-bind / / true"
_NAMESPACES = "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000"
_SECCOMP = "use a kernel with seccomp filters, and libseccomp: apt-get install libseccomp2"


def attempts(port: int) -> list[Attempt]:
    """Return the attempts, harmless where they succeed; on `port` of this machine the grader listens."""
    return [
        Attempt("the course folder is out of sight", _BUBBLEWRAP, f"free = os.path.exists({str(PROJECT)!r})"),
        Attempt(
            "the reference cannot be imported",
            _BUBBLEWRAP,
            f"sys.path.append({str(PROJECT)!r})\n"
            "free = bool(importlib.util.find_spec('solutions') or importlib.util.find_spec('autograder'))\n"
            "sys.path.pop()",
        ),
        Attempt("the system's files are read-only", _BUBBLEWRAP, "open('/usr/bin/env', 'r+b').close()"),
        Attempt("the packages are read-only", _BUBBLEWRAP, "open('/packages/numpy/__init__.py', 'r+b').close()"),
        Attempt("there is no network", _NAMESPACES, f"socket.create_connection(('127.0.0.1', {port}), 1).close()"),
        Attempt(
            "other processes are out of sight", _NAMESPACES, "free = os.getpid() != 1 or os.listdir('/proc') != []"
        ),
        Attempt("no process can be started", _SECCOMP, "child = os.fork()\nif child == 0:\n    os._exit(0)"),
        Attempt("no program can be run", _SECCOMP, "subprocess.run(['/bin/true'])"),
        Attempt("no namespace can be made", _SECCOMP, "free = libc.unshare(0) == 0"),
        Attempt("nothing can be mounted", _SECCOMP, "free = passed(libc.mount(b'', b'/nowhere', b'', 0, None))"),
        Attempt("nothing can be traced", _SECCOMP, "free = passed(libc.ptrace(2, 999999, 0, 0))"),
        Attempt("memory is limited", _NAMESPACES, "free = resource.getrlimit(resource.RLIMIT_AS)[1] < 0"),
        Attempt("limits cannot be raised", _NAMESPACES, "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))"),
        Attempt("no descriptor but the wire's is open", _BUBBLEWRAP, "free = sum(map(is_open, range(3, 256))) > 1"),
    ]


_PRELUDE = """
import ctypes, errno, importlib.util, os, resource, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def passed(code):
    return ctypes.get_errno() != errno.EPERM
def is_open(n):
    try:
        os.fstat(n)
        return True
    except OSError:
        return False
"""


def break_out(jail: Jail, opening: Opening | None = None) -> list[str]:
    """Try every way out, from behind an assignment's first cells if they are given; return a sentence for each one.

    Raises
    ------
    EngineFailure
        If the jail cannot even be entered.
    """
    if not jail.isolated:
        return ["submissions run in no jail"]
    free = []
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Session(jail, opening=opening) as other,
        Session(jail, opening=opening) as session,
    ):
        for source in opening.cells if opening else ():
            session.run_cell(source)
            other.run_cell(source)
        other.run_cell("open('/work/mine', 'w').write('mine')")
        session.run_cell(_PRELUDE)
        ways = attempts(server.getsockname()[1])
        ways.append(Attempt("submissions do not see each other", _NAMESPACES, "free = os.path.exists('/work/mine')"))
        for attempt in ways:
            body = "\n".join(f"    {line}" for line in attempt.code.splitlines())
            tried = session.run_cell(
                f"free = True\ntry:\n{body}\nexcept (OSError, MemoryError, ValueError, ModuleNotFoundError):\n"
                f"    free = False\nprint({_FREE!r} if free else 'shut')"
            )
            said = "".join(output.get("text", "") for output in tried.outputs)
            if said.strip() != "shut":
                free.append(f"the jail does not hold ({attempt.part}): {attempt.remedy}")
    return free


@cache
def launched_jail(isolated: bool = True) -> Jail:
    """Return the jail that every submission of this process shares; it may not be up yet, and nothing is proved.

    Raises
    ------
    PolicyFailure
        If a part of the jail is missing.
    """
    jail = Jail(isolated)
    jail.launch()
    return jail


@cache
def proved_jail(isolated: bool = True) -> Jail:
    """Return the jail that every submission of this process shares, after every attempt to break out has failed.

    Parameters
    ----------
    isolated : bool
        False returns a jail that holds nothing: submissions run with the grader's rights.

    Raises
    ------
    PolicyFailure
        If a part of the jail is missing or does not hold; the message says which, and how to get it.
    """
    jail = launched_jail(isolated)
    free = break_out(jail) if isolated else []
    if free:
        jail.close()
        raise PolicyFailure("; ".join(free))
    return jail
