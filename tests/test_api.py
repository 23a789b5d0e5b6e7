"""What the server says of itself and of what it has stored."""

import json

from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import upload
from undertone.emotions import EMOTIONS
from undertone.prediction import Analysis


def test_a_stored_result_is_the_whole_analysis(app: Flask, voice_wav: bytes) -> None:
    client = app.test_client()
    response = client.post("/result", **upload(voice_wav, labels="6"), follow_redirects=True)
    assert response.headers["Vary"] == "Accept"
    stored = Analysis.from_dict(response.get_json())
    assert stored == app.extensions["undertone"].history.get(stored.id)
    assert len(stored.prediction.probabilities) == 6


def test_health(client: FlaskClient) -> None:
    response = client.get("/health")
    assert response.status_code == 200
    assert response.get_json() == {"status": "ok", "models": ["encoder"], "store": "ok"}


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
    assert body["model_type"] == "encoder"
    assert set(body["classes"]) == set(EMOTIONS)
    assert body["n_features"] == 3072
    assert body["trained_on"] == ["crema_d", "ravdess"]
    assert body["feature_type"]
    assert body["scaler"]
    assert [model["name"] for model in body["models"]] == ["encoder"]
    assert json.dumps(body["scores"])
