"""Behind a proxy that serves Undertone below a path of its own, every address has the path."""

import json
import os
import re
import shutil
import socket
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from websockets.sync.client import connect

from app import create_app
from tests import sounds
from tests.conftest import upload, wav
from tests.live import Server, find_chromium, running_server
from tests.raw import until
from tests.test_error_shape import BROWSER
from undertone.settings import ROOT, Settings

PREFIX = "/tools/voice-1"
NGINX = shutil.which("nginx")
needs_nginx = pytest.mark.skipif(not NGINX, reason="nginx is not here (apt-get install nginx)")
# Addresses in pages and scripts' data, beside those that only leave the server in JSON.
ATTRIBUTES = re.compile(r'(?:href|src|action|srcset|poster|data-[a-z-]+)="(/[^"]*)"')
WRONG = [
    "//evil.example", "///evil", "/a//b", "https://evil.example", "http:evil", "\\\\evil",
    "/\\evil", "evil", "/a b", "/a\tb",
    '/a"b', "/a'b", "/<script>", "/a?b", "/a#b", "/a;b", "/..", "/a/../b",
    "/.", "/%2e%2e", "/é", "/a,/b c", "/", "", " ", "javascript:alert(1)", "/a@b", "/a:b",
    "/{{7*7}}",
]  # fmt: skip


@contextmanager
def nginx_below(prefix: str, url: str, folder: Path) -> Iterator[str]:
    """The example of docs/deploy.md in a real nginx: its URL."""
    (example,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL)
    assert "/undertone" in example
    location = example.replace("/undertone", prefix).replace("http://127.0.0.1:5000", url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = folder / "nginx.conf"
    path.write_text(
        f"pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off; {temporary} "
        f"server {{ listen 127.0.0.1:{port}; {location} }} }}"
    )
    more = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    command = ["nginx", "-c", str(path), "-p", str(folder), "-g", more]
    subprocess.run([*command, "-t", "-q"], check=True)
    process = subprocess.Popen(command)
    try:
        yield f"http://127.0.0.1:{port}{prefix}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server with every kind of result, and its URL before the proxy."""
    folder, more = tmp_path_factory.mktemp("data"), {"UNDERTONE_KEEP_AUDIO": "1h"}
    with (
        running_server(folder, UNDERTONE_PROXIES="1", **more) as server,
        nginx_below(PREFIX, server.url, tmp_path_factory.mktemp("nginx")) as url,
    ):
        until(lambda: answers(url), "nginx does not answer")
        yield server, url


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=60).ok
    except requests.ConnectionError:
        return False


def addresses(value: Any) -> list[str]:
    """Texts in a JSON document that are paths from the root."""
    if isinstance(value, dict):
        return [found for each in value.values() for found in addresses(each)]
    if isinstance(value, list):
        return [found for each in value for found in addresses(each)]
    return [value] if isinstance(value, str) and value.startswith("/") else []


def crawl(get: Callable[[str, dict[str, str]], requests.Response], start: list[str]) -> set[str]:
    """Follow all addresses of pages and of JSON; the paths that were reached."""
    todo, done = list(start), set()
    while todo:
        path = todo.pop()
        if path.partition("#")[0] in done:
            continue
        done.add(path.partition("#")[0])
        for headers in (BROWSER, {"Accept": "application/json"}):
            response = get(path, headers)
            assert response.status_code in (200, 303, 400, 405, 426), (path, response.status_code)
            found = [response.headers[n] for n in ("Location",) if n in response.headers]
            kind = response.headers["Content-Type"].partition(";")[0]
            if kind == "text/html":
                found += map(requests.utils.unquote, ATTRIBUTES.findall(response.text))
            elif kind == "application/json" and "openapi" not in path:
                found += addresses(response.json())
            for each in found:
                each = each.replace("&amp;", "&")
                assert each.startswith(PREFIX + "/"), (path, each)
            todo += [each.replace("&amp;", "&") for each in found]
    return {path.partition("?")[0].removeprefix(PREFIX) for path in done}


