"""How sure a model may be: chosen on held-out speakers and corpora, whole and cut short.

A model trained on whole sentences does not know that a third of a second says little, nor how often
it is wrong about voices, rooms and languages that are new to it. So held-out utterances are asked
about once as they are and once cut short, and corpora by a model that was not trained on them.
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


@dataclass(frozen=True)
class HeldOut:
    """Answers to utterances whose speakers the model was not trained on, and the truth [n]."""

    answers: Answers
    labels: tuple[str, ...]
    emotions: Strings

    def right(self) -> NDArray[np.bool_]:
        """Which labels [n, n_labels] are right: calm and neutral for each other.

        So that a corpus without calm can take part.
        """
        told = [[in_set(name, DEFAULT_LABEL_SET)] for name in self.emotions]
        names = [in_set(name, DEFAULT_LABEL_SET) for name in self.labels]
        return np.asarray(np.array(told) == names)


def fit_calibration(known: Sequence[HeldOut], elsewhere: Sequence[HeldOut] = ()) -> Calibration:
    """The calibration under which held-out answers are most probable.

    Parameters
    ----------
    known : sequence of HeldOut
        New speakers of corpora that the model was trained on.
    elsewhere : sequence of HeldOut
        Whole corpora that it was not trained on, each with the same weight, all of them with as
        much as all that is known: what a distance means is learned from them.
    """
    if not known:
        return Calibration()
    if not any(part.answers.distances.any() for part in elsewhere):
        elsewhere = ()  # a model that cannot tell what is strange to it
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

    # Logarithms of all four. Where a gain does nothing, the loss is flat: more than one start finds
    # a way from there.
    bounds = [(-2.0, 3.0), (-5.0, 3.0), (-5.0, 3.0), (-3.0, 3.0)][: 4 if elsewhere else 2]
    halfways = (0.0, 0.5, 1.0) if elsewhere else (0.0,)
    starts = [np.array([0.0, -1.0, 0.0, halfway])[: len(bounds)] for halfway in halfways]
    runs = [minimize(loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]
    found = calibration(min(runs, key=lambda run: float(run.fun)).x)
    return Calibration(*(round(float(value), 4) for value in astuple(found)))
