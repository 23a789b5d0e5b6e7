"""Server side of a decoder process, and the messages between the two.

The rule: every wait for the process has a deadline.
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

# Flag for a recording in a file, number of bytes, longest duration in seconds. The bytes follow.
# A file is sent as its descriptor over the socket.
REQUEST = struct.Struct("<?Qd")
ANSWER = struct.Struct("<BQ")  # kind, number of bytes after it
DONE = struct.Struct("<dd")  # finished share, CPU seconds so far
PROGRESS_EVERY_S = 0.25
MODULE = "undertone.sound.decoder_main"
CHUNK_BYTES = 2**20
LONG_NICENESS = 10  # a tenth of the usual CPU share if cores are short
logger = logging.getLogger("undertone")


class Kind(IntEnum):
    """Kind of an answer."""

    READY = 0  # names of the active protections
    BEGUN = 1  # empty: the head of a request has arrived
    PROGRESS = 2  # `DONE`
    SOUND = 3  # samples, float32
    ERROR = 4  # an AudioError as JSON


class DecoderProcess:
    """Process ``python -m undertone.sound.decoder_main``, two pipes and a socket for open files."""

    def __init__(self) -> None:
        kept = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
        environ = {name: os.environ[name] for name in kept if name in os.environ}
        environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        environ |= {"PYTHONDONTWRITEBYTECODE": "1"}
        self.is_ready = False
        self._is_over = False
        self._started_s = time.monotonic()
        self._files, theirs = socket.socketpair()
        self._files.shutdown(socket.SHUT_RD)  # one way: only sends files
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(theirs.fileno())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environ, bufsize=0,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C ends the server, and the server ends these
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
        """Seconds since the start of the process."""
        return time.monotonic() - self._started_s

    def send(self, data: bytes, patience_s: float) -> None:
        """Write bytes to the process.

        Raises
        ------
        TimeoutError
            The process read nothing for `patience_s` seconds.
        OSError
            The process has ended.
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
        """Send the process a read-only descriptor of a recording's file.

        Raises
        ------
        OSError
            The process has ended.
        """
        try:
            descriptor = os.open(f"/dev/fd/{content.fileno()}", os.O_RDONLY)
        except OSError:  # no /dev/fd; RLIMIT_FSIZE still prevents writing
            descriptor = os.dup(content.fileno())
        try:
            socket.send_fds(self._files, [b"\0"], [descriptor])
        finally:
            os.close(descriptor)

    def has_said(self, within_s: float) -> bool:
        """Wait for data or the end of the process; return False after `within_s` seconds."""
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        return bool(poll.poll(max(0.0, within_s) * 1000))

    def receive(self, n_bytes: int, patience_s: float) -> bytearray:
        """Read exactly `n_bytes` bytes.

        Raises
        ------
        TimeoutError
            No bytes came for `patience_s` seconds.
        EOFError
            The process has ended.
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
        """Read the kind and content of the next message; errors as for `receive`."""
        kind, n_bytes = ANSWER.unpack(self.receive(ANSWER.size, patience_s))
        return kind, self.receive(n_bytes, patience_s)

    def step_back(self) -> None:
        """Lower the CPU priority of the process."""
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, self.pid, LONG_NICENESS)

    def end(self, why: BaseException | None = None) -> None:
        """Kill the process, and log the reason if there is one."""
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
