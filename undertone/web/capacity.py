"""Load limits: number of analyses at once, and memory and disk space for request bodies.

The rule: excess requests are refused at once (503 with ``Retry-After``). They never wait in a
hidden queue.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import SHUT_RD
from typing import IO, Any

from flask import Flask, g, request

from undertone.errors import Busy, TooSlow
from undertone.settings import MIB, Settings
from undertone.spool import MEMORY_BYTES, Spool

# Extra server threads for pages, lists and refusals, beside those for analyses and waiting.
SPARE_THREADS = 16
SLOWEST_BYTES_PER_S = 16 * 1024
# If threads are scarce, a transfer is ended early if its next 64 kB take longer than this.
STALLED_S = 1.0
FIELDS_BYTES = 2**18  # for form fields and the buffers of the parser


class Turns:
    """Queue of limited length in front of a limited number of turns.

    Parameters
    ----------
    n_at_once : int > 0
        Number of turns at the same time.
    n_waiting : int >= 0
        Length of the queue.
    """

    def __init__(self, n_at_once: int, n_waiting: int) -> None:
        self._places = threading.BoundedSemaphore(n_at_once + n_waiting)
        self._turns = threading.BoundedSemaphore(n_at_once)
        self._of_thread = threading.local()

    @contextmanager
    def taken(self, patience_s: float | None = None) -> Iterator[None]:
        """Wait for a turn, and hold it inside the ``with`` block.

        Parameters
        ----------
        patience_s : float, optional
            Longest wait in seconds for a place in the queue, and again for a turn. By default
            there is no wait for a place, and no time limit for a turn.

        Raises
        ------
        Busy
            The queue is full, or the wait took longer than `patience_s`.
        """
        if not self._places.acquire(timeout=patience_s or 0.0):
            raise _full()
        try:
            if not self._turns.acquire(timeout=patience_s):
                raise Busy("Others are still being analysed; please try again soon.")
            self._of_thread.has_turn = True
            try:
                yield
            finally:
                self._of_thread.has_turn = False
                self._turns.release()
        finally:
            self._places.release()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Release this thread's turn, if it has one, and wait for a new one at the end.

        This is for long work with separate limits.
        """
        if not getattr(self._of_thread, "has_turn", False):
            yield
            return
        self._turns.release()
        try:
            yield
        finally:
            self._turns.acquire()

    def check(self) -> None:
        """Check that the queue has a free place, before a recording is read in vain.

        Raises
        ------
        Busy
            The queue is full.
        """
        if not self._places.acquire(blocking=False):
            raise _full()
        self._places.release()


def _full() -> Busy:
    return Busy("Too many recordings are waiting to be analysed; please try again soon.")


class Budget:
    """Limit on the number of bytes held at the same time.

    Parameters
    ----------
    n_bytes : int
    """

    def __init__(self, n_bytes: int) -> None:
        self._left = n_bytes
        self._lock = threading.Lock()

    def take(self, n_bytes: int) -> None:
        """Reserve bytes.

        Raises
        ------
        Busy
            Fewer bytes are left.
        """
        with self._lock:
            if n_bytes > self._left:
                raise Busy("Too many recordings are being received; please try again soon.")
            self._left -= n_bytes

    def give_back(self, n_bytes: int) -> None:
        """Release reserved bytes."""
        with self._lock:
            self._left += n_bytes


@dataclass
class _Transfer:
    """Transfer on a connection with a deadline; `end` is called after it."""

    due_s: float
    since_s: float
    end: Callable[[], object]


class Deadlines:
    """Time limits for connections that block a thread: reading a body, sending an answer.

    The socket's timeout starts again with each byte. A client could send a byte now and then and
    hold its thread for ever. Another thread calls `sweep` to end such transfers from outside.
    """

    def __init__(self) -> None:
        self.patience_s = 30.0  # for a request's head; for its body, extended as bytes arrive
        self._transfers: dict[Any, _Transfer] = {}
        self._lock = threading.Lock()

    def set(self, socket: Any, within_s: float, end: Callable[[], object] | None = None) -> None:
        """Set a connection's deadline.

        Parameters
        ----------
        socket : socket.socket
        within_s : float
            Time from now in seconds.
        end : callable, optional
            Function to end the transfer. By default only reading ends, so a response can still
            be sent.
        """
        now_s = time.monotonic()
        with self._lock:
            how = end or getattr(socket, "end_reading", None) or partial(socket.shutdown, SHUT_RD)
            self._transfers[socket] = _Transfer(now_s + within_s, now_s, how)

    def touch(self, socket: Any) -> None:
        """Note the transfer of a piece, for `shed`; the deadline stays the same."""
        if transfer := self._transfers.get(socket):
            transfer.since_s = time.monotonic()

    def clear(self, socket: Any) -> bool:
        """Forget a connection after its transfer; return True if it met its deadline."""
        with self._lock:
            return self._transfers.pop(socket, None) is not None

    def sweep(self) -> None:
        """End all transfers past their deadline."""
        now_s = time.monotonic()
        with self._lock:
            late = [socket for socket, each in self._transfers.items() if each.due_s < now_s]
        self._end(late)

    def shed(self, n_most: int) -> None:
        """End stalled transfers, to free threads for others.

        Clients with the most stalled transfers lose some first, starting with the slowest.

        Parameters
        ----------
        n_most : int
            Largest number of transfers to end.
        """
        now_s = time.monotonic()
        with self._lock:
            still = {s: t for s, t in self._transfers.items() if now_s - t.since_s > STALLED_S}
        n_of = Counter(map(_address, still))
        order = sorted(still, key=lambda s: (-n_of[_address(s)], still[s].since_s))
        self._end(order[:n_most])

    def _end(self, sockets: list[Any]) -> None:
        for socket in sockets:
            with self._lock:
                transfer = self._transfers.pop(socket, None)
            if transfer:
                with suppress(OSError):
                    transfer.end()


