"""Plots of the model card: confusion, calibration, risk against coverage, training history."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#7A7A7A"


def _figure(width: float = 5.0, height: float = 4.0) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=80, layout="constrained")
    return figure, figure.add_subplot()


def plot_confusion(table: NDArray[np.int64], labels: Sequence[str], path: Path) -> None:
    """Plot a confusion matrix as percentages of each row.

    Parameters
    ----------
    table : np.ndarray [shape=(n_labels, n_labels), dtype=int64]
        Numbers of clips. Rows are the truth, columns the answers.
    labels : sequence of str
        Emotions in the order of the rows and columns.
    path : Path
        Image file to write.
    """
    figure, axes = _figure(6, 5)
    seaborn.heatmap(
        100 * table / table.sum(axis=1, keepdims=True),
        annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, cbar=False, square=True,
        xticklabels=labels, yticklabels=labels, ax=axes,
    )  # fmt: skip
    axes.set(xlabel="answer", ylabel="played emotion", title="% of each row")
    figure.savefig(path)


def plot_reliability(bins: Sequence[tuple[float, float]], path: Path) -> None:
    """Plot a reliability diagram: the share of right answers against their confidence.

    Parameters
    ----------
    bins : sequence of (mean confidence, share of right answers)
        Bins with equal numbers of clips.
    path : Path
        Image file to write.
    """
    figure, axes = _figure()
    sure, right = np.array(bins).T
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", label="perfect")
    axes.plot(sure, right, color=_BLUE, marker="o", label="measured")
    axes.set(xlabel="confidence", ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    figure.savefig(path)


def plot_risk_coverage(curve: Sequence[tuple[float, float]], path: Path) -> None:
    """Plot the share of wrong answers among the most confident ones.

    Parameters
    ----------
    curve : sequence of (share of clips answered, share of wrong answers among them)
    path : Path
        Image file to write.
    """
    figure, axes = _figure()
    coverage, risk = np.array(curve).T
    axes.plot(coverage, risk, color=_BLUE)
    axes.set(xlabel="share of clips answered, surest first", ylabel="share of wrong answers")
    axes.set(xlim=(0, 1), ylim=(0, None))
    figure.savefig(path)


def plot_history(history: Sequence[dict[str, float]], path: Path) -> None:
    """Plot the training loss and the validation UAR, if measured, against the step."""
    figure, axes = _figure()
    steps = [row["step"] for row in history]
    axes.plot(steps, [row["training_loss"] for row in history], color=_BLUE)
    axes.set(xlabel="step", ylabel="training loss (blue)")
    measured = [row for row in history if "validation_uar" in row]
    if measured:
        right = axes.twinx()
        right.plot(
            [row["step"] for row in measured],
            [100 * row["validation_uar"] for row in measured],
            color=_ORANGE,
            marker="o",
        )
        right.set(ylabel="UAR % on held-out training speakers (orange)")
    figure.savefig(path)
