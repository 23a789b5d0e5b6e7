"""Linear classifier on embeddings, trained over corpora with different sets of emotions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax

from undertone.training.corpus_emotions import corpus_emotions

Floats = NDArray[np.float64]
Strings = NDArray[np.str_]

_IMPOSSIBLE = -1e9


@dataclass(frozen=True)
class LinearHead:
    """Linear head: embedding to probabilities, ``softmax(embedding @ weights + bias)``.

    Attributes
    ----------
    labels : tuple of str
        Emotions in the order of the columns.
    weights : np.ndarray [shape=(n_features, n_labels), dtype=float64]
    bias : np.ndarray [shape=(n_labels,), dtype=float64]
    """

    labels: tuple[str, ...]
    weights: Floats
    bias: Floats

    def logits(self, embeddings: Floats) -> Floats:
        """Return the scores [n, n_labels] before the softmax."""
        scores: Floats = embeddings @ self.weights + self.bias
        return scores

    def probabilities(self, embeddings: Floats) -> Floats:
        """Return probabilities [n, n_labels]; each row sums to 1."""
        return np.asarray(softmax(self.logits(embeddings), axis=1))

    def export_onnx(self, path: Path) -> None:
        """Write the head as an ONNX file.

        Input: ``embedding`` [n, n_features]. Output: ``probabilities`` [n, n_labels].
        """
        from onnx import TensorProto, checker, helper, numpy_helper, save

        constants = {"weights": self.weights, "bias": self.bias}
        nodes = [
            helper.make_node("Gemm", ["embedding", *constants], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ]
        shapes = {"embedding": self.weights.shape[0], "probabilities": self.weights.shape[1]}
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
            for name, width in shapes.items()
        ]
        stored = [
            numpy_helper.from_array(values.astype(np.float32), name)
            for name, values in constants.items()
        ]
        graph = helper.make_graph(nodes, "head", ends[:1], ends[1:], stored)
        opsets = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        checker.check_model(model)
        save(model, str(path))


def fit_head(
    embeddings: NDArray[np.floating],
    emotions: Strings,
    corpora: Strings,
    *,
    strength: float,
) -> LinearHead:
    """Fit a multinomial logistic regression to standardised embeddings.

    The standardisation is folded into the weights.

    Parameters
    ----------
    embeddings : np.ndarray [shape=(n, n_features), dtype=floating]
    emotions, corpora : np.ndarray [shape=(n,), dtype=str]
        Label and corpus of each clip; see `corpus_emotions`.
    strength : float
        Inverse of the L2 penalty (scikit-learn's ``C``).

    Returns
    -------
    LinearHead
        Its labels are sorted by name.
    """
    labels = tuple(str(label) for label in np.unique(emotions))
    mean, scale = embeddings.mean(axis=0), embeddings.std(axis=0) + 1e-6
    standard = ((embeddings - mean) / scale).astype(np.float32)
    known = corpus_emotions(emotions, corpora, labels)
    silent = np.where(known.speaks, 0, _IMPOSSIBLE).astype(np.float32)
    wrong = np.where(known.may_be, 0, _IMPOSSIBLE).astype(np.float32)
    n_features, n_labels = standard.shape[1], len(labels)

    def loss_and_gradient(flat: Floats) -> tuple[float, Floats]:
        matrix = flat.reshape(n_features + 1, n_labels).astype(np.float32)
        log_p = log_softmax(standard @ matrix[:-1] + matrix[-1] + silent, axis=1)
        log_right = logsumexp(log_p + wrong, axis=1, keepdims=True)
        error = np.exp(log_p) - np.exp(log_p + wrong - log_right)
        gradient = np.vstack([standard.T @ error, error.sum(axis=0)]).astype(np.float64)
        penalised = flat.copy()
        penalised[-n_labels:] = 0  # the bias is not penalised
        gradient += penalised.reshape(gradient.shape) / strength
        loss = -float(log_right.sum()) + float(penalised @ penalised) / (2 * strength)
        return loss, gradient.ravel()

    start = np.zeros((n_features + 1) * n_labels)
    found = minimize(
        loss_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}
    )
    matrix = found.x.reshape(n_features + 1, n_labels)
    weights = matrix[:-1] / scale[:, np.newaxis]
    return LinearHead(labels, weights, matrix[-1] - mean @ weights)
