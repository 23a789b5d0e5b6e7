"""Where webhooks may go, and what those who answer may do."""

import http.server
import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from undertone.errors import WebhookRefused
from undertone.jobs import posting
from undertone.jobs.posting import Undelivered, check_url, post
from undertone.jobs.public_addresses import is_public

OUTSIDE = "93.184.215.14"


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what is posted to it, and answers as told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []  # statuses of the next answers; 200 when there are no more
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:  # noqa: N802 the library's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Location", "http://169.254.169.254/secrets")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


class Names:
    """The domain name system, as somebody who means harm would answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[list[str]] = []
        self.asked: list[str] = []
        self.connected: list[Any] = []
        monkeypatch.setattr(posting.socket, "getaddrinfo", self._look_up)
        monkeypatch.setattr(posting.socket, "create_connection", self._connect)

    def _look_up(self, host: str, port: int, **_: object) -> list[Any]:
        self.asked.append(host)
        addresses = self.answers.pop(0) if self.answers else [OUTSIDE]
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    def _connect(self, address: Any, *_: object) -> Any:
        self.connected.append(address)
        raise ConnectionRefusedError("as far as the test goes")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


INSIDE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
    "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::",
    "::127.0.0.1", "2001:0:0:0:0:0:f5ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_inside(address: str, names: Names) -> None:
    assert not is_public(ipaddress.ip_address(address))
    names.answers = [[OUTSIDE, address]]  # one good address does not help
    with pytest.raises(WebhookRefused, match="inner network"):
        check_url("https://example.org/", allow_private=False)
    names.answers = [[address]]
    check_url("https://example.org/", allow_private=True)


@pytest.mark.parametrize(
    "address", [OUTSIDE, "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_outside(address: str, names: Names) -> None:
    assert is_public(ipaddress.ip_address(address))
    names.answers = [[address]]
    check_url("https://example.org:8443/path?query", allow_private=False)


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org", "file:///etc/passwd", "gopher://x", "https://",
     "http:///x", "https://user:secret@example.org", "https://@example.org", "http://[::1",
     "http://example.org:99999", "http://example.org:0", "http://exa mple.org", "http://ex\nample",
     "http://exämple.org", "javascript:alert(1)", "https://example.org/" + "x" * 2000],
)  # fmt: skip
def test_what_is_no_address(url: str, names: Names) -> None:
    with pytest.raises(WebhookRefused):
        check_url(url, allow_private=True)
    assert not names.asked


def test_a_host_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(posting.socket, "getaddrinfo", fail)
    with pytest.raises(WebhookRefused, match="cannot be found"):
        check_url("https://none.example", allow_private=False)
    with pytest.raises(Undelivered, match="not known") as trouble:
        post("https://none.example", b"", {}, allow_private=False)
    assert not trouble.value.is_final


def test_it_connects_to_the_address_that_was_checked(names: Names) -> None:
    """A name that changes its meaning after the check gains nothing: it is asked for once."""
    names.answers = [[OUTSIDE], ["127.0.0.1"]]
    with pytest.raises(Undelivered):
        post("http://rebind.example:81/x", b"", {}, allow_private=False)
    assert names.asked == ["rebind.example"]
    assert names.connected == [(OUTSIDE, 81)]


def test_a_name_that_has_moved_inside_is_not_posted_to(names: Names) -> None:
    names.answers = [["127.0.0.1"]]
    with pytest.raises(Undelivered, match="inner network") as trouble:
        post("http://rebind.example/", b"", {}, allow_private=False)
    assert trouble.value.is_final
    assert not names.connected


def test_posting(receiver: Receiver) -> None:
    post(f"{receiver.url}?a=b", b"body", {"x-test": "1"}, allow_private=True)
    ((path, headers, body),) = receiver.got
    assert (path, body, headers["x-test"]) == ("/hook?a=b", b"body", "1")
    assert headers["Host"] == f"127.0.0.1:{receiver.server_port}"


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 500, 503])
def test_other_answers(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    with pytest.raises(Undelivered, match=str(status)) as trouble:
        post(receiver.url, b"", {}, allow_private=True)
    assert not trouble.value.is_final
    assert len(receiver.got) == 1  # nobody is sent elsewhere


def test_gone_is_final(receiver: Receiver) -> None:
    receiver.answers = [410]
    with pytest.raises(Undelivered) as trouble:
        post(receiver.url, b"", {}, allow_private=True)
    assert trouble.value.is_final


def test_the_certificate_is_checked(receiver: Receiver) -> None:
    url = receiver.url.replace("http://", "https://")
    with pytest.raises(Undelivered, match="SSL|TLS|answer"):
        post(url, b"", {}, allow_private=True)
    assert not receiver.got


@pytest.mark.parametrize("says", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 2"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_one_who_never_ends_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, says: bytes, scheme: str
) -> None:
    monkeypatch.setattr(posting, "DEADLINE_S", 0.2)
    monkeypatch.setattr(posting, "CONNECT_S", 60)
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(Undelivered):
            post_and_keep_waiting(server, scheme, says)


def post_and_keep_waiting(server: socket.socket, scheme: str, says: bytes) -> None:
    kept: list[socket.socket] = []

    def answer() -> None:
        connection, _ = server.accept()
        connection.sendall(says)
        kept.append(connection)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/"
        post(url, b"", {}, allow_private=True)
    finally:
        thread.join()
        kept[0].close()
