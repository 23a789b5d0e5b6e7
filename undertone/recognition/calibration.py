"""Log-probabilities to probabilities that are as often right as they say."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What log-probabilities are divided by before they become probabilities.

    Attributes
    ----------
    temperature : float
        Over 1 makes answers less sure. Guo et al., "On calibration of modern neural networks",
        ICML 2017.
    short_s : float
        The less is heard, the less sure: the temperature is multiplied with
        ``1 + short_s / seconds heard``.
    """

    temperature: float = 1.0
    short_s: float = 0.0

    def probabilities(self, log_probabilities: Floats, durations_s: Floats) -> Floats:
        """Probabilities [n, n_labels] of utterances of some durations [n]."""
        temperatures = self.temperature * (1 + self.short_s / durations_s)
        return np.asarray(softmax(log_probabilities / temperatures[:, np.newaxis], axis=1))
