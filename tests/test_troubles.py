"""A server is told to stop, is killed, finds its disk full and its database locked."""

import os
import signal
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event

from app import create_app
from tests import sounds
from tests.conftest import multipart, wav
from tests.live import Server, running_server
from tests.test_hostile import ask
from undertone.settings import Settings
from undertone.web import serving

VOICE = multipart(wav(sounds.voice(2.0)))
LONG = multipart(wav(sounds.voice(60.0)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path) as running:
        yield running


def in_thread(server: Server, request: tuple[bytes, str]) -> tuple[threading.Thread, list[Any]]:
    """A request on its way; the list gets its answer."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask(server, *request)))
    thread.start()
    return thread, answers


def stored(server: Server, analysis_id: str) -> bool:
    request = urllib.request.Request(f"{server.url}/results/{analysis_id}")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status == 200
    except urllib.error.HTTPError as error:
        error.close()
        return False


def test_sigterm_finishes_what_it_began(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        thread, answers = in_thread(server, LONG)
        time.sleep(0.5)  # it has come, and takes some seconds
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
        thread.join()
    ((status, body),) = answers
    assert status == 200
    with running_server(tmp_path) as server:
        assert stored(server, body["id"])


def test_who_comes_at_the_end_is_answered_or_refused_not_cut_off(server: Server) -> None:
    """A proxy asks another server where it was refused; cut off, it could not know whether to."""
    thread, answers = in_thread(server, LONG)
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    found = []
    while server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/health/live", timeout=60) as response:
                found.append(response.status)
        except urllib.error.URLError as error:
            found.append(type(error.reason))
    thread.join()
    assert answers[0][0] == 200
    assert ConnectionRefusedError in found
    assert set(found) <= {200, ConnectionRefusedError}


def test_between_the_last_accepted_and_the_end_nobody_gets_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as first, socket.socket() as second:
            serving._let_nobody_in(listener)
            second.settimeout(0.3)
            with pytest.raises(TimeoutError):
                second.connect(address)
            accepted, _ = listener.accept()
            with accepted:
                first.sendall(b"here")
                assert accepted.recv(4) == b"here"
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


@pytest.mark.parametrize("shared_by", [None, "systemd", "reexec_pid", "master_pid"])
def test_a_listener_that_lives_on_goes_on_listening(
    shared_by: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed_to_all = []
    monkeypatch.setattr(serving, "_let_nobody_in", closed_to_all.append)
    master = object.__new__(serving.Master)
    master.systemd, master.reexec_pid, master.master_pid, master._drain_s = False, 0, 0, 0.0
    master.LISTENERS = [SimpleNamespace(sock="the socket")]
    if shared_by:
        setattr(master, shared_by, 1)
    with pytest.raises(StopIteration):
        master.handle_term()
    assert closed_to_all == ([] if shared_by else ["the socket"])


def test_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    answered: list[str] = []
    with running_server(tmp_path) as server:

        def send() -> None:
            while True:
                try:
                    status, body = ask(server, *VOICE)
                except (OSError, ValueError):
                    return
                assert status == 200
                answered.append(body["id"])

        threads = [threading.Thread(target=send) for _ in range(3)]
        for each in threads:
            each.start()
        while len(answered) < 12:
            time.sleep(0.05)
        for pid in _below(server.process.pid):
            _kill(pid)
        for each in threads:
            each.join()
    with running_server(tmp_path) as server:
        assert all(stored(server, each) for each in answered)
        assert ask(server, *VOICE)[0] == 200


def _below(pid: int) -> list[int]:
    """The process and all it has started, the first first: no one is left to begin anew."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += _below(int(path.parent.name))
    return found


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_a_locked_database_is_a_503_and_then_none(server: Server, tmp_path: Path) -> None:
    lock = sqlite3.connect(tmp_path / "undertone.sqlite3", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    status, body = ask(server, *VOICE)
    assert (status, body["code"]) == (503, "store-unavailable")
    lock.execute("ROLLBACK")
    lock.close()
    status, body = ask(server, *VOICE)
    assert status == 200
    assert stored(server, body["id"])


def test_a_full_disk_is_a_503_and_then_none(tmp_path: Path) -> None:
    """A database that may not grow: to SQLite the same as a disk that is full."""
    app = create_app(Settings(data_dir=tmp_path))
    engine = app.extensions["undertone"].history._engine
    client = app.test_client()
    body, content_type = VOICE

    def send() -> Any:
        return client.post("/api/predict", data=body, content_type=content_type)

    first = send().get_json()["id"]
    with engine.connect() as connection:
        (n_pages,) = connection.exec_driver_sql("PRAGMA page_count").one()

    def limit(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {n_pages}")

    event.listen(engine, "checkout", limit)
    answers = [send() for _ in range(30)]  # there is a little room left in the last pages
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert (answers[-1].status_code, answers[-1].get_json()["code"]) == (503, "store-unavailable")
    assert client.get(f"/results/{first}").status_code == 200
    event.remove(engine, "checkout", limit)
    engine.dispose()
    assert send().status_code == 200
    for answer in answers:
        if answer.status_code == 200:
            assert client.get(f"/results/{answer.get_json()['id']}").status_code == 200
    app.extensions["undertone"].history.close()
