"""Classifiers of each model family: from utterances to uncalibrated answers."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from undertone.onnx import on_all_cores, one_thread_session
from undertone.recognition.calibration import Answers
from undertone.sound.audio import Audio

Floats = NDArray[np.float64]


class Classifier(Protocol):
    """Model of any family, safe to use from many threads."""

    @property
    def n_labels(self) -> int:
        """Number of emotions."""
        ...

    def answers(self, audios: Sequence[Audio]) -> Answers:
        """Return the answers for utterances cut to their spoken part."""
        ...


class Embedder(Protocol):
    """Required interface of `feature_extractor.SpeechEncoder`."""

    @property
    def n_features(self) -> int:
        """Length of an embedding."""
        ...

    def embed(self, audio: Audio) -> NDArray[np.float32]:
        """Return the embedding of an utterance [shape=(n_features,), dtype=float32]."""
        ...


class Extractor(Protocol):
    """Required interface of `feature_extractor.AudioFeatureExtractor`."""

    def vector(self, audio: Audio) -> Floats:
        """Return the features of an utterance [shape=(n_features,)]; NaN if not measurable."""
        ...


class Head:
    """Classifier ``head.onnx`` on embeddings."""

    def __init__(self, path: Path) -> None:
        self._session = one_thread_session(path)
        self.n_features = int(self._session.get_inputs()[0].shape[-1])
        self.n_labels = int(self._session.get_outputs()[0].shape[-1])

    def answers(self, audios: Iterable[Audio], embeddings: NDArray[np.float32]) -> Answers:
        """Return the answers for utterances and their embeddings.

        Parameters
        ----------
        audios : iterable of Audio
            The n utterances.
        embeddings : np.ndarray [shape=(n, n_features), dtype=float32]
            Their embeddings.
        """
        found = self._session.run(None, {"embedding": embeddings})
        # A head trained on a finished encoder gives no distances.
        probabilities, *distances = (np.asarray(array, np.float64) for array in found)
        return Answers.to(audios, np.log(probabilities + 1e-12), *distances)


class HeadOnEncoder:
    """Classifier head on the embeddings of a speech encoder.

    Raises
    ------
    ValueError
        The numbers of features of head and encoder differ.
    """

    def __init__(self, encoder: Embedder, head: Path) -> None:
        self._encoder, self._head = encoder, Head(head)
        if self._head.n_features != encoder.n_features:
            raise ValueError(
                f"the head takes {self._head.n_features} features, the encoder gives "
                f"{encoder.n_features}"
            )

    @property
    def n_labels(self) -> int:
        """Number of emotions."""
        return self._head.n_labels

    def answers(self, audios: Sequence[Audio]) -> Answers:
        """Return the answers for utterances, with their distances from the training data."""
        return self._head.answers(audios, np.stack(on_all_cores(self._encoder.embed, audios)))


class SampleNetwork:
    """Network from samples to log-probabilities."""

    # One analysis frame must fit before its reflection.
    min_samples = 400

    def __init__(self, path: Path) -> None:
        self._session = one_thread_session(path)

    @property
    def n_labels(self) -> int:
        """Number of emotions."""
        return int(self._session.get_outputs()[0].shape[-1])

    def answers(self, audios: Sequence[Audio]) -> Answers:
        """Return the answers for utterances."""
        return Answers.to(audios, np.array(on_all_cores(self._row, audios), np.float64))

    def _row(self, audio: Audio) -> Floats:
        samples = np.pad(audio.samples, (0, max(0, self.min_samples - len(audio.samples))))
        return np.asarray(self._session.run(None, {"samples": samples[np.newaxis]})[0][0])


class VectorNetwork:
    """Network from named acoustic features to log-probabilities.

    Parameters
    ----------
    extractor : Extractor
        Extractor of the features used in training.
    path : Path
        ONNX file of the network.
    """

    def __init__(self, extractor: Extractor, path: Path) -> None:
        self._extractor = extractor
        self._session = one_thread_session(path)

    @property
    def n_labels(self) -> int:
        """Number of emotions."""
        return int(self._session.get_outputs()[0].shape[-1])

    def answers(self, audios: Sequence[Audio]) -> Answers:
        """Return the answers for utterances.

        Raises
        ------
        RecordingTooShort
            An utterance is too short to measure features.
        """
        vectors = np.array([self._extractor.vector(audio) for audio in audios], np.float32)
        return Answers.to(audios, np.asarray(self._session.run(None, {"features": vectors})[0]))
