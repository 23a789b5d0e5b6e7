"""Large recordings, sent to a real server: what they cost, and what is left of them."""

import base64
import contextlib
import http.client
import io
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from app import create_app
from tests.conftest import multipart, upload, wav
from tests.live import Server, running_server
from tests.sounds import voice
from undertone.client import Client
from undertone.errors import FileTooLarge
from undertone.settings import MIB, Settings
from undertone.spool import MEMORY_BYTES
from undertone.web.serving import MOST_FILES

MAX_MB = 12
VOICE = wav(voice(2.0))
SETTINGS = {
    "UNDERTONE_MAX_UPLOAD_MB": str(MAX_MB),
    "UNDERTONE_JOB_MB": str(2 * MAX_MB),
    "UNDERTONE_UPLOADS_DISK_MB": str(3 * MAX_MB),
    "UNDERTONE_PATIENCE_S": "3",
    "UNDERTONE_DECODERS": "1",
}
DISK_BYTES = 3 * MAX_MB * MIB
Answer = tuple[int, dict[str, Any]]

needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no /proc here")


def padded(n_bytes: int) -> bytes:
    """The voice in a wav file of this size."""
    return VOICE + bytes(n_bytes - len(VOICE))


def family(server: Server) -> list[psutil.Process]:
    process = psutil.Process(server.process.pid)
    return [process, *process.children(recursive=True)]


def unlinked(server: Server) -> dict[str, int]:
    """Sizes of the files without a name that the server has open, by process and descriptor."""
    found = {}
    for process in family(server):
        for path in Path(f"/proc/{process.pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                target, size = os.readlink(path), path.stat().st_size
                if target.startswith(str(server.data_dir)) and "(deleted)" in target and size:
                    found[str(path)] = size  # one of gunicorn's own is always empty
    return found


def wait_until(what: Any, patience_s: float = 30.0) -> None:
    until_s = time.monotonic() + patience_s
    while not what() and time.monotonic() < until_s:
        time.sleep(0.05)
    assert what()


def on_disk(folder: Path) -> dict[str, int]:
    """Files that hold more than a small database does."""
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size > 500_000 and "sqlite" not in path.name
    }


def ask(server: Server, data: bytes, path: str = "/api/predict", chunked: bool = False) -> Answer:
    body, content_type = multipart(data)
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=120)
    pieces = (body[at : at + 50_000] for at in range(0, len(body), 50_000))
    try:
        with contextlib.suppress(BrokenPipeError):
            connection.request(
                "POST",
                path,
                pieces if chunked else body,
                {"Content-Type": content_type, "Accept": "application/json"},
                encode_chunked=chunked,
            )
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


class Sender:
    """A client that has sent a part of its request."""

    def __init__(
        self, server: Server, data: bytes, n_sent: int, announced: int = 0,
        path: str = "/api/predict",
    ) -> None:  # fmt: skip
        host, port = server.url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=120)
        body, content_type = multipart(data)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {announced or len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + body[:n_sent])
        self._rest = body[n_sent:]

    def finish(self) -> Answer:
        self.socket.sendall(self._rest)
        return self.answer()

    def answer(self) -> Answer:
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        with self.socket:
            return response.status, json.loads(response.read())

    def hang_up(self) -> None:
        self.socket.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("data")
    with running_server(folder, **SETTINGS) as running:
        running.data_dir = folder  # type: ignore[attr-defined]
        yield running
        assert "unknown error" not in (folder / "server.log").read_text()


@pytest.fixture(autouse=True)
def _nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "server" in request.fixturenames and Path("/proc").is_dir():
        server = request.getfixturevalue("server")
        wait_until(lambda: not unlinked(server))
        assert not on_disk(server.data_dir)


@pytest.mark.parametrize("chunked", [False, True])
def test_sizes_around_each_threshold(server: Server, chunked: bool) -> None:
    small = ask(server, VOICE)
    assert small[0] == 200
    for threshold in (MEMORY_BYTES, 2 * MEMORY_BYTES, MAX_MB * MIB):
        for more in (-70_000, -1, 0, 1):
            status, answer = ask(server, padded(threshold + more), chunked=chunked)
            if threshold + more > MAX_MB * MIB:
                assert (status, answer["code"]) == (413, "file-too-large")
            else:
                assert status == 200, answer
                assert answer["probabilities"] == small[1]["probabilities"]


