"""The real server as `make run` starts it: another process, a free port, real sockets."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import sounds
from tests.conftest import multipart, wav
from tests.live import Server, running_server
from tests.samples import ANALYSIS
from undertone.keys import KeyRing, Role
from undertone.settings import ROOT
from undertone.store.history import History


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


class Caller:
    """One who has a key for a server."""

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {key}"}

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, content_type: str = ""
    ) -> tuple[int, bytes]:
        headers = {**self._headers, **({"Content-Type": content_type} if body else {})}
        request = urllib.request.Request(self._server.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def json(self, *what: Any) -> Any:
        status, body = self.ask(*what)
        assert status < 300, body
        return json.loads(body)


def test_keys_see_what_they_made(tmp_path: Path, voice_wav: bytes) -> None:
    """As in tests/test_ownership.py, through real sockets and with threads that work on jobs."""
    ring = KeyRing(tmp_path / "keys" / "keys.json")
    names = {"alice": Role.USER, "bob": Role.USER, "root": Role.ADMIN, "numbers": Role.METRICS}
    keys = {name: ring.make(name, role=role) for name, role in names.items()}
    with running_server(
        tmp_path, UNDERTONE_API_KEYS_FILE=str(ring.path), UNDERTONE_KEEP_AUDIO="1d"
    ) as server:
        alice, bob, root, numbers = (Caller(server, key) for key in keys.values())
        body, kind = multipart(voice_wav, "same.wav")
        results = {caller: caller.json("/predict", "POST", body, kind) for caller in (alice, bob)}
        jobs = {caller: caller.json("/jobs", "POST", body, kind)["id"] for caller in (alice, bob)}
        until_s = time.monotonic() + 120
        for caller, job_id in jobs.items():
            while not caller.json(f"/jobs/{job_id}")["finished_at"]:
                assert time.monotonic() < until_s
                time.sleep(0.1)
            (item,) = caller.json(f"/jobs/{job_id}")["items"]
            assert caller.json(f"/results/{item['analysis_id']}")["id"] == item["analysis_id"]
            results[caller]["of_job"] = item["analysis_id"]
        paths = {
            caller: [
                f"/results/{heard['id']}", f"/results/{heard['of_job']}.csv",
                f"/{heard['visualization']}", f"/recordings/{heard['id']}",
                f"/download-report/{heard['id']}", f"/jobs/{jobs[caller]}",
                f"/jobs/{jobs[caller]}/results.csv", f"/jobs/{jobs[caller]}/reports.zip",
            ]
            for caller, heard in results.items()
        }  # fmt: skip
        for owner, stranger in ((alice, bob), (bob, alice)):
            for path in paths[owner]:
                assert owner.ask(path)[0] == root.ask(path)[0] == 200, path
                assert stranger.ask(path)[0] == 404, path
                assert numbers.ask(path)[0] == 403, path
            assert stranger.ask(f"/results/{results[owner]['id']}", "DELETE")[0] == 404
            assert stranger.ask(f"/jobs/{jobs[owner]}", "DELETE")[0] == 404
            assert owner.json("/history")["total"] == 2
            assert owner.json("/jobs")["total"] == 1
            assert len(json.loads(owner.ask("/history.json")[1])["history"]) == 2
        assert root.json("/history")["total"] == 4
        assert [caller.ask("/metrics")[0] for caller in (alice, root, numbers)] == [403, 200, 200]

        ring.revoke("alice")
        again = Caller(server, ring.make("alice"))
        assert alice.ask("/history")[0] == 401
        assert again.json("/history")["total"] == 0
        assert bob.json("/history", "DELETE")["deleted"] == 2
        assert root.json("/history")["total"] == 2


@pytest.mark.parametrize(("role", "is_told"), [("user", True), ("admin", False)])
def test_results_that_no_key_sees_are_told_of_at_the_start(
    tmp_path: Path, role: str, is_told: bool
) -> None:
    with closing(History(f"sqlite:///{tmp_path / 'undertone.sqlite3'}")) as history:
        history.add(ANALYSIS)
    ring = KeyRing(tmp_path / "keys.json")
    ring.make("Eva", role=Role(role))
    with running_server(tmp_path, UNDERTONE_API_KEYS_FILE=str(ring.path)):
        pass
    printed = (tmp_path / "server.log").read_text()
    assert ("--role admin" in printed) is is_told
