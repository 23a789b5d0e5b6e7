"""Speaker-independent measurement: train on some speakers, ask about others, fold by fold.

Every choice that is made after training (calibration, threshold) is made on other speakers than
those it is measured on.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray

from undertone.errors import UndertoneError
from undertone.recognition.calibration import Calibration
from undertone.sound.audio import Audio
from undertone.training import evaluation
from undertone.training.calibrating import durations, fit_calibration, short_cuts
from undertone.training.evaluation import Outcome
from undertone.training.fold_model import FoldModel
from undertone.training.protocols import Fold, Protocol
from undertone.training.recipe import Fitted, Floats, Recipe
from undertone.training.utterances import Utterances

Mask = NDArray[np.bool_]


class TrainingError(UndertoneError):
    """The data or the protocol do not allow what was asked for."""

    code = "cannot-train"


@dataclass(frozen=True)
class Answers:
    """Log-probabilities [n, n_labels] of utterances by a model that did not hear their speakers.

    Attributes
    ----------
    rows : array [n]
        Which utterances.
    whole, cuts : array [n, n_labels]
        Of them as they are, and cut short.
    durations_s, cut_durations_s : array [n]
    """

    rows: NDArray[np.intp]
    whole: Floats
    cuts: Floats
    durations_s: Floats
    cut_durations_s: Floats


@dataclass(frozen=True)
class FoldAnswers:
    """What a fold's model answers to the test clips, and to those kept for calibration."""

    labels: tuple[str, ...]
    tested: Answers
    kept: Answers


