"""What each family of models does when it is asked: utterances to uncalibrated answers."""

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
    """A model of some family, ready to be asked from many threads."""

    @property
    def n_labels(self) -> int:
        """How many emotions it tells apart."""
        ...

    def answers(self, audios: Sequence[Audio]) -> Answers:
        """What it says of utterances cut to their spoken part."""
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


class Head:
    """A classifier ``head.onnx`` on embeddings."""

    def __init__(self, path: Path) -> None:
        self._session = one_thread_session(path)
        self.n_features = int(self._session.get_inputs()[0].shape[-1])
        self.n_labels = int(self._session.get_outputs()[0].shape[-1])

    def answers(self, audios: Iterable[Audio], embeddings: NDArray[np.float32]) -> Answers:
        """What it says of utterances with embeddings [n, n_features]."""
        found = self._session.run(None, {"embedding": embeddings})
        # One that was trained on a finished encoder does not tell distances.
        probabilities, *distances = (np.asarray(array, np.float64) for array in found)
        return Answers.to(audios, np.log(probabilities + 1e-12), *distances)


class HeadOnEncoder:
    """A head on the embedding of a speech encoder.

    Raises
    ------
    ValueError
        The head takes another number of features than the encoder gives.
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
        """How many emotions it tells apart."""
        return self._head.n_labels

    def answers(self, audios: Sequence[Audio]) -> Answers:
        """What it says of utterances, and how far they are from what it was trained on."""
        return self._head.answers(audios, np.stack(on_all_cores(self._encoder.embed, audios)))


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

    def answers(self, audios: Sequence[Audio]) -> Answers:
        """What it says of utterances."""
        return Answers.to(audios, np.array(on_all_cores(self._row, audios), np.float64))

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

    def answers(self, audios: Sequence[Audio]) -> Answers:
        """What it says of utterances.

        Raises
        ------
        RecordingTooShort
            One of them is shorter than features can be measured in.
        """
        vectors = np.array([self._extractor.vector(audio) for audio in audios], np.float32)
        return Answers.to(audios, np.asarray(self._session.run(None, {"features": vectors})[0]))
