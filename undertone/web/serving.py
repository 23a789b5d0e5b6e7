"""gunicorn worker with limits on slow clients, and gunicorn master with a drain phase."""

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
    """Threaded worker; slow clients cannot hold a thread for long."""

    def init_process(self) -> None:
        """Set up memory and connection limits, then start the worker."""
        _share_memory()
        self._trim_at_s = self._shed_at_s = time.monotonic()
        self._n_busy = 0  # connections with a thread or in the queue for one
        self.worker_connections: int = min(self.cfg.worker_connections, _n_files() // 2)
        super().init_process()

    def run(self) -> None:
        """Serve connections until the worker is stopped."""
        self._waiting = WaitingConnections(self.poller, self._begin, self._tell_late, self._end)
        super().run()

    def enqueue_req(self, conn: Any) -> None:
        """Wait for the next request of a new or kept-alive connection."""
        if not isinstance(conn.sock, Connection):
            conn.sock = Connection.adopt(conn.sock, conn.client)
            if self.nr_conns > self.worker_connections - SPARE_CONNECTIONS:
                self._waiting.shed()
        self._waiting.expect(conn, conn.parser.unreader.take_buffered() if conn.parser else b"")

    def accept(self, listener: Any) -> None:
        """Accept a connection; if no file descriptors are left, close another to make room."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._waiting.shed()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep a connection alive after the response, or close it."""
        self._n_busy -= 1
        if not fs.cancelled() and not fs.exception() and fs.result():
            super().finish_request(conn, fs)
        else:
            self._waiting.close(conn)

    def handle(self, conn: Any) -> Any:
        """Parse a request with a complete head and send the response."""
        with logs.during_request():
            return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Send the response to a request with a parsed head."""
        req.body = body = RequestBody(req, conn.sock)
        req._expected_100_continue = False  # `RequestBody` sends it at the first read
        usual = req.should_close
        # Called at the start of the response. An unread rest of the body is never read after that.
        req.should_close = lambda: usual() or not body.is_finished
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Send the usual error response to an unparsable request.

        Parameters
        ----------
        req : object
            Not used.
        client : socket.socket
        addr : object
            Not used.
        exc : BaseException
            The error of the parser or of Undertone.
        """
        refuse(client, exc)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Start or stop accepting connections; on shutdown, accept the pending ones first.

        gunicorn leaves pending connections in the queue until all others are answered, and then
        cuts them off. A proxy in front would have to respond with 502. Here the listener is closed
        at once, so later connections are refused and the proxy tries another process.
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
        """Run every second: close overdue connections and return free memory to the system."""
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
        """Queue a connection for a thread after the head of its request has arrived."""
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
    """Raise the limit of open files up to `MOST_FILES`, if allowed; return the limit.

    Each connection needs one file descriptor, and so does each large upload.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, MOST_FILES) if hard != resource.RLIM_INFINITY else MOST_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft


def _let_nobody_in(listener: socket.socket) -> None:
    """Drop new connection attempts to a listener, in all processes sharing it.

    A client could connect after a worker's last accept, but before the listener is closed. It would
    be cut off. With the filter it gets no answer, tries again a second later and is then refused.
    """
    drop_all = struct.pack("HBBI", 0x06, 0, 0, 0)  # classic BPF: return 0, i.e. keep no byte
    instructions = ctypes.create_string_buffer(drop_all)
    program = struct.pack("HP", 1, ctypes.addressof(instructions))
    with suppress(OSError):  # not available on other systems
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def _share_memory() -> None:
    """Let all threads share two heaps.

    By default glibc gives each of a server's dozens of threads a heap of its own. Each heap keeps
    the memory of an analysis: with the encoder alone 800 MB after some hundred requests, against
    340 MB with two heaps. Free memory stays with the process until `_give_back_memory`. Otherwise
    each chart's pixels were allocated by the system and freed again, at 12 of 24 ms of CPU time.
    """
    with suppress(OSError, AttributeError):  # not available in other C libraries
        library = ctypes.CDLL(None)
        library.mallopt(-8, 2)  # M_ARENA_MAX
        library.mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD
        library.mallopt(-1, 128 * 2**20)  # M_TRIM_THRESHOLD


def _give_back_memory() -> None:
    """Return free heap memory to the system; takes some milliseconds."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Master(Arbiter):  # type: ignore[misc]
    """Master with a drain phase: workers announce their end for a while before they stop.

    Parameters
    ----------
    app : gunicorn.app.base.BaseApplication
    drain_s : float
        Duration of the drain phase in seconds. A second signal cuts it short.
    """

    def __init__(self, app: Any, drain_s: float) -> None:
        super().__init__(app)
        self._drain_s = drain_s

    def handle_term(self) -> None:
        """Announce the end to the workers, wait for the drain phase, and stop."""
        until_s = time.monotonic() + self._drain_s
        if self._drain_s:
            self.kill_workers(signal.SIGUSR2)
        ends = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
        while (left_s := until_s - time.monotonic()) > 0:
            if ends.intersection(self.wait_for_signals(timeout=min(1.0, left_s))):
                break
        # Sockets of systemd, or shared with a master taking over, stay open after this.
        if not (self.systemd or self.reexec_pid or self.master_pid):
            for listener in self.LISTENERS:
                _let_nobody_in(listener.sock)
        raise StopIteration
