"""Who is tested is never trained on, and every choice is made on others than those measured."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

from undertone.recognition.calibration import Answers
from undertone.sound.audio import Audio
from undertone.training.calibrating import fit_calibration
from undertone.training.corpora import Clip
from undertone.training.cross_validation import CrossValidation, TrainingError
from undertone.training.protocols import Fold, Protocol, leave_out
from undertone.training.utterances import Utterances

LOUDNESS = {"angry": 20_000, "calm": 9_000, "neutral": 5_000, "sad": 1_000}


class Level:
    """Tells emotions by their level; notes whom it was trained on."""

    family = "level"
    fingerprint = "1"
    extractor: dict[str, Any] = {"id": "level"}

    def __init__(self) -> None:
        self.heard: list[set[str]] = []

    def prepare(self, utterances: Utterances) -> None:
        pass

    def fit(self, training: Utterances) -> "Level":
        self.heard.append(set(training.speakers))
        self.labels = training.labels
        self.history: list[dict[str, float]] = []
        return self

    def answers(self, utterances: Sequence[Audio]) -> Answers:
        levels = np.array([np.abs(audio.samples).max() * 2**15 for audio in utterances])
        wanted = np.array([LOUDNESS[label] for label in self.labels])
        said = log_softmax(-np.abs(levels.reshape(-1, 1) - wanted) / 300, axis=1)
        return Answers.to(utterances, said)


class Strange(Level):
    """Finds utterances far away that are of another length than those it was trained on."""

    def fit(self, training: Utterances) -> "Strange":
        fitted = Strange()
        Level.fit(fitted, training)
        fitted.lengths = {len(audio.samples) for audio in training}
        return fitted

    def answers(self, utterances: Sequence[Audio]) -> Answers:
        known = [len(audio.samples) in self.lengths for audio in utterances]
        return replace(super().answers(utterances), distances=np.where(known, 0.5, 3.0))


def made(corpus: str, n_speakers: int, emotions: Sequence[str], length: int = 800) -> Utterances:
    clips, samples = [], []
    for speaker in range(n_speakers):
        for emotion in emotions:
            for take in range(2):
                path = Path(f"{speaker}-{emotion}-{take}.wav")
                clips.append(Clip(path, emotion, f"{corpus}-{speaker}", corpus, "female"))
                # One clip in ten sounds like another emotion.
                loud = emotion if (speaker + take) % 10 else "sad"
                samples.append(np.full(length, LOUDNESS[loud], np.int16))
    return Utterances(clips, samples)


def together(*parts: Utterances) -> Utterances:
    return Utterances(
        [clip for part in parts for clip in part.clips],
        [samples for part in parts for samples in part._samples],
    )


@pytest.fixture
def utterances() -> Utterances:
    return together(made("a", 10, ["angry", "calm", "neutral", "sad"]), made("b", 10, LOUDNESS))


def folds(*groups: Sequence[int]) -> Protocol:
    return Protocol(
        "test", "a", tuple(Fold(frozenset(f"a-{n}" for n in group)) for group in groups)
    )


def test_a_test_speaker_is_never_trained_on(utterances: Utterances, tmp_path: Path) -> None:
    recipe = Level()
    outcome = CrossValidation(recipe, utterances, tmp_path).evaluate(folds([0, 1], [2, 3, 4]))
    assert len(outcome.emotions) == 5 * 8
    assert set(outcome.speakers) == {f"a-{n}" for n in range(5)}
    assert not recipe.heard[0] & {"a-0", "a-1"}
    assert not recipe.heard[1] & {"a-2", "a-3", "a-4"}
    assert outcome.right.mean() > 0.8
    assert outcome.groups["sex"].tolist() == ["female"] * 40


def test_finished_folds_are_not_trained_again(utterances: Utterances, tmp_path: Path) -> None:
    first, second = Level(), Level()
    one = CrossValidation(first, utterances, tmp_path).evaluate(folds([0], [1]))
    two = CrossValidation(second, utterances, tmp_path).evaluate(folds([0], [1]))
    assert len(first.heard) == 2 and not second.heard
    assert np.array_equal(one.probabilities, two.probabilities)
    second.fingerprint = "2"
    CrossValidation(second, utterances, tmp_path).evaluate(folds([0], [1]))
    assert len(second.heard) == 2, "another recipe is trained"


def test_the_calibration_of_a_fold_does_not_see_its_labels(
    utterances: Utterances, tmp_path: Path
) -> None:
    protocol = folds([0, 1, 2], [3, 4, 5])
    honest = CrossValidation(Level(), utterances, tmp_path / "a").evaluate(protocol)
    wrong = utterances.emotions.copy()
    mine = np.isin(utterances.speakers, ["a-0", "a-1", "a-2"])
    wrong[mine] = "sad"
    cross = CrossValidation(Level(), utterances, tmp_path / "a")
    trained = cross.held_out(protocol)
    utterances.emotions = wrong
    cross.held_out = lambda *protocols: trained
    measured = cross.evaluate(protocol)
    first = honest.folds == 0
    assert np.array_equal(honest.probabilities[first], measured.probabilities[first])
    assert not np.array_equal(honest.probabilities[~first], measured.probabilities[~first])


def test_a_corpus_without_calm_or_seven_emotions_asked_for(
    utterances: Utterances, tmp_path: Path
) -> None:
    cross = CrossValidation(Level(), utterances, tmp_path)
    seven = cross.evaluate(folds([0, 1], [2, 3]), 7)
    assert seven.labels == ("angry", "neutral", "sad") and len(seven.emotions) == 4 * 8
    assert (seven.emotions == "neutral").sum() == 2 * (seven.emotions == "sad").sum()
    assert seven.probabilities.sum(axis=1) == pytest.approx(1)
    eight = cross.evaluate(folds([0, 1], [2, 3]))
    assert eight.labels == tuple(LOUDNESS)


def test_what_a_distance_means_is_learned_from_corpora_left_out(tmp_path: Path) -> None:
    """Elsewhere every other clip is told as what it is not."""
    both = together(made("a", 8, LOUDNESS), made("b", 8, LOUDNESS, 900))
    mistold = (both.corpora == "b") & (np.arange(len(both)) % 2 == 0)
    both.emotions[mistold] = np.roll(both.emotions[mistold], 1)
    protocols = [
        leave_out(name, both.speakers[both.corpora == name], both.speakers) for name in "ab"
    ]
    cross = CrossValidation(Strange(), both, tmp_path)
    assert len(cross.elsewhere(protocols)) == 4, "whole and cut short"
    away = cross.elsewhere(protocols, but_for="a")
    assert len(away) == 2 and all((part.answers.distances == 3).all() for part in away)
    (fold,) = cross.held_out(protocols[1])
    learned = fit_calibration(cross.with_truth(fold.kept, fold.labels), away)
    near, far = fold.kept.whole, away[0].answers
    assert learned.gain > 0.1
    sure = [learned.probabilities(x, fold.labels).max(axis=1).mean() for x in (near, far)]
    assert sure[0] > sure[1] + 0.1


def test_calibration_speakers_are_neither_trained_on_nor_tested(
    utterances: Utterances, tmp_path: Path
) -> None:
    fold = Fold(frozenset({"a-0"}), frozenset({"a-8", "a-9"}))
    recipe = Level()
    outcome = CrossValidation(recipe, utterances, tmp_path).evaluate(Protocol("one", "a", (fold,)))
    assert set(outcome.speakers) == {"a-0"}
    assert not recipe.heard[0] & {"a-0", "a-8", "a-9"}


def test_leaving_a_corpus_out(tmp_path: Path) -> None:
    both = together(made("a", 6, LOUDNESS), made("b", 20, ["angry", "neutral", "sad"]))
    mine = both.speakers[both.corpora == "a"]
    protocol = leave_out("a", mine, both.speakers)
    recipe = Level()
    outcome = CrossValidation(recipe, both, tmp_path).evaluate(protocol)
    assert not any(speaker.startswith("a-") for speaker in recipe.heard[0])
    assert len(recipe.heard[0]) == 18, "a tenth of the others is kept to calibrate"
    assert set(outcome.emotions) == {"angry", "neutral", "sad"}, "calm is in one of them only"
    assert len(outcome.emotions) == 36


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        (folds([77]), "no clip to test"),
        (folds(range(10)), "No training clip has calm"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    protocol: Protocol, message: str, tmp_path: Path
) -> None:
    both = together(made("a", 10, LOUDNESS), made("b", 10, ["angry", "neutral", "sad"]))
    with pytest.raises(TrainingError, match=message):
        CrossValidation(Level(), both, tmp_path).evaluate(protocol)


def test_a_random_split_hears_its_speakers(utterances: Utterances, tmp_path: Path) -> None:
    recipe = Level()
    outcome = CrossValidation(recipe, utterances, tmp_path).evaluate_by_clip("a")
    assert len(outcome.emotions) == 16
    assert set(outcome.speakers) <= recipe.heard[0]
