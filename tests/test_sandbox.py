"""Code that has taken over a decoder process fails at each thing that SECURITY.md rules out."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import sounds
from tests.conftest import wav
from undertone.errors import AudioError
from undertone.settings import ROOT
from undertone.sound import decoder_process, sandbox
from undertone.sound.isolation import Decoders
from undertone.spool import Spool

PROTECTIONS = subprocess.run(
    [sys.executable, "-c", "from undertone.sound import sandbox; print(sandbox.enter())"],
    cwd=ROOT, capture_output=True, text=True, check=True,
).stdout  # fmt: skip
needs_landlock = pytest.mark.skipif("Landlock" not in PROTECTIONS, reason="the kernel lacks it")
needs_seccomp = pytest.mark.skipif("seccomp" not in PROTECTIONS, reason="the kernel lacks it")
needs_both = pytest.mark.skipif(
    not {"Landlock", "seccomp"} <= set(PROTECTIONS.split("'")), reason="the kernel lacks one"
)


@pytest.fixture(scope="module")
def intruder() -> Iterator[Decoders]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder_process, "MODULE", "tests.intruder")
        made = Decoders(1)
        yield made
        made.close()


def outcome(intruder: Decoders, code: str) -> str:
    with pytest.raises(AudioError) as told:
        intruder.decode(code.encode(), max_duration_s=9.0)
    return told.value.message


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("a name")
    return path


def _state(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_mode, found.st_nlink, found.st_mtime_ns, found.st_size


WRITES = [
    "open(PATH, 'r+')",
    "open(PATH, 'w')",
    "open(PATH, 'a')",
    "open(PATH + '2', 'x')",
    "import os; os.open(PATH, os.O_WRONLY)",
    "import os; os.open(PATH, os.O_RDONLY | os.O_TRUNC)",
    "import os; os.open(os.path.dirname(PATH), os.O_TMPFILE | os.O_RDWR)",
    "import os; os.truncate(PATH, 0)",
    "import os; os.unlink(PATH)",
    "import os; os.rename(PATH, PATH + '2')",
    "import os; os.link(PATH, PATH + '2')",
    "import os; os.symlink(PATH, PATH + '2')",
    "import os; os.mkdir(PATH + '2')",
    "import os; os.mkfifo(PATH + '2')",
    "import os; os.chmod(PATH, 0o777)",
    "import os; os.utime(PATH)",
    "import os; os.setxattr(PATH, 'user.x', b'x')",
]


@needs_both
@pytest.mark.parametrize("code", WRITES)
def test_no_file_is_changed(intruder: Decoders, secret: Path, code: str) -> None:
    before = _state(secret)
    said = outcome(intruder, code.replace("PATH", repr(str(secret))))
    assert said.startswith(("PermissionError", "OSError")), said
    assert secret.read_text() == "a name"
    assert _state(secret) == before
    assert list(secret.parent.iterdir()) == [secret]


@needs_landlock
@pytest.mark.parametrize(
    "path", ["SECRET", "/etc/passwd", "/proc/PARENT/environ", "/proc/self/environ", "/proc/1/stat"]
)
def test_no_file_is_read(intruder: Decoders, secret: Path, path: str) -> None:
    path = path.replace("SECRET", str(secret)).replace("PARENT", str(os.getpid()))
    assert outcome(intruder, f"found = open({path!r}, 'rb').read()").startswith("PermissionError")


@needs_landlock
@pytest.mark.parametrize("path", ["/", "/proc", "/tmp", str(ROOT), str(ROOT / "tests")])
def test_no_folder_is_listed(intruder: Decoders, path: str) -> None:
    said = outcome(intruder, f"import os; found = os.listdir({path!r})")
    assert said.startswith("PermissionError")


def call(name: str, *args: int | str) -> str:
    """Code of a system call that Python has no function for; an error is raised."""
    values = ", ".join(map(str, args))
    return (
        "import ctypes, os, seccompy; libc = ctypes.CDLL(None, use_errno=True)\n"
        f"found = libc.syscall(seccompy.syscall_nr({name!r}), {values})\n"
        "if found < 0: raise OSError(ctypes.get_errno(), 'refused')"
    )


FORBIDDEN = [
    "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "import socket; socket.socket(socket.AF_UNIX)",
    "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "import socket; socket.socketpair()",
    "import os; found = os.fork()",
    "import os; os.execv('/bin/true', ['true'])",
    "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "import subprocess; subprocess.run(['/bin/true'])",
    "import os; os.kill(os.getppid(), 0)",
    "import os; os.kill(-1, 0)",
    "import os; os.memfd_create('x')",
    "import os; os.pidfd_open(os.getppid())",
    "import os; os.setpriority(os.PRIO_PROCESS, os.getppid(), 5)",
    "import os; os.chroot('/tmp')",
    "import os; os.setuid(12345)",
    "import resource; resource.prlimit(PARENT, resource.RLIMIT_NOFILE, (5, 5))",
    call("ptrace", 16, "os.getppid()", 0, 0),
    call("process_vm_readv", "os.getppid()", 0, 0, 0, 0, 0),
    call("io_uring_setup", 1, 0),
    call("bpf", 0, 0, 0),
    call("userfaultfd", 0),
    call("keyctl", 0, 0, 0),
    call("unshare", 0x10000000),
    call("mount", 0, 0, 0, 0, 0),
    call("perf_event_open", 0, 0, 0, 0, 0),
]


@needs_seccomp
@pytest.mark.parametrize("code", FORBIDDEN)
def test_no_socket_no_program_no_other_process(intruder: Decoders, code: str) -> None:
    said = outcome(intruder, code.replace("PARENT", str(os.getpid())))
    assert said.startswith(("PermissionError", "BlockingIOError", "OSError: [Errno 1]")), said


@needs_seccomp
def test_neither_does_a_thread(intruder: Decoders) -> None:
    code = (
        "import threading, socket\nfound = []\n"
        "def act():\n"
        "    try: socket.socket()\n"
        "    except PermissionError: found.append('refused')\n"
        "thread = threading.Thread(target=act); thread.start(); thread.join()"
    )
    assert outcome(intruder, code) == "done: ['refused']"


def test_its_environment_has_no_secrets(
    intruder: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "PASSWORD" not in outcome(intruder, "import os; found = dict(os.environ)")
    monkeypatch.setenv("UNDERTONE_WEBHOOK_SECRET", "PASSWORD")
    monkeypatch.setattr(decoder_process, "MODULE", "tests.intruder")
    another = Decoders(1)
    assert "PASSWORD" not in outcome(another, "import os; found = dict(os.environ)")
    another.close()


def test_it_inherits_no_file(intruder: Decoders) -> None:
    code = (
        "import os, stat\nfound = []\n"
        "for number in range(256):\n"
        "    try: mode = os.fstat(number).st_mode\n"
        "    except OSError: continue\n"
        "    found.append('pipe' if stat.S_ISFIFO(mode) else 'null' if stat.S_ISCHR(mode)\n"
        "        else 'socket' if stat.S_ISSOCK(mode)\n"
        "        else os.readlink(f'/proc/self/fd/{number}').rpartition('/')[2])"
    )
    assert outcome(intruder, code) == "done: ['pipe', 'null', 'null', 'statm', 'pipe', 'socket']"


@needs_both
@pytest.mark.parametrize(
    "use",
    ["os.write(fd, b'x')", "os.pwrite(fd, b'x', 0)", "os.ftruncate(fd, 0)", "os.fchmod(fd, 0o777)",
     "mmap.mmap(fd, 100, mmap.MAP_SHARED, mmap.PROT_WRITE)[0:1] = b'x'",
     "open(f'/proc/self/fd/{fd}', 'r+')"],
)  # fmt: skip
def test_the_file_of_a_large_recording_is_only_read(
    intruder: Decoders, tmp_path: Path, use: str
) -> None:
    code = (
        (
            "import mmap, os, stat\nfor fd in range(256):\n"
            "    try: mode = os.fstat(fd).st_mode\n"
            "    except OSError: continue\n"
            f"    if stat.S_ISREG(mode) and os.fstat(fd).st_size > 2**20: {use}\n"
        )
        .encode()
        .ljust(2**20 + 9)
    )
    spool = Spool(tmp_path)
    spool.write(code)
    with spool.content() as content:
        with pytest.raises(AudioError) as told:
            intruder.decode(content, max_duration_s=9.0)
        assert told.value.message.startswith(("PermissionError", "OSError")), told.value.message
        assert content[:] == code


def test_it_says_nothing_where_files_are_handed_over(intruder: Decoders) -> None:
    code = (
        "import os, stat\nfor fd in range(256):\n"
        "    try: mode = os.fstat(fd).st_mode\n"
        "    except OSError: continue\n"
        "    if stat.S_ISSOCK(mode): os.write(fd, b'x')\n"
    )
    assert outcome(intruder, code).startswith(("BrokenPipeError", "PermissionError"))


def test_it_can_still_import_and_start_threads(intruder: Decoders) -> None:
    said = outcome(intruder, "import colorsys, scipy.fft, encodings.cp037; found = 1")
    assert said == "done: 1"


@pytest.mark.parametrize("missing", [["landlockpy"], ["seccompy"], ["landlockpy", "seccompy"]])
def test_without_a_library_it_decodes_all_the_same(missing: list[str], tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_bytes(wav(sounds.voice(1.0)))
    code = (
        f"import sys; sys.modules |= dict.fromkeys({missing!r})\n"
        "from undertone.sound import audio, sandbox\n"
        f"data = open({str(tmp_path / 'clip.wav')!r}, 'rb').read()\n"
        "print(sandbox.enter(), audio.decode(data).duration_s)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "resource limits" in done.stdout
    assert done.stdout.endswith(" 1.0\n")
    assert ("Landlock" in done.stdout) <= ("landlockpy" not in missing)


def test_on_other_systems_there_are_limits_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.sys, "platform", "darwin")
    monkeypatch.setattr(sandbox, "_limit_resources", lambda: None)
    assert sandbox.enter() == ("resource limits",)
