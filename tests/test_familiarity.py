"""What sounds unlike the training data is answered less surely, on clusters far from each other."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="requirements-train.txt is not installed")

from undertone.training.corpora import Clip  # noqa: E402
from undertone.training.familiarity import (  # noqa: E402
    Familiarity,
    FamiliaritySettings,
    corpora_apart,
    fit_familiarity,
    rise,
)
from undertone.training.mlp_head import MeanOfHeads, MlpSettings  # noqa: E402
from undertone.training.utterances import Utterances  # noqa: E402

HEADS = MlpSettings(n_hidden=16, n_epochs=30, rate=0.01, input_dropout=0.0, dropout=0.0)
SETTINGS = FamiliaritySettings(n_components=4, n_clips=300)


def corpus(name: str, n: int, angry_is_up: bool, at: float, seed: int) -> tuple[np.ndarray, list]:
    """Features [n, 6]: the second tells the emotion, the first the corpus."""
    rng = np.random.default_rng(seed)
    angry = rng.random(n) < 0.5
    features = rng.standard_normal((n, 6)).astype(np.float32)
    features[:, 0] += at
    features[:, 1] += np.where(angry == angry_is_up, 3, -3)
    clips = [
        Clip(Path(f"{name}{i}"), "angry" if one else "neutral", f"{name}-{i % 10}", name)
        for i, one in enumerate(angry)
    ]
    return features, clips


def together(*parts: tuple[np.ndarray, list]) -> tuple[np.ndarray, Utterances]:
    clips = [clip for _, own in parts for clip in own]
    features = np.concatenate([features for features, _ in parts])[np.newaxis]
    return features, Utterances(clips, [np.zeros(2, np.int16)] * len(clips))


def test_one_is_usual_within_a_corpus_and_far_is_more() -> None:
    features, training = together(corpus("a", 400, True, 0, 1), corpus("b", 400, True, 30, 2))
    known = Familiarity(features, training.corpora, 6)
    within = known.distances(torch.from_numpy(features[0])).detach().numpy()
    assert (within**2).mean() == pytest.approx(1, abs=0.1)
    between = features[0, :9] + np.array([15, 0, 0, 0, 0, 0], np.float32)
    assert known.distances(torch.from_numpy(between)).min() > 3


def test_a_corpus_that_misleads_elsewhere_makes_answers_less_sure_there() -> None:
    misleading = together(
        corpus("a", 200, True, 0, 1),
        corpus("b", 200, True, 8, 2),
        corpus("c", 200, False, 40, 3),
    )
    known = fit_familiarity(*misleading, SETTINGS, HEADS, seed=0)
    assert known.gain > 0.1
    of_known = torch.from_numpy(misleading[0][0, :50])
    strange = of_known + 60
    assert known(strange).min() > 2 * known(of_known).mean()


def test_it_changes_how_sure_an_answer_is_and_not_which_it_is() -> None:
    features, training = together(corpus("a", 100, True, 0, 1))
    known = Familiarity(features, training.corpora, 4)
    torch.manual_seed(0)
    heads = [[torch.nn.Linear(6, 2)]]
    known.gain, known.knee = 2.0, 1.5
    embedding = torch.from_numpy(features[0] + 3)
    plain, tempered = MeanOfHeads(heads)(embedding), MeanOfHeads(heads, known)(embedding)
    assert torch.equal(plain.argmax(dim=1), tempered.argmax(dim=1))
    assert (tempered.amax(dim=1) < plain.amax(dim=1)).all()
    assert tempered.sum(dim=1).detach().numpy() == pytest.approx(1, abs=1e-5)


def test_with_a_single_corpus_nothing_is_known_of_others() -> None:
    known = fit_familiarity(*together(corpus("a", 60, True, 0, 1)), SETTINGS, HEADS, seed=0)
    assert known(torch.full((3, 6), 99.0)).tolist() == [[1.0]] * 3


def test_it_rises_beyond_the_knee_and_up_to_four() -> None:
    distances = torch.tensor([0.0, 1.0, 2.0, 2.5, 99.0])
    assert rise(distances, 2.0, 1.5).numpy() == pytest.approx([1, 1, 2, 3, 4], abs=0.01)


def test_corpora_of_the_same_speakers_are_left_out_together() -> None:
    clips = [
        Clip(Path("x"), "angry", speaker, name)
        for name, speaker in (("speech", "s1"), ("song", "s1"), ("other", "s2"))
    ]
    utterances = Utterances(clips, [np.zeros(2, np.int16)] * 3)
    assert sorted(map(sorted, corpora_apart(utterances))) == [["other"], ["song", "speech"]]
