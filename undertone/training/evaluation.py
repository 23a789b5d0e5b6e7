"""Metrics of a model, always on held-out speakers.

UAR, unweighted average recall, is the mean of the recalls of the emotions (balanced accuracy).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score, recall_score

Floats = NDArray[np.float64]
Strings = NDArray[np.str_]


@dataclass(frozen=True)
class Outcome:
    """Answers to clips of held-out speakers.

    Attributes
    ----------
    labels : tuple of str
        Emotions in the order of the columns.
    emotions, speakers : np.ndarray [shape=(n,), dtype=str]
        True emotion and speaker of each clip.
    folds : np.ndarray [shape=(n,), dtype=int64]
        Test fold of each clip.
    probabilities : np.ndarray [shape=(n, n_labels), dtype=float64]
    groups : mapping of str to np.ndarray [shape=(n,), dtype=str]
        Attributes of the clips for separate results, such as ``sex``. Empty strings if unknown.
    """

    labels: tuple[str, ...]
    emotions: Strings
    speakers: Strings
    folds: NDArray[np.int64]
    probabilities: Floats
    groups: Mapping[str, Strings] = field(default_factory=dict)

    @property
    def answers(self) -> Strings:
        """Most probable label of each clip [n]."""
        answers: Strings = np.array(self.labels)[self.probabilities.argmax(axis=1)]
        return answers

    @property
    def confidences(self) -> Floats:
        """Probability [n] of the most probable label of each clip."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def right(self) -> NDArray[np.bool_]:
        """True for each right answer [n]."""
        return np.asarray(self.answers == self.emotions)

    def confusion(self) -> NDArray[np.int64]:
        """Return clip counts [truth, answer], both in the order of the labels."""
        return np.asarray(confusion_matrix(self.emotions, self.answers, labels=self.labels))


def uar(emotions: Strings, answers: Strings) -> float:
    """Return the unweighted average recall over the emotions present in the truth, 0 to 1."""
    present = np.unique(emotions)
    return float(recall_score(emotions, answers, labels=present, average="macro", zero_division=0))


def reliability(outcome: Outcome, n_bins: int = 15) -> list[tuple[float, float, int]]:
    """Return mean confidence, share of right answers and clip count for bins of equal mass."""
    order = np.argsort(outcome.confidences)
    return [
        (float(outcome.confidences[part].mean()), float(outcome.right[part].mean()), len(part))
        for part in np.array_split(order, n_bins)
        if len(part)
    ]


def calibration_error(outcome: Outcome, n_bins: int = 15) -> float:
    """Return the expected calibration error over bins of equal mass, 0 to 1.

    Nixon et al., "Measuring calibration in deep learning", CVPR workshops 2019.
    """
    bins = reliability(outcome, n_bins)
    return sum(abs(sure - right) * n for sure, right, n in bins) / len(outcome.right)


def chance_calibration_error(confidences: Sequence[float], n_clips: int) -> float:
    """Return the calibration error expected by chance for perfectly calibrated answers.

    Parameters
    ----------
    confidences : sequence of float
        Mean confidence of each bin of equal mass.
    n_clips : int
        Number of clips in all bins together.

    Notes
    -----
    For n answers of confidence p, the share of right answers has a standard deviation of
    sqrt(p (1 - p) / n). The mean absolute deviation of a normal variable is sqrt(2 / pi) times its
    standard deviation.
    """
    p = np.asarray(confidences)
    return float(np.sqrt(2 / np.pi * p * (1 - p) * len(p) / n_clips).mean())


def risk_coverage(outcome: Outcome, n_points: int = 20) -> list[tuple[float, float]]:
    """Return pairs of coverage (share of clips answered) and risk (share of wrong answers).

    Clips are answered in the order of their confidence, highest first.

    El-Yaniv & Wiener, "On the foundations of noise-free selective classification", JMLR 2010.
    """
    wrong = ~outcome.right[np.argsort(-outcome.confidences)]
    counts = np.unique(np.linspace(1, len(wrong), n_points + 1).round().astype(int)[1:])
    return [(float(n / len(wrong)), float(wrong[:n].mean())) for n in counts]