def _address(socket: Any) -> str:
    """Return the address of the client, or "" if unknown."""
    return str(getattr(socket, "address", ""))


deadlines = Deadlines()  # for all connections of this process


class Body:
    """Request body with limits on time, memory and disk space.

    Parameters
    ----------
    stream : file
        Input stream of the WSGI server.
    memory, disk : Budget
        Budgets for the bytes in memory, and for those moved to the disk.
    socket : socket, optional
        Source of the bytes. Without it the body has no deadline from outside.
    """

    def __init__(self, stream: IO[bytes], memory: Budget, disk: Budget, socket: Any = None) -> None:
        self.n_held = 0
        self._n_on_disk = 0
        self._n_read = 0
        self._stream = stream
        self._memory = memory
        self._disk = disk
        self._socket = socket
        self._spools: list[Spool] = []
        self._began_s = time.monotonic()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises
        ------
        Busy
            The memory budget is used up.
        TooSlow
            The bytes arrive too slowly, or not at all.
        """
        passed_s = time.monotonic() - self._began_s
        allowed_s = deadlines.patience_s + self._n_read / SLOWEST_BYTES_PER_S
        if self._socket:
            deadlines.set(self._socket, allowed_s - passed_s)
        try:
            data = self._stream.read(size)
        finally:
            in_time = deadlines.clear(self._socket) or not self._socket
        if time.monotonic() - self._began_s > allowed_s or not in_time:
            raise TooSlow("The recording came too slowly, or stopped on the way. Send it again.")
        self._memory.take(len(data))
        self.n_held += len(data)
        self._n_read += len(data)
        return data

    def spool(self, folder: Path) -> Spool:
        """Return storage for a part of the body, valid until `let_go`."""
        spool = Spool(folder, self.move_to_disk)
        self._spools.append(spool)
        return spool

    def move_to_disk(self, n_bytes: int) -> None:
        """Count bytes as stored on the disk, no longer in memory.

        Raises
        ------
        Busy
            The disk budget is used up.
        """
        self._disk.take(n_bytes)
        self._n_on_disk += n_bytes
        n_in_spools = sum(spool.n_in_memory for spool in self._spools)
        # Base64 is longer than the decoded bytes, so less may remain than the difference.
        n_held = min(max(0, self.n_held - n_bytes), n_in_spools + FIELDS_BYTES)
        self._memory.give_back(self.n_held - n_held)
        self.n_held = n_held

    def let_go(self) -> None:
        """Drop all bytes of the body, in memory and on the disk."""
        for spool in self._spools:
            spool.close()
        self._spools.clear()
        self._memory.give_back(self.n_held)
        self._disk.give_back(self._n_on_disk)
        self.n_held = self._n_on_disk = 0


def watch_bodies(app: Flask, settings: Settings) -> None:
    """Wrap the body of every request in a `Body`."""
    deadlines.patience_s = settings.patience_s
    memory = Budget(max(int(settings.uploads_mb * MIB), 2 * MEMORY_BYTES))
    largest = max(2 * settings.max_upload_bytes, settings.max_job_bytes)
    disk = Budget(max(int(settings.uploads_disk_mb * MIB), largest))

    @app.before_request
    def begin() -> None:
        environ = request.environ
        g.body = Body(environ["wsgi.input"], memory, disk, environ.get("gunicorn.socket"))
        environ["wsgi.input"] = g.body

    @app.teardown_request
    def let_go(_error: BaseException | None) -> None:
        if body := g.pop("body", None):
            body.let_go()


def n_threads(settings: Settings) -> int:
    """Return the number of server threads, enough to refuse excess requests at once."""
    # A live session occupies one thread until its end.
    return settings.threads + settings.waiting + settings.live_sessions + SPARE_THREADS
