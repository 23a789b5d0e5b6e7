"""Live sessions: in this process where limits have to be short, else with the real server."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from app import create_app
from tests import sounds
from tests.conftest import wav
from tests.live import Server, running_server
from tests.test_error_shape import assert_error
from tests.test_server import post
from undertone.recognition.model_store import installed_models
from undertone.settings import ROOT, Settings
from undertone.web import live
from undertone.web.capacity import Turns
from undertone.web.serving import TRIM_EVERY_S

RATE = 16_000
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def int16(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def hello(session: ClientConnection, **fields: object) -> dict:
    with suppress(ConnectionClosed):  # who is refused may be so before it says a word
        session.send(json.dumps({"type": "hello", **fields}))
    return json.loads(session.recv(timeout=30))


def ending(session: ClientConnection) -> tuple[dict, int]:
    """The last message, and the code the server closes with."""
    last = {}
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            last = json.loads(session.recv(timeout=30))
    return last, closed.value.rcvd.code


@contextmanager
def session_in_this_process(app: Flask) -> Iterator[ClientConnection]:
    """A client of the application, with just so much of a server between them as it needs."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += ours.recv(1)
        environ = {"PATH_INFO": "/live", "REQUEST_METHOD": "GET", "gunicorn.socket": ours}
        environ |= {"wsgi.url_scheme": "http", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
        environ["wsgi.input"] = BytesIO()
        for line in head.decode().splitlines()[1:-1]:
            name, _, value = line.partition(": ")
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        with pytest.raises(StopIteration):  # nothing more is written
            app(environ, lambda *_: None)
        ours.close()

    server = Thread(target=serve)
    server.start()
    with connect("ws://localhost/live", sock=theirs, close_timeout=2) as session:
        yield session
    server.join(30)
    assert not server.is_alive()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("data"), UNDERTONE_LIVE_SESSIONS="2") as running:
        yield running


@pytest.fixture(scope="module")
def url(server: Server) -> str:
    return server.url.replace("http", "ws") + "/live"


@contextmanager
def free_session(url: str) -> Iterator[ClientConnection]:
    """A session, as soon as there is room: one ends a moment after its client."""
    for _ in range(300):
        with connect(url) as session:
            if hello(session)["type"] == "ready":
                yield session
                return
        time.sleep(0.1)
    raise AssertionError("no session became free")


def test_a_voice_faster_than_it_was_spoken(url: str) -> None:
    sound = int16(np.concatenate([sounds.silence(2.0), sounds.voice(10.0)]))
    told = []
    with connect(url) as session:
        assert hello(session, labels=8) == {
            "type": "ready", "rate": RATE, "format": "int16", "model": "encoder", "labels": 8,
            "window_s": 4.0, "step_s": 0.5,
        }  # fmt: skip
        for start in range(0, len(sound), RATE):  # half a second, which is answered before the next
            session.send(sound[start : start + RATE])
            told.append(json.loads(session.recv(timeout=30)))
    assert [answer["end_s"] for answer in told] == [0.5 * k for k in range(1, 25)]
    assert {answer["type"] for answer in told[:4]} == {"listening"}
    assert {answer["type"] for answer in told[8:]} == {"heard"}
    assert all(answer["skipped_s"] == 0.0 for answer in told)
    assert all(len(answer["probabilities"]) == 8 for answer in told[8:])
    assert all(isinstance(answer["uncertain"], bool) for answer in told[8:])


def test_all_at_once_nothing_is_lost_untold(url: str) -> None:
    sound = int16(sounds.voice(30.0))
    with connect(url) as session:
        hello(session)
        for start in range(0, len(sound), 5000):
            session.send(sound[start : start + 5000])
        told = [json.loads(session.recv(timeout=60))]
        while told[-1]["end_s"] < 29.9:
            told.append(json.loads(session.recv(timeout=60)))
    ends_s = [0.0, *(answer["end_s"] for answer in told)]
    for before_s, answer in zip(ends_s, told, strict=False):
        assert answer["end_s"] - before_s >= 0.5
        # What lies between two windows is what was skipped.
        assert answer["skipped_s"] == pytest.approx(max(0.0, answer["start_s"] - before_s))