def by_group(outcome: Outcome) -> dict[str, dict[str, dict[str, float]]]:
    """Return UAR and number of clips for each value of each group.

    Groups with fewer than two known values are left out.
    """
    return {
        name: {
            str(value): {
                "n_clips": int((values == value).sum()),
                "uar": round(
                    uar(outcome.emotions[values == value], outcome.answers[values == value]), 4
                ),
            }
            for value in np.unique(values[values != ""])
        }
        for name, values in outcome.groups.items()
        if len(np.unique(values[values != ""])) > 1
    }


def speaker_interval(outcome: Outcome, n_resamples: int = 2000, seed: int = 0) -> list[float]:
    """Return the 95 % interval of the UAR under resampling of speakers (percentile bootstrap).

    Parameters
    ----------
    outcome : Outcome
    n_resamples : int
        Number of bootstrap samples.
    seed : int

    Returns
    -------
    list of float
        Lower and upper bound.
    """
    rng = np.random.default_rng(seed)
    speakers = np.unique(outcome.speakers)
    n = len(outcome.labels)
    tables = []
    for speaker in speakers:
        mine = outcome.speakers == speaker
        tables.append(
            confusion_matrix(outcome.emotions[mine], outcome.answers[mine], labels=outcome.labels)
        )
    stacked = np.array(tables).reshape(len(speakers), n, n)
    values = []
    for _ in range(n_resamples):
        table = stacked[rng.integers(len(speakers), size=len(speakers))].sum(axis=0)
        present = table.sum(axis=1) > 0
        recalls = table.diagonal()[present] / table.sum(axis=1)[present]
        values.append(recalls.mean())
    return [float(value) for value in np.percentile(values, [2.5, 97.5])]


def threshold_for_risk(outcome: Outcome, risk: float) -> float:
    """Return the lowest confidence threshold with a share of wrong answers of at most `risk`.

    Returns
    -------
    float
        Just over 1 if no confidence is high enough.
    """
    order = np.argsort(-outcome.confidences)
    wrong_share = np.cumsum(~outcome.right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(wrong_share <= risk)
    return float(outcome.confidences[order][good[-1]]) if len(good) else 1.01


def summary(outcome: Outcome) -> dict[str, Any]:
    """Return all figures of an outcome for ``model.json``; shares are from 0 to 1."""
    by_fold = [
        uar(outcome.emotions[outcome.folds == fold], outcome.answers[outcome.folds == fold])
        for fold in np.unique(outcome.folds)
    ]
    recalls = recall_score(
        outcome.emotions, outcome.answers, labels=outcome.labels, average=None, zero_division=0
    )
    return {
        "n_clips": len(outcome.emotions),
        "n_speakers": len(np.unique(outcome.speakers)),
        "uar": round(uar(outcome.emotions, outcome.answers), 4),
        "uar_interval_95": [round(value, 4) for value in speaker_interval(outcome)],
        "uar_fold_mean": round(float(np.mean(by_fold)), 4),
        "uar_fold_sd": round(float(np.std(by_fold)), 4),
        "accuracy": round(float(outcome.right.mean()), 4),
        "macro_f1": round(
            float(f1_score(outcome.emotions, outcome.answers, average="macro", zero_division=0)), 4
        ),
        "calibration_error": round(calibration_error(outcome), 4),
        "recall": {
            label: round(float(value), 4)
            for label, value in zip(outcome.labels, recalls, strict=True)
        },
        "confusion": outcome.confusion().tolist(),
        "reliability": [[round(x, 4) for x in bin_[:2]] for bin_ in reliability(outcome)],
        "risk_coverage": [[round(x, 4) for x in point] for point in risk_coverage(outcome)],
        "by_group": by_group(outcome),
    }
