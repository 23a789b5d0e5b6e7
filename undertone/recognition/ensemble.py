"""The classical ensemble at run time: acoustic features -> soft vote of SVMs and random forests.

There is one SVM and one forest for each emotion ("this one or another?"), so that each could be
trained on just those corpora that have its emotion.

The rule: the file holds estimators of scikit-learn, arrays and words, nothing of Undertone and
nothing executable; any other type in it is refused before anything is made of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZIP_DEFLATED, BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from undertone.errors import ModelError
from undertone.sound.audio import Audio

Floats = NDArray[np.float64]

FILE_NAME = "ensemble.skops"
# Beside what skops itself trusts, all of it Python's, numpy's, scipy's or scikit-learn's. It does
# not trust trees, whose nodes point at each other unchecked: `_check` does that.
TRUSTED_TYPES = ["numpy.dtype", "sklearn.tree._tree.Tree"]
_DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError, BadZipFile)
# How sharp each member's vote is, and what the SVMs' vote weighs: what makes held-out training
# speakers most probable. The SVMs alone are right as often; the forests make them less sure of
# what is wrong.
SVM_SHARPNESS = 4.0
FOREST_SHARPNESS = 1.5
SVM_SHARE = 0.75


class Extractor(Protocol):
    """What is needed of `feature_extractor.AudioFeatureExtractor`."""

    def vector(self, audio: Audio) -> Floats:
        """Features [n_features] of an utterance, NaN where nothing can be measured."""
        ...


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Fitted estimators that vote.

    Attributes
    ----------
    labels : tuple of str
        Emotions in the order of the columns.
    scaler : Pipeline
        Median imputation and standardisation of features [n, n_features].
    svms : Nystroem
        To the SVMs' decision values [n, n_labels], less their `biases`: the SVMs' weights are
        folded into its normalisation.
    biases : array [n_labels]
    forests : list of RandomForestClassifier
        One for each label, its classes False and True.
    """

    labels: tuple[str, ...]
    scaler: Any
    svms: Any
    biases: Floats
    forests: list[Any]

    def log_probabilities(self, vectors: NDArray[np.floating]) -> Floats:
        """Log-probabilities [n, n_labels] of features [n, n_features]: a mean of both votes."""
        by_svms, by_forests = self.votes(vectors)
        votes = np.logaddexp(by_svms + np.log(SVM_SHARE), by_forests + np.log1p(-SVM_SHARE))
        return np.asarray(votes)

    def votes(self, vectors: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """Log-probabilities [n, n_labels] by the SVMs and by the forests."""
        standard = self.scaler.transform(np.asarray(vectors, np.float64))
        margins = self.svms.transform(standard) + self.biases
        rows = standard.astype(np.float32)
        # Asked tree by tree: the forest's own method starts a job for each, at 0.1 ms of costs.
        shares = [
            np.mean([tree.tree_.predict(rows)[:, 1] for tree in forest.estimators_], axis=0)
            for forest in self.forests
        ]
        share = np.clip(np.stack(shares, axis=1), 1e-3, 1 - 1e-3)
        log_odds = np.log(share) - np.log1p(-share)
        return (
            np.asarray(log_softmax(SVM_SHARPNESS * margins, axis=1)),
            np.asarray(log_softmax(FOREST_SHARPNESS * log_odds, axis=1)),
        )

    def save(self, folder: Path) -> None:
        """Write ``ensemble.skops`` into a folder."""
        from skops.io import dump

        fields = {
            "labels": list(self.labels),
            "scaler": self.scaler,
            "svms": self.svms,
            "biases": self.biases,
            "forests": self.forests,
        }
        dump(fields, folder / FILE_NAME, compression=ZIP_DEFLATED, compresslevel=6)


def load_ensemble(folder: Path) -> Ensemble:
    """The ensemble in a folder's ``ensemble.skops``.

    Raises
    ------
    ModelError
        The file is missing or damaged, or holds a type that no ensemble needs.
    """
    # Slow to import (it visits all of scikit-learn), and only this family needs it.
    from skops.io import load
    from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

    path = folder / FILE_NAME
    try:
        fields = load(path, trusted=TRUSTED_TYPES)
        ensemble = Ensemble(**fields | {"labels": tuple(fields["labels"])})
        _check(ensemble)
    except UntrustedTypesFoundException as error:
        raise ModelError(f"{path} is refused: {error}") from error
    except (*_DAMAGE, UnsupportedTypeException) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    return ensemble


def _check(ensemble: Ensemble) -> None:
    """Raise ValueError where numbers do not fit each other."""
    n_labels, n_features = len(ensemble.labels), ensemble.scaler.n_features_in_
    shapes = ensemble.biases.shape, ensemble.svms.components_.shape[1], len(ensemble.forests)
    if shapes != ((n_labels,), n_features, n_labels):
        raise ValueError(f"{n_labels} labels and {n_features} features do not fit {shapes}.")
    for forest in ensemble.forests:
        for tree in (estimator.tree_ for estimator in forest.estimators_):
            _check_tree(tree, n_features)


def _check_tree(tree: Any, n_features: int) -> None:
    """Raise ValueError where a node points outside: scikit-learn would follow it."""
    nodes = np.arange(tree.node_count)
    left, right = tree.children_left, tree.children_right
    is_leaf = (left == -1) & (right == -1)
    is_ahead = (nodes < np.minimum(left, right)) & (np.maximum(left, right) < tree.node_count)
    is_known = (tree.feature >= 0) & (tree.feature < n_features)
    is_sound = tree.value.shape == (tree.node_count, 1, 2) and tree.n_features == n_features
    if not (is_sound and len(nodes) and (is_leaf | (is_ahead & is_known)).all()):
        raise ValueError("a tree's nodes point outside of it.")


class EnsembleClassifier:
    """A saved ensemble with the extractor of its features; safe to use from many threads.

    Parameters
    ----------
    folder : Path
        With ``ensemble.skops`` in it.
    extractor : Extractor
        The one it was trained with.

    Raises
    ------
    ModelError
        The file cannot be used.
    """

    def __init__(self, folder: Path, extractor: Extractor) -> None:
        self._ensemble = load_ensemble(folder)
        self._extractor = extractor

    @property
    def labels(self) -> tuple[str, ...]:
        """Emotions in the order of the columns."""
        return self._ensemble.labels

    @property
    def n_labels(self) -> int:
        """How many emotions it tells apart."""
        return len(self.labels)

    @property
    def n_features(self) -> int:
        """How many features it expects."""
        return int(self._ensemble.scaler.n_features_in_)

    def log_probabilities(self, audios: Sequence[Audio]) -> Floats:
        """Log-probabilities [n, n_labels] of utterances cut to their spoken part.

        Raises
        ------
        RecordingTooShort
            One of them is shorter than features can be measured in.
        """
        vectors = np.array([self._extractor.vector(audio) for audio in audios])
        return self._ensemble.log_probabilities(vectors)
