"""The server's worker, which limits slow clients, and its master, which drains."""

import ctypes
import errno
import resource
import signal
import socket
import struct
import time
from contextlib import suppress
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

from undertone.errors import TooSlow
from undertone.web import logs
from undertone.web.capacity import SPARE_THREADS, deadlines
from undertone.web.connections import Connection, RequestBody
from undertone.web.server_errors import oversized, refuse
from undertone.web.waiting_connections import MAX_HEAD_BYTES, WaitingConnections

TRIM_EVERY_S = 10.0
SHED_EVERY_S = 0.5
SPARE_CONNECTIONS = 50
MOST_FILES = 2**14
SO_ATTACH_FILTER = 26  # Linux


class Worker(ThreadWorker):  # type: ignore[misc]
    """A worker with threads, none of which a slow client holds for long."""

    def init_process(self) -> None:
        """Begin to serve."""
        _share_memory()
        self._trim_at_s = self._shed_at_s = time.monotonic()
        self._n_busy = 0  # connections that have a thread or wait for one
        self.worker_connections: int = min(self.cfg.worker_connections, _n_files() // 2)
        super().init_process()

    def run(self) -> None:
        """Serve until stopped."""
        self._waiting = WaitingConnections(self.poller, self._begin, self._tell_late, self._end)
        super().run()

    def enqueue_req(self, conn: Any) -> None:
        """Wait for the request of a connection: a new one, or one that was kept alive."""
        if not isinstance(conn.sock, Connection):
            conn.sock = Connection.adopt(conn.sock, conn.client)
            if self.nr_conns > self.worker_connections - SPARE_CONNECTIONS:
                self._waiting.shed()
        self._waiting.expect(conn, conn.parser.unreader.take_buffered() if conn.parser else b"")

    def accept(self, listener: Any) -> None:
        """Accept a connection; where there are no file descriptors left, make room for one."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._waiting.shed()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep a connection whose request has been answered, or close it."""
        self._n_busy -= 1
        if not fs.cancelled() and not fs.exception() and fs.result():
            super().finish_request(conn, fs)
        else:
            self._waiting.close(conn)

    def handle(self, conn: Any) -> Any:
        """Parse a request, whose head is there, and answer it."""
        with logs.during_request():
            return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose head has been parsed."""
        req.body = body = RequestBody(req, conn.sock)
        req._expected_100_continue = False  # the body does that, if anybody reads it
        usual = req.should_close
        # Asked when the response begins: what has not been read by then is never read.
        req.should_close = lambda: usual() or not body.is_finished
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that cannot be parsed, in the one shape of errors."""
        refuse(client, exc)

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
        self._waiting.sweep()
        if not self.alive:
            self._waiting.hurry()
        deadlines.sweep()
        now_s = time.monotonic()
        if now_s > self._shed_at_s:
            deadlines.shed(self._n_busy + SPARE_THREADS // 2 - self.cfg.threads)
            self._shed_at_s = now_s + SHED_EVERY_S
        if now_s > self._trim_at_s:
            _give_back_memory()
            self._trim_at_s = now_s + TRIM_EVERY_S

    def _begin(self, conn: Any, head: bytes) -> None:
        """Give a connection a thread, once the head of its request is there."""
        if len(head) > MAX_HEAD_BYTES and b"\r\n\r\n" not in head:
            refuse(conn.sock, oversized(head))
            self._waiting.close(conn)
            return
        conn.data_ready = True
        conn.init()
        conn.parser.unreader.unread(head)
        self._n_busy += 1
        super().enqueue_req(conn)

    def _tell_late(self, conn: Any) -> None:
        refuse(conn.sock, TooSlow("The request did not come in time. Send it again."))

    def _end(self, _conn: Any) -> None:
        self.nr_conns -= 1


def _n_files() -> int:
    """Allow as many open files as the system lets this process have; return their number.

    Each connection is one, and so is each large upload.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, MOST_FILES) if hard != resource.RLIM_INFINITY else MOST_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft


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
