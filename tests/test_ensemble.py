import copy
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from skops.io import dump

from feature_extractor import AudioFeatureExtractor
from tests import sounds
from tests.test_acoustic_vectors import PitchAndPace
from undertone.errors import ModelError
from undertone.recognition.ensemble import (
    SVM_SHARE,
    TRUSTED_TYPES,
    Ensemble,
    EnsembleClassifier,
    load_ensemble,
)
from undertone.training import ensemble_recipe
from undertone.training.augmentation import Augmentation
from undertone.training.corpora import Clip
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
def ensemble() -> Ensemble:
    vectors, emotions = clusters(["angry", "neutral", "sad"])
    vectors[::7, 2] = np.nan
    return fit_ensemble(vectors, emotions, np.full(len(emotions), "own"), SMALL, 0)


def test_it_learns_what_it_hears(fitted: FittedEnsemble) -> None:
    heard = utterances()
    log_p = fitted.log_probabilities(heard)
    assert fitted.labels == ("angry", "calm", "sad")
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, atol=1e-6)
    assert np.array(fitted.labels)[log_p.argmax(axis=1)].tolist() == heard.emotions.tolist()
    assert fitted.history == []


def test_a_list_of_recordings_is_answered_like_a_corpus(fitted: FittedEnsemble) -> None:
    heard = utterances(1)
    np.testing.assert_allclose(
        fitted.log_probabilities(list(heard)), fitted.log_probabilities(heard), rtol=1e-5
    )


def test_a_saved_ensemble_answers_the_same(fitted: FittedEnsemble, tmp_path: Path) -> None:
    assert fitted.save(tmp_path) == ("ensemble.skops",)
    classifier = EnsembleClassifier(tmp_path, AudioFeatureExtractor())
    assert classifier.labels == fitted.labels
    assert classifier.n_labels == 3
    assert classifier.n_features == AudioFeatureExtractor().n_features
    heard = list(utterances(1))
    log_p = classifier.log_probabilities(heard)
    np.testing.assert_allclose(log_p, fitted.log_probabilities(heard), rtol=1e-6)
    np.testing.assert_allclose(log_p[1:2], classifier.log_probabilities(heard[1:2]), rtol=1e-9)


def test_it_trains_on_copies_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[np.ndarray] = []

    def watch(vectors: np.ndarray, emotions: np.ndarray, *rest: object) -> None:
        heard.extend([vectors, emotions])

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


def test_the_same_seed_gives_the_same_ensemble() -> None:
    vectors, emotions = clusters(["angry", "neutral", "sad"], spread=2.0)
    corpora = np.full(len(emotions), "own")
    few = [fit_ensemble(vectors, emotions, corpora, SMALL, seed) for seed in (1, 1, 2)]
    answers = [one.log_probabilities(vectors) for one in few]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert np.abs(answers[0] - answers[2]).max() > 0.01


def test_what_cannot_be_measured_is_imputed(ensemble: Ensemble) -> None:
    vectors, _ = clusters(["angry", "neutral", "sad"], n=2, seed=1)
    vectors[:, 2] = np.nan
    assert np.isfinite(ensemble.log_probabilities(vectors)).all()


def test_the_vote_is_the_mean_of_both_members(ensemble: Ensemble) -> None:
    vectors, _ = clusters(["angry", "neutral", "sad"], n=2, seed=1)
    by_svms, by_forests = ensemble.votes(vectors)
    np.testing.assert_allclose(
        np.exp(ensemble.log_probabilities(vectors)),
        SVM_SHARE * np.exp(by_svms) + (1 - SVM_SHARE) * np.exp(by_forests),
    )


def test_forests_answer_as_scikit_learn_does(ensemble: Ensemble) -> None:
    vectors, _ = clusters(["angry", "neutral", "sad"], n=2, seed=1)
    rows = ensemble.scaler.transform(vectors.astype(float)).astype(np.float32)
    shares = [
        np.mean([tree.tree_.predict(rows)[:, 1] for tree in forest.estimators_], axis=0)
        for forest in ensemble.forests
    ]
    expected = [forest.predict_proba(rows)[:, 1] for forest in ensemble.forests]
    np.testing.assert_allclose(shares, expected)


