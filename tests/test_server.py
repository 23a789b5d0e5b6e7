"""The real server as `make run` starts it: another process, a free port, real sockets."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import sounds
from tests.conftest import multipart, wav
from tests.live import Server, running_server
from undertone.settings import ROOT


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path) as running:
        yield running


def post(url: str, data: bytes, name: str) -> dict[str, object]:
    body, content_type = multipart(data, name)
    request = urllib.request.Request(f"{url}/upload", body, {"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_simultaneous_clients_each_get_their_own_answer(server: Server) -> None:
    voices = [wav(sounds.voice(1.0 + 0.3 * k, 100 + 30 * k)) for k in range(4)]
    alone = [post(server.url, voice, "same.wav") for voice in voices]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda k: post(server.url, voices[k % 4], "same.wav"), range(16)))
    for k, answer in enumerate(together):
        for field in ("probabilities", "chart_url", "duration_s"):
            assert answer[field] == alone[k % 4][field]


def test_only_the_data_folder_is_written_to_and_the_recording_is_not_kept(tmp_path: Path) -> None:
    home, elsewhere, data_dir = (tmp_path / name for name in ("home", "tmp", "data"))
    for folder in (home, elsewhere, data_dir):
        folder.mkdir()
    data = sounds.with_soundfile(sounds.voice(20.0), sounds.SAMPLE_RATE, "WAV")
    with running_server(data_dir, HOME=str(home), TMPDIR=str(elsewhere)) as server:
        post(server.url, data, "clip.wav")
    assert not list(home.iterdir())
    assert not list(elsewhere.iterdir())
    kept = [path for path in data_dir.rglob("*") if path.is_file()]
    assert {path.relative_to(data_dir).parts[0].split("-")[0] for path in kept} <= {
        "undertone.sqlite3",
        "matplotlib",
        "server.log",  # of `running_server`
    }
    assert not any(data[10_000:10_100] in path.read_bytes() for path in kept)


def test_it_stops_when_asked(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UNDERTONE_PORT", "http"),
        ("UNDERTONE_MODEL", "nonesuch"),
        ("DATABASE_URL", "nonsense"),
        ("FLASK_DEBUG", "perhaps"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(
    tmp_path: Path, name: str, value: str
) -> None:
    environ = {**os.environ, "UNDERTONE_PORT": "0", "UNDERTONE_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**environ, name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "Undertone cannot start" in done.stderr
    assert name in done.stderr or value in done.stderr
    assert "Traceback" not in done.stderr
