"""Analysis of an archive's recordings, the same in any process and on any machine."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from undertone.analysis import Listener, Recognizer
from undertone.batch.archive import Archive
from undertone.emotions import EMOTIONS
from undertone.errors import SetAside, UndertoneError
from undertone.prediction import Analysis

Row = dict[str, Any]
# Cached by name: each task unpickles a `Hearing` of its own, so it cannot hold the model.
_loaded: dict[str, Recognizer] = {}
_loading = threading.Lock()


@dataclass(frozen=True)
class Hearing:
    """Analysis settings; kept small, because they are pickled and sent with each task.

    Attributes
    ----------
    archive : Archive
    open_recognizer : callable
        Takes the name of a model and returns its recogniser.
    model : str
        Name of the model.
    n_labels : {7, 8, 6}
        Size of the set of emotions.
    max_bytes : int
        Size limit in bytes; larger files are refused.
    max_duration_s : float
        Longest duration in seconds; longer recordings are refused.
    """

    archive: Archive
    open_recognizer: Callable[[str], Recognizer]
    model: str
    n_labels: int
    max_bytes: int
    max_duration_s: float

    def hear(self, names: Sequence[str]) -> list[Row]:
        """Analyse files; return one row for each recording or unreadable file."""
        rows = (self._row(name) for name in names)
        return [row for row in rows if row is not None]

    def _recognizer(self) -> Recognizer:
        """Return the model's recogniser, loaded once in each process."""
        with _loading:
            if self.model not in _loaded:
                _loaded[self.model] = self.open_recognizer(self.model)
            return _loaded[self.model]

    def _row(self, name: str) -> Row | None:
        try:
            data = self.archive.read(name, self.max_bytes)
            if data is None:
                return None
            recognizer = self._recognizer()
            listener = Listener({self.model: recognizer}, self.model, self.max_duration_s)
            with data:
                return _heard(name, listener.hear(data, name, self.model, self.n_labels))
        except UndertoneError as error:
            return refused(name, error)
        except Exception as error:  # noqa: BLE001 a fault of ours with one file is no reason to stop
            told = f"Something went wrong here, not with the recording ({error!r})."
            return refused(name, UndertoneError(told))


def _heard(name: str, analysis: Analysis) -> Row:
    prediction = analysis.prediction
    return {
        "path": stored(name),
        "duration_s": analysis.duration_s,
        "speech_s": analysis.speech_s,
        "emotion": prediction.label,
        "confidence": prediction.confidence,
        "uncertain": prediction.uncertain,
        "sentiment": prediction.sentiment["label"],
        "sentiment_score": float(prediction.sentiment["score"]),
        **{f"p_{emotion}": prediction.probabilities.get(emotion) for emotion in EMOTIONS},
        "windows": [
            {
                "start_s": window.start_s,
                "end_s": window.end_s,
                "emotion": window.prediction.label,
                "confidence": window.prediction.confidence,
            }
            for window in analysis.segments
        ],
        "model": prediction.model,
        "model_id": analysis.model_id,
    }


def refused(name: str, error: UndertoneError) -> Row:
    """Return the row of a file with an error."""
    return {"path": stored(name), **error.to_dict()}


def set_aside(name: str) -> Row:
    """Return the row of a file whose analysis killed its worker."""
    told = "Each program that analysed this recording ended. It is set aside; the others go on."
    return refused(name, SetAside(told))


def stored(name: str) -> str:
    """Return a file's name as valid UTF-8, with undecodable bytes escaped."""
    return name.encode("utf-8", "backslashreplace").decode()
