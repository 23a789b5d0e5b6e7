"""A decoder process as the server sees it, and the messages between the two.

The rule: whatever waits for the process has a deadline.
"""

import logging
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from enum import IntEnum

from undertone.recording_bytes import RecordingBytes
from undertone.settings import ROOT

# Whether the recording is in a file, number of its bytes, longest duration in seconds. The bytes
# follow; a file comes as its descriptor over the socket.
REQUEST = struct.Struct("<?Qd")
ANSWER = struct.Struct("<BQ")  # its kind, number of bytes that follow
DONE = struct.Struct("<dd")  # share that is done, CPU seconds it took
PROGRESS_EVERY_S = 0.25
MODULE = "undertone.sound.decoder_main"
CHUNK_BYTES = 2**20
LONG_NICENESS = 10  # a tenth of the share of others, where cores are short
logger = logging.getLogger("undertone")


class Kind(IntEnum):
    """What an answer holds."""

    READY = 0  # names of the protections that are on
    BEGUN = 1  # nothing: the head of a request has come
    PROGRESS = 2  # `DONE`
    SOUND = 3  # samples, float32
    ERROR = 4  # an AudioError as JSON


class DecoderProcess:
    """``python -m undertone.sound.decoder_main``, two pipes to it, and a socket for open files."""

    def __init__(self) -> None:
        kept = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
        environ = {name: os.environ[name] for name in kept if name in os.environ}
        environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        environ |= {"PYTHONDONTWRITEBYTECODE": "1"}
        self.is_ready = False
        self._is_over = False
        self._started_s = time.monotonic()
        self._files, theirs = socket.socketpair()
        self._files.shutdown(socket.SHUT_RD)  # files go there, nothing comes back
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(theirs.fileno())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environ, bufsize=0,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C ends the server, which then ends these
            )  # fmt: skip
        assert self._process.stdin and self._process.stdout
        self._requests, self._answers = self._process.stdin, self._process.stdout
        os.set_blocking(self._requests.fileno(), False)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def age_s(self) -> float:
        """Time since it was started."""
        return time.monotonic() - self._started_s

    def send(self, data: bytes, patience_s: float) -> None:
        """Write to it.

        Raises
        ------
        TimeoutError
            It took nothing for `patience_s`.
        OSError
            It has ended.
        """
        poll = select.poll()
        poll.register(self._requests, select.POLLOUT)
        rest = memoryview(data)
        while rest:
            if not poll.poll(patience_s * 1000):
                raise TimeoutError(f"took nothing for {patience_s:g} s")
            with suppress(BlockingIOError):
                rest = rest[os.write(self._requests.fileno(), rest[:CHUNK_BYTES]) :]

    def send_file(self, content: RecordingBytes) -> None:
        """Give it the file of a recording, to read only.

        Raises
        ------
        OSError
            It has ended.
        """
        try:
            descriptor = os.open(f"/dev/fd/{content.fileno()}", os.O_RDONLY)
        except OSError:  # there is no such folder; the limit of a file's size remains
            descriptor = os.dup(content.fileno())
        try:
            socket.send_fds(self._files, [b"\0"], [descriptor])
        finally:
            os.close(descriptor)

    def has_said(self, within_s: float) -> bool:
        """Wait until there is something to read, or it has ended; whether it came to that."""
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        return bool(poll.poll(max(0.0, within_s) * 1000))

    def receive(self, n_bytes: int, patience_s: float) -> bytearray:
        """Read exactly so many bytes.

        Raises
        ------
        TimeoutError
            None came for `patience_s`.
        EOFError
            It has ended.
        """
        data = bytearray(n_bytes)
        rest = memoryview(data)
        while rest:
            if not self.has_said(patience_s):
                raise TimeoutError(f"said nothing for {patience_s:g} s")
            n_read = self._answers.readinto(rest)  # type: ignore[attr-defined]
            if not n_read:
                raise EOFError("closed its pipe")
            rest = rest[n_read:]
        return data

    def receive_answer(self, patience_s: float) -> tuple[int, bytearray]:
        """Read the next message: its kind and its content; errors as for `receive`."""
        kind, n_bytes = ANSWER.unpack(self.receive(ANSWER.size, patience_s))
        return kind, self.receive(n_bytes, patience_s)

    def step_back(self) -> None:
        """Let others have the cores first."""
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, self.pid, LONG_NICENESS)

    def end(self, why: BaseException | None = None) -> None:
        """Kill it, and log the reason if there is one."""
        if self._is_over:
            return
        self._is_over = True
        status = self._process.poll()
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers, self._files):
            with suppress(OSError):
                pipe.close()
        if why is not None:
            how = str(why) if status is None else f"ended with {_ending(status)}"
            logger.warning("A decoder process %s; it is replaced.", how)


def _ending(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
