"""A real server whose decoders hang, are given too much, or whose disk is full."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests import sounds
from tests.conftest import multipart, wav
from tests.hostile import silent_flac
from tests.live import Server, running_server
from tests.samples import analysis
from undertone.errors import StoreError
from undertone.store.history import History
from undertone.store.listing import Filter
from undertone.store.reserve import RESERVE_BYTES

CLIP = wav(sounds.voice(1.0))
HALF_AN_HOUR = silent_flac(48_000, 2, 1790.0)
OVER_THE_LIMIT = silent_flac(384_000, 8, 1790.0)


def asked(
    url: str, data: bytes | None = None, kind: str = "", method: str | None = None
) -> tuple[int, Any]:
    request = urllib.request.Request(url, data, {"Content-Type": kind}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=300) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def sent(server: Server, data: bytes) -> tuple[int, Any]:
    return asked(f"{server.url}/upload", *multipart(data))


def ready(server: Server) -> tuple[int, Any]:
    time.sleep(1.1)  # its answer may be a second old
    return asked(f"{server.url}/health/ready")


def decoders_of(server: Server) -> list[int]:
    """Process ids of a server's decoders."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("there is no /proc here")
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
            if b"decoder_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return [pid for pid in found if parents.get(parents.get(pid, 0)) == server.process.pid]


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("data")) as running:
        yield running


def test_decoders_that_hang_at_rest(server: Server) -> None:
    assert sent(server, CLIP)[0] == 200
    assert ready(server)[0] == 200
    for pid in decoders_of(server):
        os.kill(pid, signal.SIGSTOP)
    status, answer = ready(server)
    assert (status, answer["status"], answer["store"]) == (503, "unavailable", "ok")
    assert "did not answer" in answer["decoders"]
    assert asked(f"{server.url}/health/live")[0] == 200
    assert sent(server, CLIP)[0] == 200
    assert ready(server)[0] == 200


def test_a_recording_that_meets_a_hanging_decoder_is_answered(server: Server) -> None:
    assert sent(server, CLIP)[0] == 200
    for pid in decoders_of(server):
        os.kill(pid, signal.SIGSTOP)
    assert sent(server, CLIP)[0] == 200


def test_decoders_that_hang_at_work(server: Server) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(sent, server, HALF_AN_HOUR) for _ in range(2)]
        while sum(cpu_s(pid) > 1 for pid in decoders_of(server)) < 2:
            assert not all(answer.done() for answer in answers)
        for pid in decoders_of(server):
            os.kill(pid, signal.SIGSTOP)
        assert sent(server, CLIP)[0] == 200  # others go on meanwhile
        assert asked(f"{server.url}/health/live")[0] == 200
        codes = {(status, answer["code"]) for status, answer in (a.result() for a in answers)}
    assert codes <= {(422, "decoder-died"), (422, "recording-silent")}
    assert (422, "decoder-died") in codes
    assert sent(server, CLIP)[0] == 200
    assert ready(server)[0] == 200


def test_more_long_files_than_turns_and_decoders_leave_both_to_clips(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        long = [pool.submit(sent, server, HALF_AN_HOUR) for _ in range(6)]
        while not any(cpu_s(pid) > 1 for pid in decoders_of(server)):
            time.sleep(0.01)
        for _ in range(3):
            assert sent(server, CLIP)[0] == 200
        assert not all(answer.done() for answer in long)
        assert {answer.result()[1]["code"] for answer in long} == {"recording-silent"}


def test_files_that_hold_too_much_are_refused(server: Server) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: sent(server, OVER_THE_LIMIT), range(2)))
    assert [(status, body["code"]) for status, body in answers] == [(413, "recording-too-long")] * 2


@contextmanager
def small_disk(folder: Path, size: str = "12m") -> Iterator[Path]:
    """A file system of a few MiB."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder: Path) -> None:
    with (folder / "filler").open("ab", buffering=0) as file:
        for n_bytes in (2**16, 2**12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(n_bytes))


def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, running_server(disk) as server:
        ids = [sent(server, CLIP)[1]["id"] for _ in range(3)]
        assert ready(server)[0] == 200
        fill(disk)
        status, answer = ready(server)
        assert (status, answer["decoders"]) == (503, "ok")
        assert answer["store"] == "The data folder cannot be written: No space left on device."
        assert asked(f"{server.url}/health/live")[0] == 200
        assert sent(server, CLIP)[1]["code"] == "store-unavailable"
        for each in ids:
            assert asked(f"{server.url}/results/{each}", method="DELETE")[0] == 200
            assert asked(f"{server.url}/results/{each}")[0] == 404
        (disk / "filler").unlink()
        assert ready(server)[0] == 200
        assert sent(server, CLIP)[0] == 200


def test_on_a_full_disk_many_large_results_are_deleted(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "24m") as disk:
        history = History(f"sqlite:///{disk / 'undertone.sqlite3'}")
        n_stored = 0
        with pytest.raises(StoreError):
            while True:
                history.add(analysis(n_stored, envelope=(0.123456789,) * 50_000))
                n_stored += 1
        fill(disk)
        assert history.delete_all(Filter()) == n_stored > 10
        assert history.page(Filter(), 10).total == 0
        history.close()


def test_what_is_kept_for_deleting_is_there_again_afterwards(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        history = History(f"sqlite:///{disk / 'undertone.sqlite3'}")
        reserve = disk / "undertone.sqlite3-reserve"
        assert reserve.stat().st_size == RESERVE_BYTES
        assert reserve.stat().st_mode & 0o777 == 0o600
        history.add(analysis(1))
        fill(disk)
        history.delete_all(Filter())
        (disk / "filler").unlink()
        history.close()
        History(f"sqlite:///{disk / 'undertone.sqlite3'}").close()
        assert reserve.stat().st_size == RESERVE_BYTES
        assert {path.name for path in disk.iterdir()} <= {reserve.name, "undertone.sqlite3"}
