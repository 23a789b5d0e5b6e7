"""The client, against the real server and against servers that do as a test tells them."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from emotion_recognizer import EmotionRecognizer
from tests import sounds
from tests.conftest import wav
from tests.live import Server, running_server
from tests.samples import ANALYSIS
from undertone.analysis import Listener
from undertone.client import Client
from undertone.errors import (
    AnalysisNotFound,
    BadRequest,
    EmptyFile,
    FileTooLarge,
    FileUnusable,
    NoSpeech,
    NotAudio,
    RecordingSilent,
    ServerAnswerUnusable,
    ServerUnreachable,
    StoreError,
    UndertoneError,
    UnknownLabels,
    UnknownModel,
)

OK = (200, {}, json.dumps(ANALYSIS.to_dict()).encode())
BUSY = json.dumps(StoreError("Not now.").to_dict()).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("data")
    with running_server(folder, UNDERTONE_MAX_UPLOAD_MB="1") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(server.url + "/")


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[dict]]]:
    """URL of a server that gives these answers in turn, and the requests it got."""
    requests, left = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests.append({"path": self.path, "body": body, **self.headers})
            status, headers, content = left.pop(0)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", requests
        http.shutdown()


@pytest.mark.parametrize("labels", [None, 8, 6])
def test_a_server_hears_what_this_process_hears(client: Client, labels: int | None) -> None:
    data = wav(sounds.voice(14.0))
    listener = Listener({"encoder": EmotionRecognizer()}, "encoder", max_duration_s=60.0)
    here = listener.hear(data, "clip.wav", n_labels=labels or 7)
    there = client.analyse(data, "clip.wav", labels=labels)
    assert len(there.segments) >= 3
    assert replace(there, id=here.id, created_at=here.created_at) == here


def test_bytes_paths_and_files(client: Client, voice_wav: bytes, tmp_path: Path) -> None:
    path = tmp_path / 'słowo "1".wav'
    path.write_bytes(voice_wav)
    assert client.analyse(voice_wav).filename == "recording"
    assert client.analyse(path).filename == path.name
    assert client.analyse(str(path), "other.wav").filename == "other.wav"
    with path.open("rb") as file:
        assert client.analyse(file, model="encoder").filename == path.name
    assert client.analyse(io.BytesIO(voice_wav)).duration_s == 2.0
    with pytest.raises(FileUnusable, match="No such file"):
        client.analyse(tmp_path / "none.wav")


def test_reports(client: Client, voice_wav: bytes) -> None:
    analysis = client.analyse(voice_wav, "clip.wav")
    for which in (analysis, analysis.id):
        assert client.report(which).startswith(b"%PDF")
    with pytest.raises(AnalysisNotFound):
        client.report("none such?")
    with scripted((200, {}, b"<html>")) as (url, _), pytest.raises(ServerAnswerUnusable):
        Client(url).report("x")


def test_models(client: Client) -> None:
    assert client.models()[0] == "encoder"


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda client: client.analyse(b""), EmptyFile),
        (lambda client: client.analyse(b"words " * 100), NotAudio),
        (lambda client: client.analyse(wav(sounds.silence(1.0))), RecordingSilent),
        (lambda client: client.analyse(wav(sounds.tone(2.0))), NoSpeech),
        (lambda client: client.analyse(bytes(1_500_000)), FileTooLarge),
        (lambda client: client.analyse(bytes(20_000_000)), FileTooLarge),
        (lambda client: client.analyse(b"x", model="none"), UnknownModel),
        (lambda client: client.analyse(b"x", labels=5), UnknownLabels),
    ],
)
def test_an_error_has_the_class_it_has_there(
    client: Client, ask: Callable[[Client], object], error: type[UndertoneError]
) -> None:
    with pytest.raises(error) as raised:
        ask(client)
    assert (raised.value.code, raised.value.status) == (error.code, error.status)
    assert raised.value.message.endswith(".")


def test_an_error_unknown_here_keeps_its_code(client: Client) -> None:
    answer = json.dumps({"error": "Pay first.", "code": "payment-required", "status": 402}).encode()
    with scripted((402, {}, answer)) as (url, _), pytest.raises(UndertoneError) as raised:
        Client(url).analyse(b"x")
    assert raised.value.to_dict() == json.loads(answer)


def test_the_key_is_sent_and_what_later_versions_add_is_ignored() -> None:
    later = {**ANALYSIS.to_dict(), "mood": 1}
    with scripted((200, {}, json.dumps(later).encode())) as (url, requests):
        assert Client(url, key="secret").analyse(b"x") == ANALYSIS
    assert requests[0]["Authorization"] == "Bearer secret"
    assert requests[0]["Accept"] == "application/json"


@pytest.fixture
def slept_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have waited."""
    found: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", found.append)
    return found


