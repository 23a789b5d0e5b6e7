"""Reference for the benchmark: a plain application of the usual kind.

It works like the existing applications. The upload becomes a file. librosa loads it and computes
means of MFCC, chroma and mel spectrogram. scikit-learn votes, and pyplot draws bars and a pie at
300 dpi. The models are trained on noise; their cost is the same.

    python -m bench.reference PORT
"""

import base64
import io
import sys
import tempfile
from typing import Any

import librosa
import matplotlib as mpl
import numpy as np
from flask import Flask, jsonify, request
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  the backend must be chosen before

EMOTIONS = ["angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised"]
N_FEATURES = 40 + 12 + 128
N_CLIPS = 1440  # as many as RAVDESS has


def features(path: str) -> np.ndarray:
    """Return means over time of MFCC, chroma and mel spectrogram [shape=(180,)]."""
    samples, rate_hz = librosa.load(path, sr=22050)
    spectrum = np.abs(librosa.stft(samples))
    tracks = (
        librosa.feature.mfcc(y=samples, sr=rate_hz, n_mfcc=40),
        librosa.feature.chroma_stft(S=spectrum, sr=rate_hz),
        librosa.feature.melspectrogram(y=samples, sr=rate_hz),
    )
    return np.hstack([track.mean(axis=1) for track in tracks])


def chart(probabilities: dict[str, float]) -> str:
    """Draw bars and a pie; return them as a data URL."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 6))
    left.bar(list(probabilities), list(probabilities.values()))
    left.set_ylabel("Probability")
    left.tick_params(axis="x", rotation=45)
    right.pie(list(probabilities.values()), labels=list(probabilities), autopct="%1.1f%%")
    plt.tight_layout()
    png = io.BytesIO()
    plt.savefig(png, format="png", dpi=300, bbox_inches="tight")
    plt.close(figure)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def create_app() -> Flask:
    """Build the application, with models fitted to noise."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N_CLIPS, N_FEATURES)), rng.choice(EMOTIONS, N_CLIPS)
    members = [
        ("forest", RandomForestClassifier(200, random_state=0)),
        ("svm", SVC(probability=True, random_state=0)),
    ]
    model = make_pipeline(StandardScaler(), VotingClassifier(members, voting="soft")).fit(*rows)
    app = Flask(__name__)

    def answer() -> dict[str, Any]:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            request.files["file"].save(file.name)
            (row,) = model.predict_proba(features(file.name)[np.newaxis])
        probabilities = dict(zip(model.classes_.tolist(), row.tolist(), strict=True))
        label = max(probabilities, key=lambda name: probabilities[name])
        return {"predicted_emotion": label, "probabilities": probabilities}

    @app.post("/upload")
    def upload() -> Any:
        found = answer()
        return jsonify(found | {"chart_url": chart(found["probabilities"])})

    @app.post("/api/predict")
    def predict() -> Any:
        return jsonify(answer())

    return app


if __name__ == "__main__":
    # One at a time: pyplot's state is shared by all threads.
    create_app().run(port=int(sys.argv[1]), threaded=False)
