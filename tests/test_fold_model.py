"""The model of a fold hears what a request would, and answers in its corpus's emotions."""

from collections.abc import Sequence

import numpy as np
import pytest

from tests import sounds
from undertone.recognition.calibration import Answers, Calibration
from undertone.sound.audio import SAMPLE_RATE, Audio
from undertone.sound.speech import find_speech, spoken_part
from undertone.training.fold_model import FoldModel


class Fixed:
    """Gives the same answer to everything; notes how long what it was asked about is."""

    labels = ("angry", "calm", "neutral", "surprise")
    history: list[dict[str, float]] = []

    def __init__(self) -> None:
        self.durations_s: list[float] = []

    def answers(self, utterances: Sequence[Audio]) -> Answers:
        self.durations_s += [audio.duration_s for audio in utterances]
        said = np.log(np.tile([0.3, 0.2, 0.2, 0.3], (len(utterances), 1)))
        return Answers.to(utterances, said)

    def save(self, folder: object) -> tuple[str, ...]:
        raise NotImplementedError


VOICE = Audio(np.pad(sounds.voice(1.5, 140), 2 * SAMPLE_RATE))


def test_it_hears_the_spoken_part() -> None:
    fitted = Fixed()
    FoldModel(fitted, Calibration(), ("angry", "neutral")).probabilities([VOICE])
    spoken_s = spoken_part(VOICE, find_speech(VOICE)).duration_s
    assert fitted.durations_s == [spoken_s] and spoken_s < VOICE.duration_s - 2


def test_where_no_speech_is_found_it_hears_all() -> None:
    fitted = Fixed()
    FoldModel(fitted, Calibration(), ("angry",)).probabilities([Audio(np.zeros(8000) + 1e-3)])
    assert fitted.durations_s == [0.5]


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_it_answers_in_the_emotions_of_the_corpus(n_jobs: int) -> None:
    model = FoldModel(Fixed(), Calibration(), ("angry", "neutral"), n_jobs)
    assert model.labels == ("angry", "neutral")
    # Calm counts as neutral, surprise is no answer.
    assert model.probabilities([VOICE] * 3) == pytest.approx(np.tile([3 / 7, 4 / 7], (3, 1)))


def test_it_is_as_sure_as_it_was_calibrated_to_be() -> None:
    model = FoldModel(Fixed(), Calibration(temperature=1e6), ("angry", "neutral"))
    # Calm is one with neutral: an answer that is less sure does not turn to it.
    assert model.probabilities([VOICE]) == pytest.approx(np.array([[1 / 2, 1 / 2]]), abs=1e-4)
