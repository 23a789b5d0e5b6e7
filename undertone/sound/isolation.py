"""Decoding in processes of its own, where a file that breaks a decoder breaks nothing else.

The rule: the decoder is `audio.decode` all the same; here it is only asked from another process.
That process has little memory and time, may write no file, and knows none of the server's secrets.
"""

import ctypes
import json
import os
import queue
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO

import numpy as np

from undertone.errors import AudioError, DecoderDied
from undertone.progress import Progress, nobody
from undertone.settings import ROOT
from undertone.sound.audio import SAMPLE_RATE, Audio, decode

BYTES_PER_S = 4 * SAMPLE_RATE  # of decoded sound
SPARE_BYTES = 512 * 2**20  # for what decoders need beside the sound; FFmpeg's blocks, for one
CPU_LIMIT_S = 60  # and a minute more for each half hour that may be decoded
WALL_LIMIT_S = 10 * CPU_LIMIT_S
PROGRESS_EVERY_S = 0.25
_REQUEST = struct.Struct("<Qd")  # number of bytes that follow, longest duration in seconds
_ANSWER = struct.Struct("<BQ")  # what it is, number of bytes that follow
_SOUND, _ERROR, _PROGRESS = range(3)
_KINDS: list[type[AudioError]] = [AudioError, *AudioError.__subclasses__()]
_KNOWN = {kind.code: kind for kind in _KINDS}


class Decoders:
    """`decode`, asked of processes that are kept ready.

    Parameters
    ----------
    n_processes : int > 0
        As many recordings are decoded at the same time.
    """

    def __init__(self, n_processes: int) -> None:
        self._idle: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()
        self._n_processes = n_processes
        for _ in range(n_processes - 1):
            self._idle.put(None)  # begun when it is needed: at the start, each would delay the rest
        self._idle.put(_start())

    def decode(self, data: bytes, *, max_duration_s: float, progress: Progress = nobody) -> Audio:
        """As `audio.decode`.

        Raises
        ------
        DecoderDied
            The file took the process down, or went beyond its limits of time and memory.
        AudioError
            Whatever `audio.decode` raises.
        """
        process = self._idle.get() or _start()
        try:
            if process.poll() is not None:  # somebody ended it meanwhile: no fault of this file
                process = _replaced(process)
            answer = _ask(process, data, max_duration_s, progress)
        except (OSError, EOFError):
            process = _replaced(process)
            raise DecoderDied(
                f"The file ({len(data)} bytes) brought the decoder down, or took more time or "
                "memory than there is for one. Export it again, best as wav or flac."
            ) from None
        except BaseException:  # such as from `progress`: it is in the middle of something
            process = _replaced(process)
            raise
        finally:
            self._idle.put(process)
        if isinstance(answer, AudioError):
            raise answer
        return answer

    def close(self) -> None:
        """End the processes."""
        for _ in range(self._n_processes):
            if process := self._idle.get():
                _end(process)


def _start() -> subprocess.Popen[bytes]:
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    environ = {name: os.environ[name] for name in kept if name in os.environ}
    environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "undertone.sound.isolation"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environ,
        start_new_session=True,  # Ctrl-C ends the server, which then ends these
    )  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            if pipe:
                pipe.close()


def _replaced(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    _end(process)
    return _start()


def _ask(
    process: subprocess.Popen[bytes], data: bytes, max_duration_s: float, progress: Progress
) -> Audio | AudioError:
    assert process.stdin and process.stdout
    process.stdin.write(_REQUEST.pack(len(data), max_duration_s))
    process.stdin.write(data)
    process.stdin.flush()
    while True:
        what, n_bytes = _ANSWER.unpack(_exactly(process.stdout, _ANSWER.size))
        answer = _exactly(process.stdout, n_bytes)
        if what == _SOUND:
            return Audio(np.frombuffer(answer, np.float32))
        if what == _ERROR:
            error = json.loads(answer)
            return _KNOWN[error["code"]](error["error"])
        progress(*struct.unpack("<d", answer))


def _exactly(pipe: IO[bytes], n_bytes: int) -> bytes:
    data = pipe.read(n_bytes)
    if len(data) < n_bytes:
        raise EOFError
    return data


# --- in the other process -----------------------------------------------------------------------


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Decode whatever comes, until nothing more does."""
    while head := requests.read(_REQUEST.size):
        n_bytes, max_duration_s = _REQUEST.unpack(head)
        data = _exactly(requests, n_bytes)
        _limit(n_bytes, max_duration_s)
        try:
            audio = decode(data, max_duration_s=max_duration_s, progress=_teller(answers))
            _answer(answers, _SOUND, audio.samples.tobytes())
        except AudioError as error:
            _answer(answers, _ERROR, json.dumps(error.to_dict()).encode())
        signal.alarm(0)


def _answer(answers: IO[bytes], what: int, content: bytes) -> None:
    answers.write(_ANSWER.pack(what, len(content)))
    answers.write(content)
    answers.flush()


def _teller(answers: IO[bytes]) -> Progress:
    """Tells how far it is, but not with every block."""
    told_s = time.monotonic()

    def tell(share: float) -> None:
        nonlocal told_s
        if time.monotonic() > told_s + PROGRESS_EVERY_S:
            told_s = time.monotonic()
            _answer(answers, _PROGRESS, struct.pack("<d", share))

    return tell


def _limit(n_bytes: int, max_duration_s: float) -> None:
    """Let one decoding have so much and no more."""
    import resource

    signal.alarm(WALL_LIMIT_S)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(used.ru_utime + used.ru_stime + CPU_LIMIT_S * (1 + max_duration_s / 1800)) + 1
    # Twice the sound, because a buffer that grows is copied.
    memory = _held_bytes() + n_bytes + SPARE_BYTES + int(2 * max_duration_s * BYTES_PER_S)
    for kind, limit in ((resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_DATA, memory)):
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _held_bytes() -> int:
    """Memory that the process has reserved for data; 0 where that is not told (macOS)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _give_up_rights() -> None:
    """Leave no way to write a file, a core dump or to gain a right."""
    import resource

    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS


if __name__ == "__main__":
    # Answers have a pipe of their own: a library that prints must not be taken for one.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _give_up_rights()
    serve(sys.stdin.buffer, pipe)