def test_a_corpus_without_an_emotion_does_not_speak_against_it() -> None:
    # The second corpus has no calm, and its neutral clips sound like the first one's calm.
    first, emotions = clusters(["angry", "calm", "neutral"], n=30)
    second, theirs = clusters(["angry", "calm"], n=150, seed=1)
    theirs = np.where(theirs == "calm", "neutral", theirs)
    corpora = np.repeat(["first", "second"], [len(emotions), len(theirs)])
    both = fit_ensemble(np.vstack([first, second]), np.r_[emotions, theirs], corpora, SMALL, 0)
    asked, truth = clusters(["calm"], n=40, seed=2)
    rivals = both.log_probabilities(asked)
    one = fit_ensemble(
        np.vstack([first, second]),
        np.r_[emotions, theirs],
        np.full(len(corpora), "one"),
        SMALL,
        0,
    ).log_probabilities(asked)
    calm = both.labels.index("calm")
    assert rivals[:, calm].mean() > one[:, calm].mean() + 0.5


def test_an_emotion_without_a_rival_is_refused() -> None:
    vectors, emotions = clusters(["angry", "sad"], n=5)
    with pytest.raises(ValueError, match="no other emotion"):
        fit_ensemble(vectors, emotions, emotions, SMALL, 0)


# --- the file -------------------------------------------------------------------------------


def test_the_file_holds_nothing_of_undertone(ensemble: Ensemble, tmp_path: Path) -> None:
    ensemble.save(tmp_path)
    with zipfile.ZipFile(tmp_path / "ensemble.skops") as archive:
        schema = archive.read("schema.json").decode()
    assert "undertone" not in schema
    assert "sklearn" in schema


class Foreign(SimpleImputer):
    """What a file could bring along."""


def test_a_foreign_type_is_refused(ensemble: Ensemble, tmp_path: Path) -> None:
    fields = {"labels": ["angry"], "scaler": Foreign(), "svms": 0, "biases": 0, "forests": []}
    dump(fields, tmp_path / "ensemble.skops")
    with pytest.raises(ModelError, match="Foreign"):
        load_ensemble(tmp_path)


@pytest.mark.parametrize("field", ["left_child", "right_child", "feature"])
def test_a_tree_that_points_outside_is_refused(
    field: str, ensemble: Ensemble, tmp_path: Path
) -> None:
    forests = copy.deepcopy(ensemble.forests)
    tree = forests[1].estimators_[2].tree_
    state = tree.__getstate__()
    state["nodes"][field][0] = 10**6
    tree.__setstate__(state)
    replace(ensemble, forests=forests).save(tmp_path)
    with pytest.raises(ModelError, match="point outside"):
        load_ensemble(tmp_path)


def test_members_that_do_not_fit_the_labels_are_refused(ensemble: Ensemble, tmp_path: Path) -> None:
    replace(ensemble, labels=("angry", "sad")).save(tmp_path)
    with pytest.raises(ModelError, match="do not fit"):
        load_ensemble(tmp_path)


def test_only_types_of_the_libraries_are_trusted() -> None:
    assert {name.split(".")[0] for name in TRUSTED_TYPES} <= {"sklearn", "numpy", "scipy"}


@pytest.mark.parametrize("damage", ["missing", "no zip", "another file's fields"])
def test_a_damaged_file_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "ensemble.skops"
    if damage == "no zip":
        path.write_bytes(b"RIFF" + bytes(100))
    elif damage == "another file's fields":
        dump({"labels": ["angry"], "network": 1}, path)
    with pytest.raises(ModelError, match=r"ensemble\.skops"):
        load_ensemble(tmp_path)
