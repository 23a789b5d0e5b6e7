"""How sure a model may be: on whole utterances, and on a third of a second."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from tests import sounds
from undertone.recognition.calibration import Calibration
from undertone.training.calibrating import fit_calibration, short_cuts
from undertone.training.corpora import Clip
from undertone.training.utterances import Utterances

LABELS = ("angry", "happy", "sad")


def drawn(honest: np.ndarray, seed: int = 440) -> np.ndarray:
    """Truths of which the softmax of `honest` says how probable they are."""
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(LABELS, p=row) for row in softmax(honest, axis=1)])


def test_it_finds_what_was_put_in() -> None:
    rng = np.random.default_rng(1)
    honest = rng.normal(scale=2.0, size=(20_000, 3))
    durations_s = rng.uniform(0.3, 6.0, len(honest))
    truth = drawn(honest)
    boastful = honest * (1.5 * (1 + 0.6 / durations_s))[:, np.newaxis]
    found = fit_calibration(boastful, durations_s, truth, LABELS)
    assert found.temperature == pytest.approx(1.5, rel=0.1)
    assert found.short_s == pytest.approx(0.6, rel=0.2)
    expected = softmax(honest, axis=1)
    assert found.probabilities(boastful, durations_s) == pytest.approx(expected, abs=0.03)


def test_the_less_is_heard_the_less_sure() -> None:
    answers = np.log([[0.7, 0.2, 0.1]] * 3)
    sure = Calibration(1.2, 0.5).probabilities(answers, np.array([0.3, 1.0, 10.0])).max(axis=1)
    assert sure[0] < sure[1] < sure[2]
    as_it_was = Calibration().probabilities(answers, np.array([0.3, 1.0, 10.0]))
    assert as_it_was == pytest.approx(np.exp(answers))


def test_calm_and_neutral_count_for_each_other() -> None:
    labels = ("calm", "neutral", "sad")
    answers = np.log(np.tile([[0.49, 0.49, 0.02], [0.02, 0.02, 0.96]], (500, 1)))
    truth = np.tile(["neutral", "sad"], 500)
    found = fit_calibration(answers, np.full(1000, 3.0), truth, labels)
    assert found.temperature * (1 + found.short_s / 3) < 1, "they are always right: sharper"


def test_cuts_are_short_from_within_the_speech_and_always_the_same() -> None:
    quiet, loud = np.zeros(8000, np.int16), np.full(32_000, 9000, np.int16)
    clips = [Clip(Path(f"{n}.wav"), "sad", "a-1", "a") for n in range(40)]
    samples = [np.concatenate([quiet, loud + n, quiet]).astype(np.int16) for n in range(40)]
    cuts = short_cuts(Utterances(clips, samples))
    lengths_s = np.array([cut.duration_s for cut in cuts])
    assert 0.3 <= lengths_s.min() < 0.5 and 1.0 < lengths_s.max() <= 1.5
    assert all(cut.samples.min() > 0.2 for cut in cuts)
    again = short_cuts(Utterances(clips, samples))
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(cuts, again, strict=True))


def test_what_is_shorter_than_a_cut_stays_whole() -> None:
    samples = (sounds.voice(0.3) * 2**14).astype(np.int16)
    clip = Clip(Path("a.wav"), "sad", "a-1", "a")
    (cut,) = short_cuts(Utterances([clip], [samples]))
    assert 0.25 < cut.duration_s <= 0.3
