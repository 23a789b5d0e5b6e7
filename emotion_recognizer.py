"""EmotionRecognizer: speech emotion recognition with the model in a folder."""

from pathlib import Path
from threading import Lock

import numpy as np

from feature_extractor import AudioFeatureExtractor, SpeechEncoder
from undertone.emotions import DEFAULT_LABEL_SET, LABEL_SETS, label_set, read_as
from undertone.errors import ModelError, UnknownLabels
from undertone.prediction import Prediction, Segment
from undertone.progress import Progress, nobody
from undertone.recognition.calibration import Answers
from undertone.recognition.classifiers import (
    Classifier,
    HeadOnEncoder,
    SampleNetwork,
    VectorNetwork,
)
from undertone.recognition.model_store import MODELS_DIR, ModelInfo, load_info
from undertone.sound.audio import Audio
from undertone.sound.speech import Speech, Stretch, find_speech, spoken_part


class EmotionRecognizer:
    """Emotion recogniser with one model; thread-safe.

    Parameters
    ----------
    name : str
        Name of the model's folder in `models_dir`.
    models_dir : Path
        Folder of all models.
    at_once : bool
        If True, read the weights now; otherwise at the first prediction.

    Raises
    ------
    UnknownModel, ModelError
        The model is not there, or damaged.

    Examples
    --------
    >>> from undertone.sound.audio import decode
    >>> recognizer = EmotionRecognizer()
    >>> audio = decode(open("clip.wav", "rb").read())  # doctest: +SKIP
    >>> recognizer.predict(audio).label  # doctest: +SKIP
    'happy'
    """

    # Most training utterances hold 1.5 to 3 s of speech. Accuracy and calibration hold only for
    # similar utterances. Accuracy on three clips of nEMO in a row (7.8 s, a language not trained
    # on): 21 % in one piece (mean confidence 80 %), 26 % in windows of 6 s, 43 % (confidence 54 %)
    # in windows of 2 s; single clips 43 %. On held-out speakers of RAVDESS, windows raise it from
    # 63 % to 83 % for two clips (4.5 s), and from 55 % to 87 % for three.
    window_s = 2.0
    hop_s = 1.0
    # Windows in one batch of the network; work can be cancelled between two batches.
    windows_at_a_time = 12

    def __init__(
        self, name: str = "encoder", models_dir: Path = MODELS_DIR, *, at_once: bool = True
    ) -> None:
        self.info: ModelInfo = load_info(name, models_dir)
        self.folder = models_dir / name
        self._opening = Lock()
        self._opened: Classifier | None = None
        if at_once:
            self.open()

    def open(self) -> Classifier:
        """Return the classifier; read its weights unless they have been read.

        Raises
        ------
        ModelError
            The weights cannot be read, or do not fit the description.
        """
        with self._opening:
            if self._opened is None:
                opened = _open_classifier(self.info, self.folder)
                if opened.n_labels != len(self.labels):
                    raise ModelError(
                        f"models/{self.info.name} answers with {opened.n_labels} probabilities, "
                        f"expected {len(self.labels)}."
                    )
                self._opened = opened
            return self._opened

    @property
    def labels(self) -> tuple[str, ...]:
        """Emotions known to the model, in the order of its outputs."""
        return self.info.labels

    def predict(
        self,
        audio: Audio,
        speech: Speech | None = None,
        n_labels: int = DEFAULT_LABEL_SET,
    ) -> Prediction:
        """Predict the emotion of a recording as a whole.

        Parameters
        ----------
        audio : Audio
        speech : Speech, optional
            Stretches of speech; detected here if not given.
        n_labels : {7, 8, 6}
            Size of the set of emotions.

        Raises
        ------
        NoSpeech
            The recording has no speech.
        UnknownLabels
            There is no such set.
        """
        return self.listen(audio, speech, n_labels)[0]

    def timeline(
        self,
        audio: Audio,
        speech: Speech | None = None,
        n_labels: int = DEFAULT_LABEL_SET,
    ) -> tuple[Segment, ...]:
        """Predict the emotion of each window; a short recording is one segment.

        Parameters
        ----------
        audio : Audio
        speech : Speech, optional
            Stretches of speech; detected here if not given.
        n_labels : {7, 8, 6}
            Size of the set of emotions.
        """
        whole, segments = self.listen(audio, speech, n_labels)
        return segments or (Segment(0.0, audio.duration_s, whole),)

    def listen(
        self,
        audio: Audio,
        speech: Speech | None = None,
        n_labels: int = DEFAULT_LABEL_SET,
        progress: Progress = nobody,
    ) -> tuple[Prediction, tuple[Segment, ...]]:
        """Predict the whole recording and its windows in one pass.

        The probabilities of the whole are the mean over its windows, weighted by the seconds of
        speech in each.

        Parameters
        ----------
        audio : Audio
        speech : Speech, optional
            Stretches of speech; detected here if not given.
        n_labels : {7, 8, 6}
            Size of the set of emotions.
        progress : callable, optional
            Called before each batch of windows with the share done so far, 0 to 1.

        Returns
        -------
        whole : Prediction
        segments : tuple of Segment
            Empty if the recording fits into one window.

        Raises
        ------
        NoSpeech
            The recording has no speech.
        UnknownLabels
            There is no such set.
        """
        if n_labels not in LABEL_SETS:
            raise UnknownLabels(
                f"labels={n_labels} is not one of {', '.join(map(str, LABEL_SETS))}."
            )
        speech = find_speech(audio) if speech is None else speech
        windows = self._windows(speech)
        utterances = [spoken_part(audio, (window,)) for window in windows]
        classifier, answers = self.open(), []
        for first in range(0, len(utterances), self.windows_at_a_time):
            progress(first / len(utterances))
            block = utterances[first : first + self.windows_at_a_time]
            answers.append(classifier.answers(block))
        known = self.info.calibration.probabilities(Answers.joined(answers), self.labels)
        names, probabilities = read_as(known, self.labels, label_set(self.labels, n_labels))
        weights = np.array([_overlap_s(window, speech) for window in windows])
        mean = np.average(probabilities, axis=0, weights=weights)
        is_guess = speech.is_doubtful
        whole, *parts = (
            self._prediction(dict(zip(names, map(float, row), strict=True)), n_labels, is_guess)
            for row in (mean, *probabilities)
        )
        if len(windows) == 1:
            return whole, ()
        return whole, tuple(
            Segment(start, end, part) for (start, end), part in zip(windows, parts, strict=True)
        )

    def _windows(self, speech: tuple[Stretch, ...]) -> list[tuple[float, float]]:
        """Return windows over the spoken part, except windows with less than 0.3 s of speech.

        The last window ends with the speech.
        """
        start, end = speech[0][0], speech[-1][1]
        if end - start <= self.window_s + self.hop_s:
            return [(start, end)]
        starts = np.append(np.arange(start, end - self.window_s, self.hop_s), end - self.window_s)
        windows = [(float(s), float(s) + self.window_s) for s in starts]
        return [window for window in windows if _overlap_s(window, speech) >= 0.3]

    def _prediction(
        self, probabilities: dict[str, float], n_labels: int, is_guess: bool
    ) -> Prediction:
        label = max(probabilities, key=lambda name: probabilities[name])
        return Prediction(
            label=label,
            confidence=probabilities[label],
            probabilities=probabilities,
            model=self.info.name,
            uncertain=is_guess or self.info.is_guess(probabilities[label], n_labels),
        )


def _open_classifier(info: ModelInfo, folder: Path) -> Classifier:
    """Read the weights and return the classifier of the model's family."""
    try:
        if info.family == "encoder":
            return HeadOnEncoder(SpeechEncoder(folder / "encoder.onnx"), folder / "head.onnx")
        if info.family == "ensemble":
            return VectorNetwork(AudioFeatureExtractor(), folder / "ensemble.onnx")
        if info.family == "cnn":
            return SampleNetwork(folder / "cnn.onnx")
    except (OSError, ValueError) as error:
        raise ModelError(f"models/{folder.name} cannot be opened: {error}") from error
    raise ModelError(f"models/{folder.name}: there is no family {info.family!r}.")


def _overlap_s(window: tuple[float, float], speech: tuple[Stretch, ...]) -> float:
    """Return the seconds of speech in a window."""
    return sum(max(0.0, min(window[1], end) - max(window[0], start)) for start, end in speech)