def test_it_comes_again_when_the_server_says_so(slept_s: list[float]) -> None:
    later, too_often = (503, {"Retry-After": "3"}, BUSY), (429, {"Retry-After": "9999"}, b"")
    with scripted(later, too_often, OK) as (url, requests):
        assert Client(url).analyse(b"sound") == ANALYSIS
    assert slept_s == [3, 60]
    assert len(requests) == 3
    assert all(b"sound" in request["body"] for request in requests)


def test_it_does_not_come_again_for_ever(slept_s: list[float]) -> None:
    with scripted(*[(503, {"Retry-After": "3"}, BUSY)] * 20) as (url, requests):
        with pytest.raises(StoreError, match="Not now"):
            Client(url).analyse(b"x")
    assert len(requests) == 6
    assert slept_s == [3] * 5


def test_it_does_not_come_again_unasked() -> None:
    with scripted((503, {}, BUSY), OK) as (url, requests), pytest.raises(StoreError):
        Client(url).analyse(b"x")
    assert len(requests) == 1


def test_an_answer_that_does_not_come_is_not_asked_for_twice() -> None:
    class Slow(BaseHTTPRequestHandler):
        n_requests = 0

        def do_POST(self) -> None:
            Slow.n_requests += 1
            self.rfile.read(1)
            released.wait(30)

        def log_message(self, *args: object) -> None:
            pass

    released = Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        client = Client(f"http://127.0.0.1:{http.server_port}", timeout_s=0.2)
        with pytest.raises(ServerUnreachable, match="timed out"):
            client.analyse(b"x")
        released.set()
        http.shutdown()
    assert Slow.n_requests == 1


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"<html>Welcome"),
        (200, {}, b'{"id": "x"}'),
        (200, {}, b"[]"),
        (404, {}, b"<html>Not here"),
        (502, {}, b'{"error": "no code"}'),
        (500, {}, b"[]"),
    ],
)
def test_what_is_no_undertone(answer: tuple[int, dict[str, str], bytes]) -> None:
    with scripted(answer, answer) as (url, _):
        with pytest.raises(ServerAnswerUnusable, match=url):
            Client(url).analyse(b"x")
        with pytest.raises(ServerAnswerUnusable):
            Client(url).models()


def test_a_key_is_not_sent_on_to_others() -> None:
    with scripted(OK) as (other, seen):
        elsewhere = (303, {"Location": f"{other.replace('127.0.0.1', 'localhost')}/x"}, b"")
        with scripted(elsewhere) as (url, _):
            Client(url, key="secret").analyse(b"x")
    assert "Authorization" not in seen[0]


@pytest.mark.parametrize("url", ["", "undertone", "127.0.0.1:5000", "ftp://host", "http://", "//x"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(BadRequest, match="is no address"):
        Client(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nowhere.invalid"])
def test_nobody_there(url: str, slept_s: list[float]) -> None:
    with pytest.raises(ServerUnreachable, match="Is the address right"):
        Client(url).models()
    assert len(slept_s) == 1  # the first time it comes again at once
