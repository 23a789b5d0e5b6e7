"""What is refused of a request, alike by every call that takes a recording."""

import base64
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import sounds
from tests.conftest import multipart, upload, wav
from tests.test_error_shape import BROWSER, assert_error

WITH_FILE = ["/upload", "/api/predict", "/result"]
WITH_AUDIO = ["/classify_audio", "/classify_audio_both"]
PATHS = [*WITH_FILE, *WITH_AUDIO]


def field_of(path: str) -> str:
    return "audio" if path in WITH_AUDIO else "file"


def sent_to(path: str, data: bytes, **fields: Any) -> dict[str, Any]:
    """Arguments of a test client's `post` as this path takes them."""
    if path == "/record":
        return {"json": {"audio": base64.b64encode(data).decode(), **fields}}
    return upload(data, field=field_of(path), **fields)


UNUSABLE = {
    "not-audio": (415, lambda: b"These are words, not a recording. " * 50),
    "recording-too-short": (422, lambda: wav(sounds.voice(0.1))),
    "recording-silent": (422, lambda: wav(sounds.silence(1.0))),
    "no-speech": (422, lambda: wav(sounds.tone(2.0, 440.0))),
    "file-too-large": (413, lambda: bytes(3_000_000)),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("code", UNUSABLE)
def test_unusable_recordings(client: FlaskClient, path: str, code: str) -> None:
    status, data = UNUSABLE[code]
    assert_error(client.post(path, **sent_to(path, data())), status, code)


def test_the_limit_is_told(client: FlaskClient) -> None:
    for path in ("/upload",):
        response = client.post(path, **sent_to(path, bytes(3_000_000)))
        assert "2 MiB" in response.get_json()["error"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("labels", ["9", "0", "-7", "7.0", "seven", "8;7", "٧"])
def test_unknown_labels(client: FlaskClient, path: str, labels: str) -> None:
    response = client.post(path, query_string={"labels": labels}, **sent_to(path, b"x"))
    assert_error(response, 400, "unknown-labels")
    response = client.post(path, **sent_to(path, b"x", labels=labels))
    assert_error(response, 400, "unknown-labels")


@pytest.mark.parametrize("path", WITH_FILE)
@pytest.mark.parametrize("model", ["../encoder", "none", "encoder\0", "Encoder"])
def test_unknown_model(client: FlaskClient, path: str, model: str) -> None:
    response = client.post(path, **sent_to(path, b"x", model=model))
    assert_error(response, 400, "unknown-model")


@pytest.mark.parametrize("path", WITH_AUDIO)
def test_a_model_that_is_not_installed(
    app: Flask, client: FlaskClient, path: str, voice_wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(app.extensions["undertone"].recognizers, "ensemble")
    stored: list[object] = []
    monkeypatch.setattr(app.extensions["undertone"].history, "add", stored.append)
    response = client.post(path, **sent_to(path, voice_wav))
    assert_error(response, 503, "model-not-installed")
    assert not stored


class TestMultipart:
    """What is refused of a form."""

    @pytest.mark.parametrize("path", [*WITH_FILE, *WITH_AUDIO])
    def test_no_recording(self, client: FlaskClient, path: str) -> None:
        field = field_of(path)
        for request in (
            {},
            {"data": {field: "text"}},
            {"json": {field: "x"}},
            {"data": wav(sounds.voice(0.5)), "content_type": "audio/wav"},
            {"data": {field: "text"}, "content_type": "application/x-www-form-urlencoded"},
            {"data": b"", "content_type": "multipart/form-data"},
            {"data": b"x", "content_type": "multipart/form-data; boundary=other"},
            upload(b"x", field="sound"),
            upload(b"", name="", field=field),  # the page's form with nothing chosen
        ):
            response = client.post(path, **request)
            assert_error(response, 400, "missing-file")
            assert f"multipart/form-data in the field '{field}'" in response.get_json()["error"]

    @pytest.mark.parametrize("path", [*WITH_FILE, *WITH_AUDIO])
    def test_an_empty_file(self, client: FlaskClient, path: str) -> None:
        assert_error(client.post(path, **sent_to(path, b"")), 422, "file-empty")

    @pytest.mark.parametrize("path", [*WITH_FILE, *WITH_AUDIO])
    def test_two_files(self, client: FlaskClient, path: str, voice_wav: bytes) -> None:
        one, content_type = multipart(voice_wav, field=field_of(path))
        both = one.removesuffix(b"--undertone--\r\n") + one
        response = client.post(path, data=both, content_type=content_type)
        assert_error(response, 400, "bad-request")
        assert "2 times" in response.get_json()["error"]

    def test_the_page_says_it_beside_the_form(self, client: FlaskClient, voice_wav: bytes) -> None:
        one, content_type = multipart(voice_wav)
        both = one.removesuffix(b"--undertone--\r\n") + one
        response = client.post("/result", data=both, content_type=content_type, headers=BROWSER)
        assert response.status_code == 400
        page = response.get_data(as_text=True)
        assert "2 times" in page
        assert 'action="/result"' in page

    def test_a_long_text_field_is_no_file(self, client: FlaskClient) -> None:
        response = client.post("/upload", data={"file": "x" * 1_000_000})
        assert_error(response, 400, "missing-file")

    def test_two_models(self, client: FlaskClient) -> None:
        response = client.post("/upload?model=encoder&model=cnn", **upload(b"x"))
        assert_error(response, 400, "bad-request")
        assert "model" in response.get_json()["error"]
