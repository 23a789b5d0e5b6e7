"""What sounds unlike the training data is far from it, on clusters far from each other."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="requirements-train.txt is not installed")

from undertone.training.familiarity import Familiarity  # noqa: E402


def corpus(at: float, n: int, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    """Features [n, 6] around a point on the first axis."""
    features = scale * np.random.default_rng(seed).standard_normal((n, 6)).astype(np.float32)
    features[:, 0] += at
    return features


def known(*corpora: np.ndarray, n_components: int = 6) -> Familiarity:
    names = np.repeat([f"c{number}" for number in range(len(corpora))], list(map(len, corpora)))
    return Familiarity(np.concatenate(corpora)[np.newaxis], names, n_components)


def distances(familiarity: Familiarity, features: np.ndarray) -> np.ndarray:
    return familiarity(torch.from_numpy(features)).detach().numpy()


def test_one_is_usual_within_a_corpus_and_far_is_more() -> None:
    first, second = corpus(0, 400, seed=1), corpus(30, 400, seed=2)
    familiarity = known(first, second)
    assert (distances(familiarity, first) ** 2).mean() == pytest.approx(1, abs=0.1)
    between = first[:9] + np.array([15, 0, 0, 0, 0, 0], np.float32)
    assert distances(familiarity, between).min() > 3


def test_the_nearest_corpus_counts() -> None:
    familiarity = known(corpus(0, 400, seed=1), corpus(30, 400, seed=2))
    near_second = distances(familiarity, corpus(30, 50, seed=3))
    assert near_second.mean() < 1.3


def test_a_large_corpus_shapes_it_no_more_than_a_small_one() -> None:
    small, large = corpus(0, 100, scale=3.0, seed=1), corpus(30, 5000, scale=1.0, seed=2)
    even = known(small, large)
    fewer = known(small, large[:100])
    asked = corpus(0, 50, scale=3.0, seed=3)
    assert distances(even, asked) == pytest.approx(distances(fewer, asked), rel=0.1)


def test_directions_that_hardly_vary_do_not_count_most() -> None:
    same_twice = corpus(0, 300, seed=1)
    same_twice[:, 3:] = same_twice[:, :3]
    familiarity = known(same_twice, n_components=4)
    nearly = same_twice + corpus(0, 300, scale=0.01, seed=2)
    assert distances(familiarity, nearly).mean() < 1.1


def test_a_corpus_of_one_clip_does_no_harm() -> None:
    familiarity = known(corpus(0, 100, seed=1), corpus(9, 1, seed=2))
    assert np.isfinite(distances(familiarity, corpus(0, 5, seed=3))).all()
