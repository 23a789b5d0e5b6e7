"""One error shape for every path and method, and a page for those who ask for HTML."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from tests import sounds
from tests.conftest import upload, wav
from undertone.errors import ModelError, UnknownModel
from undertone.settings import Settings

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def assert_error(response: TestResponse, status: int, code: str) -> None:
    assert response.status_code == status
    body = response.get_json()
    assert set(body) == {"error", "code", "status"}
    assert body["status"] == status
    assert body["code"] == code
    assert isinstance(body["error"], str)
    assert body["error"].endswith((".", "!", "?"))
    assert "Traceback" not in body["error"]


@pytest.mark.parametrize("path", ["/nothing", "/upload/x", "/static/none.js", "/results"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_unknown_path(client: FlaskClient, path: str, method: str) -> None:
    response = client.open(path, method=method)
    if path.startswith("/static/") and method != "GET":
        assert_error(response, 405, "method-not-allowed")
    else:
        assert_error(response, 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/upload"), ("DELETE", "/upload"), ("POST", "/health"), ("PUT", "/models/info"),
     ("GET", "/result"), ("POST", "/"), ("POST", "/results/abc")],
)  # fmt: skip
def test_wrong_method(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path, method=method)
    assert_error(response, 405, "method-not-allowed")
    assert response.headers["Allow"]


def test_unknown_result(client: FlaskClient) -> None:
    assert_error(client.get("/results/abc"), 404, "analysis-not-found")


def test_too_long(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, max_duration_s=1.5))
    response = app.test_client().post("/upload", **upload(wav(sounds.voice(2))))
    assert_error(response, 413, "recording-too-long")
    app.extensions["undertone"].history.close()


def test_an_unknown_exception_tells_its_number_only(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret path /etc/x")

    monkeypatch.setattr(app.extensions["undertone"], "analyse", fail)
    response = app.test_client().post("/upload", **upload(b"x"))
    assert_error(response, 500, "internal-error")
    assert "secret" not in response.get_data(as_text=True)
    assert "secret path" in caplog.text


def test_a_store_that_fails_is_a_503(app: Flask, voice_wav: bytes) -> None:
    app.extensions["undertone"].history._engine.execution_options(isolation_level="AUTOCOMMIT")
    with app.extensions["undertone"].history._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE analyses")
    response = app.test_client().post("/upload", **upload(voice_wav))
    assert_error(response, 503, "store-unavailable")


@pytest.mark.parametrize("path", ["/nothing", "/results/abc"])
def test_a_browser_gets_a_page(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers=BROWSER)
    assert response.status_code == 404
    assert response.mimetype == "text/html"
    assert "<h1" in response.get_data(as_text=True)


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, */*"])
def test_a_program_gets_json(client: FlaskClient, accept: str | None) -> None:
    headers = {"Accept": accept} if accept else {}
    assert_error(client.get("/nothing", headers=headers), 404, "not-found")


def test_the_form_shows_the_error_with_its_status(client: FlaskClient) -> None:
    for data, status in ((b"words", 415), (b"0" * 3_000_000, 413)):
        response = client.post("/result", **upload(data, "words.wav"), headers=BROWSER)
        assert response.status_code == status
        page = response.get_data(as_text=True)
        assert 'role="alert"' in page
        assert 'action="/result"' in page


def test_a_model_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="nonesuch"):
        create_app(Settings(data_dir=tmp_path, model="nonesuch"))


def test_model_errors_are_undertones(tmp_path: Path) -> None:
    assert ModelError("x").to_dict() == {"error": "x", "code": "model-unusable", "status": 500}
