"""Model of a fold, used as in a request: on recordings of full length."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from undertone.emotions import read_as
from undertone.recognition.calibration import Calibration
from undertone.sound.audio import Audio
from undertone.training.recipe import Fitted, Floats
from undertone.training.utterances import utterance_in


@dataclass(frozen=True)
class FoldModel:
    """Calibrated model of a fold, fitted to the fold's training speakers.

    Attributes
    ----------
    fitted : Fitted
    calibration : Calibration
    emotions : sequence of str
        Emotions of the test corpus. Other emotions are excluded from the answers.
    n_jobs : int
        Number of recordings processed in parallel.
    """

    fitted: Fitted
    calibration: Calibration
    emotions: Sequence[str]
    n_jobs: int = 1

    @property
    def labels(self) -> tuple[str, ...]:
        """Possible answers in the order of the columns."""
        return tuple(label for label in self.fitted.labels if label in self.emotions)

    def probabilities(self, recordings: Sequence[Audio]) -> Floats:
        """Return probabilities [n, n_labels] of recordings, each cut to its spoken part."""
        with ThreadPoolExecutor(self.n_jobs) as pool:
            return np.array(list(pool.map(self._answer, recordings)))

    def _answer(self, recording: Audio) -> list[float]:
        utterance = utterance_in(recording)
        answers = self.fitted.answers([utterance])
        known = self.calibration.probabilities(answers, self.fitted.labels)
        _, (row,) = read_as(known, self.fitted.labels, self.emotions)
        return list(map(float, row))
