"""Clients that send or read next to nothing hold nothing that others need."""

import json
import re
import socket
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import sounds
from tests.conftest import wav
from tests.live import Server, running_server
from tests.raw import assert_error_answer, open_connection, parsed, read_all, until
from tests.test_server import post
from undertone.web import connections
from undertone.web.capacity import STALLED_S, Deadlines
from undertone.web.connections import Connection

PATIENCE_S = 4.0
N_ROWS = 40_000  # 26 MB of JSON
N_CLIENTS = 60  # more than there are threads


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("data")
    with running_server(folder, UNDERTONE_PATIENCE_S=str(PATIENCE_S)) as running:
        post(running.url, wav(sounds.voice(2.0)), "clip.wav")
        fill(folder / "undertone.sqlite3")
        yield running
        assert "Traceback" not in (folder / "server.log").read_text()


def fill(path: Path) -> None:
    """Many copies of the one row that there is."""
    with sqlite3.connect(path) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(analyses)")]
        others = ", ".join(name for name in columns if name != "id")
        database.execute(
            f"INSERT INTO analyses (id, {others}) WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL "
            f"SELECT k + 1 FROM n WHERE k < {N_ROWS}) SELECT printf('%032x', k), {others} "
            "FROM n, (SELECT * FROM analyses LIMIT 1)"
        )


def healthy(server: Server) -> bool:
    with urllib.request.urlopen(f"{server.url}/health", timeout=60) as response:
        return response.status == 200


def memory_mb(server: Server) -> float:
    pid = server.process.pid
    [worker] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())[1]) / 1024


