"""EmotionRecognizer: a model folder, ready to say which emotion a voice carries."""

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
    """Recognises the emotion of a voice with one model; safe to use from many threads.

    Parameters
    ----------
    name : str
        Folder in `models_dir`.
    models_dir : Path
        Where models are.
    at_once : bool
        Whether its weights are read now, or when it is first asked.

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

    # Most training utterances hold 1.5 to 3 s of speech, and a model is only good, and only knows
    # how good, at what is like them. Three clips of nEMO in a row (7.8 s, a language not trained
    # on) are named rightly in 21 % of cases in one piece (mean confidence 80 %), in 26 % in windows
    # of 6 s, in 43 % (54 %) in windows of 2 s; single clips in 43 %. On RAVDESS's unheard speakers
    # two clips (4.5 s) gain from 63 % to 83 %, three from 55 % to 87 %.
    window_s = 2.0
    hop_s = 1.0
    # Asked together; between two blocks the work can be ended.
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
        """What answers, its weights read if they have not been.

        Raises
        ------
        ModelError
            They cannot be read, or do not fit the description.
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
        """Emotions the model tells apart, in the order of its outputs."""
        return self.info.labels

    def predict(
        self,
        audio: Audio,
        speech: Speech | None = None,
        n_labels: int = DEFAULT_LABEL_SET,
    ) -> Prediction:
        """What is heard in a recording as a whole.

        Parameters
        ----------
        audio : Audio
        speech : Speech, optional
            Where somebody speaks; found here if not given.
        n_labels : {7, 8, 6}
            Set of emotions to answer in.

        Raises
        ------
        NoSpeech
            Nobody speaks in it.
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
        """What is heard in each window of a recording; one segment when it is short."""
        whole, segments = self.listen(audio, speech, n_labels)
        return segments or (Segment(0.0, audio.duration_s, whole),)

    def listen(
        self,
        audio: Audio,
        speech: Speech | None = None,
        n_labels: int = DEFAULT_LABEL_SET,
        progress: Progress = nobody,
    ) -> tuple[Prediction, tuple[Segment, ...]]:
        """The whole and its windows in one pass; no windows for what fits into one.

        The whole is the mean of the windows' probabilities, each weighted by the seconds of
        speech in it.
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
        """Windows over the spoken part, none of them without speech; the last ends with it."""
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
    """The classifier of a model's family, its weights read."""
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
    """Seconds of speech in a window."""
    return sum(max(0.0, min(window[1], end) - max(window[0], start)) for start, end in speech)
