"""The jail's policy, all of it: what a submission sees, what it may use up, what it may ask of the kernel.

Three layers. Bubblewrap gives the warm process from which submissions are forked a file system that holds Python,
the students' packages and nothing else, and no network. Each fork then enters namespaces of its own, with a work
folder of its own that vanishes with it, so that submissions do not see each other. Last it gives up every capability,
and a seccomp filter and Landlock take away the calls with which one could start processes, reach others, or look for
a way out.
"""

import ctypes
import ctypes.util
import errno
import os
import re
import resource
import struct
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

WORK = "/work"
NOBODY = 65534

# What one submission may use up.
PATIENCE = 2.5  # how much longer than its CPU time something may take on the clock
MEMORY = 4 << 30  # bytes of address space
THREADS = 512
WORK_BYTES, TMP_BYTES = 256 << 20, 64 << 20
LIMITS = {
    resource.RLIMIT_AS: MEMORY,
    resource.RLIMIT_FSIZE: WORK_BYTES,
    resource.RLIMIT_NOFILE: 256,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_MEMLOCK: 0,
    resource.RLIMIT_MSGQUEUE: 0,
}

# System calls that fail with EPERM. New processes are refused too, see `seccomp_program`.
DENIED = """
    execve execveat fork vfork ptrace process_vm_readv process_vm_writev process_madvise kcmp
    pidfd_open pidfd_getfd pidfd_send_signal
    unshare setns mount umount umount2 pivot_root chroot
    move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr
    socket connect bind listen accept accept4
    memfd_create memfd_secret shmget shmat msgget semget mq_open
    flock inotify_init inotify_init1 inotify_add_watch mincore
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register
    keyctl add_key request_key open_by_handle_at name_to_handle_at fanotify_init
    init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl
    settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname personality iopl ioperm modify_ldt
""".split()  # noqa: SIM905 - a list of words reads best as words

_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWNET, _CLONE_NEWUTS = (
    0x10000000, 0x20000000, 0x00020000, 0x08000000, 0x40000000, 0x04000000,
)  # fmt: skip
_CLONE_THREAD = 0x00010000
_MS_PRIVATE, _MS_REC, _MS_NOSUID, _MS_NODEV, _MS_RDONLY = 1 << 18, 1 << 14, 2, 4, 1
# Locks, leases and notices of `fcntl`: with them submissions could write to each other on the files that all can read.
_FCNTL_DENIED = (5, 6, 7, 12, 13, 14, 36, 37, 38, 1024, 1025, 1026)
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP, _PR_SET_SECCOMP, _PR_SET_DUMPABLE = 38, 24, 22, 4
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture


class PolicyFailure(Exception):
    """A part of the jail is missing or does not hold; the message says which and how to get it."""


# What a submission sees


def bubblewrap(python: Path, packages: Iterable[Path], student_side: Path) -> list[str]:
    """Return the bubblewrap command line in front of the program that is to run in the jail.

    Parameters
    ----------
    python : Path
        The installation (`sys.base_prefix`) of the interpreter; of its packages nothing is shown.
    packages : iterable of Path
        Modules and packages that students have; shown in /packages.
    student_side : Path
        The folder of this module; shown as /jail/student_side.
    """
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    command += ["--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "jail"]
    command += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/") / name
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            command += ["--ro-bind", str(path), str(path)]
    if not python.is_relative_to("/usr"):
        command += ["--ro-bind", str(python), str(python)]
    for prefix in dict.fromkeys([python, Path("/usr"), Path("/usr/local")]):
        for kind in ("site-packages", "dist-packages"):
            for hidden in prefix.glob(f"lib/python3*/{kind}"):
                command += ["--tmpfs", str(hidden)]
    for name in ("/etc/ld.so.cache", "/etc/fonts", "/etc/localtime"):
        command += ["--ro-bind-try", name, name]
    for path in packages:
        command += ["--ro-bind", str(path), f"/packages/{path.name}"]
    command += ["--ro-bind", str(student_side), "/jail/student_side"]
    command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", WORK, "--remount-ro", "/"]
    return command


# What a submission may ask of the kernel


def seccomp_program() -> bytes:
    """Compile the filter with libseccomp: everything is allowed but `DENIED` and the start of processes.

    Raises
    ------
    PolicyFailure
        If libseccomp is missing.
    """
    name = ctypes.util.find_library("seccomp") or "libseccomp.so.2"
    try:
        library = ctypes.CDLL(name, use_errno=True)
    except OSError as error:
        raise PolicyFailure("libseccomp is missing; on Debian: sudo apt-get install libseccomp2") from error

    class Comparison(ctypes.Structure):
        _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))

    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison),
    ]  # fmt: skip
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.seccomp_release.argtypes = [ctypes.c_void_p]

    allow, refuse = 0x7FFF0000, 0x00050000  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO
    masked_equal = 7  # SCMP_CMP_MASKED_EQ
    context = library.seccomp_init(allow)

    def rule(call: str, error: int, *comparisons: Comparison) -> None:
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            return  # no such call on this architecture, or none that this libseccomp knows
        array = (Comparison * len(comparisons))(*comparisons)
        code = library.seccomp_rule_add_array(context, refuse | error, number, len(comparisons), array)
        if code not in (0, -errno.EEXIST, -errno.EDOM):
            raise PolicyFailure(f"libseccomp refuses a rule for {call}: {os.strerror(-code)}")

    try:
        for call in DENIED:
            rule(call, errno.EPERM)
        # A process is a clone without CLONE_THREAD; clone3 hides its flags, and its callers fall back to clone.
        rule("clone", errno.EPERM, Comparison(0, masked_equal, _CLONE_THREAD, 0))
        rule("clone3", errno.ENOSYS)
        for command in _FCNTL_DENIED:
            rule("fcntl", errno.EPERM, Comparison(1, masked_equal, 0xFFFFFFFF, command))
        read, write = os.pipe()
        with open(read, "rb") as program:
            with open(write, "wb") as sink:
                if library.seccomp_export_bpf(context, sink.fileno()) != 0:
                    raise PolicyFailure("libseccomp does not export the filter")
            return program.read()
    finally:
        library.seccomp_release(context)


