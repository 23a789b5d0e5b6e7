"""What the server says of itself and of what it has stored."""

from dataclasses import fields

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import sounds
from tests.conftest import upload, wav
from undertone.emotions import EMOTIONS
from undertone.prediction import Analysis
from undertone.recognition.model_store import ModelInfo, installed_models, load_info
from undertone.recognition.timeline import timeline


def test_a_stored_result_is_the_whole_analysis(app: Flask, voice_wav: bytes) -> None:
    client = app.test_client()
    response = client.post("/result", **upload(voice_wav, labels="6"), follow_redirects=True)
    assert response.headers["Vary"] == "Accept"
    stored = Analysis.from_dict(response.get_json())
    assert stored == app.extensions["undertone"].history.get(stored.id)
    assert len(stored.prediction.probabilities) == 6
    assert response.get_json()["timeline"] is None


def test_a_long_result_has_its_timeline(app: Flask) -> None:
    response = app.test_client().post(
        "/result", **upload(wav(sounds.voice(16.0))), follow_redirects=True
    )
    stored = Analysis.from_dict(response.get_json())
    line = timeline(stored)
    assert line is not None
    assert response.get_json()["timeline"] == app.json.loads(app.json.dumps(line.to_dict()))
    assert line.steps[0].start_s == stored.speech[0][0]
    assert sum(step.speech_s for step in line.steps) == pytest.approx(stored.speech_s)


def test_health(client: FlaskClient) -> None:
    response = client.get("/health")
    assert response.status_code == 200
    assert response.get_json() == {
        "status": "ok", "models": installed_models(), "store": "ok", "decoders": "ok",
        "stopping": False,
    }  # fmt: skip


def test_health_when_the_store_is_gone(app: Flask) -> None:
    history = app.extensions["undertone"].history
    history.close()
    database = app.config["SETTINGS"].data_dir / "undertone.sqlite3"
    for path in database.parent.iterdir():
        path.unlink()
    database.mkdir()
    response = app.test_client().get("/health")
    assert response.status_code == 503
    assert response.get_json()["status"] == "unavailable"


def test_models_info(client: FlaskClient) -> None:
    body = client.get("/models/info").get_json()
    told = {field.name for field in fields(ModelInfo)}
    contract = {"model_type", "classes", "n_features", "trained_on", "feature_type", "scaler"}
    assert set(body) == told | contract | {"models"}
    assert [model["name"] for model in body["models"]] == installed_models()
    for model in body["models"]:
        assert set(model) == told | contract
    (default,) = (model for model in body["models"] if model["name"] == body["name"])
    assert default == {name: body[name] for name in default}
    assert body["name"] == body["model_type"] == "encoder"
    assert set(body["classes"]) == set(EMOTIONS)
    assert body["classes"] == body["labels"]
    assert body["n_features"] == load_info("encoder").extractor["n_features"]
    assert body["trained_on"] == list(load_info("encoder").trained_on)
    assert all(isinstance(body[name], str) and body[name] for name in ("feature_type", "scaler"))
    assert set(body["uncertain_below"]) == {"6", "7", "8"}
    assert all(0 < threshold < 1 for threshold in body["uncertain_below"].values())
    for measured in body["scores"].values():
        assert 1 / 8 < measured["uar"] <= 1
