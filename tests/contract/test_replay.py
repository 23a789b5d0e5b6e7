"""Every existing client's calls against a real server, as `tools.replay_clients` makes them."""

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from tests.live import Server, running_server
from tools import replay_clients

NEEDS = {
    "POST /classify_audio": {"ensemble", "cnn"},
    "POST /classify_audio_both": {"ensemble", "cnn"},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path) as running:
        yield running


@pytest.fixture
def useless_server() -> Iterator[str]:
    """Answers everything with an empty object and all is well."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET  # noqa: N815 the library's name

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_every_client_gets_what_it_reads(
    server: Server,
    tmp_path: Path,
    voice_wav: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = requests.get(f"{server.url}/models/info", timeout=60).json()["models"]
    installed = {model["name"] for model in models}
    answered = {name for name in replay_clients.CALLS if NEEDS.get(name, set()) <= installed}
    clip = tmp_path / "clip.wav"
    clip.write_bytes(voice_wav)
    monkeypatch.setattr(sys, "argv", ["replay_clients", server.url, str(clip)])
    status = replay_clients.main()
    *rows, summary = capsys.readouterr().out.splitlines()
    assert {row.split("  ")[0] for row in rows if row.endswith("  ok")} == answered, rows
    assert summary.startswith(f"{len(answered)} of {len(replay_clients.CALLS)} calls")
    assert status == (0 if len(answered) == len(replay_clients.CALLS) else 1)
    for row in rows:
        assert row.endswith("  ok") or "model-not-installed" in row


def test_what_is_wrong_is_told(useless_server: str) -> None:
    rows = replay_clients.replay(useless_server, replay_clients.Clip("clip.wav", b"x"))
    assert [name for name, problem in rows if problem is None] == []
    assert {name for name, _ in rows} == set(replay_clients.CALLS)


def test_no_server() -> None:
    rows = replay_clients.replay("http://127.0.0.1:9", replay_clients.Clip("clip.wav", b"x"))
    assert all(problem and problem.startswith("ConnectionError") for _, problem in rows)
