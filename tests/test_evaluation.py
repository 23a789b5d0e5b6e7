from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.training import evaluation
from undertone.training.evaluation import Outcome

LABELS = ("sad", "calm", "angry", "neutral")  # on purpose not in alphabetical order


def outcome(truth: list[str], probabilities: list[list[float]]) -> Outcome:
    n = len(truth)
    return Outcome(
        LABELS,
        np.array(truth),
        np.array([f"s{index % 3}" for index in range(n)]),
        np.arange(n) % 2,
        np.array(probabilities),
    )


SAD, CALM, ANGRY = [0.7, 0.1, 0.1, 0.1], [0.1, 0.5, 0.1, 0.3], [0.2, 0.0, 0.8, 0.0]


def test_uar_is_the_mean_of_recalls_not_the_accuracy() -> None:
    four = outcome(["sad", "sad", "sad", "angry"], [SAD, SAD, SAD, SAD])
    assert evaluation.uar(four.emotions, four.answers) == pytest.approx(0.5)
    assert four.right.mean() == pytest.approx(0.75)


def test_columns_belong_to_their_labels() -> None:
    assert outcome(["sad"] * 3, [SAD, CALM, ANGRY]).answers.tolist() == ["sad", "calm", "angry"]


def test_a_calibrated_outcome_has_no_calibration_error() -> None:
    rng = np.random.default_rng(440)
    confidence = rng.uniform(0.5, 1.0, size=30_000)
    right = rng.uniform(size=confidence.size) < confidence
    rest = (1 - confidence) / 3
    rows = np.stack([confidence, rest, rest, rest], axis=1)
    truth = np.where(right, "sad", "angry")
    honest = outcome(truth.tolist(), rows.tolist())
    assert evaluation.calibration_error(honest) < 0.015
    boastful = replace(honest, probabilities=np.tile([0.97, 0.01, 0.01, 0.01], (len(rows), 1)))
    assert evaluation.calibration_error(boastful) == pytest.approx(0.22, abs=0.01)


def test_chance_alone_gives_a_calibrated_outcome_some_calibration_error() -> None:
    rng = np.random.default_rng(4)
    found, expected = [], []
    for _ in range(80):
        confidence = rng.uniform(0.4, 1.0, size=1500)
        right = rng.uniform(size=confidence.size) < confidence
        rest = (1 - confidence) / 3
        honest = outcome(
            np.where(right, "sad", "angry").tolist(),
            np.stack([confidence, rest, rest, rest], axis=1).tolist(),
        )
        found.append(evaluation.calibration_error(honest))
        confidences = [sure for sure, _, _ in evaluation.reliability(honest)]
        expected.append(evaluation.chance_calibration_error(confidences, 1500))
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.06)


def test_the_threshold_keeps_its_risk() -> None:
    rows = [[p, (1 - p) / 3, (1 - p) / 3, (1 - p) / 3] for p in (0.9, 0.8, 0.7, 0.6, 0.5)]
    five = outcome(["sad", "sad", "sad", "angry", "angry"], rows)
    assert evaluation.threshold_for_risk(five, 0.0) == pytest.approx(0.7)
    assert evaluation.threshold_for_risk(five, 0.25) == pytest.approx(0.6)
    hopeless = outcome(["angry"] * 5, rows)
    assert evaluation.threshold_for_risk(hopeless, 0.2) > 1


def test_the_interval_is_over_speakers() -> None:
    rng = np.random.default_rng(440)
    truth = rng.choice(["sad", "angry"], size=90).tolist()
    rows = [SAD if rng.uniform() < 0.5 else ANGRY for _ in truth]
    low, high = evaluation.speaker_interval(outcome(truth, rows))
    assert low < 0.5 < high
    sure = outcome(["sad", "angry"] * 9, [SAD, ANGRY] * 9)
    assert evaluation.speaker_interval(sure) == [1.0, 1.0]


@given(st.lists(st.sampled_from(LABELS), min_size=6, max_size=40))
def test_summary_holds_for_any_truth(truth: list[str]) -> None:
    rng = np.random.default_rng(len(truth))
    figures = evaluation.summary(outcome(truth, rng.dirichlet(np.ones(4), len(truth)).tolist()))
    assert 0 <= figures["uar"] <= 1
    assert np.sum(figures["confusion"]) == len(truth)