@needs_nginx
def test_every_address_in_every_answer(behind: tuple[Server, str]) -> None:
    _, url = behind
    root = url.removesuffix(PREFIX)

    def get(path: str, headers: dict[str, str]) -> requests.Response:
        return requests.get(root + path, headers=headers, allow_redirects=False, timeout=60)

    voice = wav(sounds.voice(2.0))
    sent = []
    for k in range(2):
        file = {"file": (f"{k}.wav", voice)}
        sent.append(requests.post(f"{url}/upload", files=file, timeout=60).json())
    page = requests.post(
        f"{url}/result", files={"file": ("page.wav", voice)}, headers=BROWSER,
        allow_redirects=False, timeout=60,
    )  # fmt: skip
    assert page.headers["Location"].startswith(f"{PREFIX}/results/")
    job = requests.post(f"{url}/jobs", files={"file": ("job.wav", voice)}, timeout=60)
    assert job.headers["Location"] == f"{PREFIX}/jobs/{job.json()['id']}"
    predicted = requests.post(f"{url}/predict", files={"file": ("p.wav", voice)}, timeout=60).json()
    picture = urllib.parse.urljoin(f"{url}/", predicted["visualization"])
    assert requests.get(picture, timeout=60).headers["Content-Type"] == "image/png"
    start = [f"{PREFIX}/", job.headers["Location"], f"{PREFIX}/live", f"{PREFIX}/docs"]
    ids = "&".join(f"id={answer['id']}" for answer in sent)
    compared = [f"{PREFIX}/compare?{ids}"] if get(f"{PREFIX}/compare?{ids}", BROWSER).ok else []
    reached = crawl(get, [*start, *compared, f"{PREFIX}/history?limit=1"])
    patterns = {re.sub(r"[\w-]{20,}", "<id>", path) for path in reached}
    assert {
        "/", "/history", "/history.csv", "/history.json", "/listen", "/live", "/models", "/docs",
        "/openapi.json", "/results/<id>", "/results/<id>.csv", "/results/<id>/delete",
        "/recordings/<id>", "/static/js/main.js", "/static/js/pcm_worklet.js", "/models/info",
    } <= patterns  # fmt: skip
    document = requests.get(f"{url}/openapi.json", timeout=60).json()
    assert document["servers"] == [{"url": PREFIX}]
    assert f"{url}/upload" in requests.get(f"{url}/docs", headers=BROWSER, timeout=60).text


@needs_nginx
def test_live_sessions(behind: tuple[Server, str]) -> None:
    _, url = behind
    with connect(url.replace("http", "ws") + "/live", origin=url.removesuffix(PREFIX)) as session:
        session.send(json.dumps({"type": "hello"}))
        assert json.loads(session.recv(timeout=60))["type"] == "ready"


@needs_nginx
@pytest.mark.skipif(not find_chromium(), reason="Chromium is not here")
def test_a_browser_sends_a_recording(behind: tuple[Server, str], browser: Browser) -> None:
    _, url = behind
    with browser.new_context() as context:
        page: Page = context.new_page()
        failed: list[str] = []
        page.on("response", lambda r: r.status >= 400 and failed.append(f"{r.status} {r.url}"))
        page.on("request", lambda r: PREFIX not in r.url and failed.append(r.url))
        page.goto(f"{url}/")
        clip = {"name": "clip.wav", "mimeType": "audio/wav", "buffer": wav(sounds.voice(2.0))}
        page.locator("input[type=file]").set_input_files(clip)
        submit = page.locator("#recording-form button[type=submit]:visible")
        if submit.count():
            submit.first.click()
        page.wait_for_url(f"{url}/results/*", timeout=60_000)
        expect(page.locator("[data-result]").first).to_be_visible(timeout=60_000)
        page.goto(f"{url}/history")
        page.get_by_role("link", name="Deutsch").click()
        assert page.url.startswith(f"{url}/history")
        assert page.locator("html").get_attribute("lang") == "de"
        real = [each for each in failed if not each.startswith(("data:", "blob:"))]
        assert not real


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Callable[[int], Flask]]:
    apps = []

    def make(proxies: int) -> Flask:
        apps.append(create_app(Settings(data_dir=tmp_path / "data", proxies=proxies)))
        return apps[-1]

    yield make
    for each in apps:
        each.extensions["undertone"].history.close()


def test_what_is_no_path_is_ignored(proxied: Callable[[int], Flask]) -> None:
    client = proxied(1).test_client()
    usual = client.get("/history", headers=BROWSER).text
    for wrong in WRONG:
        headers = {**BROWSER, "X-Forwarded-Prefix": wrong}
        assert client.get("/history", headers=headers).text == usual, wrong
        assert client.get("/live", headers=headers).headers["Location"] == "/listen", wrong
    sent = client.post(
        "/result",
        **upload(wav(sounds.voice(2.0))),
        headers={**BROWSER, "X-Forwarded-Prefix": "//evil.example"},
    )
    assert sent.headers["Location"].startswith("/results/")


@pytest.mark.parametrize("prefix", ["/a", "/a/", "/tools/voice-1", "/~x/y_z.0/"])
def test_paths_are_taken(proxied: Callable[[int], Flask], prefix: str) -> None:
    headers = {**BROWSER, "X-Forwarded-Prefix": prefix}
    response = proxied(1).test_client().get("/live", headers=headers)
    assert response.headers["Location"] == f"{prefix.rstrip('/')}/listen"


def test_only_as_many_proxies_as_there_are(proxied: Callable[[int], Flask]) -> None:
    for proxies, sent, found in (
        (0, "/a", ""), (1, "/evil, /a", "/a"), (2, "/a, /b", "/a"), (2, "/evil", ""),
    ):  # fmt: skip
        headers = {**BROWSER, "X-Forwarded-Prefix": sent}
        response = proxied(proxies).test_client().get("/live", headers=headers)
        assert response.headers["Location"] == f"{found}/listen"