def test_every_call_takes_large_files(server: Server) -> None:
    for path in ("/upload", "/predict", "/analyze", "/api/predict"):
        status, answer = ask(server, padded(3 * MIB), path)
        assert status == 200, answer
    assert Client(server.url).analyse(padded(3 * MIB)).duration_s == 2.0  # by the page's form


def test_base64_of_large_files(server: Server) -> None:
    alone = ask(server, VOICE)[1]["probabilities"]
    for n_bytes in (MEMORY_BYTES + 1, 5 * MIB, MAX_MB * MIB, MAX_MB * MIB + 1):
        text = base64.b64encode(padded(n_bytes)).decode()
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=120)
        body = json.dumps({"audio": f"data:audio/wav;base64,{text}"})
        connection.request("POST", "/record", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        if n_bytes > MAX_MB * MIB:
            assert (response.status, answer["code"]) == (413, "file-too-large")
        else:
            assert response.status == 200, answer
            assert answer["probabilities"] == alone


@needs_proc
@pytest.mark.parametrize("n_sent", [1000, MEMORY_BYTES // 2, 3 * MIB, 8 * MIB])
def test_uploads_that_are_cut_off(server: Server, n_sent: int) -> None:
    for _ in range(DISK_BYTES // (8 * MIB) + 2):  # more than there is room for
        sender = Sender(server, padded(9 * MIB), n_sent)
        if n_sent > MIB:
            wait_until(lambda: sum(unlinked(server).values()) > n_sent - MIB)
        sender.hang_up()
        wait_until(lambda: not unlinked(server))
    assert ask(server, padded(10 * MIB))[0] == 200


@needs_proc
def test_an_upload_that_stops_on_the_way(server: Server) -> None:
    sender = Sender(server, padded(9 * MIB), 4 * MIB)
    wait_until(lambda: unlinked(server))
    # 3 s, and one for each 16 kB that came: so the clock is not waited for.
    sender.socket.shutdown(socket.SHUT_WR)
    status, answer = sender.answer()
    assert status in (400, 408)
    assert answer["status"] == status


@pytest.mark.parametrize("announced", [1000, MEMORY_BYTES + 1000, 3 * MIB])
def test_a_length_that_is_too_small(server: Server, announced: int) -> None:
    sender = Sender(server, padded(5 * MIB), announced, announced)
    status, answer = sender.answer()
    assert status == answer["status"] == 400


@needs_proc
def test_the_disk_has_its_bound(server: Server) -> None:
    data = padded(10 * MIB)
    held = [Sender(server, data, 9 * MIB) for _ in range(3)]
    wait_until(lambda: sum(unlinked(server).values()) > 26 * MIB)
    late = Sender(server, data, len(data))
    status, answer = late.answer()
    assert (status, answer["code"]) == (503, "busy")
    assert "received" in answer["error"]
    assert ask(server, VOICE)[0] == 200  # small ones need no disk
    assert [sender.finish()[0] for sender in held] == [200, 200, 200]
    assert ask(server, data)[0] == 200


@needs_proc
def test_each_large_file_may_be_open(server: Server) -> None:
    soft, hard = family(server)[1].rlimit(psutil.RLIMIT_NOFILE)
    assert soft >= min(hard, MOST_FILES)


@needs_proc
def test_many_at_once(server: Server) -> None:
    sizes = [len(VOICE), 900_000, MEMORY_BYTES + 1, 2 * MIB, 5 * MIB] * 3
    alone = ask(server, VOICE)[1]["probabilities"]
    with ThreadPoolExecutor(len(sizes)) as pool:
        answers = list(pool.map(lambda size: ask(server, padded(size)), sizes))
    assert {status for status, _ in answers} == {200}
    assert all(answer["probabilities"] == alone for _, answer in answers)


@needs_proc
@pytest.mark.parametrize("path", ["/api/predict", "/jobs"])
def test_a_disk_that_is_full(server: Server, path: str) -> None:
    """A limit of the size of files: to who writes them the same as a disk that is full."""
    workers = family(server)[1:]
    usual = [worker.rlimit(psutil.RLIMIT_FSIZE) for worker in workers]
    for worker, (_, hard) in zip(workers, usual, strict=True):
        worker.rlimit(psutil.RLIMIT_FSIZE, (min(2 * MIB, hard % 2**63), hard))
    try:
        status, answer = ask(server, padded(5 * MIB), path)
    finally:
        for worker, limits in zip(workers, usual, strict=True):
            worker.rlimit(psutil.RLIMIT_FSIZE, limits)
    assert (status, answer["code"], answer["status"]) == (507, "disk-full", 507)
    assert "disk is full" in answer["error"]
    assert not list((server.data_dir / "jobs").glob("*"))
    assert ask(server, padded(5 * MIB))[0] == 200


@needs_proc
def test_kill_in_mid_upload_leaves_nothing(tmp_path: Path) -> None:
    with running_server(tmp_path, **SETTINGS) as server:
        server.data_dir = tmp_path  # type: ignore[attr-defined]
        sender = Sender(server, padded(9 * MIB), 8 * MIB)
        wait_until(lambda: sum(unlinked(server).values()) > 6 * MIB)
        for process in family(server):
            process.send_signal(signal.SIGKILL)
        server.process.wait()
        sender.hang_up()
    assert not on_disk(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and is_in(path, VOICE)]


def is_in(path: Path, data: bytes) -> bool:
    return data[10_000:10_100] in path.read_bytes()


def rss(processes: list[psutil.Process]) -> int:
    return sum(process.memory_info().rss for process in processes)


def settled_rss(processes: list[psutil.Process]) -> int:
    """Memory when all is loaded that a server loads after its start."""
    before, now = 0, rss(processes)
    for _ in range(20):
        if now - before < 2 * MIB:
            break
        time.sleep(3)
        before, now = now, rss(processes)
    return now


@needs_proc
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.write(VOICE)
        file.truncate(150 * MIB)
    larger = {"UNDERTONE_MAX_UPLOAD_MB": "160", "UNDERTONE_UPLOADS_DISK_MB": "600"}
    with running_server(tmp_path, **{**SETTINGS, **larger}) as server:
        client = Client(server.url)
        with ThreadPoolExecutor(3) as pool:  # what each thread needs for any recording
            list(pool.map(client.analyse, [VOICE] * 12))
        pids = family(server)
        before = settled_rss(pids)
        ours = psutil.Process().memory_info().rss
        peak, our_peak = before, ours
        with ThreadPoolExecutor(3) as pool:
            sent = [pool.submit(client.analyse, path) for path in [large, str(large), large]]
            while not all(each.done() for each in sent):
                peak = max(peak, rss(pids))
                our_peak = max(our_peak, psutil.Process().memory_info().rss)
                time.sleep(0.02)
        assert {each.result().duration_s for each in sent} == {2.0}
    assert peak - before < 50 * MIB
    assert our_peak - ours < 50 * MIB  # the client's


def test_the_command_line_and_the_client_tell_what_is_too_large(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "x.wav").write_bytes(padded(MAX_MB * MIB + 1))
    with pytest.raises(FileTooLarge):
        Client(server.url).analyse(tmp_path / "x.wav")
    with (tmp_path / "x.wav").open("rb") as file, pytest.raises(FileTooLarge):
        Client(server.url).analyse(file)
    assert Client(server.url).analyse(io.BytesIO(padded(2 * MIB))).duration_s == 2.0


def test_the_default_limit_is_thirty_minutes_of_cd_stereo(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert settings.max_upload_bytes >= 1800 * 44_100 * 2 * 2 + 44
    assert settings.max_job_bytes >= settings.max_upload_bytes


def test_kept_recordings_are_played_from_a_store_in_parts(tmp_path: Path) -> None:
    data = padded(2 * MIB + 7)
    app = create_app(
        Settings.from_env(
            {
                "UNDERTONE_DATA_DIR": str(tmp_path),
                "UNDERTONE_AUDIO_URL": f"memory://{tmp_path.name}",
                "UNDERTONE_KEEP_AUDIO": "1h",
            }
        )
    )
    client = app.test_client()
    identity = client.post("/api/predict", **upload(data)).get_json()["id"]
    address = f"/recordings/{identity}"
    with client.get(address) as whole:
        assert whole.data == data
        assert whole.content_length == len(data)
    with client.get(address, headers={"Range": "bytes=100-1048699"}) as part:
        assert part.status_code == 206
        assert part.data == data[100:1_048_700]
        assert part.headers["Content-Range"] == f"bytes 100-1048699/{len(data)}"
    assert client.get(address, headers={"Range": "bytes=9999999-"}).status_code == 416
    app.extensions["undertone.jobs"].engine.stop()
    app.extensions["undertone"].history.close()
