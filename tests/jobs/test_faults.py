"""Real servers that die in the middle of their work: all is answered, once, as if nothing was."""

import json
import os
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion_recognizer import EmotionRecognizer
from tests import sounds
from tests.conftest import multipart
from tests.live import Server, running_server
from undertone.analysis import Listener
from undertone.prediction import Analysis

PATIENCE_S = 300
SETTINGS = {"UNDERTONE_JOB_LEASE_S": "3"}


@pytest.fixture(scope="module")
def voices() -> dict[str, bytes]:
    """Five recordings by name: short ones and one that takes longer."""
    made = {
        f"{n}.wav": sounds.with_soundfile(sounds.voice(1.0 + n / 4, 90 + 20 * n), 16_000, "WAV")
        for n in range(4)
    }
    long = np.tile(sounds.voice(30.0), 3)
    return {"long.mp3": sounds.with_soundfile(long, 16_000, "MP3"), **made}


@pytest.fixture(scope="module")
def expected(voices: dict[str, bytes]) -> dict[str, Analysis]:
    """What one process hears in them when nothing happens to it."""
    listener = Listener({"encoder": EmotionRecognizer()}, "encoder", 1800.0)
    return {name: listener.hear(data, name) for name, data in voices.items()}


def call(url: str, body: bytes | None = None, content_type: str = "") -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": content_type} if body else {})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def send(server: Server, voices: dict[str, bytes]) -> str:
    end = b"--undertone--\r\n"
    parts = [multipart(data, name)[0].removesuffix(end) for name, data in voices.items()]
    return call(f"{server.url}/jobs", b"".join(parts) + end, multipart(b"")[1])["id"]


def looks(server: Server, job_id: str) -> Iterator[dict[str, Any]]:
    """The job again and again, for as long as anybody would wait."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        yield call(f"{server.url}/jobs/{job_id}")
        time.sleep(0.05)
    raise AssertionError("not in time")


def in_the_middle(server: Server, job_id: str) -> dict[str, Any]:
    """Wait until the long recording is worked on."""
    return next(job for job in looks(server, job_id) if 0 < job["items"][0]["progress"] < 1)


def kill_all(server: Server) -> None:
    """End gunicorn's master and worker without a word."""
    task = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    children = [int(child) for child in task.read_text().split()]
    server.process.kill()
    for child in children:
        os.kill(child, signal.SIGKILL)


def check_all_is_there_once(
    server: Server, job_id: str, data_dir: Path, expected: dict[str, Analysis]
) -> None:
    job = next(job for job in looks(server, job_id) if job["finished_at"])
    assert job["state"] == "done"
    heard = {item["filename"]: item["analysis_id"] for item in job["items"]}
    assert set(heard) == set(expected)
    for name, analysis_id in heard.items():
        found = call(f"{server.url}/results/{analysis_id}")
        wanted = json.loads(json.dumps(expected[name].to_dict()))
        for field in ("prediction", "segments", "duration_s", "speech_s", "envelope"):
            assert found[field] == wanted[field], (name, field)
    with closing(sqlite3.connect(data_dir / "undertone.sqlite3")) as connection:
        stored = connection.execute("SELECT filename FROM analyses").fetchall()
    assert sorted(name for (name,) in stored) == sorted(expected)
    assert not [path for path in (data_dir / "jobs").rglob("*") if path.is_file()]


def test_killed_in_the_middle(
    tmp_path: Path, voices: dict[str, bytes], expected: dict[str, Analysis]
) -> None:
    with running_server(tmp_path, **SETTINGS, UNDERTONE_JOB_THREADS="2") as server:
        job_id = send(server, voices)
        in_the_middle(server, job_id)
        kill_all(server)
    with running_server(tmp_path, **SETTINGS) as server:
        check_all_is_there_once(server, job_id, tmp_path, expected)
        assert call(f"{server.url}/jobs/{job_id}")["items"][0]["attempts"] == 2


def test_asked_to_stop_in_the_middle(
    tmp_path: Path, voices: dict[str, bytes], expected: dict[str, Analysis]
) -> None:
    """What is begun is finished or given back, so that nobody has to wait for a lease to end."""
    with running_server(tmp_path, UNDERTONE_JOB_LEASE_S="3600") as server:
        job_id = send(server, voices)
        in_the_middle(server, job_id)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
    with running_server(tmp_path, UNDERTONE_JOB_LEASE_S="3600") as server:
        check_all_is_there_once(server, job_id, tmp_path, expected)
        assert call(f"{server.url}/jobs/{job_id}")["items"][0]["attempts"] == 1


def test_two_servers_of_which_one_is_killed(
    tmp_path: Path, voices: dict[str, bytes], expected: dict[str, Analysis]
) -> None:
    with running_server(tmp_path, **SETTINGS) as one:
        job_id = send(one, voices)
        in_the_middle(one, job_id)
        with running_server(tmp_path, **SETTINGS) as other:
            kill_all(one)
            check_all_is_there_once(other, job_id, tmp_path, expected)
