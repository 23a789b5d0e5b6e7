"""Fit the calibration on held-out speakers and corpora, with whole and shortened utterances.

A model trained on whole sentences is too confident about a third of a second of speech. It is
also too confident about new voices, rooms and languages. Held-out utterances are therefore scored
twice: whole and cut short. Held-out corpora are scored by a model not trained on them.
"""

import zlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from undertone.emotions import DEFAULT_LABEL_SET, in_set
from undertone.recognition.calibration import Answers, Calibration, Floats
from undertone.sound.audio import Audio
from undertone.sound.speech import CONTEXT_S
from undertone.training.utterances import Utterances

Strings = NDArray[np.str_]

SHORTEST_S, LONGEST_S = 0.3, 1.5


def short_cuts(utterances: Utterances) -> list[Audio]:
    """Cut 0.3 to 1.5 s out of the speech of each utterance; the cuts are deterministic."""
    cuts = []
    for audio in utterances:
        rng = np.random.default_rng(zlib.crc32(audio.samples.tobytes()))
        duration_s = np.exp(rng.uniform(np.log(SHORTEST_S), np.log(LONGEST_S)))
        n = min(round(duration_s * audio.sample_rate), len(audio.samples))
        # There is no speech in the half second before and after.
        context = min(round(CONTEXT_S * audio.sample_rate), (len(audio.samples) - n) // 2)
        start = int(rng.integers(context, len(audio.samples) - context - n + 1))
        cuts.append(Audio(audio.samples[start : start + n], audio.sample_rate))
    return cuts


@dataclass(frozen=True)
class HeldOut:
    """Answers to utterances of held-out speakers, with the true emotions.

    Parameters
    ----------
    answers : Answers
        Answers to n utterances.
    labels : tuple of str
        Emotions in the order of the columns.
    emotions : np.ndarray [shape=(n,), dtype=str]
        True emotions.
    """

    answers: Answers
    labels: tuple[str, ...]
    emotions: Strings

    def right(self) -> NDArray[np.bool_]:
        """Return a mask [n, n_labels] of the right labels.

        Calm and neutral count as the same, so a corpus without calm can be used too.
        """
        told = [[in_set(name, DEFAULT_LABEL_SET)] for name in self.emotions]
        names = [in_set(name, DEFAULT_LABEL_SET) for name in self.labels]
        return np.asarray(np.array(told) == names)


def fit_calibration(known: Sequence[HeldOut], elsewhere: Sequence[HeldOut] = ()) -> Calibration:
    """Fit the calibration of maximum likelihood on held-out answers.

    Parameters
    ----------
    known : sequence of HeldOut
        New speakers of the training corpora.
    elsewhere : sequence of HeldOut
        Whole corpora outside the training set. They have equal weights, and their total weight
        equals the total of `known`. The meaning of a distance is learned from them.
    """
    if not known:
        return Calibration()
    if not any(part.answers.distances.any() for part in elsewhere):
        elsewhere = ()  # the model gives no distances
    n_known = sum(len(part.emotions) for part in known)
    parts = [(part, part.right(), len(part.emotions) / n_known) for part in known]
    parts += [(part, part.right(), 1 / len(elsewhere)) for part in elsewhere]

    def calibration(free: Floats) -> Calibration:
        return Calibration(*np.exp(free))

    def loss(free: Floats) -> float:
        total = 0.0
        for part, right, weight in parts:
            p = calibration(free).probabilities(part.answers, part.labels)
            total -= weight * float(np.log((p * right).sum(axis=1) + 1e-12).mean())
        return total

    # Bounds and starts are logarithms of all four parameters. The loss is flat while a gain has no
    # effect. Several starts find a way out of such a region.
    bounds = [(-2.0, 3.0), (-5.0, 3.0), (-5.0, 3.0), (-3.0, 3.0)][: 4 if elsewhere else 2]
    halfways = (0.0, 0.5, 1.0) if elsewhere else (0.0,)
    starts = [np.array([0.0, -1.0, 0.0, halfway])[: len(bounds)] for halfway in halfways]
    runs = [minimize(loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]
    found = calibration(min(runs, key=lambda run: float(run.fun)).x)
    return Calibration(*(round(float(value), 4) for value in astuple(found)))
