"""The JSON endpoints."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify

from undertone import charts
from undertone.errors import StoreError
from undertone.web import analyse_upload, analyzer

bp = Blueprint("api", __name__)


@bp.post("/upload")
def upload() -> Response:
    """Emotion, probabilities and a chart of a recording in the multipart field ``file``."""
    analysis = analyse_upload()
    prediction = analysis.prediction
    return jsonify(
        {
            "predicted_emotion": prediction.label,
            "confidence": prediction.confidence,
            "probabilities": prediction.probabilities,
            "uncertain": prediction.uncertain,
            "sentiment": prediction.sentiment,
            "model": prediction.model,
            "id": analysis.id,
            "filename": analysis.filename,
            "duration_s": analysis.duration_s,
            "segments": [segment.to_dict() for segment in analysis.segments],
            "chart_url": charts.data_url(charts.bars_and_pie(prediction)),
        }
    )


@bp.get("/models/info")
def models_info() -> Response:
    """The default model, and a list of all."""
    recognizers: dict[str, Any] = dict(analyzer().recognizers)
    infos = {name: _describe(recognizer.info) for name, recognizer in recognizers.items()}
    return jsonify({**infos[analyzer().default_model], "models": list(infos.values())})


@bp.get("/health")
def health() -> tuple[Response, int]:
    """Whether recordings can be analysed now: models loaded, history writable."""
    try:
        analyzer().history.check_writable()
        store = "ok"
    except StoreError as error:
        store = error.message
    healthy = store == "ok" and bool(analyzer().recognizers)
    return jsonify(
        {
            "status": "ok" if healthy else "unavailable",
            "models": sorted(analyzer().recognizers),
            "store": store,
        }
    ), (200 if healthy else 503)


def _describe(info: Any) -> dict[str, Any]:
    """A model in the words of the wire contract, and all that its description holds."""
    return {
        **asdict(info),
        "model_type": info.family,
        "classes": list(info.labels),
        "n_features": info.extractor["n_features"],
        "feature_type": info.extractor["id"],
        "scaler": info.extractor["scaler"],
    }
