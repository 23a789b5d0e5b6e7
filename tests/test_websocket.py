"""A WebSocket on one end of a pair of sockets; on the other end bytes as the standard has them."""

import socket
from collections.abc import Iterator

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from undertone.errors import UpgradeRequired
from undertone.web import websocket
from undertone.web.websocket import Closed, WebSocket

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455


def environ(server: socket.socket | None, **changes: str) -> dict[str, object]:
    headers = {
        "CONNECTION": "keep-alive, Upgrade",
        "UPGRADE": "websocket",
        "SEC_WEBSOCKET_KEY": KEY,
        "SEC_WEBSOCKET_VERSION": "13",
        "SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate",
        **changes,
    }
    found: dict[str, object] = {f"HTTP_{name}": value for name, value in headers.items()}
    return {"PATH_INFO": "/live", **found, **({"gunicorn.socket": server} if server else {})}


class Peer:
    """The client's side."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.protocol = ClientProtocol(parse_uri("ws://localhost/live"))
        self.protocol.key = KEY

    def send(self, *frames: Frame) -> None:
        self.end.sendall(b"".join(frame.serialize(mask=True) for frame in frames))

    def receive(self) -> list[object]:
        self.protocol.receive_data(self.end.recv(2**20))
        return self.protocol.events_received()


@pytest.fixture
def pair() -> Iterator[tuple[WebSocket, Peer]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connected = WebSocket(environ(ours))
        answer = theirs.recv(2**16)
        assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer  # of RFC 6455
        assert b"deflate" not in answer  # a small message could become a large one
        peer = Peer(theirs)
        peer.protocol.state = 1
        peer.protocol.parser = peer.protocol.parse()
        yield connected, peer


def test_messages_come_whole_and_in_order(pair: tuple[WebSocket, Peer]) -> None:
    connected, peer = pair
    peer.send(
        Frame(Opcode.TEXT, b'{"a":', fin=False),
        Frame(Opcode.PING, b"?"),
        Frame(Opcode.CONT, b"1}"),
        Frame(Opcode.BINARY, b"\x00\x01"),
    )
    assert connected.receive(1.0) == '{"a":1}'
    assert connected.receive(1.0) == b"\x00\x01"
    assert connected.receive(0.0) is None
    [pong] = peer.receive()
    assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"?")


def test_half_a_message_is_none(pair: tuple[WebSocket, Peer]) -> None:
    connected, peer = pair
    data = Frame(Opcode.BINARY, bytes(1000)).serialize(mask=True)
    peer.end.sendall(data[:500])
    assert connected.receive(1.0) is None
    peer.end.sendall(data[500:])
    assert connected.receive(1.0) == bytes(1000)


def test_nothing_is_read_that_is_not_asked_for(pair: tuple[WebSocket, Peer]) -> None:
    connected, peer = pair
    peer.end.settimeout(0.2)
    message = Frame(Opcode.BINARY, bytes(100_000)).serialize(mask=True)
    with pytest.raises(TimeoutError):  # the sender has to wait
        for _ in range(1000):
            peer.end.sendall(message)


def test_the_other_side_closes(pair: tuple[WebSocket, Peer]) -> None:
    connected, peer = pair
    peer.send(Frame(Opcode.BINARY, b"last"), Frame(Opcode.CLOSE, b"\x03\xe8"))
    assert connected.receive(1.0) == b"last"
    with pytest.raises(Closed):
        connected.receive(1.0)
    with pytest.raises(Closed):
        connected.send("too late")


def test_the_other_side_is_gone(pair: tuple[WebSocket, Peer]) -> None:
    connected, peer = pair
    peer.end.close()
    connected.receive(1.0)
    with pytest.raises(Closed):
        connected.receive(1.0)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (Frame(Opcode.BINARY, bytes(2**20 + 1)).serialize(mask=True), 1009),
        (Frame(Opcode.BINARY, b"unmasked").serialize(mask=False), 1002),
        (b"\xff\xff\xff\xff", 1002),
        (Frame(Opcode.CONT, b"of nothing").serialize(mask=True), 1002),
    ],
    ids=["too long", "not masked", "noise", "no beginning"],
)
def test_what_is_against_the_rules_ends_it(
    pair: tuple[WebSocket, Peer], data: bytes, code: int
) -> None:
    connected, peer = pair
    peer.end.settimeout(5.0)
    peer.end.sendall(data[:1000])
    with pytest.raises(Closed):
        for _ in range(3):
            connected.receive(1.0)
    [close] = peer.receive()
    assert close.opcode is Opcode.CLOSE
    assert int.from_bytes(close.data[:2], "big") == code


def test_endless_pieces_of_a_message_are_not_gathered(pair: tuple[WebSocket, Peer]) -> None:
    connected, peer = pair
    with pytest.raises(Closed):
        peer.send(Frame(Opcode.BINARY, b"", fin=False))
        for _ in range(100):
            peer.send(Frame(Opcode.CONT, bytes(50_000), fin=False))
            connected.receive(1.0)
    assert len(connected._partial) <= 2**20


def test_who_takes_no_answers_gets_none(
    pair: tuple[WebSocket, Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "SEND_LIMIT_S", 0.1)
    with pytest.raises(Closed):
        for _ in range(10_000):
            pair[0].send("x" * 1000)


def test_who_gives_no_sign_of_life_is_given_up(
    pair: tuple[WebSocket, Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    connected, peer = pair
    now_s = [1000.0]
    monkeypatch.setattr(websocket.time, "monotonic", lambda: now_s[0])
    connected._heard_at_s = connected._pinged_at_s = 1000.0
    connected.keep_alive()
    now_s[0] = 1021.0
    connected.keep_alive()
    connected.keep_alive()
    assert [frame.opcode for frame in peer.receive()] == [Opcode.PING]
    peer.send(Frame(Opcode.PONG, b""))
    assert connected.receive(1.0) is None
    now_s[0] = 1061.0
    connected.keep_alive()
    now_s[0] = 1062.0
    with pytest.raises(Closed):
        connected.keep_alive()


def test_the_last_words_arrive_while_the_other_side_still_sends(
    pair: tuple[WebSocket, Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "FAREWELL_S", 0.2)
    connected, peer = pair
    peer.send(*[Frame(Opcode.BINARY, bytes(10_000))] * 5)
    connected.send("why")
    connected.close(1013, "later")
    words, close = peer.receive()
    assert bytes(words.data) == b"why"
    assert close.data == b"\x03\xf5later"


@pytest.mark.parametrize(
    "changes",
    [
        {"UPGRADE": "h2c"},
        {"CONNECTION": "close"},
        {"SEC_WEBSOCKET_KEY": "short"},
        {"SEC_WEBSOCKET_VERSION": "8"},
    ],
)
def test_handshakes_that_are_none(changes: dict[str, str]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(UpgradeRequired):
        WebSocket(environ(ours, **changes))


def test_a_server_that_cannot_carry_it() -> None:
    with pytest.raises(UpgradeRequired):
        WebSocket(environ(None))
