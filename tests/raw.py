"""Raw connections to a running server, for what no HTTP client sends."""

import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any

from tests.live import Server


def open_connection(server: Server, timeout_s: float = 60.0) -> socket.socket:
    """A connected socket."""
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=timeout_s)


def read_all(connection: socket.socket) -> bytes:
    """All that comes until the server closes or resets the connection."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(2**16):
            said += part
    return said


def exchange(server: Server, request: bytes) -> bytes:
    """The answer to a request, up to the end of the connection."""
    with open_connection(server) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        return read_all(connection)


def parsed(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case and body of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in headers.items()}, body


def assert_error_answer(answer: bytes, status: int | None = None) -> dict[str, Any]:
    """The answer has the one shape of errors, whoever wrote it; its document."""
    found, headers, body = parsed(answer)
    assert headers["content-type"] == "application/json"
    assert int(headers["content-length"]) == len(body)
    document: dict[str, Any] = json.loads(body)
    assert set(document) == {"error", "code", "status"}
    assert document["status"] == found
    assert status in (None, found)
    assert document["error"].endswith((".", "?", "!"))
    return document


def until(condition: Callable[[], bool], what: str, tries: int = 600) -> None:
    """Wait until something holds."""
    import time

    for _ in range(tries):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(what)
