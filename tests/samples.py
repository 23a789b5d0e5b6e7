"""Analyses that were never heard."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from undertone.prediction import Analysis, MelSpectrogram, Prediction, Segment
from undertone.store.database import writing
from undertone.store.history import History
from undertone.store.listing import row
from undertone.store.schema import analyses

START = datetime(2025, 11, 21, 12, 30, tzinfo=UTC)
PREDICTION = Prediction("happy", 0.75, {"sad": 0.25, "happy": 0.75}, "encoder", False)
ANALYSIS = Analysis(
    id="abc",
    created_at=START,
    filename="słowo مرحبا.wav",
    duration_s=12.5,
    speech_s=9.0,
    prediction=PREDICTION,
    segments=(
        Segment(0.0, 6.0, PREDICTION),
        Segment(5.0, 12.5, replace(PREDICTION, label="sad", uncertain=True)),
    ),
    envelope=(0.0, 0.5, 1.0),
    model_id="0123456789ab",
    profile={"pitch_hz": 123.4},
    speech=((0.0, 5.0), (8.5, 12.5)),
    spectrogram=MelSpectrogram(bytes(range(6)), n_mels=2, n_frames=3, frame_s=0.01),
)


def put_many(history: History, n: int) -> None:
    """Store `n` of them at once, without their documents."""
    with writing(history._engine) as connection:
        connection.execute(insert(analyses), [row(analysis(number)) for number in range(n)])


def analysis(
    number: int = 0, *, label: str = "happy", model: str = "encoder", uncertain: bool = False,
    **changes: Any,
) -> Analysis:  # fmt: skip
    """One of many, each an hour after the one before."""
    prediction = replace(PREDICTION, label=label, model=model, uncertain=uncertain)
    standard = {
        "id": f"id{number:04}",
        "created_at": START + timedelta(hours=number),
        "filename": f"clip{number}.wav",
        "prediction": prediction,
    }
    return replace(ANALYSIS, **{**standard, **changes})
