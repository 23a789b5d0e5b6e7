"""A running server is sent everything that is bad, and then gives the answer it gave before."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import sounds
from tests.conftest import multipart, wav
from tests.hostile import CASES, USABLE
from tests.live import Server, running_server
from tests.test_audio import KINDS

PATIENCE_S = 1.0
MAX_MB = 45.0
SETTINGS = {
    "UNDERTONE_PATIENCE_S": str(PATIENCE_S),
    "UNDERTONE_MAX_DURATION_S": "60",
    "UNDERTONE_MAX_UPLOAD_MB": str(MAX_MB),
    "UNDERTONE_THREADS": "2",
    "UNDERTONE_WAITING": "0",
    "UNDERTONE_DECODERS": "1",  # more would be begun when they are needed
}
STATUSES = {
    "file-empty": 422, "recording-too-short": 422, "recording-silent": 422, "no-speech": 422,
    "audio-unusable": 422, "not-audio": 415, "recording-too-long": 413, "file-too-large": 413,
    "missing-file": 400, "bad-request": 400, "not-json": 400, "not-base64": 400, "too-slow": 408,
    "form-damaged": 400,
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("data")
    with running_server(folder, **SETTINGS) as running:
        before = ask(running, *multipart(wav(sounds.voice(2.0))))
        yield running
        after = ask(running, *multipart(wav(sounds.voice(2.0))))
        assert after[0] == before[0] == 200
        assert after[1]["probabilities"] == before[1]["probabilities"]
        # Not compared with the number at the start: matplotlib may ask fc-list for fonts then.
        if Path("/proc").is_dir():
            assert n_processes(running) == 3  # gunicorn's master and worker, a decoder
        printed = (folder / "server.log").read_text()
        assert "Traceback" not in printed
        assert printed.count("Booting worker") == 1  # nothing took it down


def n_processes(server: Server) -> int:
    """The server and all processes that descend from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {server.process.pid}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return len(found)


def connect(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)


def ask(
    server: Server, body: bytes, content_type: str, path: str = "/api/predict", method: str = "POST"
) -> tuple[int, dict[str, Any]]:
    connection = connect(server)
    try:
        connection.request(method, path, body, {"Content-Type": content_type})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def assert_refused(answer: tuple[int, dict[str, Any]], *codes: str) -> None:
    status, body = answer
    if status == 200:
        assert USABLE in codes
        assert sum(body["probabilities"].values()) == pytest.approx(1)
        return
    assert body["code"] in codes
    assert status == body["status"] == STATUSES[body["code"]]
    assert body["error"].endswith((".", "!", "?"))


@pytest.mark.parametrize("name", CASES)
def test_recordings(server: Server, name: str) -> None:
    assert_refused(ask(server, *multipart(CASES[name].make())), *CASES[name].codes)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_headers_of_every_kind(server: Server, kind: str) -> None:
    data = KINDS[kind]()
    rng = np.random.default_rng(sounds.SEED)
    codes = (USABLE, "not-audio", "recording-too-short", "recording-silent", "no-speech",
             "audio-unusable", "recording-too-long")  # fmt: skip
    for n_bytes in (4, 12, 40, 100, len(data) // 3):
        assert_refused(ask(server, *multipart(data[:n_bytes])), *codes)
    for _ in range(6):
        broken = bytearray(data)
        for at in rng.integers(0, min(400, len(data)), 8):
            broken[at] = rng.integers(256)
        assert_refused(ask(server, *multipart(bytes(broken))), *codes)


def test_60_mb_are_refused_with_an_answer(server: Server) -> None:
    status, body = ask(server, *multipart(bytes(60 * 2**20)))
    assert (status, body["code"]) == (413, "file-too-large")


def test_json_nested_without_end(server: Server) -> None:
    for text in (b"[" * 5_000_000, b'{"audio":' * 500_000, b'{"audio": ' + b"9" * 5_000_000 + b"}"):
        assert_refused(
            ask(server, text, "application/json", "/record"),
            "not-json", "missing-file", "bad-request",
        )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["x" * 300 + ".wav", "słowo-слово-声.wav", "../../../etc/passwd", "..\\..\\boot.ini",
     "<script>alert(1)</script>.wav", '"><img src=x onerror=alert(1)>.wav', "a\tb.wav", "\u202egpj",
     "%00.wav", "con.wav", "{{7*7}}.wav", "' OR 1=1 --.wav", "=cmd|'/c calc'!A1.wav", "~/.ssh/id"],
)  # fmt: skip
def test_file_names(server: Server, name: str) -> None:
    status, body = ask(server, *multipart(wav(sounds.voice(2.0)), name))
    assert status == 200
    assert len(body["filename"]) <= 200
    assert not set(body["filename"]) & set("/\\\t\u202e")
    connection = connect(server)
    connection.request("GET", f"/results/{body['id']}", headers={"Accept": "text/html"})
    page = connection.getresponse().read().decode()
    connection.close()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_wrong_methods(server: Server, method: str) -> None:
    status, body = ask(server, b"", "text/plain", "/upload", method)
    assert (status, body["code"]) == (405, "method-not-allowed")


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", "application/xml",
     "multipart/form-data; boundary=" + "x" * 5000, "a" * 3000, "audio/wav"],
)  # fmt: skip
def test_wrong_types(server: Server, content_type: str) -> None:
    body, _ = multipart(wav(sounds.voice(1.0)))
    assert_refused(ask(server, body, content_type), "missing-file", "form-damaged")


