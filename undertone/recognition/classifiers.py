"""What each family of models does when it is asked: utterances to log-probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from undertone.onnx import on_all_cores, one_thread_session
from undertone.sound.audio import Audio

Floats = NDArray[np.float64]


class Classifier(Protocol):
    """A model of some family, ready to be asked from many threads."""

    @property
    def n_labels(self) -> int:
        """How many emotions it tells apart."""
        ...

    def log_probabilities(self, audios: Sequence[Audio]) -> Floats:
        """Uncalibrated log-probabilities [n, n_labels] of utterances cut to their spoken part."""
        ...


class Embedder(Protocol):
    """What is needed of `feature_extractor.SpeechEncoder`."""

    @property
    def n_features(self) -> int:
        """Length of an embedding."""
        ...

    def embed(self, audio: Audio) -> NDArray[np.float32]:
        """Embedding [n_features] of an utterance."""
        ...


class Extractor(Protocol):
    """What is needed of `feature_extractor.AudioFeatureExtractor`."""

    def vector(self, audio: Audio) -> Floats:
        """Features [n_features] of an utterance, NaN where nothing can be measured."""
        ...


class HeadOnEncoder:
    """A classifier ``head.onnx`` on the embedding of a speech encoder.

    Raises
    ------
    ValueError
        The head takes another number of features than the encoder gives.
    """

    def __init__(self, encoder: Embedder, head: Path) -> None:
        self._encoder = encoder
        self._head = one_thread_session(head)
        n_features = self._head.get_inputs()[0].shape[-1]
        if n_features != encoder.n_features:
            raise ValueError(
                f"the head takes {n_features} features, the encoder gives {encoder.n_features}"
            )

    @property
    def n_labels(self) -> int:
        """How many emotions it tells apart."""
        return int(self._head.get_outputs()[0].shape[-1])

    def log_probabilities(self, audios: Sequence[Audio]) -> Floats:
        """Log-probabilities [n, n_labels]."""
        embeddings = on_all_cores(self._encoder.embed, audios)
        (probabilities,) = self._head.run(None, {"embedding": np.stack(embeddings)})
        return np.log(np.asarray(probabilities, np.float64) + 1e-12)


class SampleNetwork:
    """A network from samples to log-probabilities."""

    # One analysis frame must fit before its reflection.
    min_samples = 400

    def __init__(self, path: Path) -> None:
        self._session = one_thread_session(path)

    @property
    def n_labels(self) -> int:
        """How many emotions it tells apart."""
        return int(self._session.get_outputs()[0].shape[-1])

    def log_probabilities(self, audios: Sequence[Audio]) -> Floats:
        """Log-probabilities [n, n_labels]."""
        return np.array(on_all_cores(self._row, audios), np.float64)

    def _row(self, audio: Audio) -> Floats:
        samples = np.pad(audio.samples, (0, max(0, self.min_samples - len(audio.samples))))
        return np.asarray(self._session.run(None, {"samples": samples[np.newaxis]})[0][0])


class VectorNetwork:
    """A network from named acoustic features to log-probabilities.

    Parameters
    ----------
    extractor : Extractor
        The one whose features it was trained on.
    path : Path
    """

    def __init__(self, extractor: Extractor, path: Path) -> None:
        self._extractor = extractor
        self._session = one_thread_session(path)

    @property
    def n_labels(self) -> int:
        """How many emotions it tells apart."""
        return int(self._session.get_outputs()[0].shape[-1])

    def log_probabilities(self, audios: Sequence[Audio]) -> Floats:
        """Log-probabilities [n, n_labels].

        Raises
        ------
        RecordingTooShort
            One of them is shorter than features can be measured in.
        """
        vectors = np.array([self._extractor.vector(audio) for audio in audios], np.float32)
        return np.asarray(self._session.run(None, {"features": vectors})[0])
