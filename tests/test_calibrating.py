"""How sure a model may be: on whole utterances, and on a third of a second."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from tests import sounds
from undertone.recognition.calibration import Answers, Calibration
from undertone.training.calibrating import HeldOut, fit_calibration, short_cuts
from undertone.training.corpora import Clip
from undertone.training.utterances import Utterances

LABELS = ("angry", "happy", "sad")


def drawn(honest: np.ndarray, seed: int = 440) -> np.ndarray:
    """Truths of which the softmax of `honest` says how probable they are."""
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(LABELS, p=row) for row in softmax(honest, axis=1)])


def said(scores: np.ndarray, durations_s: Any = 3.0, distances: Any = 0.0) -> Answers:
    """Answers of so many seconds at such distances."""
    columns = (np.broadcast_to(np.asarray(x, float), len(scores)) for x in (durations_s, distances))
    return Answers(log_softmax(scores, axis=1), *columns)


def test_it_finds_what_was_put_in() -> None:
    rng = np.random.default_rng(1)
    honest = rng.normal(scale=2.0, size=(5000, 3))
    durations_s = rng.uniform(0.3, 6.0, len(honest))
    truth = drawn(honest)
    boastful = said(honest * (1.5 * (1 + 0.6 / durations_s))[:, np.newaxis], durations_s)
    found = fit_calibration([HeldOut(boastful, LABELS, truth)])
    assert found.temperature == pytest.approx(1.5, rel=0.1)
    assert found.short_s == pytest.approx(0.6, rel=0.2)
    assert found.gain == 0
    assert found.probabilities(boastful, LABELS) == pytest.approx(softmax(honest, axis=1), abs=0.03)


def test_it_finds_what_a_distance_means() -> None:
    rng = np.random.default_rng(2)
    honest = rng.normal(scale=2.0, size=(5000, 3))
    truth = drawn(honest)
    near = HeldOut(said(1.5 * honest, distances=rng.uniform(0.5, 1.0, len(honest))), LABELS, truth)
    far = HeldOut(said(4.5 * honest, distances=2.0), LABELS, truth)
    found = fit_calibration([near], [far])
    expected = softmax(honest, axis=1)
    assert found.probabilities(near.answers, LABELS) == pytest.approx(expected, abs=0.07)
    assert found.probabilities(far.answers, LABELS) == pytest.approx(expected, abs=0.05)
    boastful = fit_calibration([near]).probabilities(far.answers, LABELS)
    assert boastful.max(axis=1).mean() > expected.max(axis=1).mean() + 0.05


def test_elsewhere_says_nothing_to_a_model_that_tells_no_distances() -> None:
    rng = np.random.default_rng(3)
    honest = rng.normal(scale=2.0, size=(2000, 3))
    known = HeldOut(said(honest), LABELS, drawn(honest))
    wrong = HeldOut(said(honest), LABELS, np.full(2000, "sad"))
    assert fit_calibration([known], [wrong]) == fit_calibration([known])


def test_without_held_out_answers_they_stay_as_they_are() -> None:
    assert fit_calibration([]) == Calibration()


def test_the_less_is_heard_and_the_stranger_it_sounds_the_less_sure() -> None:
    scores = np.log([[0.7, 0.2, 0.1]] * 3)
    short = Calibration(1.2, 0.5).probabilities(said(scores, [0.3, 1.0, 10.0]), LABELS).max(axis=1)
    assert short[0] < short[1] < short[2]
    strange = Calibration(gain=1.0, halfway=1.5)
    far = strange.probabilities(said(scores, distances=[9.0, 0.9, 0.0]), LABELS).max(axis=1)
    assert far[0] < far[1] < far[2]
    twice = np.exp(scores[0] / 2) / np.exp(scores[0] / 2).sum()
    assert far[0] == pytest.approx(twice.max()), "and not more than that"
    usual = strange.probabilities(said(scores, [0.5, 2.0, 8.0], [2.0, 1.0, 0.5]), LABELS)
    assert np.ptp(usual, axis=0) == pytest.approx(0), "a short clip is further from everything"
    as_it_was = Calibration().probabilities(said(scores, [0.3, 1.0, 10.0]), LABELS)
    assert as_it_was == pytest.approx(np.exp(scores))


def test_how_sure_an_answer_is_does_not_change_what_it_is() -> None:
    labels = ("calm", "neutral", "sad")
    answers = said(np.log([[0.15, 0.3, 0.55], [0.2, 0.4, 0.4]]))
    for temperature in (0.3, 1.0, 3.0, 30.0):
        known = Calibration(temperature).probabilities(answers, labels)
        assert known.sum(axis=1) == pytest.approx(1)
        assert known[:, 1] == pytest.approx(2 * known[:, 0]), "parted as it was"
        assert known[0, 2] > known[0, :2].sum() and known[1, 2] < known[1, :2].sum()


def test_a_model_that_knows_calm_and_not_neutral_may_say_so() -> None:
    answers = said(np.log([[0.7, 0.3]]))
    known = Calibration(2.0).probabilities(answers, ("calm", "sad"))
    assert known == pytest.approx(np.sqrt([[0.7, 0.3]]) / np.sqrt([0.7, 0.3]).sum())


def test_calm_and_neutral_count_for_each_other() -> None:
    labels = ("calm", "neutral", "sad")
    scores = np.log(np.tile([[0.49, 0.49, 0.02], [0.02, 0.02, 0.96]], (500, 1)))
    truth = np.tile(["calm", "sad"], 500)
    found = fit_calibration([HeldOut(said(scores), labels, truth)])
    assert found.temperature * (1 + found.short_s / 3) < 1, "they are always right: sharper"


def test_joined_answers_are_those_of_all() -> None:
    scores = np.log([[0.7, 0.3], [0.2, 0.8]])
    joined = Answers.joined([said(scores, 1.0, 2.0), said(scores[:1], 3.0, 4.0)])
    assert joined.durations_s.tolist() == [1, 1, 3] and joined.distances.tolist() == [2, 2, 4]
    assert joined.log_probabilities == pytest.approx(scores[[0, 1, 0]])


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