class TestConnections:
    """Each in a state in which a server may wait for ever."""

    @staticmethod
    def raw(server: Server) -> socket.socket:
        host, port = server.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=30)

    def test_who_says_nothing_is_let_go(self, server: Server) -> None:
        many = [self.raw(server) for _ in range(40)]
        assert ask(server, *multipart(wav(sounds.voice(2.0))))[0] == 200
        for each in many:
            each.close()

    def test_a_head_that_does_not_end(self, server: Server) -> None:
        with self.raw(server) as connection:
            connection.sendall(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nX: ")
            self.trickle(connection)

    def test_a_body_that_does_not_end(self, server: Server) -> None:
        body, content_type = multipart(wav(sounds.voice(2.0)))
        with self.raw(server) as connection:
            connection.sendall(self.head(content_type, len(body)) + body[:5000])
            answer = self.trickle(connection)
        assert b" 408 " in answer.split(b"\r\n")[0]
        assert b'"code":"too-slow"' in answer

    def test_a_body_that_is_cut(self, server: Server) -> None:
        body, content_type = multipart(wav(sounds.voice(2.0)))
        for n_bytes in (0, 10, 5000, len(body) - 1):
            with self.raw(server) as connection:
                connection.sendall(self.head(content_type, len(body)) + body[:n_bytes])

    def test_who_does_not_wait_for_the_answer(self, server: Server) -> None:
        body, content_type = multipart(wav(sounds.voice(2.0)))
        for _ in range(4):
            with self.raw(server) as connection:
                connection.sendall(self.head(content_type, len(body)) + body)
        while ask(server, body, content_type)[0] == 503:  # they are still being analysed
            time.sleep(0.2)

    @pytest.mark.parametrize("length", [b"-1", b"99999999999999999999", b"abc", b"5, 6"])
    def test_a_length_that_is_none(self, server: Server, length: bytes) -> None:
        with self.raw(server) as connection:
            connection.sendall(
                b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
                b"boundary=x\r\nContent-Length: " + length + b"\r\n\r\n--x"
            )
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100).split(b" ")[1] in (b"400", b"413")

    def test_no_http_at_all(self, server: Server) -> None:
        for said in (b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n\r\n", b"\0" * 100, b"\r\n" * 9):
            with self.raw(server) as connection:
                connection.sendall(said + b"\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1000)

    def test_more_than_there_is_room_for_is_told_at_once(self, server: Server) -> None:
        body, content_type = multipart(wav(sounds.voice(40.0)))
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: ask(server, body, content_type), range(12)))
        statuses = [status for status, _ in answers]
        assert set(statuses) == {200, 503}
        assert {body["code"] for status, body in answers if status == 503} == {"busy"}
        first = [body["probabilities"] for status, body in answers if status == 200]
        assert all(each == first[0] for each in first)

    @staticmethod
    def head(content_type: str, length: int) -> bytes:
        return (
            "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        ).encode()

    @staticmethod
    def trickle(connection: socket.socket) -> bytes:
        """A byte now and then, until the server has enough of it; what it says."""
        connection.settimeout(0.3)
        said = b""
        for _ in range(200):
            try:
                connection.sendall(b"x")
            except OSError:
                return said
            try:
                part = connection.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                return said
            if not part:
                return said
            said += part
        pytest.fail("the server waited for a minute")
