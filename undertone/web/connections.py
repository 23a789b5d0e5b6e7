"""Client connections: responses with a deadline, and request bodies.

`Connection` ends a response if the client does not read it. `RequestBody` answers
``Expect: 100-continue`` only on the first read of the body, and knows if all of it has been read.
"""

import errno
import socket
import struct
import time
from contextlib import suppress
from typing import Any

from gunicorn.http.errors import ParseException

from undertone.errors import BadRequest, TooSlow
from undertone.web.capacity import SLOWEST_BYTES_PER_S, deadlines

PIECE_BYTES = 2**16
SEND_BUFFER_BYTES = 2**18
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(socket.socket):
    """Socket of a client; `sendall` gives up if the client does not read.

    The client has `deadlines.patience_s` of credit. Time spent waiting uses it up, and each
    `SLOWEST_BYTES_PER_S` sent restores one second. The credit is capped, so bytes in the kernel's
    buffers do not buy minutes.

    Attributes
    ----------
    address : str
        Address of the client; empty for sockets without one.
    is_aborted : bool
        True after the server has given up on the connection.
    is_deaf : bool
        True after the server has ended reading; it can still send a response.
    """

    address = ""
    is_aborted = False
    is_deaf = False
    _credit_s: float | None = None

    @classmethod
    def adopt(cls, sock: socket.socket, peer: Any) -> "Connection":
        """Take over an accepted socket."""
        connection = cls(fileno=sock.detach())
        connection.address = str(peer[0]) if isinstance(peer, tuple) else ""
        with suppress(OSError):  # limits the unsent bytes for a client that does not read
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        return connection

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all data.

        Raises
        ------
        BrokenPipeError
            The client reads too slowly, or is gone.
        """
        if self.gettimeout() is not None:  # the caller has set its own limit
            return super().sendall(data, flags)
        view = memoryview(data).cast("B")
        while view:
            n_sent = self._send_piece(view[:PIECE_BYTES], flags)
            view = view[n_sent:]

    def _send_piece(self, piece: memoryview, flags: int) -> int:
        """Send the start of a piece and return its length."""
        with suppress(BlockingIOError):
            return self.send(piece, flags | socket.MSG_DONTWAIT)
        if self._credit_s is None:
            self._credit_s = deadlines.patience_s
        began_s = time.monotonic()
        deadlines.set(self, self._credit_s, self.abort)
        try:
            n_sent = self.send(piece, flags)
        finally:
            deadlines.clear(self)
        self._credit_s -= time.monotonic() - began_s
        if self.is_aborted or self._credit_s < 0:
            self.abort()
            raise BrokenPipeError(errno.EPIPE, "The client does not read its answer.")
        self._credit_s = min(deadlines.patience_s, self._credit_s + n_sent / SLOWEST_BYTES_PER_S)
        return n_sent

    def end_reading(self) -> None:
        """End a read from any thread."""
        self.is_deaf = True
        self.shutdown(socket.SHUT_RD)

    def abort(self) -> None:
        """End all reading and writing from any thread, and discard unsent bytes."""
        self.is_aborted = True
        with suppress(OSError):
            # Otherwise the kernel keeps the unsent bytes for a client that never reads.
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)


class RequestBody:
    """Request body as a WSGI input stream.

    Parameters
    ----------
    request : gunicorn.http.message.Request
    connection : Connection
        Connection for ``100 Continue``, sent if the client waits for it.
    """

    def __init__(self, request: Any, connection: Any) -> None:
        self._stream = request.body
        self._connection = connection
        self._awaits_continue = request._expected_100_continue
        self._left = _content_length(request)

    @property
    def is_finished(self) -> bool:
        """True after the whole body has been read, so another request can follow."""
        return self._left == 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; fewer only at the end.

        Raises
        ------
        BadRequest
            The body's chunks are malformed or end early.
        TooSlow
            The server has ended reading, because nothing arrived for too long.
        """
        if self._awaits_continue:
            self._awaits_continue = False
            self._connection.sendall(CONTINUE)
        pieces, n_wanted = [], size if size is not None and size >= 0 else float("inf")
        while n_wanted > 0:
            piece = self._read_piece(int(min(n_wanted, PIECE_BYTES)))
            pieces.append(piece)
            n_wanted -= len(piece)
            if not piece:
                break
            deadlines.touch(self._connection)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_piece(self, size: int) -> bytes:
        try:
            piece: bytes = self._stream.read(size)
        except (ParseException, OSError):
            if self._connection.is_deaf:
                raise TooSlow(
                    "The request came too slowly, or stopped on the way. Send it again."
                ) from None
            raise BadRequest(
                "The request's body is cut off, or its chunks are malformed. Send it again."
            ) from None
        if self._left is not None:
            self._left -= len(piece)
        elif not piece:
            self._left = 0  # the last chunk
        return piece


def _content_length(request: Any) -> int | None:
    """Return the length of the body in bytes; None for a chunked body."""
    found = 0
    for name, value in request.headers:
        if name == "TRANSFER-ENCODING":
            return None
        if name == "CONTENT-LENGTH":
            found = int(value)
    return found
