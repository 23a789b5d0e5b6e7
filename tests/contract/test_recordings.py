"""The calls that take a recording: what an existing client sends, the whole of what it gets."""

import base64
import io
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests import sounds
from tests.conftest import DATASETS, multipart, upload, wav
from undertone.drawing import charts

SEVEN = {"angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"}
EIGHT_ADJECTIVES = {
    "angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised"
}  # fmt: skip
ID = r"[\w-]{22}"
COMMON = {"id", "filename", "duration_s", "model", "uncertain", "sentiment"}


def answer(client: FlaskClient, path: str, **request: Any) -> dict[str, Any]:
    response = client.post(path, **request)
    assert response.status_code == 200, response.get_data(as_text=True)
    assert response.mimetype == "application/json"
    return response.get_json()


def data_url(data: bytes, media_type: str = "audio/wav") -> dict[str, Any]:
    return {"json": {"audio": f"data:{media_type};base64,{base64.b64encode(data).decode()}"}}


def assert_common(body: dict[str, Any], keys: set[str], filename: str = "clip.wav") -> None:
    assert set(body) == COMMON | keys
    assert re.fullmatch(ID, body["id"])
    assert body["filename"] == filename
    assert body["duration_s"] == pytest.approx(2.0, abs=0.13)  # codecs pad
    assert_sentiment(body["sentiment"])
    assert isinstance(body["uncertain"], bool)


def assert_sentiment(sentiment: dict[str, Any]) -> None:
    assert set(sentiment) == {"label", "score"}
    assert -1 <= sentiment["score"] <= 1
    limits = {"negative": (-1, -0.2), "neutral": (-0.2, 0.2), "positive": (0.2, 1)}
    low, high = limits[sentiment["label"]]
    assert low <= sentiment["score"] <= high


def assert_probabilities(shares: dict[str, float], names: set[str], whole: float = 1.0) -> None:
    assert set(shares) == names
    assert all(0 <= share <= whole for share in shares.values())
    assert sum(shares.values()) == pytest.approx(whole)


def png_size(text: str) -> tuple[int, int]:
    """Of a whole picture in base64, in the pixels of the page: it is drawn with twice as many."""
    picture = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
    picture.load()
    assert picture.format == "PNG"
    return picture.width // 2, picture.height // 2


def size_of(kind: str) -> tuple[int, int]:
    return charts.PICTURES[kind].width, charts.PICTURES[kind].height


# --- one call after the other ---------------------------------------------------------------


def test_upload(client: FlaskClient, voice_wav: bytes) -> None:
    body = answer(client, "/upload", **upload(voice_wav))
    keys = {
        "predicted_emotion", "confidence", "probabilities", "segments", "timeline", "chart_url"
    }  # fmt: skip
    assert_common(body, keys)
    assert_probabilities(body["probabilities"], SEVEN)
    assert body["predicted_emotion"] == max(SEVEN, key=body["probabilities"].get)
    assert body["confidence"] == body["probabilities"][body["predicted_emotion"]]
    assert body["segments"] == []
    assert body["timeline"] is None
    prefix, _, chart = body["chart_url"].partition(",")
    assert prefix == "data:image/png;base64"
    assert png_size(chart) == size_of("bars-and-pie")


def test_upload_of_a_long_recording(client: FlaskClient) -> None:
    body = answer(client, "/upload", **upload(wav(sounds.voice(16.0))))
    assert len(body["segments"]) >= 3
    for segment in body["segments"]:
        assert set(segment) == {"start_s", "end_s", "prediction"}
        assert 0 <= segment["start_s"] < segment["end_s"] <= 16.5
        heard = segment["prediction"]
        assert set(heard) == {
            "label", "confidence", "probabilities", "model", "uncertain", "sentiment"
        }  # fmt: skip
        assert_probabilities(heard["probabilities"], SEVEN)
        assert heard["confidence"] == heard["probabilities"][heard["label"]]
        assert_sentiment(heard["sentiment"])
    line = body["timeline"]
    assert len(line["steps"]) == len(body["segments"])
    assert line["passages"][0]["start_s"] == line["steps"][0]["start_s"]
    assert sum(line["shares"].values()) == pytest.approx(1)


def test_predict(client: FlaskClient, voice_wav: bytes) -> None:
    body = answer(client, "/predict", **upload(voice_wav))
    assert_predict(client, body, "clip.wav")


def assert_predict(client: FlaskClient, body: dict[str, Any], filename: str) -> None:
    keys = {"emotion", "confidence", "probabilities", "audio_file", "visualization"}
    assert_common(body, keys, filename)
    assert_probabilities(body["probabilities"], SEVEN)
    assert body["emotion"] == max(SEVEN, key=body["probabilities"].get)
    assert body["confidence"] == body["probabilities"][body["emotion"]]
    assert body["audio_file"] == filename
    assert body["visualization"] == f"visualizations/{body['id']}.png"
    for prefix in ("/", "/static/"):
        picture = client.get(prefix + body["visualization"])
        assert picture.status_code == 200
        assert picture.mimetype == "image/png"
        assert png_size(base64.b64encode(picture.data).decode()) == size_of("overview")


