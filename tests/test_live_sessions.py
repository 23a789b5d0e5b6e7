"""How long a live session lasts, and who has it."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.live import Server, running_server
from tests.test_error_shape import BROWSER, assert_error
from tests.test_live import RATE, ending, hello
from undertone.errors import LiveIdle, TooManyLiveSessions
from undertone.keys import KeyRing
from undertone.web.live_sessions import LiveSessions, Pace

SESSIONS = 4


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys.json")


@pytest.fixture
def keys(ring: KeyRing) -> dict[str, str]:
    return {name: ring.make(name) for name in ("greedy", "modest", "third")}


@pytest.fixture
def server(tmp_path: Path, ring: KeyRing, keys: dict[str, str]) -> Iterator[Server]:
    folder = tmp_path / "data"
    folder.mkdir()
    more = {"UNDERTONE_LIVE_SESSIONS": str(SESSIONS)}
    with running_server(folder, UNDERTONE_API_KEYS_FILE=str(ring.path), **more) as running:
        yield running
        assert "Traceback" not in (folder / "server.log").read_text()


def open_session(server: Server, key: str) -> ClientConnection:
    url = server.url.replace("http", "ws") + "/live"
    headers = {"X-API-Key": key}
    return connect(url, additional_headers=headers, max_queue=None, ping_interval=None)


def test_a_revoked_key_ends_its_sessions_and_no_others(
    server: Server, ring: KeyRing, keys: dict[str, str]
) -> None:
    with ExitStack() as stack:
        opened = {
            name: stack.enter_context(open_session(server, keys[name]))
            for name in ("greedy", "modest")
        }
        assert {hello(each)["type"] for each in opened.values()} == {"ready"}
        ring.revoke("greedy")
        why, code = ending(opened["greedy"])
        assert (why["code"], why["status"], code) == ("key-needed", 401, 1008)
        opened["modest"].send(bytes(RATE))
        assert json.loads(opened["modest"].recv(timeout=60))["type"] == "listening"


def test_nobody_has_all_sessions_when_others_come(server: Server, keys: dict[str, str]) -> None:
    with ExitStack() as stack:

        def session(name: str) -> tuple[ClientConnection, dict]:
            opened = stack.enter_context(open_session(server, keys[name]))
            return opened, hello(opened)

        greedy = [session("greedy") for _ in range(SESSIONS)]
        assert {told["type"] for _, told in greedy} == {"ready"}
        assert session("greedy")[1]["code"] == "too-many-live-sessions"
        for name in ("modest", "third"):
            assert session(name)[1]["type"] == "ready"
        for opened, _ in greedy[2:]:
            why, code = ending(opened)
            assert (why["code"], code) == ("too-many-live-sessions", 1013)
        # Two of one and one each of the others: a second for one of these would be no fairer.
        assert session("modest")[1]["code"] == "too-many-live-sessions"
        for opened, _ in greedy[:2]:
            opened.send(bytes(RATE))
            assert json.loads(opened.recv(timeout=60))["type"] == "listening"


def test_sessions_that_say_almost_nothing_end(server: Server, keys: dict[str, str]) -> None:
    """And one that brings sound in real time goes on."""
    is_over = threading.Event()

    def send(session: ClientConnection, message: bytes | None, every_s: float) -> None:
        with contextlib.suppress(ConnectionClosed):
            while not is_over.wait(every_s):
                session.send(message) if message is not None else session.ping()

    kinds = {
        "pings": (None, 1.0),
        "a sample": (bytes(2), 1.0),
        "a tenth": (bytes(RATE // 5), 1.0),
        "as it is spoken": (bytes(RATE), 0.5),
    }
    with ExitStack() as stack:
        sessions = {}
        for name in kinds:
            sessions[name] = stack.enter_context(open_session(server, keys["greedy"]))
            hello(sessions[name])
        threads = [
            threading.Thread(target=send, args=[sessions[name], *kind])
            for name, kind in kinds.items()
        ]
        for each in threads:
            each.start()
        try:
            for name in ("pings", "a sample", "a tenth"):
                ended = _ending_within(sessions[name], 240.0)
                assert ended == ("live-idle", 1008), name
            until_s = time.monotonic() + 5.0
            while time.monotonic() < until_s:
                assert json.loads(sessions["as it is spoken"].recv(timeout=60))["type"]
        finally:
            is_over.set()
            for each in threads:
                each.join()


def _ending_within(session: ClientConnection, limit_s: float) -> tuple[str, int]:
    last: dict = {}
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            last = json.loads(session.recv(timeout=limit_s))
    return last["code"], closed.value.rcvd.code


@pytest.mark.parametrize("path", ["/live", "/live?x=1"])
def test_a_browser_is_shown_the_page(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers=BROWSER)
    assert (response.status_code, response.headers["Location"]) == (303, "/listen")
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert_error(client.get(path, headers=headers), 426, "upgrade-required")


class TestLiveSessions:
    def test_places(self) -> None:
        sessions = LiveSessions(3)
        with ExitStack() as stack:
            ours = [stack.enter_context(sessions.one("a")) for _ in range(3)]
            with pytest.raises(TooManyLiveSessions), sessions.one("a"):
                pass
            stack.enter_context(sessions.one("b"))
            assert [place.is_taken_back for place in ours] == [False, False, True]
            with pytest.raises(TooManyLiveSessions):
                ours[2].check()
            with pytest.raises(TooManyLiveSessions), sessions.one("b"):
                pass
            stack.enter_context(sessions.one("c"))
            with pytest.raises(TooManyLiveSessions), sessions.one("d"):
                pass
        for _ in range(4):  # all places are free again, and no more than there were
            with ExitStack() as stack:
                for _ in range(3):
                    stack.enter_context(sessions.one("a"))
                with pytest.raises(TooManyLiveSessions), sessions.one("a"):
                    pass

    def test_none_at_all(self) -> None:
        with pytest.raises(TooManyLiveSessions), LiveSessions(0).one("a"):
            pass


class TestPace:
    @pytest.mark.parametrize(
        ("waited_s", "sound_s", "lasts"),
        [(0.5, 0.5, True), (1.0, 0.55, True), (0.1, 10.0, True), (1.0, 0.4, False),
         (1.0, 0.0, False), (60.0, 1 / RATE, False)],
    )  # fmt: skip
    def test_what_lasts(self, waited_s: float, sound_s: float, lasts: bool) -> None:
        pace = Pace(60.0)
        try:
            for _ in range(10_000):
                pace.note(waited_s, sound_s)
            assert lasts
        except LiveIdle:
            assert not lasts

    def test_a_pause_of_a_minute_and_no_more(self) -> None:
        pace = Pace(60.0)
        for _ in range(1000):
            pace.note(0.5, 60.0)  # sound faster than it is spoken is no reason to wait longer
        for _ in range(60):
            pace.note(1.0, 0.0)
        with pytest.raises(LiveIdle, match="No sound has come for 60 s"):
            pace.note(1.0, 0.0)
