"""Immutable result types shared by all modules: predictions, segments and analyses."""

import base64
import zlib
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from undertone.emotions import EMOTIONS


@dataclass(frozen=True)
class Prediction:
    """Prediction of a model for one utterance.

    Attributes
    ----------
    label : str
        Most probable emotion.
    confidence : float
        Its calibrated probability, 0 to 1.
    probabilities : dict of str to float
        Probability of each emotion, in the model's order; sums to 1.
    model : str
        Name of the model.
    uncertain : bool
        True if the confidence is below the model's threshold; the label is then a guess.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    model: str
    uncertain: bool

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Emotions and their probabilities, the most probable first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])

    @property
    def sentiment(self) -> dict[str, str | float]:
        """Expected valence, -1 to 1, and the word for it (neutral within 0.2 of zero)."""
        score = sum(p * EMOTIONS[name].valence for name, p in self.probabilities.items())
        label = "positive" if score > 0.2 else "negative" if score < -0.2 else "neutral"
        return {"label": label, "score": round(score, 4)}

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and the sentiment, ready for JSON."""
        return {**asdict(self), "sentiment": self.sentiment}


@dataclass(frozen=True)
class Segment:
    """Stretch of a recording with its prediction; times in seconds from the start."""

    start_s: float
    end_s: float
    prediction: Prediction

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            "start_s": self.start_s,
            "end_s": self.end_s,
            "prediction": self.prediction.to_dict(),
        }


@dataclass(frozen=True)
class MelSpectrogram:
    """Levels of mel bands over time, coarse enough to store and fine enough to draw.

    Attributes
    ----------
    levels : bytes
        Levels as uint8, row by row, lowest band first: 0 is 80 dB under the loudest, 255 the
        loudest.
    n_mels, n_frames : int
        Number of rows and columns.
    frame_s : float
        Seconds from one column to the next.
    """

    levels: bytes
    n_mels: int
    n_frames: int
    frame_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON; levels compressed."""
        packed = base64.b64encode(zlib.compress(self.levels)).decode("ascii")
        return {**asdict(self), "levels": packed}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "MelSpectrogram":
        """Invert `to_dict`."""
        levels = zlib.decompress(base64.b64decode(document["levels"]))
        return cls(**{**document, "levels": levels})


@dataclass(frozen=True)
class Analysis:
    """One analysed recording.

    Attributes
    ----------
    id : str
        Unguessable id (128 random bits), safe in a URL.
    created_at : datetime
        Time of the analysis, in UTC.
    filename : str
        Name given by the client, for display only; never used as a path.
    duration_s : float
        Length of the whole recording, in seconds.
    speech_s : float
        Total length of the speech, in seconds.
    prediction : Prediction
        Prediction for the whole recording.
    segments : tuple of Segment
        Windows of a long recording in order; empty for a short one.
    envelope : tuple of float
        Peaks of the waveform in equal steps, 0 to 1, relative to the loudest.
    model_id : str
        Version of the model (`ModelInfo.id`); empty in old analyses.
    profile : dict of str to float
        Measurements of the voice, by name with unit; values not measurable are absent.
    spectrogram : MelSpectrogram, optional
        Source of pictures after the recording is deleted; None in old analyses.
    speech : tuple of (start_s, end_s)
        Stretches of speech in order; empty in old analyses.
    """

    id: str
    created_at: datetime
    filename: str
    duration_s: float
    speech_s: float
    prediction: Prediction
    segments: tuple[Segment, ...]
    envelope: tuple[float, ...]
    model_id: str = ""
    profile: dict[str, float] = field(default_factory=dict)
    spectrogram: MelSpectrogram | None = None
    speech: tuple[tuple[float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            "id": self.id,
            "created_at": self.created_at.isoformat(),
            "filename": self.filename,
            "duration_s": self.duration_s,
            "speech_s": self.speech_s,
            "prediction": self.prediction.to_dict(),
            "segments": [segment.to_dict() for segment in self.segments],
            "envelope": list(self.envelope),
            "model_id": self.model_id,
            "profile": dict(self.profile),
            "spectrogram": self.spectrogram.to_dict() if self.spectrogram else None,
            "speech": [list(stretch) for stretch in self.speech],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Analysis":
        """Invert `to_dict`; fields added by later versions are ignored."""

        def prediction(document: dict[str, Any]) -> Prediction:
            return Prediction(**_known(Prediction, document))

        spectrogram = document.get("spectrogram")
        return cls(
            **{
                **_known(cls, document),
                "created_at": datetime.fromisoformat(document["created_at"]),
                "prediction": prediction(document["prediction"]),
                "segments": tuple(
                    Segment(s["start_s"], s["end_s"], prediction(s["prediction"]))
                    for s in document["segments"]
                ),
                "envelope": tuple(document["envelope"]),
                "spectrogram": spectrogram and MelSpectrogram.from_dict(spectrogram),
                "speech": tuple((start, end) for start, end in document.get("speech", ())),
            }
        )


def percent(probability: float) -> str:
    """Format a probability for display: nothing is certain, nothing impossible.

    Examples
    --------
    >>> percent(0.999), percent(0.873)
    ('> 99 %', '87 %')
    """
    if probability > 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.005 else f"{100 * probability:.0f} %"


def _known(kind: type, document: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a document known as fields of a dataclass."""
    return {item.name: document[item.name] for item in fields(kind) if item.name in document}
