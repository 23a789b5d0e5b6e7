"""The wire contract of the JSON endpoints: what a client sends, the whole of what it gets."""

import base64
import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import sounds
from tests.conftest import DATASETS, upload, wav
from undertone.prediction import Analysis

PNG = b"\x89PNG\r\n\x1a\n"
SEVEN = {"angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"}


def test_upload(client: FlaskClient, voice_wav: bytes) -> None:
    response = client.post("/upload", **upload(voice_wav))
    assert response.status_code == 200
    body = response.get_json()
    assert set(body["probabilities"]) == SEVEN
    assert sum(body["probabilities"].values()) == pytest.approx(1)
    best = max(body["probabilities"], key=body["probabilities"].get)
    assert body["predicted_emotion"] == best
    assert body["confidence"] == body["probabilities"][best]
    assert body["model"] == "encoder"
    assert body["filename"] == "clip.wav"
    assert body["duration_s"] == pytest.approx(2.0, abs=0.01)
    assert body["segments"] == []
    assert isinstance(body["uncertain"], bool)
    assert body["sentiment"]["label"] in {"negative", "neutral", "positive"}
    prefix, _, chart = body["chart_url"].partition(",")
    assert prefix == "data:image/png;base64"
    assert base64.b64decode(chart, validate=True).startswith(PNG)


def test_a_stored_result_is_the_whole_analysis(app: Flask, voice_wav: bytes) -> None:
    client = app.test_client()
    response = client.post("/result", **upload(voice_wav, labels="6"), follow_redirects=True)
    assert response.headers["Vary"] == "Accept"
    stored = Analysis.from_dict(response.get_json())
    assert stored == app.extensions["undertone"].history.get(stored.id)
    assert len(stored.prediction.probabilities) == 6


@pytest.mark.parametrize(("labels", "count"), [("8", 8), ("7", 7), ("6", 6), ("", 7)])
@pytest.mark.parametrize("where", ["form", "query"])
def test_upload_with_another_label_set(
    client: FlaskClient, voice_wav: bytes, labels: str, count: int, where: str
) -> None:
    if where == "form":
        response = client.post("/upload", **upload(voice_wav, labels=labels))
    else:
        response = client.post(f"/upload?labels={labels}", **upload(voice_wav))
    assert len(response.get_json()["probabilities"]) == count


def test_upload_names_the_model(client: FlaskClient, voice_wav: bytes) -> None:
    response = client.post("/upload", **upload(voice_wav, model="encoder"))
    assert response.get_json()["model"] == "encoder"


def test_upload_of_a_long_recording_has_a_timeline(client: FlaskClient) -> None:
    data = wav(sounds.voice(20.0))
    body = client.post("/upload", **upload(data, "long.wav")).get_json()
    starts = [segment["start_s"] for segment in body["segments"]]
    assert len(starts) >= 4
    assert starts == sorted(starts)
    assert body["segments"][-1]["end_s"] <= 20.5
    for segment in body["segments"]:
        assert sum(segment["prediction"]["probabilities"].values()) == pytest.approx(1)


def test_every_client_gets_its_own_answer_stored(app: Flask, voice_wav: bytes) -> None:
    client = app.test_client()
    first = client.post("/upload", **upload(voice_wav, "same.wav")).get_json()
    second = client.post("/upload", **upload(voice_wav, "same.wav")).get_json()
    assert first["id"] != second["id"]
    assert first["probabilities"] == second["probabilities"]
    history = app.extensions["undertone"].history
    assert history.get(first["id"]).filename == "same.wav"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("<script>alert(1)</script>.wav", "script>.wav"),
        ("głos\u202e.wav", "głos.wav"),
        ("x" * 300 + ".wav", "x" * 200),
    ],
)
def test_file_names_are_only_shown(
    client: FlaskClient, voice_wav: bytes, name: str, shown: str
) -> None:
    assert client.post("/upload", **upload(voice_wav, name)).get_json()["filename"] == shown


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
    assert set(body["classes"]) == SEVEN | {"calm"}
    assert body["n_features"] == 3072
    assert body["trained_on"] == ["crema_d", "ravdess"]
    assert body["feature_type"]
    assert body["scaler"]
    assert [model["name"] for model in body["models"]] == ["encoder"]
    assert json.dumps(body["scores"])


@pytest.mark.skipif(not DATASETS.is_dir(), reason="../shared/datasets is not here")
def test_real_clips_of_every_emotion(client: FlaskClient) -> None:
    for emotion in range(1, 9):
        name = f"03-01-{emotion:02d}-01-01-01-07.flac"
        data = (DATASETS / "ravdess" / "Actor_07" / name).read_bytes()
        response = client.post("/upload", **upload(data, name))
        assert response.status_code == 200
        assert response.get_json()["filename"] == name