def test_more_sessions_than_there_may_be(url: str) -> None:
    with connect(url) as one, connect(url) as other:
        assert hello(one)["type"] == hello(other)["type"] == "ready"
        with connect(url) as third:
            with suppress(ConnectionClosed):
                third.send(json.dumps({"type": "hello"}))
                third.send(bytes(100_000))  # goes on as if nothing was
            why, code = ending(third)
        assert code == 1013
        assert (why["type"], why["code"], why["status"]) == ("error", "too-many-live-sessions", 503)
        one.send(int16(sounds.silence(0.5)))
        assert json.loads(one.recv(timeout=30))["type"] == "listening"
    with free_session(url):
        pass


def test_clients_that_vanish_leave_room(url: str) -> None:
    for _ in range(4):
        with free_session(url) as session:
            session.send(int16(sounds.voice(3.0)))
            session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            session.socket.close()  # a reset, in the middle of everything
    with free_session(url):
        pass


def test_other_requests_are_answered_meanwhile(server: Server, url: str) -> None:
    with connect(url) as session:
        hello(session)
        assert post(server.url, wav(sounds.voice(1.0)), "clip.wav")["predicted_emotion"]


def test_answers_take_turns_with_recordings(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TURN_S", 0.05)
    turns = app.extensions["undertone.turns"] = Turns(1, 1)
    with session_in_this_process(app) as session:
        hello(session)
        with turns.taken():
            session.send(int16(sounds.silence(0.5)))
            with pytest.raises(TimeoutError):
                session.recv(timeout=0.5)
        assert json.loads(session.recv(timeout=30))["end_s"] == 0.5


def test_who_never_gets_a_turn_is_told_so(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TURN_S", 0.05)
    monkeypatch.setattr(live, "BUSY_LIMIT_S", 0.3)
    turns = app.extensions["undertone.turns"] = Turns(1, 0)
    with session_in_this_process(app) as session, turns.taken():
        hello(session)
        session.send(int16(sounds.silence(0.5)))
        why, code = ending(session)
    assert (why["code"], why["status"], code) == ("busy", 503, 1013)


def test_pages_of_other_sites_are_refused(server: Server, url: str) -> None:
    with connect(url, origin=server.url) as session:
        assert hello(session)["type"] == "ready"
    for origin in ("http://elsewhere.example", server.url + "0", "null"):
        with pytest.raises(InvalidStatus) as refused:
            connect(url, origin=origin)
        assert refused.value.response.status_code == 403


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads Linux's /proc")
def test_ten_minutes_take_no_more_memory_than_one(server: Server, url: str) -> None:
    [worker] = (
        Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    )
    voice = wav(sounds.voice(2.0))
    for model in installed_models():  # which are read beside the start, at any time
        asked = {"data": {"model": model}, "files": {"file": voice}, "timeout": 60}
        requests.post(f"{server.url}/upload", **asked).raise_for_status()
    minute = int16(np.concatenate([sounds.voice(40.0), sounds.silence(20.0)]))
    rss_kb = []
    with connect(url, max_queue=None) as session:
        hello(session)
        for k in range(10):
            for start in range(0, len(minute), RATE // 5):
                session.send(minute[start : start + RATE // 5])
            end_s = 0.0
            while end_s < 60 * (k + 1) - 0.5:
                end_s = json.loads(session.recv(timeout=60))["end_s"]
            if k in (0, 1, 2, 9):
                time.sleep(TRIM_EVERY_S + 1.5)  # what lies free between is given back by then
                status = Path(f"/proc/{worker}/status").read_text()
                rss_kb.append(int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]))
    assert max(rss_kb[3:]) - min(rss_kb[:3]) < 10_000, rss_kb


def test_a_server_that_stops_says_so(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        with connect(server.url.replace("http", "ws") + "/live") as session:
            hello(session)
            server.process.send_signal(signal.SIGTERM)
            why, code = ending(session)
        assert (why["code"], code) == ("server-stopping", 1001)
        assert server.process.wait(timeout=30) == 0


def test_the_client_of_the_documentation(url: str, tmp_path: Path) -> None:
    document = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
    [program] = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    clip = tmp_path / "clip.wav"
    clip.write_bytes(wav(sounds.voice(3.0)))
    done = subprocess.run(
        [sys.executable, "-c", program, url, str(clip)],
        capture_output=True, text=True, timeout=120, check=True, env=os.environ,
    )  # fmt: skip
    assert len(done.stdout.splitlines()) >= 5
    assert "heard" not in done.stderr


@pytest.mark.parametrize(
    ("message", "code", "says"),
    [
        (b"\0\0", "bad-request", "Begin with a text message"),
        ("sound", "bad-request", "cannot be used"),
        ("[" * 100_000, "bad-request", "cannot be used"),
        ('{"type": "good morning"}', "bad-request", "type cannot be used"),
        ('{"type": "hello", "format": "mp3"}', "bad-request", "format cannot be used"),
        ('{"type": "hello", "rate": "fast"}', "bad-request", "rate cannot be used"),
        ('{"type": "hello", "rate": 100}', "audio-unusable", "sample rate of 100 Hz"),
        ('{"type": "hello", "labels": 5}', "unknown-labels", "labels='5'"),
        ('{"type": "hello", "model": "none"}', "unknown-model", "encoder"),
    ],
)
def test_a_wrong_beginning(app: Flask, message: str | bytes, code: str, says: str) -> None:
    with session_in_this_process(app) as session:
        session.send(message)
        why, close_code = ending(session)
    assert (why["type"], why["code"], close_code) == ("error", code, 1008)
    assert re.search(says, why["error"], re.IGNORECASE)


@pytest.mark.parametrize(
    ("message", "says"),
    [(b"\0\0\0", "no whole number of int16"), ('{"type": "hello"}', "only sound is taken")],
)
def test_a_wrong_message_later(app: Flask, message: str | bytes, says: str) -> None:
    with session_in_this_process(app) as session:
        hello(session)
        session.send(message)
        why, close_code = ending(session)
    assert (why["code"], close_code) == ("bad-request", 1008)
    assert says in why["error"]


def test_a_message_that_is_too_long(app: Flask) -> None:
    with session_in_this_process(app) as session:
        hello(session)
        session.send(bytes(2**20 + 2))
        assert ending(session) == ({}, 1009)


def test_who_sends_no_sound_is_reminded_and_sent_off(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "IDLE_LIMIT_S", 0.2)
    with session_in_this_process(app) as session:
        hello(session)
        session.send(b"")
        why, close_code = ending(session)
    assert (why["code"], close_code) == ("live-idle", 1008)


def test_who_says_nothing_at_all_is_sent_off(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HELLO_LIMIT_S", 0.2)
    with session_in_this_process(app) as session:
        why, close_code = ending(session)
    assert (why["code"], close_code) == ("bad-request", 1008)


def test_a_fault_of_ours_is_told_without_its_details(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(live.Ear, "answer", fail)
    with session_in_this_process(app) as session:
        hello(session)
        session.send(bytes(RATE))
        why, close_code = ending(session)
    assert (why["code"], close_code) == ("internal-error", 1011)
    assert "secret" not in json.dumps(why)


def test_nothing_is_kept(app: Flask, settings: Settings) -> None:
    def kept() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in settings.data_dir.rglob("*.sqlite3*")}

    before = kept()
    with session_in_this_process(app) as session:
        hello(session)
        session.send(int16(sounds.voice(3.0)))
        assert json.loads(session.recv(timeout=30))["type"] == "heard"
    assert kept() == before


def test_a_request_that_is_none_for_a_websocket(client: FlaskClient) -> None:
    assert_error(client.get("/live"), 426, "upgrade-required")
    assert_error(client.get("/live", headers=UPGRADE), 426, "upgrade-required")  # no socket
    foreign = {**UPGRADE, "Origin": "https://elsewhere.example"}
    assert_error(client.get("/live", headers=foreign), 403, "foreign-origin")


def test_pages_of_listed_sites_are_not_refused(settings: Settings) -> None:
    app = create_app(replace(settings, cors_origins=("https://elsewhere.example",)))
    listed = {**UPGRADE, "Origin": "https://Elsewhere.example"}
    assert_error(app.test_client().get("/live", headers=listed), 426, "upgrade-required")
    app.extensions["undertone"].history.close()
