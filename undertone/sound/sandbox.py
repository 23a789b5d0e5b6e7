"""Sandbox of a decoder process: Landlock, seccomp and resource limits, as far as available.

A sandboxed process computes, reads the code of its libraries and uses its open pipes. It opens no
other file and no socket, starts no program or process and sees no other process.
"""

import ctypes
import errno
import fcntl
import os
import sys
import sysconfig
import termios
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

CODE = Path(__file__).resolve().parent.parent
PR_SET_NO_NEW_PRIVS = 38
CLONE_THREAD = 0x10000
O_TMPFILE = 0o20000000
WRITING = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_APPEND | O_TMPFILE
# Needed for computing, memory, threads, pipes and files already open, and the clock.
ALLOWED_CALLS = """
    access brk clock_getres clock_gettime clock_nanosleep close dup dup2 dup3 exit exit_group
    faccessat faccessat2 fstat futex getcpu getcwd getdents64 getegid geteuid getgid getpid
    getppid getrandom getrlimit getrusage gettid gettimeofday getuid lseek lstat madvise mmap
    mprotect mremap munmap nanosleep newfstatat poll ppoll pread64 preadv preadv2 pselect6 read
    readlink readlinkat readv recvfrom recvmsg restart_syscall rseq rt_sigaction rt_sigprocmask
    rt_sigreturn sched_getaffinity sched_yield select sendto set_robust_list set_tid_address
    sigaltstack stat statx sysinfo time times uname write writev
""".split()


def enter() -> tuple[str, ...]:
    """Give up all rights not needed for decoding.

    Everything needed besides the code of libraries must be loaded and opened before.

    Returns
    -------
    tuple of str
        Names of the active protections.
    """
    steps: list[tuple[str, Callable[[], None]]] = [("resource limits", _limit_resources)]
    if sys.platform == "linux":
        # The order matters: each step takes away a right needed by the one before.
        steps += [("no new privileges", _refuse_privileges), ("Landlock", _hide_files)]
        steps += [("seccomp", _filter_calls)]
        with suppress(ImportError, OSError):
            import seccompy

            seccompy.supported()  # the search for the C library needs files and a process
    return tuple(name for name, step in steps if _succeeds(step))


def _succeeds(step: Callable[[], None]) -> bool:
    try:
        step()
    except (OSError, ImportError, AttributeError, KeyError, ValueError):  # too old, or forbidden
        return False
    return True


def _limit_resources() -> None:
    import resource

    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))


def _refuse_privileges() -> None:
    if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError("prctl")


def _hide_files() -> None:
    """Allow reading code only, for modules imported late."""
    from landlockpy import AccessFS, Ruleset, Scope

    with Ruleset(scoped=Scope.SIGNAL | Scope.ABSTRACT_UNIX_SOCKET) as ruleset:
        for folder in _code_folders():
            with suppress(FileNotFoundError):
                ruleset.allow_path(folder, AccessFS.READ_FILE | AccessFS.READ_DIR)
        ruleset.restrict()


def _code_folders() -> Iterable[Path]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return {CODE, *(Path(sysconfig.get_path(name)) for name in names)}


def _filter_calls() -> None:
    """Refuse all system calls except the ones listed here."""
    from seccompy import Action, ArgCmp, CmpOp, Filter, FilterFlag
    from seccompy.syscalls import syscall_nr

    # If there are more threads than the calling one, TSYNC filters them all.
    calls = Filter(Action.ERRNO | errno.EPERM, flags=FilterFlag.TSYNC)

    def allow(name: str, *conditions: ArgCmp) -> None:
        with suppress(KeyError, ValueError):  # some processors lack some of these
            syscall_nr(name)
            calls.allow(name, args=conditions or None)

    for name in ALLOWED_CALLS:
        allow(name)
    allow("open", ArgCmp(1, CmpOp.MASKED_EQ, os.O_RDONLY, WRITING))
    allow("openat", ArgCmp(2, CmpOp.MASKED_EQ, os.O_RDONLY, WRITING))
    allow("clone", ArgCmp(0, CmpOp.MASKED_EQ, CLONE_THREAD, CLONE_THREAD))
    calls.errno("clone3", errno.ENOSYS)  # its flags lie in memory; C libraries fall back to clone
    allow("prlimit64", ArgCmp(0, CmpOp.EQ, 0))
    allow("tgkill", ArgCmp(0, CmpOp.EQ, os.getpid()))
    allow("ioctl", ArgCmp(1, CmpOp.EQ, termios.TCGETS))  # open() asks whether it is a terminal
    for command in (fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD_CLOEXEC):
        allow("fcntl", ArgCmp(1, CmpOp.EQ, command))
    calls.load()