def test_api_predict(client: FlaskClient, voice_wav: bytes) -> None:
    body = answer(client, "/api/predict", **upload(voice_wav))
    assert_common(body, {"emotion", "confidence", "probabilities"})
    assert_probabilities(body["probabilities"], SEVEN)
    assert body["emotion"] == max(SEVEN, key=body["probabilities"].get)
    assert body["confidence"] == body["probabilities"][body["emotion"]]


RECORDED = {
    "wav": ("audio/wav", lambda voice: wav(voice)),
    "webm": ("audio/webm;codecs=opus", lambda v: sounds.webm_as_chrome(v.repeat(3), 48_000)),
    "mp4": ("audio/mp4", lambda v: sounds.mp4_as_safari(v, sounds.SAMPLE_RATE)),
    "ogg": ("", lambda v: sounds.with_soundfile(v, sounds.SAMPLE_RATE, "OGG", "VORBIS")),
    "mp3": ("text/html", lambda v: sounds.with_soundfile(v, sounds.SAMPLE_RATE, "MP3")),
    "flac": ("audio/wav", lambda v: sounds.with_soundfile(v, sounds.SAMPLE_RATE, "FLAC")),
}


@pytest.mark.parametrize("extension", RECORDED)
def test_record(client: FlaskClient, extension: str) -> None:
    """What a data URL says of its type does not matter."""
    media_type, encode = RECORDED[extension]
    body = answer(client, "/record", **data_url(encode(sounds.voice(2.0)), media_type))
    assert re.fullmatch(rf"recording_\d{{8}}_\d{{6}}\.{extension}", body["audio_file"])
    assert_predict(client, body, body["audio_file"])


@pytest.mark.parametrize("lines", [False, True])
def test_record_takes_bare_base64(client: FlaskClient, voice_wav: bytes, lines: bool) -> None:
    encoded = (base64.encodebytes if lines else base64.b64encode)(voice_wav).decode()
    body = answer(client, "/record", json={"audio": encoded})
    assert_predict(client, body, body["audio_file"])
    assert body["audio_file"].endswith(".wav")


def test_analyze(client: FlaskClient, voice_wav: bytes) -> None:
    body = answer(client, "/analyze", **upload(voice_wav))
    plots = {
        "emotion_plot": size_of("bars"),
        "waveform_plot": size_of("waveform"),
        "spectrogram_plot": size_of("spectrogram"),
    }
    keys = {"success", "emotion", "confidence", "emotion_probs", "audio_path", *plots}
    assert_common(body, keys)
    assert body["success"] is True
    assert_probabilities(body["emotion_probs"], EIGHT_ADJECTIVES, 100.0)
    assert body["emotion"] == max(EIGHT_ADJECTIVES, key=body["emotion_probs"].get)
    assert body["confidence"] == body["emotion_probs"][body["emotion"]]
    assert body["audio_path"] is None
    assert {name: png_size(body[name]) for name in plots} == plots


@pytest.mark.parametrize(
    ("model_type", "model", "model_used"),
    [
        ("svm", "ensemble", "SVM"),
        ("cnn", "cnn", "CNN"),
        ("CNN", "ensemble", "SVM"),
        ("", "ensemble", "SVM"),
        (None, "ensemble", "SVM"),
    ],
)
def test_classify_audio(
    client: FlaskClient, voice_wav: bytes, model_type: str | None, model: str, model_used: str
) -> None:
    fields = {} if model_type is None else {"model_type": model_type}
    body = answer(client, "/classify_audio", **upload(voice_wav, field="audio", **fields))
    assert_common(body, {"audio_emotion", "confidence", "model_used"})
    assert body["audio_emotion"] in EIGHT_ADJECTIVES
    assert 1 / 8 <= body["confidence"] <= 1
    assert body["model"] == model
    assert body["model_used"] == model_used


def test_classify_audio_both(client: FlaskClient, voice_wav: bytes) -> None:
    body = answer(client, "/classify_audio_both", **upload(voice_wav, field="audio"))
    of_one = {"id", "emotion", "confidence", "uncertain", "sentiment"}
    assert set(body) == {"filename", "duration_s"} | {
        f"{which}_{key}" for which in ("svm", "cnn") for key in of_one
    }
    for which in ("svm", "cnn"):
        alone = answer(
            client, "/classify_audio", **upload(voice_wav, field="audio", model_type=which)
        )
        assert body[f"{which}_emotion"] == alone["audio_emotion"]
        for key in of_one - {"id", "emotion"}:
            assert body[f"{which}_{key}"] == alone[key]
        assert re.fullmatch(ID, body[f"{which}_id"])


