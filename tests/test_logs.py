"""Each request has an id and a line in the log, and the line tells nothing of anybody."""

import json
import logging
import logging.config
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import upload
from undertone.web.logs import JsonLines, PlainLines, configuration


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.fields for record in caplog.records if hasattr(record, "fields")]


def test_an_id_is_made(client: FlaskClient) -> None:
    ids = [client.get("/health").headers["X-Request-ID"] for _ in range(2)]
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in ids)
    assert ids[0] != ids[1]


@pytest.mark.parametrize("sent", ["abc-123", "a" * 64, "7f/x+y=:z.1_"])
def test_a_sane_id_is_kept(client: FlaskClient, sent: str) -> None:
    response = client.get("/nothing", headers={"X-Request-ID": sent})
    assert response.headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "a" * 65, "a b", "<script>", 'a"b', "é", "a,b", "\x1b[31m"])
def test_another_id_is_not(client: FlaskClient, sent: str) -> None:
    response = client.get("/nothing", headers={"X-Request-ID": sent})
    assert re.fullmatch(r"[0-9a-f]{16}", response.headers["X-Request-ID"])


def test_a_request_is_one_line(
    client: FlaskClient, voice_wav: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "undertone")
    response = client.post("/upload?labels=8", **upload(voice_wav, "my secret name.wav"))
    (line,) = lines(caplog)
    assert line["method"] == "POST"
    assert line["route"] == "/upload"
    assert line["status"] == 200
    assert line["bytes"] > len(voice_wav)
    assert line["duration_ms"] > 0
    assert "secret name" not in caplog.text
    client.get(f"/results/{response.get_json()['id']}")
    assert lines(caplog)[-1]["route"] == "/results/<analysis_id>"
    client.get("/my secret name.wav")
    assert lines(caplog)[-1]["route"] is None
    assert "secret name" not in caplog.text
    assert response.get_json()["id"] not in caplog.text


def test_an_error_is_found_again_by_its_number(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("why it failed")

    monkeypatch.setattr(app.extensions["undertone"], "analyse", fail)
    monkeypatch.setattr(caplog.handler, "formatter", JsonLines())
    response = app.test_client().post("/upload", **upload(b"x"))
    (line,) = [json.loads(each) for each in caplog.text.splitlines()]
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert line["request_id"] in response.get_json()["error"]
    assert line["level"] == "error"
    assert "why it failed" in line["error"]


def record(**more: Any) -> logging.LogRecord:
    made = logging.LogRecord("undertone", logging.INFO, "x.py", 1, "%s", ("é\n",), None)
    made.__dict__.update(more)
    return made


def test_json_is_one_line_with_what_there_is() -> None:
    text = JsonLines().format(record(fields={"status": 200, "key": None}))
    assert "\n" not in text
    document = json.loads(text)
    assert set(document) == {"time", "level", "logger", "message", "status"}
    assert document["message"] == "é\n"
    assert document["status"] == 200


def test_plain() -> None:
    assert re.match(r"\d{4}-\d\d-\d\d .* INFO é", PlainLines().format(record()))


@pytest.mark.parametrize("log_format", ["plain", "json"])
def test_the_configuration_can_be_used(log_format: str) -> None:
    made = logging.config.DictConfigurator(configuration(log_format, debug=False))
    formatter = made.configure_formatter(made.config["formatters"]["undertone"])
    assert "é" in formatter.format(record())
