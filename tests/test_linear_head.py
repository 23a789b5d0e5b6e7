from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from undertone.onnx import one_thread_session
from undertone.training.linear_head import fit_head


@pytest.fixture
def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Three emotions, not in alphabetical order of appearance, as clusters in 5 dimensions."""
    rng = np.random.default_rng(440)
    centres = {"sad": 0.0, "angry": 2.0, "happy": 4.0}
    emotions = np.repeat(list(centres), 60)
    spread = rng.normal(size=(180, 5))
    return spread + np.array([centres[name] for name in emotions])[:, None], emotions


def one_corpus(emotions: np.ndarray) -> np.ndarray:
    return np.full(len(emotions), "corpus")


def test_it_agrees_with_scikit_learn(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    x, emotions = clusters
    head = fit_head(x, emotions, one_corpus(emotions), strength=0.5)
    reference = LogisticRegression(C=0.5, tol=1e-8).fit(StandardScaler().fit_transform(x), emotions)
    assert head.labels == tuple(reference.classes_)
    expected = reference.predict_proba(StandardScaler().fit_transform(x))
    assert head.probabilities(x) == pytest.approx(expected, abs=2e-3)


def test_columns_belong_to_their_labels(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    x, emotions = clusters
    head = fit_head(x, emotions, one_corpus(emotions), strength=1.0)
    answers = np.array(head.labels)[head.probabilities(x).argmax(axis=1)]
    assert np.mean(answers == emotions) > 0.9


def test_onnx_gives_the_same(clusters: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    x, emotions = clusters
    head = fit_head(x, emotions, one_corpus(emotions), strength=1.0)
    head.export_onnx(tmp_path / "head.onnx")
    session = one_thread_session(tmp_path / "head.onnx")
    (got,) = session.run(None, {"embedding": x.astype(np.float32)})
    assert got == pytest.approx(head.probabilities(x), abs=1e-5)


def test_calm_told_as_neutral_is_found_by_the_corpus_that_tells_it_apart() -> None:
    rng = np.random.default_rng(0)
    centres = {"angry": (4.0, 0.0), "neutral": (-2.0, -3.0), "calm": (-2.0, 3.0)}
    truth = np.repeat(list(centres), 200)
    x = np.array([centres[name] for name in truth]) + rng.standard_normal((len(truth), 2))
    corpora = np.tile(["apart", "together"], len(truth) // 2)
    told = np.where((corpora == "together") & (truth == "calm"), "neutral", truth)
    head = fit_head(x, told, corpora, strength=1.0)
    answers = np.array(head.labels)[head.probabilities(x).argmax(axis=1)]
    assert np.mean(answers == truth) > 0.98
