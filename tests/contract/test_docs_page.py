"""The API's page: everything of the document is on it, and its examples work."""

import ast
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from tests.conftest import multipart
from tests.contract.test_openapi import CALLS
from tests.live import Server, running_server
from undertone.keys import KeyRing
from undertone.settings import Settings
from undertone.web.api_docs import Operation, operations

# Of answers that are no JSON: where the examples put them, and how they begin.
SAVED = {
    "image/png": ("picture.png", b"\x89PNG"),
    "image/svg+xml": ("picture.svg", b"<?xml"),
    "application/pdf": ("report.pdf", b"%PDF"),
    "application/zip": ("reports.zip", b"PK"),
    "text/csv": ("list.csv", "\ufeff".encode()),
    "text/plain": ("numbers.txt", b"# HELP"),
    "audio/*": ("recording", b"RIFF"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("data"), UNDERTONE_KEEP_AUDIO="1h") as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, voice_wav: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a recording in it."""
    (tmp_path / "clip.wav").write_bytes(voice_wav)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def described(app: Flask, server_url: str = "http://localhost") -> dict[str, Operation]:
    calls = operations(app.extensions["openapi"], server_url)
    return {f"{call.method} {call.path}": call for call in calls}


def test_everything_is_on_the_page(app: Flask, client: FlaskClient) -> None:
    page = client.get("/docs").get_data(as_text=True)
    assert {f"{method} {path}" for method, path in CALLS} == set(described(app))
    for call in described(app).values():
        (article,) = re.findall(rf'<article class="call" id="{call.id}".*?</article>', page, re.S)
        assert f'href="#{call.id}"' in page
        for field in (*call.parameters, *call.body, *call.answer):
            assert f"<code>{field.name}</code>" in article
        for problem in call.problems:
            assert f"{problem.status} <code>{problem.code}</code>" in article
        assert article.count('<figure class="example">') == (3 if call.answer_example else 2)


def test_every_page_links_to_it(client: FlaskClient) -> None:
    for path in ("/", "/docs", "/nothing"):
        page = client.get(path, headers={"Accept": "text/html"}).get_data(as_text=True)
        assert 'href="/docs"' in page


def test_where_the_server_is_comes_from_the_request_and_is_escaped(client: FlaskClient) -> None:
    page = client.get("/docs", base_url="http://localhost:8080").get_data(as_text=True)
    assert "http://localhost:8080/upload" in page
    page = client.get("/docs", headers={"Host": '"><script>'}).get_data(as_text=True)
    assert "<script>" not in page


def test_answers_look_like_their_examples(
    app: Flask, client: FlaskClient, voice_wav: bytes
) -> None:
    body, content_type = multipart(voice_wav)
    answer = client.post("/upload", data=body, content_type=content_type).get_json()
    example = json.loads(described(app)["POST /upload"].answer_example)
    assert list(example) == list(answer)
    assert sum(example["probabilities"].values()) == pytest.approx(1)
    assert example["probabilities"][example["predicted_emotion"]] == example["confidence"]


@pytest.mark.parametrize("language", ["curl", "python"])
@pytest.mark.parametrize("call", [f"{method} {path}" for method, path in CALLS])
def test_examples_work(
    app: Flask,
    server: Server,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    call: str,
    language: str,
) -> None:
    if language == "curl" and not shutil.which("curl"):
        pytest.skip("curl is not here")
    example = described(app, server.url)[call]
    code = getattr(example, language)
    for name, value in _stored(server).items():
        code = code.replace(f"{{{name}}}", value)
    if language == "curl":
        done = subprocess.run(["sh", "-c", code], capture_output=True, check=True, text=True)
        printed = done.stdout
    else:
        exec(compile(code, "example", "exec"), {})
        printed = capsys.readouterr().out
    if example.answer_type in SAVED:
        name, begin = SAVED[example.answer_type]
        assert (folder / name).read_bytes().startswith(begin)
    elif example.answer_type:
        answer = (json.loads if language == "curl" else ast.literal_eval)(printed)
        assert answer.get("code") in (None, "model-not-installed")
    else:
        assert printed.strip() in ("", "204")


def test_where_keys_are_needed_they_are_in_the_examples(tmp_path: Path) -> None:
    ring = tmp_path / "keys.json"
    key = KeyRing(ring).make("me")
    app = create_app(Settings(data_dir=tmp_path, api_keys_file=ring))
    client = app.test_client()
    assert client.get("/docs").status_code == 401
    page = client.get("/docs", headers={"X-API-Key": key}).get_data(as_text=True)
    assert "Every call" in page
    assert key not in page
    calls = described(app)
    for call in calls.values():
        is_open = call.path.startswith("/health")
        assert ("Authorization: Bearer KEY" in call.curl) != is_open
        assert ("Bearer KEY" in call.python) != is_open
        assert ({"key-needed", "too-many-requests"} <= {p.code for p in call.problems}) != is_open
    app.extensions["undertone"].history.close()


def _stored(server: Server) -> dict[str, str]:
    """What stands in the paths of the examples, by its name in braces."""
    ids = {}
    for name, path in (("analysis_id", "/api/predict"), ("job_id", "/jobs")):
        with open("clip.wav", "rb") as recording:
            answer = requests.post(f"{server.url}{path}", files={"file": recording})
        ids[name] = answer.json()["id"]
    while not requests.get(f"{server.url}/jobs/{ids['job_id']}").json()["finished_at"]:
        time.sleep(0.05)
    return {**ids, "kind": "spectrogram", "theme": "dark", "filename": "clip.wav"}