# What the warm process does before it loads anything


def begin_processes() -> None:
    """Go on as the first process of a namespace, and in a user namespace, in which more of both can be made.

    So a submission takes one fork. What is forked has the rights that this takes until it enters a user namespace of
    its own, which is the first thing that it does.

    Raises
    ------
    PolicyFailure
    """
    _check(_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWPID), "namespaces")
    _become_nobody()
    first = os.fork()
    if first:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) != 0)


def fork_apart() -> int:
    """Fork as `os.fork` does, into a namespace of processes of its own; see `begin_processes`.

    Raises
    ------
    PolicyFailure
    """
    libc = _libc()
    home = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        _check(libc.unshare(_CLONE_NEWPID), "namespaces of processes")
        child = os.fork()
        if child:
            _check(libc.setns(home, _CLONE_NEWPID), "namespaces of processes")
    finally:
        os.close(home)
    return child


# What each fork does before it runs a line of a student's


def separate() -> None:
    """Enter namespaces of one's own: users, mounts, messages, network, host name; `fork_apart` has seen to processes.

    Raises
    ------
    PolicyFailure
    """
    _limit_process_ids()
    spaces = _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWNET | _CLONE_NEWUTS
    _check(_libc().unshare(spaces), "namespaces")
    _become_nobody()


def _become_nobody() -> None:
    """Take the one user that there is in a new namespace."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {NOBODY} 1"), ("gid_map", f"{NOBODY} {NOBODY} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def confine(seccomp: bytes) -> None:
    """Take a private work folder, set the limits, and give up everything that the policy does not grant.

    Parameters
    ----------
    seccomp : bytes
        What `seccomp_program` returned.

    Raises
    ------
    PolicyFailure
    """
    libc = _libc()
    _check(libc.mount(b"none", b"/", None, _MS_PRIVATE | _MS_REC, None), "private mounts")
    _mount_tmpfs(WORK, WORK_BYTES)
    _mount_tmpfs("/tmp", TMP_BYTES)
    _mount_tmpfs("/dev/shm", 1 << 20)
    _mount_tmpfs("/dev/pts", 4096, _MS_RDONLY)
    _mount_tmpfs("/proc", 4096, _MS_RDONLY)
    os.chdir(WORK)
    limit()
    resource.setrlimit(resource.RLIMIT_NPROC, (THREADS, THREADS))  # of this namespace's user; root's is not held
    _drop_capabilities()
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _landlock()
    buffer = ctypes.create_string_buffer(seccomp, len(seccomp))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(seccomp) // 8, ctypes.addressof(buffer)))
    _check(libc.prctl(_PR_SET_SECCOMP, 2, program, 0, 0), "seccomp")


def limit() -> None:
    """Set the limits on what a submission may use up."""
    for kind, most in LIMITS.items():
        resource.setrlimit(kind, (most, most))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(code: int, part: str) -> None:
    if code != 0:
        raise PolicyFailure(f"{part}: {os.strerror(ctypes.get_errno())}")


def _limit_process_ids() -> None:
    """Limit the threads of this namespace, also root's; before Linux 6.14 the number is the host's and stays."""
    major, minor = (int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    if (major, minor) >= (6, 14):
        with suppress(OSError), open("/proc/sys/kernel/pid_max", "w") as file:
            file.write(str(THREADS))


def _mount_tmpfs(folder: str, size: int, flags: int = 0) -> None:
    options = f"size={size},nr_inodes=20000,mode=0755,uid={NOBODY},gid={NOBODY}".encode()
    code = _libc().mount(b"tmpfs", folder.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV | flags, options)
    _check(code, f"a folder of one's own at {folder}")


def _drop_capabilities() -> None:
    libc = _libc()
    for capability in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # there are no more
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))  # _LINUX_CAPABILITY_VERSION_3, this process
    _check(libc.capset(header, ctypes.create_string_buffer(24)), "capabilities")


def _landlock() -> None:
    """Allow writing below the work folder and /tmp alone, no TCP, no signal out; without Landlock, nothing."""
    libc = _libc()
    version = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return
    reading = 0b1101  # execute, read a file, list a folder
    writing = {1: 0x1FFF, 2: 0x3FFF}.get(version, 0x7FFF) & ~reading
    network = 0b11 if version >= 4 else 0  # bind, connect
    scoped = 0b11 if version >= 6 else 0  # abstract sockets, signals
    rules = struct.pack("QQQ", writing, network, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = libc.syscall(_LANDLOCK_CREATE, rules, len(rules), 0)
    if ruleset < 0:
        raise PolicyFailure(f"Landlock: {os.strerror(ctypes.get_errno())}")
    try:
        for folder in (WORK, "/tmp", "/dev"):
            descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
            beneath = struct.pack("=Qi", writing if folder != "/dev" else 0b10, descriptor)
            _check(libc.syscall(_LANDLOCK_ADD, ruleset, 1, beneath, 0), "Landlock")
            os.close(descriptor)
        _check(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "Landlock")
    finally:
        os.close(ruleset)
