"""What is done with each recording of an archive, in whichever process and on whichever machine."""

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
# By name, because what travels with the work is another object each time.
_loaded: dict[str, Recognizer] = {}
_loading = threading.Lock()


@dataclass(frozen=True)
class Hearing:
    """How recordings are heard; small, because it travels with the work.

    Attributes
    ----------
    archive : Archive
    open_recognizer : callable
        From the name of a model to its recogniser.
    model : str
    n_labels : {7, 8, 6}
    max_bytes : int
        Larger files are refused.
    max_duration_s : float
        Longer recordings are refused.
    """

    archive: Archive
    open_recognizer: Callable[[str], Recognizer]
    model: str
    n_labels: int
    max_bytes: int
    max_duration_s: float

    def hear(self, names: Sequence[str]) -> list[Row]:
        """A row for each of these files that is a recording, or that cannot be read."""
        rows = (self._row(name) for name in names)
        return [row for row in rows if row is not None]

    def _recognizer(self) -> Recognizer:
        """One for each process, however many recordings it hears."""
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
    """What is told of a file from which nothing was heard."""
    return {"path": stored(name), **error.to_dict()}


def set_aside(name: str) -> Row:
    """What is told of a file whose analysis ended the program that did it."""
    told = "Each program that analysed this recording ended. It is set aside; the others go on."
    return refused(name, SetAside(told))


def stored(name: str) -> str:
    """A name as text that any file can hold."""
    return name.encode("utf-8", "backslashreplace").decode()
