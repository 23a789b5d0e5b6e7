"""File names of downloads, and what caches may keep, through a real server."""

import csv
import io
import json
import socket
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from tests import samples
from tests.conftest import multipart, upload
from tests.live import Server, running_server
from tests.test_error_shape import BROWSER
from undertone.store.history import History
from undertone.web.downloads import export_name, name_download
from undertone.web.headers import CACHEABLE_ENDPOINTS

NAMES = (
    "запись.wav", "录音.wav", "Łódź.wav", "résumé—1.wav", "naïve.wav", 'a "quote"; b=c.wav',
    "semi;colon, comma.wav", "two\r\nSet-Cookie: x=1.wav", "🎙️ take 🎤.wav", "\u202egpj.wav",
    "تسجيل.wav", "back\\slash.wav", "per%20cent%.wav", "it's *starred*.wav", "tab\t.wav", ".wav",
    "x" * 400 + ".wav", "語" * 400 + ".wav", "e\u0301\u0301.wav", "\ud800half.wav", " ", "..",
    "€.wav",
)  # fmt: skip
ROUTES = ("/results/{}.json", "/results/{}.csv", "/download-report/{}", "/recordings/{}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("data"), UNDERTONE_KEEP_AUDIO="1h") as running:
        yield running


def fetch(url: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of an answer that must be good."""
    with urllib.request.urlopen(url, timeout=60) as response:
        assert response.status == 200
        return {name.lower(): value for name, value in response.headers.items()}, response.read()


def send(server: Server, data: bytes, name: str, path: str = "/api/predict") -> dict[str, str]:
    body, content_type = multipart(data, name)
    request = urllib.request.Request(server.url + path, body, {"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def saved_name(disposition: str) -> str:
    """Under which name a browser saves the file: ``filename*`` comes first."""
    plain, extended = None, None
    _, options = parse_options_header(disposition.partition("; filename*=")[0])
    plain = options["filename"]
    if "filename*=" in disposition:
        extended = disposition.partition("filename*=UTF-8''")[2]
    return unquote(extended, errors="strict") if extended is not None else plain


@pytest.mark.parametrize("name", NAMES)
def test_every_export_of_every_name(server: Server, voice_wav: bytes, name: str) -> None:
    wire_name = name.encode("utf-8", "replace").decode()
    stored = send(server, voice_wav, wire_name.replace("\r\n", "%0D%0A"))
    stem = Path(stored["filename"]).stem
    for route in ROUTES:
        headers, body = fetch(server.url + route.format(stored["id"]))
        assert body
        disposition = headers["content-disposition"]
        assert disposition.isascii()
        assert stem[:100].strip() in saved_name(disposition)
        assert headers["cache-control"] == "private, no-store"
        assert "set-cookie" not in headers
    # The newest of this name, and lists that hold it.
    fetch(f"{server.url}/download-report/{quote(stored['filename'], safe='')}")
    _, table = fetch(f"{server.url}/history.csv?search={quote(stored['filename'])}")
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))
    assert stored["filename"] in {row["filename"].removeprefix("'") for row in rows}
    fetch(f"{server.url}/history.json?search={quote(stored['filename'])}")


def test_every_export_of_a_job(server: Server, voice_wav: bytes) -> None:
    boundary = "several"
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
        f'filename="{name}"\r\n\r\n'.encode()
        + voice_wav
        + b"\r\n"
        for name in ("запись.wav", "录音.wav", "🎙️.wav")
    )
    request = urllib.request.Request(
        f"{server.url}/jobs",
        body + f"--{boundary}--\r\n".encode(),
        {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        job = json.load(response)
    while job["state"] not in ("done", "failed"):
        job = json.loads(fetch(f"{server.url}/jobs/{job['id']}")[1])
    for kind in ("results.json", "results.csv", "reports.zip"):
        headers, archive = fetch(f"{server.url}/jobs/{job['id']}/{kind}")
        assert headers["content-disposition"].startswith("attachment; filename=undertone-")
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert names == ["0001 запись.pdf", "0002 录音.pdf", "0003 🎙️.pdf"]


def test_names_stored_by_older_versions(tmp_path: Path) -> None:
    """Rows that no version of today would write still end in a whole answer."""
    names = ("../../etc/пароль.wav", "a\r\nX: y.wav", "\x00.wav", "x" * 5000, "C:\\тест\\a.wav")
    history = History(f"sqlite:///{tmp_path}/undertone.sqlite3")
    for number, name in enumerate(names):
        history.add(samples.analysis(number, filename=name))
    history.close()
    with running_server(tmp_path) as server:
        for number, _ in enumerate(names):
            for route in ROUTES[:3]:
                headers, _ = fetch(server.url + route.format(f"id{number:04}"))
                name = saved_name(headers["content-disposition"])
                assert name.startswith("Undertone - ")
                assert not set(name) & set("/\\\r\n\0")
                assert len(name) <= 200


@given(st.text())
def test_any_text_becomes_a_header(name: str) -> None:
    app = Flask(__name__)
    response = app.response_class()
    name_download(response, export_name(name, "csv"))
    value = response.headers["Content-Disposition"]
    assert value.isascii()
    assert value.isprintable()
    assert saved_name(value).endswith(".csv")


class TestCaches:
    """Nothing that may hold a result may be kept on the way."""

    @pytest.mark.parametrize("headers", [{}, BROWSER])
    def test_every_route(self, app: Flask, headers: dict[str, str], voice_wav: bytes) -> None:
        client = app.test_client()
        known = {
            "analysis_id": client.post("/upload", **upload(voice_wav)).get_json()["id"],
            "job_id": client.post("/jobs", **upload(voice_wav)).get_json()["id"],
            "kind": "bars", "theme": "dark", "name": "encoder", "picture": "reliability.png",
            "filename": "clip.wav",
        }  # fmt: skip
        seen = set()
        rules = sorted(app.url_map.iter_rules(), key=lambda rule: "DELETE" in rule.methods)
        for rule in rules:
            if rule.endpoint in CACHEABLE_ENDPOINTS or rule.websocket:
                continue
            path = rule.rule
            for name in rule.arguments:
                path = path.replace(f"<{name}>", known[name])
            for method in rule.methods - {"OPTIONS"}:
                response = client.open(path, method=method, headers=headers)
                assert response.headers["Cache-Control"] == "private, no-store", (method, path)
                seen.add(response.status_code)
        assert {200, 400, 404} <= seen

    def test_what_holds_nothing_of_anybody(self, client: FlaskClient) -> None:
        assert (
            "no-store" not in client.get("/static/base.css", buffered=True).headers["Cache-Control"]
        )
        for path in ("/", "/listen"):
            assert "Cache-Control" not in client.get(path).headers
        for path in ("/static/nothing.css", "/models/encoder/nothing.png", "/nothing"):
            response = client.get(path)
            assert response.status_code == 404
            assert response.headers["Cache-Control"] == "private, no-store"

    def test_a_refused_form_on_the_page(self, client: FlaskClient) -> None:
        response = client.post("/result", **upload(b"no sound"), headers=BROWSER)
        assert response.headers["Cache-Control"] == "private, no-store"


def test_the_charts_on_a_result_page_are_not_kept(server: Server, voice_wav: bytes) -> None:
    identity = send(server, voice_wav, "запись.wav")["id"]
    for path in (f"/visualizations/{identity}.png", f"/static/visualizations/{identity}.png"):
        assert fetch(server.url + path)[0]["cache-control"] == "private, no-store"


def test_no_answer_ends_in_the_servers_own_page(server: Server, voice_wav: bytes) -> None:
    """The whole answer arrives as HTTP that a strict client can read."""
    identity = send(server, voice_wav, "запись.wav")["id"]
    host = urlsplit(server.url)
    with socket.create_connection((host.hostname, host.port), timeout=60) as connection:
        connection.sendall(
            f"GET /results/{identity}.csv HTTP/1.1\r\nHost: localhost\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"<html" not in answer
