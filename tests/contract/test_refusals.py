"""What is refused of a request, alike by every call that takes a recording."""

import base64
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import sounds
from tests.conftest import multipart, upload, wav
from tests.test_error_shape import assert_error

WITH_FILE = ["/upload", "/predict", "/api/predict", "/analyze", "/result"]
WITH_AUDIO = ["/classify_audio", "/classify_audio_both"]
PATHS = [*WITH_FILE, *WITH_AUDIO, "/record"]


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
    for path in ("/upload", "/record"):
        response = client.post(path, **sent_to(path, bytes(3_000_000)))
        assert "2 MiB" in response.get_json()["error"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("labels", ["9", "0", "-7", "7.0", "seven", "8;7", "٧"])
def test_unknown_labels(client: FlaskClient, path: str, labels: str) -> None:
    response = client.post(path, query_string={"labels": labels}, **sent_to(path, b"x"))
    assert_error(response, 400, "unknown-labels")
    response = client.post(path, **sent_to(path, b"x", labels=labels))
    assert_error(response, 400, "unknown-labels")


@pytest.mark.parametrize("path", [*WITH_FILE, "/record"])
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

    def test_a_long_text_field_is_no_file(self, client: FlaskClient) -> None:
        response = client.post("/upload", data={"file": "x" * 60_000})
        assert_error(response, 400, "missing-file")
        response = client.post("/upload", data={"file": "x" * 1_000_000})
        assert_error(response, 413, "request-too-large")

    def test_two_models(self, client: FlaskClient) -> None:
        response = client.post("/upload?model=encoder&model=cnn", **upload(b"x"))
        assert_error(response, 400, "bad-request")
        assert "model" in response.get_json()["error"]


class TestJson:
    """What is refused of ``/record``."""

    @pytest.mark.parametrize(
        "body", ["", "{", "{'audio': ''}", "\xff", "[" * 100_000, '{"a":' * 9000]
    )
    def test_no_json(self, client: FlaskClient, body: str) -> None:
        response = client.post("/record", data=body, content_type="application/json")
        assert_error(response, 400, "not-json")

    def test_bytes_that_are_no_text(self, client: FlaskClient) -> None:
        response = client.post("/record", data=b"\xff\xfe\x00", content_type="application/json")
        assert_error(response, 400, "not-json")

    @pytest.mark.parametrize("content_type", ["text/plain", "audio/wav", ""])
    def test_another_type(self, client: FlaskClient, content_type: str) -> None:
        response = client.post("/record", data='{"audio": "x"}', content_type=content_type)
        assert_error(response, 400, "not-json")
        assert "application/json" in response.get_json()["error"]

    @pytest.mark.parametrize("body", [[], None, "data:audio/wav;base64,", 5, {}, {"audio": ""},
                                      {"audio": None}, {"Audio": "x"}])  # fmt: skip
    def test_no_recording(self, client: FlaskClient, body: object) -> None:
        response = client.post("/record", data=json.dumps(body), content_type="application/json")
        assert_error(response, 400, "missing-file")
        assert "data:audio/wav;base64," in response.get_json()["error"]

    @pytest.mark.parametrize("content_type", ["multipart", "urlencoded"])
    def test_a_form(self, client: FlaskClient, content_type: str, voice_wav: bytes) -> None:
        request = upload(voice_wav) if content_type == "multipart" else {"data": {"audio": "x"}}
        response = client.post("/record", **request)
        assert_error(response, 400, "missing-file")
        assert "application/json" in response.get_json()["error"]

    @pytest.mark.parametrize("audio", [1, 1.5, True, ["x"], {"a": "x"}])
    def test_audio_that_is_no_text(self, client: FlaskClient, audio: object) -> None:
        response = client.post("/record", json={"audio": audio})
        assert_error(response, 400, "bad-request")
        assert response.get_json()["error"].startswith("audio ")

    @pytest.mark.parametrize(
        "audio",
        [
            "not base64!",
            "UklG*",
            "UklGR",
            "data:audio/wav,UklG",
            "data:audio/wav;base64",
            "data:audio/wav;base64,data:audio/wav;base64,UklG",
            "żółć",
            "\x00\x01",
            "data:" + "x" * 500 + ";base64,UklG",
        ],
    )
    def test_no_base64(self, client: FlaskClient, audio: str) -> None:
        assert_error(client.post("/record", json={"audio": audio}), 400, "not-base64")

    def test_base64_of_nothing(self, client: FlaskClient) -> None:
        response = client.post("/record", json={"audio": "data:audio/wav;base64,"})
        assert_error(response, 422, "file-empty")

    def test_too_much_is_refused_before_it_is_decoded(
        self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(base64, "b64decode", lambda *_, **__: pytest.fail("was decoded"))
        body = b'{"audio": "' + b"A" * 2_900_000 + b'"}'
        response = client.post("/record", data=body, content_type="application/json")
        assert_error(response, 413, "file-too-large")
