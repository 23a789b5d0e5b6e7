"""What is drawn from many corpora, and what counts as right in each."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="requirements-train.txt is not installed")

from undertone.training.corpora import Clip  # noqa: E402
from undertone.training.corpus_loss import CorpusLoss, shares, soft_targets  # noqa: E402
from undertone.training.utterances import Utterances  # noqa: E402

LABELS = ("angry", "calm", "neutral", "surprise")


def utterances_of(*told: tuple[str, str], heard: tuple[tuple[str, float], ...] = ()) -> Utterances:
    """Silent utterances of (corpus, emotion), each by a speaker of its own."""
    clips = [
        Clip(Path(str(number)), emotion, f"{corpus}-{number}", corpus, heard=heard)
        for number, (corpus, emotion) in enumerate(told)
    ]
    return Utterances(clips, [np.zeros(2, np.int16)] * len(clips))


@pytest.fixture
def two_corpora() -> Utterances:
    """One that tells all four emotions apart, one that has angry and neutral."""
    apart = [("apart", label) for label in LABELS]
    return utterances_of(*apart, ("together", "angry"), ("together", "neutral"))


def test_corpora_and_emotions_are_drawn_evenly() -> None:
    uneven = utterances_of(("a", "angry"), *[("a", "neutral")] * 3, ("b", "angry"))
    drawn = shares(uneven)
    assert drawn[0] == pytest.approx(drawn[1:4].sum())
    # The root of speakers times clips: 4 and 4 in the first, 1 and 1 in the second.
    assert drawn[4] == pytest.approx(1 / 5)
    assert drawn.sum() == pytest.approx(1)


def test_targets_are_label_votes_and_a_little_of_all() -> None:
    votes = (("angry", 0.5), ("fear", 0.5))
    clips = [
        Clip(Path("a"), "angry", "s", "c", heard=votes),
        Clip(Path("b"), "neutral", "s", "c"),
    ]
    utterances = Utterances(clips, [np.zeros(2, np.int16)] * 2)
    allowed = np.array([[True, True, True], [False, True, True]])
    targets = soft_targets(
        utterances, ["angry", "fear", "neutral"], allowed, smoothing=0.3, heard_share=0.4
    )
    assert targets == pytest.approx(np.array([[0.66, 0.24, 0.1], [0, 0.15, 0.85]]))


def test_what_a_corpus_does_not_have_costs_nothing_there(two_corpora: Utterances) -> None:
    loss = CorpusLoss(two_corpora, LABELS, smoothing=0.0, heard_share=0.0)
    scores = torch.tensor([[0.0, 0.0, 0.0, 9.0]])
    assert loss(scores, np.array([4])).item() == pytest.approx(np.log(3))  # surprise is not there
    assert loss(scores, np.array([0])).item() > 9


def test_calm_counts_as_neutral_where_that_is_what_it_is_called(two_corpora: Utterances) -> None:
    loss = CorpusLoss(two_corpora, LABELS, smoothing=0.0, heard_share=0.0)
    calm = torch.tensor([[0.0, 9.0, 0.0, 0.0]])
    assert loss(calm, np.array([5])).item() < 0.01
    assert loss(calm, np.array([2])).item() > 8
    assert loss(calm, np.array([4])).item() > 8, "an angry clip is not calm"


def test_a_mix_is_as_right_as_its_parts(two_corpora: Utterances) -> None:
    loss = CorpusLoss(two_corpora, LABELS, smoothing=0.0, heard_share=0.0)
    scores = torch.tensor([[2.0, 0.0, 1.0, 0.0]])
    angry, neutral = (loss(scores, np.array([row])).item() for row in (0, 2))
    mixed = loss(scores, np.array([0]), np.array([2]), weight=0.75).item()
    assert mixed == pytest.approx(0.75 * angry + 0.25 * neutral, rel=1e-5)
