"""How sure a model may be: chosen on held-out speakers, on whole utterances and on short cuts.

A model trained on whole sentences does not know that a third of a second says little. So held-out
utterances are asked about once as they are and once cut short.
"""

import zlib

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from undertone.recognition.calibration import Calibration, Floats
from undertone.sound.audio import Audio
from undertone.sound.speech import CONTEXT_S
from undertone.training.utterances import Utterances

Strings = NDArray[np.str_]

SHORTEST_S, LONGEST_S = 0.3, 1.5


def short_cuts(utterances: Utterances) -> list[Audio]:
    """A stretch of 0.3 to 1.5 s out of the speech of each; the same whenever it is drawn."""
    cuts = []
    for audio in utterances:
        rng = np.random.default_rng(zlib.crc32(audio.samples.tobytes()))
        duration_s = np.exp(rng.uniform(np.log(SHORTEST_S), np.log(LONGEST_S)))
        n = min(round(duration_s * audio.sample_rate), len(audio.samples))
        # The half second before and after the speech is no speech.
        context = min(round(CONTEXT_S * audio.sample_rate), (len(audio.samples) - n) // 2)
        start = int(rng.integers(context, len(audio.samples) - context - n + 1))
        cuts.append(Audio(audio.samples[start : start + n], audio.sample_rate))
    return cuts


def durations(utterances: "Utterances | list[Audio]") -> Floats:
    """Seconds [n] of each."""
    return np.array([audio.duration_s for audio in utterances])


def fit_calibration(
    log_probabilities: Floats, durations_s: Floats, emotions: Strings, labels: tuple[str, ...]
) -> Calibration:
    """The calibration under which held-out answers are most probable.

    Scored over the label set that the interface shows, calm added to neutral, so that a corpus
    without calm can take part.

    Parameters
    ----------
    log_probabilities : array [n, n_labels]
        Of utterances whose speakers the model was not trained on.
    durations_s, emotions : array [n]
    """
    right = accepted(emotions, labels)

    def loss(free: Floats) -> float:
        p = Calibration(*np.exp(free)).probabilities(log_probabilities, durations_s)
        return -float(np.log((p * right).sum(axis=1) + 1e-12).mean())

    bounds = [(-2.0, 3.0), (-5.0, 3.0)]
    found = minimize(loss, np.array([0.0, -1.0]), method="L-BFGS-B", bounds=bounds).x
    temperature, short_s = np.exp(found)
    return Calibration(round(float(temperature), 4), round(float(short_s), 4))


def accepted(emotions: Strings, labels: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which labels [n, n_labels] count as right: calm and neutral for each other."""
    right = np.array(labels)[np.newaxis] == np.asarray(emotions)[:, np.newaxis]
    rested = np.isin(emotions, ["calm", "neutral"])
    both = np.isin(labels, ["calm", "neutral"])
    return np.asarray(right | (rested[:, np.newaxis] & both))
