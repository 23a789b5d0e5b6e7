"""The server's worker, gunicorn's with a limit for who is slow, and its master, which drains."""

import ctypes
import signal
import socket
import struct
import time
from contextlib import suppress
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

from undertone.web.capacity import deadlines

TRIM_EVERY_S = 10.0
SO_ATTACH_FILTER = 26  # Linux


class Worker(ThreadWorker):  # type: ignore[misc]
    """A worker with threads, none of which a slow client holds for long."""

    def init_process(self) -> None:
        """Begin to serve."""
        _share_memory()
        self._trim_at_s = time.monotonic()
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """Read a request, which must be soon, and answer it."""
        deadlines.set(conn.sock, deadlines.patience_s)
        try:
            return super().handle(conn)
        finally:
            deadlines.clear(conn.sock)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose head has been read."""
        deadlines.clear(conn.sock)
        return super().handle_request(req, conn)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Begin to accept connections, or stop; at the end, take those that wait already.

        gunicorn leaves them where they are until all others are answered, and has them cut off
        then: a proxy before it would have to say 502. From now on they are refused instead, so
        that it asks another process.
        """
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            n_before = -1
            while n_before != self.nr_conns:
                n_before = self.nr_conns
                self.accept(listener)
            listener.close()

    def murder_pending(self) -> None:
        """Every second: end what has lasted too long."""
        super().murder_pending()
        deadlines.sweep()
        if time.monotonic() > self._trim_at_s:
            _give_back_memory()
            self._trim_at_s = time.monotonic() + TRIM_EVERY_S


def _let_nobody_in(listener: socket.socket) -> None:
    """Drop attempts to connect to a listener, in all processes that share it.

    Whoever came after a worker had accepted the last and before it closed the listener would be
    cut off. So they get no answer, until a second later they try again and are refused.
    """
    drop_all = struct.pack("HBBI", 0x06, 0, 0, 0)  # classic BPF: return 0, which keeps no byte
    instructions = ctypes.create_string_buffer(drop_all)
    program = struct.pack("HP", 1, ctypes.addressof(instructions))
    with suppress(OSError):  # other systems have no such thing
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def _share_memory() -> None:
    """Let all threads share two heaps.

    glibc gives each of a server's dozens of threads one of its own, and each keeps what an analysis
    has needed there: with the encoder alone 800 MB after some hundred requests, 340 with two. Free
    memory stays with
    the process until it rests: a chart's pixels, fetched from the system and given back each time,
    took 12 ms of CPU of its 24.
    """
    with suppress(OSError, AttributeError):  # other C libraries have no such thing
        library = ctypes.CDLL(None)
        library.mallopt(-8, 2)  # M_ARENA_MAX
        library.mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD
        library.mallopt(-1, 128 * 2**20)  # M_TRIM_THRESHOLD


def _give_back_memory() -> None:
    """Give the system what lies free between what is in use; some milliseconds of work."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Master(Arbiter):  # type: ignore[misc]
    """A master whose workers say for a while that they are about to end, before they do.

    Parameters
    ----------
    app : gunicorn.app.base.BaseApplication
    drain_s : float
        How long that is; a second signal cuts it short.
    """

    def __init__(self, app: Any, drain_s: float) -> None:
        super().__init__(app)
        self._drain_s = drain_s

    def handle_term(self) -> None:
        """Tell the workers, wait, and end."""
        until_s = time.monotonic() + self._drain_s
        if self._drain_s:
            self.kill_workers(signal.SIGUSR2)
        ends = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
        while (left_s := until_s - time.monotonic()) > 0:
            if ends.intersection(self.wait_for_signals(timeout=min(1.0, left_s))):
                break
        # Sockets of systemd's, or shared with another master that takes over, live on after this.
        if not (self.systemd or self.reexec_pid or self.master_pid):
            for listener in self.LISTENERS:
                _let_nobody_in(listener.sock)
        raise StopIteration
