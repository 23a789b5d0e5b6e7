"""WebSocket on the connection of a request, for servers with one thread per request.

It reads from the connection only on request. A client sending too fast has to wait, so memory never
holds more than one message and one piece of the next.
"""

import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from websockets.datastructures import Headers
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.protocol import CLOSING, OPEN
from websockets.server import ServerProtocol

from undertone.errors import UpgradeRequired
from undertone.web.capacity import deadlines

MAX_MESSAGE_BYTES = 2**20
PIECE_BYTES = 2**16
SEND_LIMIT_S = 10.0  # a client that blocks for so long is disconnected
HEARTBEAT_S = 20.0
FAREWELL_S = 2.0


class Closed(Exception):
    """The client has closed the connection or is gone."""


class WebSocket:
    """Server side of a WebSocket connection; for use by one thread.

    Parameters
    ----------
    environ : mapping
        The WSGI environment of a request for a WebSocket.

    Raises
    ------
    UpgradeRequired
        The request does not follow the standard, or the server supports no WebSockets.
    Closed
        The client is gone.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        headers = Headers(
            (name.removeprefix("HTTP_").replace("_", "-"), value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        )
        response = ServerProtocol().accept(Request(environ["PATH_INFO"], headers))
        if response.status_code != 101 or "gunicorn.socket" not in environ:
            raise UpgradeRequired("This address is for WebSockets (version 13); see docs/live.md.")
        self._socket: socket.socket = environ["gunicorn.socket"]
        self._partial = bytearray()
        self._is_text = False
        self._messages: deque[str | bytes] = deque()
        self._heard_at_s = self._pinged_at_s = time.monotonic()
        # The server has read the request already, so only messages follow.
        self._protocol = ServerProtocol(state=OPEN, max_size=MAX_MESSAGE_BYTES)
        self._send(response.serialize())

    def receive(self, timeout_s: float) -> str | bytes | None:
        """Return the next message; None if none is complete within this time.

        Raises
        ------
        Closed
            No more messages will come.
        """
        if not self._messages:
            self._check_open()
            self._read(timeout_s)
        return self._messages.popleft() if self._messages else None

    def send(self, text: str) -> None:
        """Send a text message.

        Raises
        ------
        Closed
            The message cannot be sent.
        """
        self._check_open()
        self._protocol.send_text(text.encode())
        self._flush()

    def keep_alive(self) -> None:
        """Send a heartbeat after a while of silence; to be called about every second.

        Raises
        ------
        Closed
            Nothing has come from the client for twice `HEARTBEAT_S`.
        """
        now_s = time.monotonic()
        if now_s - self._heard_at_s > 2 * HEARTBEAT_S:
            raise Closed
        if now_s - max(self._heard_at_s, self._pinged_at_s) > HEARTBEAT_S:
            self._check_open()
            self._pinged_at_s = now_s
            self._protocol.send_ping(b"")
            self._flush()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame unless the client has, and wait a moment for the client's."""
        with suppress(Closed):
            if self._protocol.state is OPEN:
                self._protocol.send_close(code, reason)
                self._flush()
            # Closing a connection with unread data would discard the last sent data.
            deadlines.set(self._socket, FAREWELL_S)  # may be cut short if threads are scarce
            until_s = time.monotonic() + FAREWELL_S
            while self._protocol.state is CLOSING and not self._protocol.close_rcvd:
                self._read(max(0.0, until_s - time.monotonic()))
                if time.monotonic() > until_s:
                    break
        deadlines.clear(self._socket)

    def _check_open(self) -> None:
        if self._protocol.state is not OPEN:
            raise Closed

    def _read(self, timeout_s: float) -> None:
        """Read one piece from the connection and process its frames."""
        self._socket.settimeout(timeout_s)
        piece = self._receive_bytes()
        if piece is None:
            return
        self._heard_at_s = time.monotonic()
        if piece:
            self._protocol.receive_data(piece)
        else:
            self._protocol.receive_eof()
        for frame in self._protocol.events_received():
            self._take(frame)
        self._flush()

    def _receive_bytes(self) -> bytes | None:
        """Return the next bytes; None if none came in time, empty at the end of the connection."""
        try:
            return self._socket.recv(PIECE_BYTES)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError as error:
            raise Closed from error

    def _take(self, frame: Any) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        self._partial += frame.data
        if frame.fin:
            message = bytes(self._partial)
            self._partial.clear()
            self._messages.append(message.decode("utf-8", "replace") if self._is_text else message)

    def _flush(self) -> None:
        """Send the pending data of the protocol; an empty piece marks its end."""
        for data in self._protocol.data_to_send():
            self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            if data:
                self._socket.settimeout(SEND_LIMIT_S)
                self._socket.sendall(data)
            else:
                self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise Closed from error
