"""What clips say about emotions that their corpus does not have."""

import numpy as np

from undertone.training.corpus_emotions import corpus_emotions

LABELS = ("angry", "calm", "neutral", "surprise")


def test_what_a_corpus_lacks() -> None:
    emotions = np.array(
        ["angry", "calm", "neutral", "surprise", "angry", "neutral", "angry", "surprise"]
    )
    corpora = np.array(["all", "all", "all", "all", "no calm", "no calm", "neither", "neither"])
    known = corpus_emotions(emotions, corpora, LABELS)
    assert (
        known.has.astype(int).tolist()
        == [[1, 1, 1, 1]] * 4 + [[1, 0, 1, 0]] * 2 + [[1, 0, 0, 1]] * 2
    )
    assert known.lumps.tolist() == [False] * 4 + [True] * 2 + [False] * 2
    # Who has neutral and no calm says of what is angry that it is not calm either.
    assert known.speaks[4:].astype(int).tolist() == [[1, 1, 1, 0]] * 2 + [[1, 0, 0, 1]] * 2
    assert known.may_be[4:].astype(int).tolist() == [
        [1, 0, 0, 0],
        [0, 1, 1, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 1],
    ]


def test_labels_without_calm() -> None:
    emotions, corpora = np.array(["angry", "neutral"]), np.array(["own", "own"])
    known = corpus_emotions(emotions, corpora, ("angry", "neutral"))
    assert not known.lumps.any()
    assert known.speaks.all()
