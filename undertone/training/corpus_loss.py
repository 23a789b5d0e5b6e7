"""Sampling and loss for training networks on many corpora at once."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undertone.training.corpus_emotions import CALM, NEUTRAL, corpus_emotions
from undertone.training.recipe import Floats
from undertone.training.utterances import Utterances

Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]
# Score offset of an impossible emotion, as large as half-precision allows.
_IMPOSSIBLE = -1e4


class CorpusLoss:
    """Cross entropy over the emotions distinguished by each clip's corpus.

    Parameters
    ----------
    training : Utterances
        Training set. Row numbers refer to it.
    labels : tuple of str
        Emotions in the order of the scores' columns.
    smoothing : float
        Share of each target spread evenly over its corpus's emotions.
    heard_share : float
        Share of the rest taken from the listeners' votes, if there are any.
    """

    def __init__(
        self, training: Utterances, labels: tuple[str, ...], *, smoothing: float, heard_share: float
    ) -> None:
        known = corpus_emotions(training.emotions, training.corpora, labels)
        self._labels, self._lumps = labels, known.lumps
        self._offsets = np.where(known.speaks, 0, _IMPOSSIBLE).astype(np.float32)
        targets = soft_targets(training, labels, known.has, smoothing, heard_share)
        self._targets = targets.astype(np.float32)

    def __call__(
        self, scores: Tensor, rows: Rows, partners: Rows | None = None, weight: float = 1.0
    ) -> Tensor:
        """Return the mean loss of scores.

        Parameters
        ----------
        scores : Tensor [shape=(len(rows), n_labels)]
        rows : np.ndarray [shape=(batch,), dtype=intp]
            Rows of the scored utterances.
        partners : np.ndarray [shape=(batch,), dtype=intp], optional
            Rows of utterances mixed into them, from the same corpora.
        weight : float
            Share of `rows` in the mix.
        """
        targets = self._targets[rows]
        if partners is not None:
            targets = weight * targets + (1 - weight) * self._targets[partners]
        return -(torch.from_numpy(targets) * self.log_shares(scores, rows)).sum(dim=1).mean()

    def log_shares(self, scores: Tensor, rows: Rows) -> Tensor:
        """Return log-probabilities [len(rows), n_labels] over the emotions of each clip's corpus.

        If the corpus labels calm as neutral, the neutral column holds the sum of both.
        """
        log_p = (scores + torch.from_numpy(self._offsets[rows])).log_softmax(dim=1)
        if not self._lumps.any():
            return log_p
        calm, neutral = self._labels.index(CALM), self._labels.index(NEUTRAL)
        either = torch.logaddexp(log_p[:, calm], log_p[:, neutral])
        lumps = torch.from_numpy(self._lumps[rows])
        columns = list(log_p.unbind(dim=1))
        columns[neutral] = torch.where(lumps, either, log_p[:, neutral])
        columns[calm] = torch.where(lumps, torch.tensor(_IMPOSSIBLE), log_p[:, calm])
        return torch.stack(columns, dim=1)


def soft_targets(
    utterances: Utterances,
    labels: Sequence[str],
    allowed: Bools,
    smoothing: float,
    heard_share: float,
) -> Floats:
    """Return target probabilities [n, n_labels]: label, listeners' votes and label smoothing.

    Parameters
    ----------
    utterances : Utterances
    labels : sequence of str
        Emotions in the order of the columns, sorted.
    allowed : np.ndarray [shape=(n, n_labels), dtype=bool]
        Emotions allowed for each utterance. The smoothing is spread over them.
    smoothing : float
        Share of each target spread evenly over the allowed emotions.
    heard_share : float
        Share of the rest taken from the listeners' votes, if there are any.

    Returns
    -------
    np.ndarray [shape=(n, n_labels), dtype=float64]
    """
    targets = np.zeros((len(utterances), len(labels)))
    targets[np.arange(len(utterances)), np.searchsorted(labels, utterances.emotions)] = 1
    for target, clip in zip(targets, utterances.clips, strict=True):
        heard = [(emotion, share) for emotion, share in clip.heard if emotion in labels]
        if heard:
            target *= 1 - heard_share
            for emotion, share in heard:
                target[labels.index(emotion)] += heard_share * share
    targets /= targets.sum(axis=1, keepdims=True)
    even = allowed / allowed.sum(axis=1, keepdims=True)
    return np.asarray((1 - smoothing) * targets + smoothing * even)


def shares(utterances: Utterances) -> Floats:
    """Return the sampling probability of each utterance [n]; they sum to 1.

    The weight of a corpus is the square root of its speakers times its clips. Neither many clips of
    two speakers nor many speakers then dominate the other corpora. Within a corpus, all emotions
    have equal weight.
    """
    found = np.zeros(len(utterances))
    for corpus in np.unique(utterances.corpora):
        mine = utterances.corpora == corpus
        n_speakers = len(np.unique(utterances.speakers[mine]))
        emotions, place, counts = np.unique(
            utterances.emotions[mine], return_inverse=True, return_counts=True
        )
        found[mine] = np.sqrt(n_speakers * mine.sum()) / (len(emotions) * counts[place])
    return np.asarray(found / found.sum())
