"""Conversion of a stored analysis to the response format of each call: keys, names and units."""

import base64
from typing import Any

from undertone.drawing import charts
from undertone.emotions import ADJECTIVES
from undertone.prediction import Analysis
from undertone.recognition.timeline import timeline
from undertone.web.answer_models import (
    AnalyzeAnswer,
    ApiPredictAnswer,
    ClassifyAnswer,
    ClassifyBothAnswer,
    PredictAnswer,
    SegmentAnswer,
    Sentiment,
    TimelineAnswer,
    UploadAnswer,
)
from undertone.web.request import picture, recording_url


def upload(heard: Analysis) -> UploadAnswer:
    """Return emotion, probabilities, windows, a timeline and a chart."""
    line = timeline(heard)
    return UploadAnswer(
        **_of_one_model(heard),
        predicted_emotion=heard.prediction.label,
        confidence=heard.prediction.confidence,
        probabilities=heard.prediction.probabilities,
        segments=[SegmentAnswer.model_validate(segment.to_dict()) for segment in heard.segments],
        timeline=TimelineAnswer.model_validate(line.to_dict()) if line else None,
        chart_url=charts.data_url(picture(heard, "bars-and-pie")),
    )


def predict(heard: Analysis) -> PredictAnswer:
    """Return emotion, probabilities and the path of a picture."""
    return PredictAnswer(
        **_of_one_model(heard),
        emotion=heard.prediction.label,
        confidence=heard.prediction.confidence,
        probabilities=heard.prediction.probabilities,
        audio_file=heard.filename,
        visualization=f"visualizations/{heard.id}.png",
    )


def api_predict(heard: Analysis) -> ApiPredictAnswer:
    """Return emotion and probabilities."""
    return ApiPredictAnswer(
        **_of_one_model(heard),
        emotion=heard.prediction.label,
        confidence=heard.prediction.confidence,
        probabilities=heard.prediction.probabilities,
    )


def analyze(heard: Analysis) -> AnalyzeAnswer:
    """Return percentages of eight emotions and three pictures."""
    return AnalyzeAnswer(
        **_of_one_model(heard),
        success=True,
        emotion=_adjective(heard.prediction.label),
        confidence=100 * heard.prediction.confidence,
        emotion_probs={
            _adjective(name): 100 * p for name, p in heard.prediction.probabilities.items()
        },
        emotion_plot=_base64(picture(heard, "bars")),
        waveform_plot=_base64(picture(heard, "waveform")),
        spectrogram_plot=_base64(picture(heard, "spectrogram")),
        audio_path=recording_url(heard.id),
    )


def classify_audio(heard: Analysis) -> ClassifyAnswer:
    """Return the emotion alone, by the SVM (ensemble) or the CNN."""
    return ClassifyAnswer(
        **_of_one_model(heard),
        audio_emotion=_adjective(heard.prediction.label),
        confidence=heard.prediction.confidence,
        model_used="CNN" if heard.prediction.model == "cnn" else "SVM",
    )


def classify_audio_both(by_svm: Analysis, by_cnn: Analysis) -> ClassifyBothAnswer:
    """Return the emotion alone, by both the SVM (ensemble) and the CNN."""
    return ClassifyBothAnswer(
        filename=by_svm.filename,
        duration_s=by_svm.duration_s,
        svm_id=by_svm.id,
        svm_emotion=_adjective(by_svm.prediction.label),
        svm_confidence=by_svm.prediction.confidence,
        svm_uncertain=by_svm.prediction.uncertain,
        svm_sentiment=Sentiment.model_validate(by_svm.prediction.sentiment),
        cnn_id=by_cnn.id,
        cnn_emotion=_adjective(by_cnn.prediction.label),
        cnn_confidence=by_cnn.prediction.confidence,
        cnn_uncertain=by_cnn.prediction.uncertain,
        cnn_sentiment=Sentiment.model_validate(by_cnn.prediction.sentiment),
    )


def _of_one_model(heard: Analysis) -> dict[str, Any]:
    return {
        "id": heard.id,
        "filename": heard.filename,
        "duration_s": heard.duration_s,
        "model": heard.prediction.model,
        "uncertain": heard.prediction.uncertain,
        "sentiment": heard.prediction.sentiment,
    }


def _adjective(emotion: str) -> str:
    return ADJECTIVES.get(emotion, emotion)


def _base64(png: bytes) -> str:
    return base64.b64encode(png).decode("ascii")