class CrossValidation:
    """Measures one recipe on speakers that it was not trained on.

    Parameters
    ----------
    recipe : Recipe
    utterances : Utterances
    results_dir : Path
        Answers of finished folds are kept here, so that an interrupted run goes on.
    n_jobs : int
        Folds that are trained at the same time.
    """

    def __init__(
        self, recipe: Recipe, utterances: Utterances, results_dir: Path, n_jobs: int = 1
    ) -> None:
        self.recipe = recipe
        self.utterances = utterances
        self.results_dir = results_dir
        self.n_jobs = n_jobs

    def evaluate(self, protocol: Protocol) -> Outcome:
        """Answers to a corpus's clips, each by a model that never heard their speaker.

        Calibrated on other speakers: those that the protocol
        keeps for such choices, or else those of the other folds.

        Raises
        ------
        TrainingError
            A fold has no clip to test, or its training part lacks an emotion of the test part.
        """
        return self._outcome(protocol, lambda answers: (answers.whole, answers.durations_s))

    def evaluate_cuts(self, protocol: Protocol) -> Outcome:
        """The same for the clips cut to 0.3 to 1.5 s, somewhere in their speech."""
        return self._outcome(protocol, lambda answers: (answers.cuts, answers.cut_durations_s))

    def _outcome(
        self, protocol: Protocol, part: Callable[[Answers], tuple[Floats, Floats]]
    ) -> Outcome:
        folds = self.held_out(protocol)
        probabilities = [
            self._calibration_of(fold, folds).probabilities(*part(fold.tested)) for fold in folds
        ]
        outcome = self.outcome(folds, probabilities)
        # Emotions that the tested corpus does not have are no answers to its clips.
        return evaluation.restricted(outcome, set(outcome.emotions))

    def _calibration_of(self, fold: FoldAnswers, folds: list[FoldAnswers]) -> Calibration:
        """By the speakers kept for it, or else by those that the other folds test."""
        held_out = [fold.kept] if len(fold.kept.rows) else others(folds, fold)
        return self.calibration(held_out, fold)

    def calibration(self, held_out: list[Answers], fold: FoldAnswers) -> Calibration:
        """What makes answers, whole and cut, most probable; nothing if there are none."""
        if not held_out:
            return Calibration()
        emotions = np.concatenate([self.utterances.emotions[answers.rows] for answers in held_out])
        return fit_calibration(
            np.concatenate([a.whole for a in held_out] + [a.cuts for a in held_out]),
            np.concatenate(
                [a.durations_s for a in held_out] + [a.cut_durations_s for a in held_out]
            ),
            np.tile(emotions, 2),
            fold.labels,
        )

    def evaluate_by_clip(self, corpus: str, seed: int = 0) -> Outcome:
        """Answers to a fifth of a corpus's clips, drawn at random: their speakers were heard.

        Not a measure of anything but how much such a split flatters.
        """
        rng = np.random.default_rng(seed)
        mine = np.flatnonzero(self.utterances.corpora == corpus)
        tested = np.zeros(len(self.utterances), dtype=bool)
        tested[rng.choice(mine, len(mine) // 5, replace=False)] = True
        self.recipe.prepare(self.utterances)
        fold = self._answers(~tested, tested, np.zeros_like(tested))
        outcome = self.outcome([fold], [np.exp(fold.tested.whole)])
        return evaluation.restricted(outcome, set(outcome.emotions))

    def outcome(self, folds: list[FoldAnswers], probabilities: list[Floats]) -> Outcome:
        """The answers of folds as one outcome."""
        of = self.utterances.subset(np.concatenate([fold.tested.rows for fold in folds]))
        return Outcome(
            labels=folds[0].labels,
            emotions=of.emotions,
            speakers=of.speakers,
            folds=np.repeat(np.arange(len(folds)), [len(fold.tested.rows) for fold in folds]),
            probabilities=np.concatenate(probabilities),
            groups={"sex": of.sexes, "intensity": of.intensities},
        )

    def held_out(self, *protocols: Protocol) -> list[FoldAnswers]:
        """Uncalibrated answers by fold, from `results_dir` where they are already there.

        Folds of all the protocols given are trained side by side.
        """
        masks = [self._masks(protocol, fold) for protocol in protocols for fold in protocol.folds]
        self.recipe.prepare(self.utterances)
        work = (joblib.delayed(self._answers)(*mask) for mask in masks)
        return list(joblib.Parallel(n_jobs=self.n_jobs)(work))

    def fold_model(self, protocol: Protocol, index: int = 0) -> tuple[FoldModel, Utterances]:
        """The calibrated model of a fold, and the utterances that it was not trained on."""
        training, tested_rows, _ = self._masks(protocol, protocol.folds[index])
        tested = self.utterances.subset(tested_rows)
        folds = self.held_out(protocol)
        model = FoldModel(
            self.recipe.fit(self.utterances.subset(training)),
            self._calibration_of(folds[index], folds),
            tuple(map(str, np.unique(tested.emotions))),
            self.n_jobs,
        )
        return model, tested

    def _masks(self, protocol: Protocol, fold: Fold) -> tuple[Mask, Mask, Mask]:
        """Which utterances train, are tested, and calibrate."""
        of = self.utterances
        test = np.isin(of.speakers, list(fold.test_speakers))
        calibrating = np.isin(of.speakers, list(fold.calibration_speakers)) & ~test
        training = ~test & ~calibrating
        tested = test & (of.corpora == protocol.corpus)
        if protocol.common_emotions:
            tested &= np.isin(of.emotions, of.emotions[training])
        if not tested.any():
            raise TrainingError("A fold has no clip to test: are its speakers in the corpus?")
        if missing := set(of.emotions[tested]) - set(of.emotions[training]):
            raise TrainingError(f"No training clip has {', '.join(sorted(missing))}.")
        return training, tested, calibrating

    def _answers(self, training: Mask, tested: Mask, calibrating: Mask) -> FoldAnswers:
        parts = [self.utterances.subset(mask) for mask in (training, tested, calibrating)]
        digest = hashlib.sha256(self.recipe.fingerprint.encode())
        for part in parts:
            digest.update(part.digest.encode())
        path = self.results_dir / f"{self.recipe.family}-{digest.hexdigest()[:16]}.npz"
        if not path.is_file():
            fitted = self.recipe.fit(parts[0])
            tested_part, kept_part = parts[1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".part").open("wb") as file:
                np.savez(
                    file,
                    labels=np.array(fitted.labels),
                    tested=asked(fitted, list(tested_part)),
                    tested_cuts=asked(fitted, short_cuts(tested_part)),
                    kept=asked(fitted, list(kept_part)),
                    kept_cuts=asked(fitted, short_cuts(kept_part)),
                )
            path.with_suffix(".part").replace(path)
        with np.load(path) as saved:
            answers = [
                Answers(
                    np.flatnonzero(mask),
                    saved[name],
                    saved[f"{name}_cuts"],
                    durations(list(part)),
                    durations(short_cuts(part)),
                )
                for name, mask, part in zip(
                    ("tested", "kept"), (tested, calibrating), parts[1:], strict=True
                )
            ]
            return FoldAnswers(tuple(map(str, saved["labels"])), *answers)


def others(folds: list[FoldAnswers], fold: FoldAnswers) -> list[Answers]:
    """What the models of all other folds answered to their test clips."""
    return [other.tested for other in folds if other is not fold]


def asked(fitted: Fitted, audios: list[Audio]) -> Floats:
    """Log-probabilities [n, n_labels]; of nothing, none."""
    if not audios:
        return np.empty((0, len(fitted.labels)))
    return fitted.log_probabilities(audios)
