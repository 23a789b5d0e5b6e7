"""What a model says to probabilities that are as often right as they say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from undertone.emotions import DEFAULT_LABEL_SET, in_set
from undertone.sound.audio import Audio

Floats = NDArray[np.float64]

# How steeply the temperature rises where what is familiar ends, by the likelihood of held-out
# answers. It rises to an end: what is further away than any corpus was says no more about how
# wrong one can be.
_STEEPNESS = 16.0


@dataclass(frozen=True)
class Answers:
    """What a model says of n utterances, before it is known how sure it may be.

    Attributes
    ----------
    log_probabilities : array [n, n_labels]
    durations_s : array [n]
        How much was heard.
    distances : array [n]
        From what the model was trained on, 1 being usual there; all 0 if it cannot tell.
    """

    log_probabilities: Floats
    durations_s: Floats
    distances: Floats

    @classmethod
    def to(
        cls, audios: Iterable[Audio], log_probabilities: Floats, distances: Floats | None = None
    ) -> "Answers":
        """Answers to utterances."""
        durations_s = np.array([audio.duration_s for audio in audios])
        unknown = np.zeros(len(durations_s))
        return cls(log_probabilities, durations_s, unknown if distances is None else distances)

    @classmethod
    def joined(cls, parts: Sequence["Answers"]) -> "Answers":
        """Those of several, in their order."""
        columns = ([getattr(part, name) for part in parts] for name in cls.__dataclass_fields__)
        return cls(*map(np.concatenate, columns))


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
    gain, halfway : float
        The less it sounds like what the model was trained on, the less sure: the temperature rises
        to ``1 + gain`` times as much, half of that at the strangeness `halfway`. Strangeness is
        the distance times the root of the seconds heard, as features that are means over a short
        time are further from everything.
    """

    temperature: float = 1.0
    short_s: float = 0.0
    gain: float = 0.0
    halfway: float = 1.0

    def probabilities(self, answers: Answers, labels: Sequence[str]) -> Floats:
        """Probabilities [n, n_labels] of emotions `labels`.

        Calm and neutral are one emotion here, which is parted again as it was: read as seven or
        six emotions, an answer that is less sure stays the same answer.
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
