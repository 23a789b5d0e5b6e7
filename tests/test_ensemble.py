from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from scipy.special import log_softmax

from feature_extractor import AudioFeatureExtractor
from tests import sounds
from tests.test_acoustic_vectors import PitchAndPace
from undertone.recognition.classifiers import VectorNetwork
from undertone.training import ensemble_recipe
from undertone.training.augmentation import Augmentation
from undertone.training.corpora import Clip
from undertone.training.ensemble_onnx import (
    FOREST_SHARPNESS,
    SVM_SHARE,
    SVM_SHARPNESS,
    Members,
    export_ensemble,
)
from undertone.training.ensemble_recipe import (
    EnsembleRecipe,
    EnsembleSettings,
    FittedEnsemble,
    fit_ensemble,
)
from undertone.training.utterances import Utterances

SMALL = EnsembleSettings(n_landmarks=40, n_trees=10)
# Far apart in pitch and pace, which any of its features tells.
TALKERS = {"angry": (260.0, 0.14), "calm": (85.0, 0.4), "sad": (130.0, 0.3)}


def utterances(n_per_emotion: int = 3, duration_s: float = 0.8) -> Utterances:
    clips, samples = [], []
    for emotion, (f0_hz, syllable_s) in TALKERS.items():
        for index in range(n_per_emotion):
            talk = sounds.voice(duration_s, f0_hz + index, syllable_s=syllable_s, seed=index)
            clips.append(Clip(Path(f"{emotion}{index}"), emotion, f"s{index % 3}", "own"))
            samples.append(np.int16(talk * 2**15))
    return Utterances(clips, samples)


