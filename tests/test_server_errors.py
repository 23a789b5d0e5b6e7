"""What never reaches the application is answered in the one shape, and logged without its data."""

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.conftest import multipart
from tests.live import Server, running_server
from tests.raw import assert_error_answer, exchange, open_connection, parsed, read_all
from undertone.keys import KeyRing
from undertone.web.logs import (
    JsonLines,
    PlainLines,
    _Lines,
    during_request,
    take_over_standard_error,
)

SECRET = "undertone_Zq7SECRETsecret"


@pytest.fixture(scope="module", params=["plain", "json"])
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("data")
    more = {"UNDERTONE_PATIENCE_S": "2", "UNDERTONE_LOG_FORMAT": request.param}
    with running_server(folder, **more) as running:
        yield running
    printed = (folder / "server.log").read_text()
    assert "unreadable request" in printed  # that it is told at all
    for secret in (SECRET, SECRET.upper(), SECRET[10:], "192.0.2.77"):
        assert secret not in printed


HOST = b"Host: localhost\r\n"
GET = b"GET /health/live HTTP/1.1\r\n" + HOST
POST = b"POST /upload HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n"
S = SECRET.encode()
# What is wrong: the request, the status.
REQUESTS: dict[str, tuple[bytes, int]] = {
    "no request line": (S + b"\r\n\r\n", 400),
    "no version": (b"GET /" + S + b"\r\n\r\n", 400),
    "a version unheard of": (b"GET /" + S + b" HTTP/3.7\r\n\r\n", 505),
    "no version at all": (b"GET / " + S + b"\r\n\r\n", 505),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/2": (b"GET / HTTP/2.0\r\nX-API-Key: " + S + b"\r\n\r\n", 505),
    "a method in small letters": (S.lower() + b" / HTTP/1.1\r\n\r\n", 400),
    "a method with signs": (b"G(T)" + S + b" / HTTP/1.1\r\n\r\n", 400),
    "a target in UTF-8": (b"GET /\xc3\xa9" + S + b" HTTP/1.1\r\n\r\n", 400),
    "an authority": (b"GET " + S + b":80 HTTP/1.1\r\n\r\n", 400),
    "a long target": (b"GET /" + S + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "a target without end": (b"GET /" + S + b"x" * 200_000, 414),
    "a header without colon": (GET + S + b"\r\n\r\n", 400),
    "a header without name": (GET + b": " + S + b"\r\n\r\n", 400),
    "a name with blanks": (GET + b"X-API Key: " + S + b"\r\n\r\n", 400),
    "a secret name": (GET + S + b" : x\r\n\r\n", 400),
    "a value with a zero": (GET + b"X-API-Key: " + S + b"\0\r\n\r\n", 400),
    "a folded value": (GET + b"X-API-Key: a\r\n " + S + b"\r\n\r\n", 400),
    "lines that end in LF": (GET.replace(b"\r", b"") + b"X-API-Key: " + S + b"\n\n", 400),
    "a large header": (GET + b"X-API-Key: " + S + b"x" * 9000 + b"\r\n\r\n", 431),
    "many headers": (GET + (b"X-API-Key: " + S + b"\r\n") * 200 + b"\r\n", 431),
    "headers without end": (GET + (b"X-API-Key: " + S + b"\r\n") * 9000, 431),
    "two hosts": (GET + b"Host: " + S + b"\r\n\r\n", 400),
    "a length that is none": (POST + b"Content-Length: " + S + b"\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n" + S, 400),
    "an expectation": (POST + b"Expect: " + S + b"\r\n\r\n", 417),
    "a coding": (POST + b"Transfer-Encoding: " + S + b"\r\n\r\n", 501),
    "a coding and a length": (CHUNKED + b"Content-Length: 9\r\n\r\n" + S, 400),
    "chunks over HTTP/1.0": (CHUNKED.replace(b"1.1", b"1.0") + b"\r\n" + S, 400),
    "a chunk's size": (CHUNKED + b"\r\n" + S + b"\r\n", 400),
    "a chunk's extension": (CHUNKED + b'\r\n5;a="' + S + b"\r\n", 400),
    "a chunk's end": (CHUNKED + b"\r\n3\r\n" + S + b"\r\n", 400),
    "a trailer": (CHUNKED + b"\r\n0\r\n" + S + b"\r\n\r\n", 400),
    "half a head": (GET + b"X-API-Key: " + S, 408),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_malformed_requests(server: Server, what: str) -> None:
    request, status = REQUESTS[what]
    answer = exchange(server, request)
    assert_error_answer(answer, status)
    assert parsed(answer)[1]["x-content-type-options"] == "nosniff"
    assert S not in answer


def test_every_byte_that_may_be_wrong(server: Server) -> None:
    """Every answer is one of HTTP with the error shape, whatever byte is put anywhere."""
    good = b"POST /record HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nX-API-Key: " + S
    good += b"\r\nConnection: close\r\n\r\n{}"
    for at in range(0, len(good) - 4, 3):
        for byte in (b"\0", b"\n", b" ", b"\xff", b":"):
            broken = good[:at] + byte + good[at + 1 :]
            with open_connection(server) as connection:
                connection.sendall(broken)
                with contextlib.suppress(OSError):
                    connection.shutdown(1)
                answer = read_all(connection)
            if answer:  # an end in the middle of a head is a client that has gone
                assert parsed(answer)[0] < 500 or parsed(answer)[0] in (501, 505)
                assert_error_answer(answer)


def test_secrets_in_requests_that_can_be_read(server: Server) -> None:
    body, kind = multipart(b"RIFF" + S, f"{SECRET}.wav", note=SECRET)
    many = [
        f"GET /{SECRET}?key={SECRET} HTTP/1.1",
        f"GET /results/{SECRET} HTTP/1.1",
        f"GET /history?q={SECRET}&limit={SECRET} HTTP/1.1",
        f"{SECRET[10:17].upper()}XQ / HTTP/1.1",
        f"POST /upload?model={SECRET} HTTP/1.1",
    ]
    lines = f"Host: localhost\r\nAuthorization: Bearer {SECRET}\r\nCookie: lang={SECRET}\r\n"
    lines += f"X-{SECRET}: {SECRET}\r\nUser-Agent: {SECRET}\r\nReferer: http://{SECRET}/\r\n"
    lines += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    for first in many:
        answer = exchange(server, f"{first}\r\n{lines}\r\n".encode() + body)
        assert parsed(answer)[0] in (400, 404, 405, 415, 422)
    for text in (SECRET, f'{{"type": "{SECRET}"}}', f'{{"type": "hello", "model": "{SECRET}"}}'):
        with connect(server.url.replace("http", "ws") + f"/live?key={SECRET}") as session:
            session.send(text)
            with contextlib.suppress(Exception):
                while True:
                    session.recv(timeout=30)


def test_frames_that_are_none(server: Server) -> None:
    head = b"GET /live HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    head += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    for frames in (S, b"\x81\x05" + S, b"\xff" + S, b"\x81\xff" + S * 3, b"\x88\x85aaaa" + S):
        with open_connection(server) as connection:
            connection.sendall(head)
            assert connection.recv(2**16).startswith(b"HTTP/1.1 101 ")
            connection.sendall(frames)
            read_all(connection)


class TestHeadersOfProxies:
    """Without UNDERTONE_PROXIES nobody is believed, not even on loopback."""

    HEADERS = {
        "SCRIPT_NAME": "//evil.example", "Script-Name": "//evil.example", "PATH_INFO": "/evil",
        "Path-Info": "/evil", "REMOTE_USER": "evil", "Remote-User": "evil",
        "REMOTE_ADDR": "192.0.2.77",
        "X-Forwarded-For": "192.0.2.77", "X_Forwarded_For": "192.0.2.77",
        "X-Forwarded-Host": "evil.example", "X_Forwarded_Host": "evil.example",
        "X-Forwarded-Proto": "https", "X-Forwarded-Protocol": "ssl", "X-Forwarded-Ssl": "on",
        "X-Forwarded-Port": "1", "X-Forwarded-Prefix": "/evil", "X_Forwarded_Prefix": "/evil",
        "Forwarded": "for=192.0.2.77;host=evil.example;proto=https", "X-Original-Url": "/evil",
        "X-Rewrite-Url": "/evil", "X-Http-Method-Override": "DELETE", "HTTP_HOST": "evil.example",
        "wsgi.url_scheme": "https", "Proxy": "http://evil.example",
    }  # fmt: skip

    @pytest.mark.parametrize("name", HEADERS)
    @pytest.mark.parametrize("path", ["/history", "/docs", "/openapi.json"])
    def test_it_changes_nothing(self, server: Server, name: str, path: str) -> None:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        if path != "/openapi.json":
            request += "Accept: text/html\r\n"
        _, _, usual = parsed(exchange(server, f"{request}\r\n".encode()))
        header = f"{name}: {self.HEADERS[name]}\r\n\r\n"
        status, headers, body = parsed(exchange(server, (request + header).encode()))
        assert (status, body) == (200, usual)
        assert "evil" not in str(headers)

    def test_nor_where_a_redirect_leads(self, server: Server) -> None:
        for name, value in self.HEADERS.items():
            request = f"GET /live HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\n"
            request += "Accept: text/html\r\nConnection: close\r\n\r\n"
            status, headers, _ = parsed(exchange(server, request.encode()))
            assert (status, headers["location"]) == (303, "/listen")


class TestLines:
    """Formatters see what libraries log, and tracebacks."""

    @pytest.fixture(params=[PlainLines, JsonLines])
    def formatter(self, request: pytest.FixtureRequest) -> logging.Formatter:
        return request.param()

    def line(self, formatter: logging.Formatter, name: str, text: object, *args: object) -> str:
        error = sys.exc_info() if sys.exc_info()[0] else None
        made = logging.LogRecord(name, logging.ERROR, "x.py", 1, text, args, error)
        return formatter.format(made)

    @pytest.mark.parametrize("name", ["gunicorn.error", "app", "werkzeug", "websockets", "urllib3"])
    def test_arguments_of_others(self, formatter: logging.Formatter, name: str) -> None:
        with during_request():
            assert "bad: %s" in self.line(formatter, name, "bad: %s", SECRET)
            assert "withheld" in self.line(formatter, name, f"bad: {SECRET}")
            assert SECRET not in self.line(formatter, name, f"bad: {SECRET}")
            assert SECRET not in self.line(formatter, name, ValueError(SECRET))

    def test_the_start_is_told(self, formatter: logging.Formatter) -> None:
        line = self.line(formatter, "gunicorn.error", "Listening at: %s", "http://[::1]:5000")
        assert "Listening at: http://[::1]:5000" in line

    def test_messages_of_errors(self, formatter: logging.Formatter) -> None:
        name = f"{SECRET}.wav"
        try:
            try:
                try:
                    open(f"/nothing/{name}")
                except OSError as error:
                    raise ValueError(f"about {name}") from error
            except ValueError:
                raise KeyError(name)  # noqa: B904
        except KeyError:
            line = self.line(formatter, "undertone", "it failed")
        assert SECRET not in line
        assert "[Errno 2] No such file or directory" in line
        assert line.index("FileNotFoundError") < line.index("ValueError") < line.index("KeyError")
        assert "test_server_errors.py" in line

    def test_what_python_prints_by_itself(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        for module, name in (
            (threading, "excepthook"), (sys, "unraisablehook"), (logging, "raiseExceptions"),
            (_Lines, "shows_messages"),
        ):  # fmt: skip
            monkeypatch.setattr(module, name, getattr(module, name))
        import warnings

        monkeypatch.setattr(caplog.handler, "formatter", PlainLines())
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            take_over_standard_error()
            warnings.warn(SECRET, stacklevel=1)
            word = SECRET

            def fail() -> None:
                raise RuntimeError(word)

            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()

            class Lost:
                def __del__(self) -> None:
                    raise RuntimeError(word)

            Lost()
        assert caplog.text.count("RuntimeError") >= 2
        assert "UserWarning" in caplog.text
        assert SECRET not in caplog.text + "".join(capsys.readouterr())


def test_keys_are_not_logged_however_they_come(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys.json")
    key = ring.make("Eva")
    folder = tmp_path / "data"
    folder.mkdir()
    with running_server(folder, UNDERTONE_API_KEYS_FILE=str(ring.path)) as server:
        for line in (f"X-API-Key: {key}", f"X-API-Key {key}", f"Authorization: Bearer {key}\0"):
            exchange(server, GET + f"{line}\r\nConnection: close\r\n\r\n".encode())
        ring.path.write_text("[" + key)  # a traceback, with the text of the file at hand
        request = f"GET /history HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n"
        answer = exchange(server, f"{request}Connection: close\r\n\r\n".encode())
        assert_error_answer(answer, 503)
    assert key not in (folder / "server.log").read_text()
