"""How much is done at a time: analyses take turns, and what is being received has its room.

The rule: what cannot be taken on is refused at once (503, with when to come back), never left to
wait where nobody can see it.
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

# Threads of the server beside those that analyse or wait: for pages, lists, and saying no.
SPARE_THREADS = 16
SLOWEST_BYTES_PER_S = 16 * 1024
# A transfer is ended early, where threads are scarce, if it takes longer for its next 64 kB.
STALLED_S = 1.0
FIELDS_BYTES = 2**18  # of a form beside its files, and of what reads it


class Turns:
    """So many at the same time, so many waiting, and nobody else.

    Parameters
    ----------
    n_at_once : int > 0
    n_waiting : int >= 0
    """

    def __init__(self, n_at_once: int, n_waiting: int) -> None:
        self._places = threading.BoundedSemaphore(n_at_once + n_waiting)
        self._turns = threading.BoundedSemaphore(n_at_once)
        self._of_thread = threading.local()

    @contextmanager
    def taken(self, patience_s: float | None = None) -> Iterator[None]:
        """Wait for one's turn, and have it.

        Parameters
        ----------
        patience_s : float, optional
            How long to wait for a place among those who wait, and again for a turn. If not given,
            not at all for a place, and for a turn as long as it takes.

        Raises
        ------
        Busy
            As many as may wait are waiting, or patience is over.
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
        """Leave this thread's turn, if it has one, to others, and wait for another one at the end.

        For long work that has limits of its own.
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
        """Return if somebody more may wait: for who would read a recording before it is refused.

        Raises
        ------
        Busy
            As many as may wait are waiting.
        """
        if not self._places.acquire(blocking=False):
            raise _full()
        self._places.release()


def _full() -> Busy:
    return Busy("Too many recordings are waiting to be analysed; please try again soon.")


class Budget:
    """Bytes that may be held at the same time.

    Parameters
    ----------
    n_bytes : int
    """

    def __init__(self, n_bytes: int) -> None:
        self._left = n_bytes
        self._lock = threading.Lock()

    def take(self, n_bytes: int) -> None:
        """Hold so many bytes more.

        Raises
        ------
        Busy
            There are not so many left.
        """
        with self._lock:
            if n_bytes > self._left:
                raise Busy("Too many recordings are being received; please try again soon.")
            self._left -= n_bytes

    def give_back(self, n_bytes: int) -> None:
        """Hold so many bytes less."""
        with self._lock:
            self._left += n_bytes


@dataclass
class _Transfer:
    """Something a connection has to do in time: `end` is called when it has not."""

    due_s: float
    since_s: float
    end: Callable[[], object]


class Deadlines:
    """Time limits for connections that block a thread: reading a body, sending an answer.

    A read waits anew for each byte, so a client that sends a byte now and then would hold its
    thread for ever. Another thread calls `sweep`, which ends such transfers from outside.
    """

    def __init__(self) -> None:
        self.patience_s = 30.0  # for a request's head; for its body, and more as more of it comes
        self._transfers: dict[Any, _Transfer] = {}
        self._lock = threading.Lock()

    def set(self, socket: Any, within_s: float, end: Callable[[], object] | None = None) -> None:
        """Give a connection so much time from now.

        Parameters
        ----------
        socket : socket.socket
        within_s : float
        end : callable, optional
            What ends the transfer; by default its reading is ended, so that it can be answered.
        """
        now_s = time.monotonic()
        with self._lock:
            how = end or getattr(socket, "end_reading", None) or partial(socket.shutdown, SHUT_RD)
            self._transfers[socket] = _Transfer(now_s + within_s, now_s, how)

    def touch(self, socket: Any) -> None:
        """Note that a piece has been transferred, for `shed`; the deadline stays."""
        if transfer := self._transfers.get(socket):
            transfer.since_s = time.monotonic()

    def clear(self, socket: Any) -> bool:
        """Forget a connection whose transfer is over; return whether it was still in time."""
        with self._lock:
            return self._transfers.pop(socket, None) is not None

    def sweep(self) -> None:
        """End the transfers whose time is over."""
        now_s = time.monotonic()
        with self._lock:
            late = [socket for socket, each in self._transfers.items() if each.due_s < now_s]
        self._end(late)

    def shed(self, n_most: int) -> None:
        """End the transfers that stand still, to free threads for others.

        The clients with the most transfers lose some first, and of these the slowest.

        Parameters
        ----------
        n_most : int
            How many to end.
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
    """Address of the client at the other end, where it is known."""
    return str(getattr(socket, "address", ""))


deadlines = Deadlines()  # of this process's connections, as its server has them


class Body:
    """A request's body, read as long as it comes fast enough and there is room for it.

    Parameters
    ----------
    stream : file
        What the server gives.
    memory, disk : Budget
        For what is in memory, and for what was moved to the disk.
    socket : socket, optional
        Where the bytes come from.
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
        """The next bytes.

        Raises
        ------
        Busy
            There is no memory for them.
        TooSlow
            They do not come, or too slowly.
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
        """Return a place for a part of the body, until `let_go`."""
        spool = Spool(folder, self.move_to_disk)
        self._spools.append(spool)
        return spool

    def move_to_disk(self, n_bytes: int) -> None:
        """Count so many bytes as on the disk, no longer in memory.

        Raises
        ------
        Busy
            There is no room for them on the disk.
        """
        self._disk.take(n_bytes)
        self._n_on_disk += n_bytes
        n_in_spools = sum(spool.n_in_memory for spool in self._spools)
        # Base64 is longer than what it stands for, so there may be less left than the difference.
        n_held = min(max(0, self.n_held - n_bytes), n_in_spools + FIELDS_BYTES)
        self._memory.give_back(self.n_held - n_held)
        self.n_held = n_held

    def let_go(self) -> None:
        """Drop what was read, in memory and on the disk."""
        for spool in self._spools:
            spool.close()
        self._spools.clear()
        self._memory.give_back(self.n_held)
        self._disk.give_back(self._n_on_disk)
        self.n_held = self._n_on_disk = 0


def watch_bodies(app: Flask, settings: Settings) -> None:
    """Have every request's body read as a `Body`."""
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
    """Threads that the server needs, so that whoever comes too many is told so at once."""
    # A live session takes one for as long as it lasts.
    return settings.threads + settings.waiting + settings.live_sessions + SPARE_THREADS
