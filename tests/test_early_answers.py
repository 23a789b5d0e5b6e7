"""Who sends a large body that nobody reads gets the answer and not a broken pipe."""

import http.client
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.live import Server, running_server
from tests.raw import assert_error_answer, exchange, open_connection, parsed, read_all
from undertone.keys import KeyRing

SIZES_MB = (1, 30, 100)
KIND = "multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture(scope="module")
def key(ring: KeyRing) -> str:
    return ring.make("Eva")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ring: KeyRing, key: str) -> Iterator[Server]:
    more = {"UNDERTONE_MAX_UPLOAD_MB": "0.5", "UNDERTONE_API_KEYS_FILE": str(ring.path)}
    folder = tmp_path_factory.mktemp("data")
    with running_server(folder, UNDERTONE_LOG_FORMAT="json", **more) as running:
        yield running
        assert "unknown error" not in (folder / "server.log").read_text()


# Status: method, path, headers; KEY stands for a good key.
CASES: dict[int, tuple[str, str, dict[str, str]]] = {
    401: ("POST", "/upload", {"X-API-Key": "wrong"}),
    403: ("POST", "/upload", {"X-API-Key": "KEY", "Origin": "https://evil.example"}),
    400: ("POST", "/upload", {"X-API-Key": "KEY", "Host": "evil.example"}),
    404: ("POST", "/nothing", {"X-API-Key": "KEY"}),
    405: ("PUT", "/upload", {"X-API-Key": "KEY"}),
    413: ("POST", "/upload", {"X-API-Key": "KEY"}),
}


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("bodies")
    found = {size_mb: folder / f"{size_mb}.bin" for size_mb in SIZES_MB}
    for size_mb, path in found.items():
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        with path.open("wb") as file:
            file.write(head)
            file.truncate(size_mb * 10**6)
    return found


Headers = dict[str, str]


def by_http_client(url: str, method: str, path: str, headers: Headers, body: Path) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    with body.open("rb") as file:
        length = str(body.stat().st_size)
        connection.request(method, path, file, {**headers, "Content-Length": length})
        response = connection.getresponse()
    document = json.loads(response.read())
    connection.close()
    assert document["status"] == response.status
    return response.status


def by_requests(url: str, method: str, path: str, headers: Headers, body: Path) -> int:
    with body.open("rb") as file:
        response = requests.request(method, url + path, headers=headers, data=file, timeout=60)
    assert response.json()["status"] == response.status_code
    return response.status_code


def by_curl(url: str, method: str, path: str, headers: Headers, body: Path) -> int:
    if not shutil.which("curl"):
        pytest.skip("curl is not here")
    command = ["curl", "-sS", "-m", "60", "-X", method, "--data-binary", f"@{body}", url + path]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["status"])


def in_chunks(url: str, method: str, path: str, headers: Headers, body: Path) -> int:
    """As `by_requests`, of a length that is not announced."""

    def pieces() -> Iterator[bytes]:
        with body.open("rb") as file:
            while piece := file.read(2**20):
                yield piece

    response = requests.request(method, url + path, headers=headers, data=pieces(), timeout=60)
    assert response.json()["status"] == response.status_code
    return response.status_code


@pytest.mark.parametrize("send", [by_http_client, by_requests, by_curl, in_chunks])
@pytest.mark.parametrize("size_mb", SIZES_MB)
@pytest.mark.parametrize("status", CASES)
def test_the_answer_arrives(
    server: Server, key: str, bodies: dict[int, Path], status: int, size_mb: int,
    send: Callable[..., int],
) -> None:  # fmt: skip
    method, path, headers = CASES[status]
    sent = {name: value.replace("KEY", key) for name, value in headers.items()}
    assert send(server.url, method, path, {**sent, "Content-Type": KIND}, bodies[size_mb]) == status


@pytest.mark.parametrize("status", CASES)
def test_who_asks_first_is_answered_at_once(server: Server, key: str, status: int) -> None:
    """``Expect: 100-continue``: the last word comes without a byte of the body."""
    method, path, headers = CASES[status]
    lines = {"Host": "localhost", **headers, "Content-Type": KIND, "Content-Length": "30000000"}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(
        f"{name}: {value.replace('KEY', key)}\r\n" for name, value in lines.items()
    )
    answer = exchange(server, f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert_error_answer(answer, status)
    assert parsed(answer)[1]["connection"] == "close"


def test_who_asks_first_and_is_welcome_is_told_to_go_on(server: Server, key: str) -> None:
    head = f"POST /upload HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nConnection: close\r\n"
    head += f"Content-Type: {KIND}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    with open_connection(server) as connection:
        connection.sendall(head.encode())
        interim = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert connection.recv(len(interim), 2**8) == interim  # MSG_WAITALL
        connection.sendall(b"--x--\r\n\r\n")
        assert_error_answer(read_all(connection), 400)


def test_a_connection_whose_body_was_read_goes_on(server: Server, key: str) -> None:
    with requests.Session() as session:
        for _ in range(3):
            asked = session.post(
                f"{server.url}/record", json={"audio": "!"}, headers={"X-API-Key": key}, timeout=60
            )
            assert asked.status_code == 400
            assert asked.headers["Connection"] == "keep-alive"


def test_unusable_keys_are_told_too(
    server: Server, ring: KeyRing, key: str, bodies: dict[int, Path]
) -> None:
    kept = ring.path.read_bytes()
    ring.path.unlink()
    try:
        for send in (by_http_client, by_requests, by_curl):
            for body in bodies.values():
                sent = {"X-API-Key": key, "Content-Type": KIND}
                assert send(server.url, "POST", "/upload", sent, body) == 503
    finally:
        ring.path.write_bytes(kept)
