"""Speaker-independent cross-validation: each fold trains on some speakers and tests on others.

Choices after training (calibration, threshold) are never made on the speakers they are measured on.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from undertone.emotions import in_set, read_as
from undertone.errors import UndertoneError
from undertone.recognition.calibration import Answers, Calibration
from undertone.sound.audio import Audio
from undertone.training.calibrating import HeldOut, fit_calibration, short_cuts
from undertone.training.evaluation import Outcome
from undertone.training.fold_model import FoldModel
from undertone.training.protocols import Fold, Protocol
from undertone.training.recipe import Fitted, Recipe
from undertone.training.utterances import Utterances

Mask = NDArray[np.bool_]


class TrainingError(UndertoneError):
    """The data or the protocol do not allow the requested training or measurement."""

    code = "cannot-train"


@dataclass(frozen=True)
class Part:
    """Answers of a fold's model to utterances outside its training set.

    Attributes
    ----------
    rows : np.ndarray [shape=(n,), dtype=intp]
        Rows of the utterances.
    whole, cuts : Answers
        Answers to the whole utterances and to short cuts of them.
    """

    rows: NDArray[np.intp]
    whole: Answers
    cuts: Answers


@dataclass(frozen=True)
class FoldAnswers:
    """Answers of a fold's model to its test clips and to its calibration clips.

    Parameters
    ----------
    labels : tuple of str
        Emotions in the order of the columns.
    tested : Part
        Answers to the test clips.
    kept : Part
        Answers to the clips kept for calibration.
    """

    labels: tuple[str, ...]
    tested: Part
    kept: Part


class CrossValidation:
    """Measure one recipe on held-out speakers.

    Parameters
    ----------
    recipe : Recipe
    utterances : Utterances
    results_dir : Path
        Folder for the answers of finished folds. An interrupted run resumes from it.
    n_jobs : int
        Number of folds trained in parallel.
    """

    def __init__(
        self, recipe: Recipe, utterances: Utterances, results_dir: Path, n_jobs: int = 1
    ) -> None:
        self.recipe = recipe
        self.utterances = utterances
        self.results_dir = results_dir
        self.n_jobs = n_jobs

    def evaluate(
        self, protocol: Protocol, n_labels: int = 8, elsewhere: Sequence[Protocol] = ()
    ) -> Outcome:
        """Return calibrated answers to the protocol's clips, each by a model new to its speaker.

        The calibration uses other speakers: the protocol's calibration speakers if it has any,
        otherwise the speakers of the other folds.

        Parameters
        ----------
        protocol : Protocol
        n_labels : {8, 7, 6}
            Size of the label set. Emotions missing from the corpus are excluded from its answers.
        elsewhere : sequence of Protocol
            Protocols with a whole corpus left out. Their answers are also used for calibration,
            except for those to the corpus of `protocol`.

        Raises
        ------
        TrainingError
            A fold has no clip to test, or its training part lacks an emotion of the test part.
        """
        folds = self.held_out(protocol)
        tested = self.utterances.emotions[np.concatenate([fold.tested.rows for fold in folds])]
        kept = {told for emotion in tested if (told := in_set(str(emotion), n_labels))}
        away = self.elsewhere(elsewhere, but_for=protocol.corpus)
        return self.outcome(folds, [self._calibration_of(f, folds, away) for f in folds], kept)

    def elsewhere(self, protocols: Sequence[Protocol], but_for: str = "") -> list[HeldOut]:
        """Return answers to whole held-out corpora, except for the corpus `but_for`."""
        return [
            part
            for protocol in protocols
            if protocol.corpus != but_for
            for fold in self.held_out(protocol)
            for part in self.with_truth(fold.tested, fold.labels)
        ]

    def with_truth(self, part: Part, labels: tuple[str, ...]) -> list[HeldOut]:
        """Pair the answers of a part, to whole utterances and to cuts, with the true emotions."""
        emotions = self.utterances.emotions[part.rows]
        return [HeldOut(answers, labels, emotions) for answers in (part.whole, part.cuts)]

    def _calibration_of(
        self, fold: FoldAnswers, folds: list[FoldAnswers], elsewhere: list[HeldOut]
    ) -> Calibration:
        """Fit a fold's calibration on its kept speakers, or on the other folds' test speakers."""
        tested = [other.tested for other in folds if other is not fold]
        known = [fold.kept] if len(fold.kept.rows) else tested
        return fit_calibration(
            [held for part in known for held in self.with_truth(part, fold.labels)], elsewhere
        )

    def evaluate_by_clip(self, corpus: str, seed: int = 0) -> Outcome:
        """Return answers to a random fifth of a corpus's clips; the split is not by speaker.

        The model was trained on the same speakers. This only shows the bias of such a split.
        """
        rng = np.random.default_rng(seed)
        mine = np.flatnonzero(self.utterances.corpora == corpus)
        tested = np.zeros(len(self.utterances), dtype=bool)
        tested[rng.choice(mine, len(mine) // 5, replace=False)] = True
        self.recipe.prepare(self.utterances)
        fold = self._answers(~tested, tested, np.zeros_like(tested))
        return self.outcome([fold], [Calibration()], set(self.utterances.emotions[mine]))

    def outcome(
        self, folds: list[FoldAnswers], calibrations: list[Calibration], kept: Collection[str]
    ) -> Outcome:
        """Join the answers of folds into one outcome over the kept emotions.

        Parameters
        ----------
        folds : list of FoldAnswers
        calibrations : list of Calibration
            One for each fold.
        kept : collection of str
            Emotions of the outcome. Without calm, calm counts as neutral. Clips of other emotions
            are dropped.
        """
        of = self.utterances.subset(np.concatenate([fold.tested.rows for fold in folds]))
        labels = folds[0].labels
        known = [
            by.probabilities(fold.tested.whole, labels)
            for fold, by in zip(folds, calibrations, strict=True)
        ]
        names, probabilities = read_as(np.concatenate(known), labels, kept)
        emotions = of.emotions
        if "calm" not in kept:
            emotions = np.where(emotions == "calm", "neutral", emotions)
        clips = np.isin(emotions, list(kept))
        numbers = np.repeat(np.arange(len(folds)), [len(fold.tested.rows) for fold in folds])
        return Outcome(
            labels=names,
            emotions=emotions[clips],
            speakers=of.speakers[clips],
            folds=numbers[clips],
            probabilities=probabilities[clips],
            groups={"sex": of.sexes[clips], "intensity": of.intensities[clips]},
        )

    def held_out(self, *protocols: Protocol) -> list[FoldAnswers]:
        """Return uncalibrated answers by fold, loaded from `results_dir` if present.

        Folds of all given protocols are trained in parallel.
        """
        masks = [self._masks(protocol, fold) for protocol in protocols for fold in protocol.folds]
        self.recipe.prepare(self.utterances)
        work = (joblib.delayed(self._answers)(*mask) for mask in masks)
        return list(joblib.Parallel(n_jobs=self.n_jobs)(work))

    def fold_model(
        self, protocol: Protocol, index: int = 0, elsewhere: Sequence[Protocol] = ()
    ) -> tuple[FoldModel, Utterances]:
        """Return the calibrated model of a fold, and its test utterances.

        Parameters
        ----------
        protocol : Protocol
        index : int
            Number of the fold.
        elsewhere : sequence of Protocol
            Protocols with a whole corpus left out, for calibration; see `evaluate`.

        Returns
        -------
        model : FoldModel
        tested : Utterances
            Not used for training the model.
        """
        training, tested_rows, _ = self._masks(protocol, protocol.folds[index])
        tested = self.utterances.subset(tested_rows)
        folds = self.held_out(protocol)
        model = FoldModel(
            self.recipe.fit(self.utterances.subset(training)),
            self._calibration_of(
                folds[index], folds, self.elsewhere(elsewhere, but_for=protocol.corpus)
            ),
            tested.labels,
            self.n_jobs,
        )
        return model, tested

    def _masks(self, protocol: Protocol, fold: Fold) -> tuple[Mask, Mask, Mask]:
        """Return masks of the training, test and calibration utterances."""
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
            found: dict[str, Any] = {"labels": np.array(fitted.labels)}
            for name, part in zip(("tested", "kept"), parts[1:], strict=True):
                for kind, audios in (("whole", list(part)), ("cuts", short_cuts(part))):
                    answers = asked(fitted, audios)
                    found[f"{name}_{kind}"] = answers.log_probabilities
                    found[f"{name}_{kind}_distances"] = answers.distances
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".part").open("wb") as file:
                np.savez(file, **found)
            path.with_suffix(".part").replace(path)
        with np.load(path) as saved:
            kinds = [
                Part(
                    np.flatnonzero(mask),
                    _answers(saved, f"{name}_whole", list(part)),
                    _answers(saved, f"{name}_cuts", short_cuts(part)),
                )
                for name, mask, part in zip(
                    ("tested", "kept"), (tested, calibrating), parts[1:], strict=True
                )
            ]
            return FoldAnswers(tuple(map(str, saved["labels"])), *kinds)


def asked(fitted: Fitted, audios: list[Audio]) -> Answers:
    """Return answers to utterances; empty if there are no utterances."""
    if not audios:
        return Answers.to([], np.empty((0, len(fitted.labels))))
    return fitted.answers(audios)


def _answers(saved: Mapping[str, Any], name: str, audios: list[Audio]) -> Answers:
    return Answers.to(audios, saved[name], saved[f"{name}_distances"])
