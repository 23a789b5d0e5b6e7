"""Results and a job in every label, stored without analysing anything."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.samples import START, analysis
from undertone.emotions import EMOTIONS
from undertone.errors import UndertoneError
from undertone.jobs.claims import Claims
from undertone.jobs.store import Jobs, Limits, NewItem
from undertone.prediction import Prediction, Segment
from undertone.store.database import writing
from undertone.store.history import History

LABELS = tuple(EMOTIONS)
JOB = "seeded-job"


def prediction(label: str, confidence: float = 0.995, *, uncertain: bool = False) -> Prediction:
    """A prediction over all eight emotions, led by `label`."""
    rest = (1 - confidence) / (len(LABELS) - 1)
    shares = {name: confidence if name == label else rest for name in LABELS}
    return Prediction(label, confidence, shares, "encoder", uncertain)


def fill(data_dir: Path, errors: tuple[UndertoneError, ...] = ()) -> None:
    """Store results and a finished job in the database of `data_dir`.

    Parameters
    ----------
    data_dir : Path
        Where the server will look for it.
    errors : tuple of UndertoneError, optional
        One failed item of the job for each.
    """
    history = History(f"sqlite:///{data_dir}/undertone.sqlite3")
    for number, label in enumerate(LABELS):
        history.add(_short(number, label))
        history.add(_long(number, label))
    jobs = Jobs(history.engine, Limits(100, 10**9))
    claims = Claims(history.engine, timedelta(seconds=60), 3)
    items = [NewItem(number, f"take {number}.wav", 1000) for number in range(1, 1 + len(LABELS))]
    failed = [
        NewItem(100 + number, f"bad {number}.wav", 1000, error.to_dict())
        for number, error in enumerate(errors)
    ]
    jobs.add(JOB, [*items, *failed], "encoder", 8)
    while claim := claims.take():
        with writing(history.engine) as connection:
            claims.finish(claim, connection, f"short-{LABELS[claim.number - 1]}")
    history.close()


def _short(number: int, label: str):
    return replace(
        analysis(number), id=f"short-{label}", filename=f"{label}.wav", duration_s=2.5,
        prediction=prediction(label), segments=(), speech=((0.0, 2.5),), envelope=(0.2, 0.9) * 40,
        profile={"pitch_hz": 123.4, "pitch_range_st": 5.0, "loudness_lufs": -20.0},
    )  # fmt: skip


def _long(number: int, label: str):
    """Four passages that alternate between the label and the two that follow it."""
    following = [LABELS[(number + step) % len(LABELS)] for step in range(3)]
    segments = tuple(
        Segment(3.0 * place, 3.0 * place + 4.0, prediction(following[place // 6 % 3], 0.9))
        for place in range(24)
    )
    return replace(
        analysis(100 + number), id=f"long-{label}", filename=f"{label} " * 6 + ".wav",
        created_at=START + timedelta(days=number), duration_s=75.0, speech_s=73.0,
        prediction=prediction(label, 0.4, uncertain=True), segments=segments,
        speech=((0.0, 73.0),), envelope=(0.2, 0.9) * 100,
    )  # fmt: skip
