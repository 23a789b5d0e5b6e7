"""What the fault tests do with real servers, and what must be there in the end."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.conftest import multipart
from tests.live import Server
from undertone.prediction import Analysis
from undertone.store.history import History
from undertone.store.listing import Filter

PATIENCE_S = 300


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
    server: Server, job_id: str, data_dir: Path, expected: dict[str, Analysis], url: str = ""
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
    with closing(History(url or f"sqlite:///{data_dir}/undertone.sqlite3")) as history:
        stored = [entry.filename for entry in history.entries(Filter())]
    assert sorted(name for name in stored if name in expected) == sorted(expected)
    # The answer comes first, then its file goes; not by the sweep, which is minutes away.
    gone = (not [p for p in (data_dir / "jobs").rglob("*") if p.is_file()] for _ in range(200))
    assert any(is_gone or time.sleep(0.05) for is_gone in gone)
