"""Connections without a thread: their request is still arriving, or they are closing.

A request gets a thread once its head is complete. So an idle connection, or a client sending one
header a minute, costs a file descriptor and nothing more. If the response was sent before the
whole request had arrived, a lingering close follows: the rest of the request is read and discarded
for a while. Closing at once would reset the connection and lose the response.

All code here runs on the worker's main thread.
"""

import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from undertone.web.capacity import deadlines
from undertone.web.connections import Connection

MAX_HEAD_BYTES = 2**16
PIECE_BYTES = 2**18
LINGER_S = 60.0
LINGER_IDLE_S = 5.0
LINGER_BYTES = 256 * 2**20
STOP_LINGER_S = 2.0  # during shutdown of the server
_END_OF_HEAD = re.compile(rb"\r\n\r\n|(?<!\r)\n")  # a bare LF is refused


@dataclass(eq=False)
class _Waiting:
    """A connection in the selector."""

    conn: Any
    due_s: float
    is_closing: bool = False
    head: bytearray = field(default_factory=bytearray)
    idle_due_s: float = float("inf")
    n_left: int = LINGER_BYTES

    @property
    def ends_s(self) -> float:
        """Time of the drop on the monotonic clock, in seconds."""
        return min(self.due_s, self.idle_due_s)


class WaitingConnections:
    """Connections without a thread, in the worker's selector.

    Parameters
    ----------
    selector : selectors.BaseSelector
    ready : callable
        Called with a connection and the bytes read so far, once the head of a request is complete
        or certain to be refused.
    late : callable
        Called with a connection to send an error response: its head did not come in time.
    gone : callable
        Called with a connection after it was closed.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        ready: Callable[[Any, bytes], object],
        late: Callable[[Any], object],
        gone: Callable[[Any], object],
    ) -> None:
        self._selector = selector
        self._ready = ready
        self._late = late
        self._gone = gone
        self._waiting: dict[Any, _Waiting] = {}

    def expect(self, conn: Any, head: bytes) -> None:
        """Wait for a request; ``head`` holds the bytes read so far."""
        waiting = _Waiting(conn, time.monotonic() + deadlines.patience_s)
        waiting.head += head
        conn.sock.setblocking(False)
        if _is_complete(waiting.head, 0):
            self._ready(conn, bytes(waiting.head))
            return
        self._wait(waiting)
        self._read_head(waiting)  # most requests have arrived already

    def close(self, conn: Any) -> None:
        """Close a connection once the client has read the response and closed its side."""
        sock: Connection = conn.sock
        try:
            if sock.is_aborted:
                raise BrokenPipeError
            sock.setblocking(False)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            conn.close()
            self._gone(conn)
            return
        now_s = time.monotonic()
        waiting = _Waiting(conn, now_s + LINGER_S, True, idle_due_s=now_s + LINGER_IDLE_S)
        if sock.is_deaf:  # no use in waiting: its end looks the same as silence
            waiting.due_s = now_s + STOP_LINGER_S
            self._waiting[conn] = waiting
            return
        self._wait(waiting)
        self._discard(waiting)

    def sweep(self) -> None:
        """End overdue connections."""
        now_s = time.monotonic()
        for waiting in [each for each in self._waiting.values() if each.ends_s < now_s]:
            if not waiting.head:
                self._drop(waiting)
                continue
            self._forget(waiting)
            self._late(waiting.conn)
            self.close(waiting.conn)

    def hurry(self) -> None:
        """Shorten all deadlines, because the server is stopping."""
        until_s = time.monotonic() + STOP_LINGER_S
        for waiting in self._waiting.values():
            waiting.due_s = min(waiting.due_s, until_s)

    def shed(self) -> None:
        """Make room: close the oldest connection of the client with the most connections."""
        if not self._waiting:
            return
        n_of = Counter(conn.sock.address for conn in self._waiting)
        most = max(n_of.values())
        self._drop(next(w for c, w in self._waiting.items() if n_of[c.sock.address] == most))

    def _wait(self, waiting: _Waiting) -> None:
        what = self._discard if waiting.is_closing else self._read_head
        self._waiting[waiting.conn] = waiting
        self._selector.register(
            waiting.conn.sock, selectors.EVENT_READ, lambda _sock: what(waiting)
        )

    def _forget(self, waiting: _Waiting) -> None:
        del self._waiting[waiting.conn]
        with suppress(OSError, KeyError, ValueError):
            self._selector.unregister(waiting.conn.sock)

    def _drop(self, waiting: _Waiting) -> None:
        self._forget(waiting)
        waiting.conn.close()
        self._gone(waiting.conn)

    def _read_head(self, waiting: _Waiting) -> None:
        try:
            piece = waiting.conn.sock.recv(MAX_HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""
        waiting.head += piece
        if not piece:
            self._drop(waiting)
        elif _is_complete(waiting.head, len(waiting.head) - len(piece)):
            self._forget(waiting)
            self._ready(waiting.conn, bytes(waiting.head))

    def _discard(self, waiting: _Waiting) -> None:
        try:
            n_bytes = len(waiting.conn.sock.recv(PIECE_BYTES))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            n_bytes = 0
        waiting.n_left -= n_bytes
        waiting.idle_due_s = time.monotonic() + LINGER_IDLE_S
        if not n_bytes or waiting.n_left < 0:
            self._drop(waiting)


def _is_complete(head: bytearray, n_seen: int) -> bool:
    """True if the parser can read or refuse the head without more bytes.

    The first `n_seen` bytes have been searched before.
    """
    return len(head) > MAX_HEAD_BYTES or bool(_END_OF_HEAD.search(head, max(0, n_seen - 3)))