def clusters(
    labels: Sequence[str], n: int = 60, seed: int = 0, spread: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [n * len(labels), 6] around a corner for each label."""
    rng = np.random.default_rng(seed)
    corner = {label: index for index, label in enumerate(["angry", "calm", "neutral", "sad"])}
    emotions = np.repeat(labels, n)
    vectors = spread * rng.standard_normal((len(emotions), 6))
    vectors[np.arange(len(emotions)), [corner[label] for label in emotions]] += 2
    return vectors.astype(np.float32), emotions


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FittedEnsemble:
    cache = tmp_path_factory.mktemp("cache")
    return EnsembleRecipe(AudioFeatureExtractor(), cache, settings=SMALL).fit(utterances())


@pytest.fixture(scope="module")
def members() -> Members:
    vectors, emotions = clusters(["angry", "neutral", "sad"])
    vectors[::7, 2] = np.nan
    return fit_ensemble(vectors, emotions, np.full(len(emotions), "own"), SMALL, 0)


def answers(members: Members, vectors: np.ndarray, folder: Path) -> np.ndarray:
    """Log-probabilities [n, n_labels] as the exported network gives them."""
    export_ensemble(members, folder / "ensemble.onnx")
    session = onnxruntime.InferenceSession(str(folder / "ensemble.onnx"))
    return np.asarray(session.run(["log_probabilities"], {"features": vectors})[0])


def test_it_learns_what_it_hears(fitted: FittedEnsemble) -> None:
    heard = utterances()
    log_p = fitted.answers(heard).log_probabilities
    assert fitted.labels == ("angry", "calm", "sad")
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, atol=1e-6)
    assert np.array(fitted.labels)[log_p.argmax(axis=1)].tolist() == heard.emotions.tolist()
    assert fitted.history == []


def test_a_list_of_recordings_is_answered_like_a_corpus(fitted: FittedEnsemble) -> None:
    heard = utterances(1)
    np.testing.assert_allclose(
        fitted.answers(list(heard)).log_probabilities,
        fitted.answers(heard).log_probabilities,
        rtol=1e-5,
    )


def test_a_saved_ensemble_answers_the_same(fitted: FittedEnsemble, tmp_path: Path) -> None:
    assert fitted.save(tmp_path) == ("ensemble.onnx",)
    classifier = VectorNetwork(AudioFeatureExtractor(), tmp_path / "ensemble.onnx")
    assert classifier.n_labels == len(fitted.labels)
    heard = list(utterances(1))
    log_p = classifier.answers(heard).log_probabilities
    np.testing.assert_allclose(log_p, fitted.answers(heard).log_probabilities, rtol=1e-6)
    np.testing.assert_allclose(
        log_p[1:2], classifier.answers(heard[1:2]).log_probabilities, rtol=1e-9
    )


def test_it_trains_on_copies_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[np.ndarray] = []

    def watch(vectors: np.ndarray, emotions: np.ndarray, *rest: Any) -> Members:
        heard.extend([vectors, emotions])
        return fit_ensemble(vectors, emotions, *rest)

    monkeypatch.setattr(ensemble_recipe, "fit_ensemble", watch)
    recipe = EnsembleRecipe(PitchAndPace(), tmp_path, settings=EnsembleSettings(n_copies=2))
    recipe.fit(utterances(2, 0.3))
    recipe.prepare(utterances(2, 0.3))
    assert recipe.extractor["id"] == "test-1"
    others = [
        EnsembleRecipe(PitchAndPace(), tmp_path, seed=1, settings=EnsembleSettings(n_copies=2)),
        EnsembleRecipe(PitchAndPace(), tmp_path, settings=EnsembleSettings(n_copies=1)),
        EnsembleRecipe(PitchAndPace(), tmp_path, augmentation=Augmentation([sounds.tone(0.1)]),
                       settings=EnsembleSettings(n_copies=2)),
    ]  # fmt: skip
    assert recipe.fingerprint not in {other.fingerprint for other in others}
    assert recipe.extractor["n_features"] == 3
    assert heard[0].shape == (18, 3)
    assert heard[1].tolist() == utterances(2).emotions.tolist() * 3


def test_the_same_seed_gives_the_same_ensemble(tmp_path: Path) -> None:
    vectors, emotions = clusters(["angry", "neutral", "sad"], spread=2.0)
    corpora = np.full(len(emotions), "own")
    few = [fit_ensemble(vectors, emotions, corpora, SMALL, seed) for seed in (1, 1, 2)]
    heard = [answers(one, vectors, tmp_path) for one in few]
    np.testing.assert_array_equal(heard[0], heard[1])
    assert np.abs(heard[0] - heard[2]).max() > 0.01


def test_what_cannot_be_measured_is_imputed(members: Members, tmp_path: Path) -> None:
    vectors, _ = clusters(["angry", "neutral", "sad"], n=2, seed=1)
    usual = vectors.copy()
    usual[:, 2] = members.scaler.steps[0][1].statistics_[2]
    vectors[:, 2] = np.nan
    expected = answers(members, usual, tmp_path)
    np.testing.assert_allclose(answers(members, vectors, tmp_path), expected, atol=1e-6)


def test_the_network_answers_as_scikit_learn_does(members: Members, tmp_path: Path) -> None:
    vectors, _ = clusters(["angry", "neutral", "sad"], n=20, seed=1)
    vectors[::5, 3] = np.nan
    standard = members.scaler.transform(vectors.astype(float))
    margins = members.kernel.transform(standard) @ members.weights + members.biases
    shares = [f.predict_proba(standard.astype(np.float32))[:, 1] for f in members.forests]
    odds = np.clip(np.stack(shares, axis=1), 1e-3, 1 - 1e-3)
    by_svms = np.exp(log_softmax(SVM_SHARPNESS * margins, axis=1))
    by_forests = np.exp(log_softmax(FOREST_SHARPNESS * np.log(odds / (1 - odds)), axis=1))
    expected = SVM_SHARE * by_svms + (1 - SVM_SHARE) * by_forests
    np.testing.assert_allclose(np.exp(answers(members, vectors, tmp_path)), expected, atol=1e-6)


def test_features_on_a_threshold_go_the_same_way(members: Members, tmp_path: Path) -> None:
    tree = members.forests[0].estimators_[0].tree_
    feature, threshold = tree.feature[0], tree.threshold[0]
    _, standardiser = (step for _, step in members.scaler.steps)
    rows = np.zeros((3, 6), np.float32)
    at = np.float32(threshold)
    rows[:, feature] = np.nextafter(at, np.float32(-9)), at, np.nextafter(at, np.float32(9))
    # Features as they are, so that rounding cannot move them: of no mean, of scale 1.
    mean, scale = standardiser.mean_, standardiser.scale_
    standardiser.mean_, standardiser.scale_ = np.zeros(6), np.ones(6)
    try:
        heard = answers(members, rows, tmp_path)
        shares = np.stack([f.predict_proba(rows)[:, 1] for f in members.forests], axis=1)
        similar = members.kernel.transform(rows) @ members.weights + members.biases
    finally:
        standardiser.mean_, standardiser.scale_ = mean, scale
    odds = np.clip(shares, 1e-3, 1 - 1e-3)
    by_forests = np.exp(log_softmax(FOREST_SHARPNESS * np.log(odds / (1 - odds)), axis=1))
    by_svms = np.exp(log_softmax(SVM_SHARPNESS * similar, axis=1))
    expected = SVM_SHARE * by_svms + (1 - SVM_SHARE) * by_forests
    np.testing.assert_allclose(np.exp(heard), expected, atol=1e-6)


def test_a_forest_that_found_nothing_to_ask(tmp_path: Path) -> None:
    vectors = np.zeros((60, 6), np.float32)
    emotions = np.repeat(["angry", "neutral", "sad"], [30, 20, 10])
    blind = fit_ensemble(vectors, emotions, np.full(60, "own"), SMALL, 0)
    assert {tree.tree_.node_count for tree in blind.forests[0].estimators_} == {1}
    heard = np.exp(answers(blind, vectors[:2], tmp_path))
    np.testing.assert_allclose(heard.sum(axis=1), 1)
    np.testing.assert_allclose(heard, np.full((2, 3), 1 / 3), atol=0.1)


def test_a_corpus_without_an_emotion_does_not_speak_against_it(tmp_path: Path) -> None:
    # The second corpus has no calm, and its neutral clips sound like the first one's calm.
    first, emotions = clusters(["angry", "calm", "neutral"], n=30)
    second, theirs = clusters(["angry", "calm"], n=150, seed=1)
    theirs = np.where(theirs == "calm", "neutral", theirs)
    corpora = np.repeat(["first", "second"], [len(emotions), len(theirs)])
    both = fit_ensemble(np.vstack([first, second]), np.r_[emotions, theirs], corpora, SMALL, 0)
    asked, truth = clusters(["calm"], n=40, seed=2)
    rivals = answers(both, asked, tmp_path)
    naive = fit_ensemble(
        np.vstack([first, second]),
        np.r_[emotions, theirs],
        np.full(len(corpora), "one"),
        SMALL,
        0,
    )
    one = answers(naive, asked, tmp_path)
    calm = both.labels.index("calm")
    assert rivals[:, calm].mean() > one[:, calm].mean() + 0.5


def test_an_emotion_without_a_rival_is_refused() -> None:
    vectors, emotions = clusters(["angry", "sad"], n=5)
    with pytest.raises(ValueError, match="no other emotion"):
        fit_ensemble(vectors, emotions, emotions, SMALL, 0)