def is_ended(connection: socket.socket) -> bool:
    """Whether the server has closed or reset it, without reading what it sent."""
    try:
        connection.send(b"x", socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


def test_clients_that_do_not_read(server: Server) -> None:
    before_mb = memory_mb(server) if Path("/proc/self/task").is_dir() else 0.0
    with ExitStack() as stack:
        unread = [stack.enter_context(open_connection(server)) for _ in range(N_CLIENTS)]
        for each in unread:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.sendall(b"GET /history.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(3):
            assert healthy(server)
        if before_mb:
            assert memory_mb(server) - before_mb < 150
        until(lambda: all(map(is_ended, unread)), "some are still served")
        assert post(server.url, wav(sounds.voice(2.0)), "clip.wav")["predicted_emotion"]


def test_a_client_that_reads_slowly_but_steadily_gets_all(server: Server) -> None:
    with open_connection(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        connection.sendall(b"GET /history.json HTTP/1.0\r\nHost: localhost\r\n\r\n")
        began_s, said = time.monotonic(), b""
        while part := connection.recv(2**20):
            said += part
            if time.monotonic() - began_s < 3 * PATIENCE_S:
                time.sleep(0.05)
    assert len(json.loads(parsed(said)[2])["history"]) >= N_ROWS


@pytest.mark.parametrize(
    "said",
    [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"\x16\x03\x01\x02\x00\x01"],
    ids=["nothing", "a letter", "half a head", "TLS"],
)
def test_requests_that_do_not_come(server: Server, said: bytes) -> None:
    with ExitStack() as stack:
        many = [stack.enter_context(open_connection(server)) for _ in range(3 * N_CLIENTS)]
        for each in many:
            each.sendall(said)
        assert healthy(server)
        for answer in [read_all(each) for each in many]:
            if said:
                assert assert_error_answer(answer, 408)["code"] == "too-slow"
            else:
                assert not answer


@pytest.mark.parametrize(
    "length", [b"Content-Length: 1000000\r\n\r\n--x", b"Transfer-Encoding: chunked\r\n\r\n9\r\n--x"]
)
def test_bodies_that_do_not_come(server: Server, length: bytes) -> None:
    head = (
        b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
        b"boundary=x\r\n" + length
    )
    with ExitStack() as stack:
        many = [stack.enter_context(open_connection(server)) for _ in range(N_CLIENTS)]
        for each in many:
            each.sendall(head)
        for _ in range(3):
            assert healthy(server)
        assert {assert_error_answer(read_all(each))["code"] for each in many} == {"too-slow"}


def test_clients_that_do_not_close(server: Server) -> None:
    """The server's main thread once waited two seconds for each."""
    with ExitStack() as stack:
        many = [stack.enter_context(open_connection(server)) for _ in range(N_CLIENTS)]
        for each in many:
            each.sendall(b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answers = [read_all(each) for each in many]
        assert {parsed(answer)[0] for answer in answers} == {200}
        assert healthy(server)


def test_pipelined_requests_are_answered_in_turn(server: Server) -> None:
    one = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    with open_connection(server) as connection:
        connection.sendall(one % b"" * 200 + one % b"Connection: close\r\n" + one % b"")
        said = read_all(connection)
    assert said.count(b"HTTP/1.1 200 OK") == 201


def test_half_of_a_pipelined_request_holds_no_thread(server: Server) -> None:
    request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea"
    with ExitStack() as stack:
        many = [stack.enter_context(open_connection(server)) for _ in range(N_CLIENTS)]
        for each in many:
            each.sendall(request)
        assert healthy(server)
        answers = [read_all(each) for each in many]
    assert all(a.count(b"HTTP/1.1 200") == 1 and b"HTTP/1.1 408" in a for a in answers)


def test_more_connections_than_there_may_be(tmp_path: Path) -> None:
    with running_server(tmp_path, UNDERTONE_PATIENCE_S="600") as server, ExitStack() as stack:
        for _ in range(1500):
            connection = stack.enter_context(open_connection(server))
            connection.sendall(b"G")
        assert healthy(server)
        assert "Traceback" not in (tmp_path / "server.log").read_text()


class TestConnection:
    @pytest.fixture
    def pair(self) -> Iterator[tuple[Connection, socket.socket]]:
        ours, theirs = socket.socketpair()
        with Connection.adopt(ours, ("192.0.2.1", 1)) as connection, theirs:
            yield connection, theirs

    def test_who_reads_nothing_is_given_up_and_credit_is_capped(
        self, pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "deadlines", deadlines := Deadlines())
        monkeypatch.setattr(deadlines, "patience_s", 0.3)
        connection, theirs = pair
        is_over = threading.Event()

        def sweep() -> None:
            while not is_over.wait(0.05):
                deadlines.sweep()

        def read() -> None:
            n_left = 50_000_000
            while n_left:
                n_left -= len(theirs.recv(min(n_left, 2**20)))

        threads = [threading.Thread(target=sweep), threading.Thread(target=read)]
        for each in threads:
            each.start()
        try:
            connection.sendall(bytes(50_000_000))
            assert not connection.is_aborted
            # However much went out fast, it is no reason to wait longer now.
            assert (connection._credit_s or 0.0) <= 0.3
            with pytest.raises(BrokenPipeError):
                connection.sendall(bytes(50_000_000))
            assert connection.is_aborted
        finally:
            is_over.set()
            for each in threads:
                each.join()

    def test_scarce_threads_go_on_with_those_who_move(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Client:
            def __init__(self, address: str) -> None:
                self.address, self.is_ended = address, False

            def end_reading(self) -> None:
                self.is_ended = True

        now_s = [100.0]
        monkeypatch.setattr("undertone.web.capacity.time.monotonic", lambda: now_s[0])
        deadlines = Deadlines()
        greedy, modest = [Client("a") for _ in range(3)], Client("b")
        for each in (modest, *greedy):
            deadlines.set(each, 30.0)
        deadlines.shed(10)  # nobody stands still yet
        now_s[0] += STALLED_S + 1
        deadlines.touch(greedy[0])
        deadlines.shed(-3)
        deadlines.shed(1)
        assert [each.is_ended for each in (modest, *greedy)] == [False, False, True, False]
        assert not deadlines.clear(greedy[1])
        assert deadlines.clear(greedy[2])
