"""Calibration: temperature scaling of a model's outputs to calibrated probabilities."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from undertone.emotions import DEFAULT_LABEL_SET, in_set
from undertone.sound.audio import Audio

Floats = NDArray[np.float64]

# Steepness of the temperature's rise at the border of familiar input, fitted by the likelihood of
# held-out answers. The rise is bounded: beyond the distance of every corpus, a larger distance says
# nothing more about possible errors.
_STEEPNESS = 16.0


@dataclass(frozen=True)
class Answers:
    """Uncalibrated outputs of a model for n utterances.

    Attributes
    ----------
    log_probabilities : np.ndarray [shape=(n, n_labels), dtype=float64]
        Log-probability of each emotion.
    durations_s : np.ndarray [shape=(n,), dtype=float64]
        Length of each utterance in seconds.
    distances : np.ndarray [shape=(n,), dtype=float64]
        Distance from the training data, usually 1 there; all 0 if the model gives none.
    """

    log_probabilities: Floats
    durations_s: Floats
    distances: Floats

    @classmethod
    def to(
        cls, audios: Iterable[Audio], log_probabilities: Floats, distances: Floats | None = None
    ) -> "Answers":
        """Return the answers for utterances.

        Parameters
        ----------
        audios : iterable of Audio
            The n utterances.
        log_probabilities : np.ndarray [shape=(n, n_labels), dtype=float64]
            Log-probability of each emotion.
        distances : np.ndarray [shape=(n,), dtype=float64], optional
            Distances from the training data; all 0 by default.
        """
        durations_s = np.array([audio.duration_s for audio in audios])
        unknown = np.zeros(len(durations_s))
        return cls(log_probabilities, durations_s, unknown if distances is None else distances)

    @classmethod
    def joined(cls, parts: Sequence["Answers"]) -> "Answers":
        """Concatenate several answers in order."""
        columns = ([getattr(part, name) for part in parts] for name in cls.__dataclass_fields__)
        return cls(*map(np.concatenate, columns))


@dataclass(frozen=True)
class Calibration:
    """Parameters of temperature scaling: log-probabilities are divided by a temperature.

    Attributes
    ----------
    temperature : float
        Base temperature. Over 1, it makes answers less confident. Guo et al., "On calibration of
        modern neural networks", ICML 2017.
    short_s : float
        Makes answers for short utterances less confident: the temperature is multiplied by
        ``1 + short_s / seconds of the utterance``.
    gain, halfway : float
        Make answers less confident for utterances unlike the training data. The temperature rises
        by a factor of up to ``1 + gain``, with half the rise at the strangeness `halfway`.
        Strangeness is the distance times the square root of the utterance's seconds. The root
        compensates for short utterances: features averaged over a short time are further from
        everything.
    """

    temperature: float = 1.0
    short_s: float = 0.0
    gain: float = 0.0
    halfway: float = 1.0

    def probabilities(self, answers: Answers, labels: Sequence[str]) -> Floats:
        """Calibrated probabilities of the emotions `labels`.

        Calm and neutral are scaled as one emotion and then split in their original ratio. So a
        less confident answer stays the same answer when read as seven or six emotions.

        Returns
        -------
        np.ndarray [shape=(n, n_labels), dtype=float64]
        """
        for_short = 1 + self.short_s / answers.durations_s
        strangeness = answers.distances * np.sqrt(answers.durations_s)
        beyond = np.log(np.maximum(strangeness, 1e-9) / self.halfway)
        for_strange = 1 + self.gain * expit(_STEEPNESS * beyond)
        temperatures = (self.temperature * for_short * for_strange)[:, np.newaxis]
        told = [in_set(label, DEFAULT_LABEL_SET) or label for label in labels]
        shares = np.array([[float(name == one) for one in sorted(set(told))] for name in told])
        said = np.exp(answers.log_probabilities)
        together = said @ shares + 1e-12
        tempered = softmax(np.log(together) / temperatures, axis=1)
        return np.asarray((tempered / together) @ shares.T * said)
