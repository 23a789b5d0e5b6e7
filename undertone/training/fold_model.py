"""The model of a fold, asked as a request asks: about recordings as long as they are."""

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
    """What was fitted to a fold's training speakers, calibrated.

    Attributes
    ----------
    fitted : Fitted
    calibration : Calibration
    emotions : sequence of str
        Those of the corpus it is asked about; others are no answers to it.
    n_jobs : int
        Recordings that are answered at the same time.
    """

    fitted: Fitted
    calibration: Calibration
    emotions: Sequence[str]
    n_jobs: int = 1

    @property
    def labels(self) -> tuple[str, ...]:
        """What it answers with, in the order of the columns."""
        return tuple(label for label in self.fitted.labels if label in self.emotions)

    def probabilities(self, recordings: Sequence[Audio]) -> Floats:
        """Probabilities [n, n_labels] of recordings, each cut to where somebody speaks."""
        with ThreadPoolExecutor(self.n_jobs) as pool:
            return np.array(list(pool.map(self._answer, recordings)))

    def _answer(self, recording: Audio) -> list[float]:
        utterance = utterance_in(recording)
        answers = self.fitted.answers([utterance])
        known = self.calibration.probabilities(answers, self.fitted.labels)
        _, (row,) = read_as(known, self.fitted.labels, self.emotions)
        return list(map(float, row))