# --- all of them ----------------------------------------------------------------------------


def test_the_same_recording_gets_the_same_answer_everywhere(
    client: FlaskClient, voice_wav: bytes
) -> None:
    eight = {"labels": "8", "model": "ensemble"}
    uploaded = answer(client, "/upload", **upload(voice_wav, **eight))
    expected = uploaded["probabilities"]
    for path in ("/predict", "/api/predict"):
        body = answer(client, path, **upload(voice_wav, **eight))
        assert body["probabilities"] == expected
        assert body["emotion"] == uploaded["predicted_emotion"]
    recorded = data_url(voice_wav)
    recorded["json"] |= {"labels": 8, "model": "ensemble"}
    assert answer(client, "/record", **recorded)["probabilities"] == expected
    analyzed = answer(client, "/analyze", **upload(voice_wav, model="ensemble"))
    adjectives = {"fear": "fearful", "surprise": "surprised"}
    for name, share in expected.items():
        percent = analyzed["emotion_probs"][adjectives.get(name, name)]
        assert percent == pytest.approx(100 * share)
    classified = answer(client, "/classify_audio", **upload(voice_wav, field="audio"))
    for body in (analyzed, classified):
        assert body["sentiment"] == uploaded["sentiment"]
        assert body["uncertain"] == uploaded["uncertain"]
    assert classified["confidence"] == uploaded["confidence"]


@pytest.mark.parametrize("path", ["/predict", "/api/predict", "/analyze"])
@pytest.mark.parametrize("where", ["form", "query"])
def test_emotions_and_model_can_be_chosen(
    client: FlaskClient, voice_wav: bytes, path: str, where: str
) -> None:
    chosen = {"labels": "6", "model": "cnn"}
    if where == "form":
        body = answer(client, path, **upload(voice_wav, **chosen))
    else:
        body = answer(client, path, query_string=chosen, **upload(voice_wav))
    assert body["model"] == "cnn"
    assert len(body.get("probabilities") or body["emotion_probs"]) == 6


def test_the_address_counts_before_the_body(client: FlaskClient, voice_wav: bytes) -> None:
    body = answer(client, "/api/predict?labels=6", **upload(voice_wav, labels="8"))
    assert len(body["probabilities"]) == 6


def test_unknown_fields_are_ignored(client: FlaskClient, voice_wav: bytes) -> None:
    answer(client, "/api/predict?x=1", **upload(voice_wav, user="me", note="", file2="x"))
    extended = data_url(voice_wav)
    extended["json"] |= {"user": {"name": "me"}, "note": None}
    answer(client, "/record", **extended)


def test_a_recording_without_a_name(client: FlaskClient, voice_wav: bytes) -> None:
    body = answer(client, "/api/predict", **upload(voice_wav, name=""))
    assert body["filename"] == "recording"


def test_a_file_as_large_as_allowed(client: FlaskClient) -> None:
    limit = 2 * 1024 * 1024
    voice = wav(sounds.voice(2.0))
    largest = voice + bytes(limit - len(voice))
    answer(client, "/api/predict", **upload(largest))
    answer(client, "/record", **data_url(largest))
    for path, request in (
        ("/api/predict", upload(largest + b"\0")),
        ("/record", data_url(largest + b"\0")),
    ):
        response = client.post(path, **request)
        assert response.status_code == 413
        assert response.get_json()["code"] == "file-too-large"


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
    assert answer(client, "/api/predict", **upload(voice_wav, name))["filename"] == shown


def test_every_client_gets_its_own_answer_stored(
    app: Flask, client: FlaskClient, voice_wav: bytes
) -> None:
    first, second = (answer(client, "/upload", **upload(voice_wav, "same.wav")) for _ in range(2))
    assert first["id"] != second["id"]
    assert first["probabilities"] == second["probabilities"]
    assert app.extensions["undertone"].history.get(first["id"]).filename == "same.wav"


@pytest.mark.skipif(not DATASETS.is_dir(), reason="../shared/datasets is not here")
def test_real_clips_of_every_emotion(client: FlaskClient) -> None:
    for emotion in range(1, 9):
        name = f"03-01-{emotion:02d}-01-01-01-07.flac"
        data = (DATASETS / "ravdess" / "Actor_07" / name).read_bytes()
        assert answer(client, "/upload", **upload(data, name))["filename"] == name


def test_multipart_as_curl_sends_it(client: FlaskClient, voice_wav: bytes) -> None:
    body, content_type = multipart(voice_wav, "clip.wav")
    body = body.replace(b"application/octet-stream", b"audio/wav")
    answered = client.post("/upload", data=body, headers={"Content-Type": content_type,
                                                          "Expect": "100-continue"})  # fmt: skip
    assert answered.status_code == 200
