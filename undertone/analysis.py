"""Analysis of recordings: the single path from bytes to a result, stored or not."""

import copy
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from undertone.emotions import DEFAULT_LABEL_SET
from undertone.errors import UnknownModel
from undertone.file_names import display_name
from undertone.prediction import Analysis, Prediction, Segment
from undertone.progress import Progress, nobody, part
from undertone.recognition.model_store import ModelInfo
from undertone.recording_bytes import AnyBytes, RecordingBytes
from undertone.sound.audio import Audio, decode, envelope
from undertone.sound.spectrogram import mel_spectrogram
from undertone.sound.speech import Speech, find_speech
from undertone.sound.voice_profile import profile

if TYPE_CHECKING:  # a plain listener needs no database
    from sqlalchemy import Connection

    from undertone.store.history import History
    from undertone.store.recordings import Recordings
    from undertone.store.scope import Scope


class Recognizer(Protocol):
    """Required interface of a recogniser."""

    @property
    def info(self) -> ModelInfo:
        """Description of the model."""

    @property
    def folder(self) -> Path:
        """Folder of the model's files."""

    def listen(
        self, audio: Audio, speech: Speech | None, n_labels: int, progress: Progress
    ) -> tuple[Prediction, tuple[Segment, ...]]:
        """Return the prediction for the whole recording and the segments of its windows.

        Parameters
        ----------
        audio : Audio
            Recording at 16 kHz.
        speech : Speech or None
            Stretches of speech.
        n_labels : {7, 8, 6}
            Size of the emotion set.
        progress : Progress
            Called with the finished share.
        """


class Decode(Protocol):
    """Interface of `audio.decode`, in this process or another one."""

    def __call__(self, data: RecordingBytes, *, max_duration_s: float, progress: Progress) -> Audio:
        """Decode a recording.

        Parameters
        ----------
        data : RecordingBytes
            Content of the file.
        max_duration_s : float > 0
            Limit in seconds.
        progress : Progress
            Called with the finished share.
        """


class Listener:
    """Analyser of recordings without storage.

    Parameters
    ----------
    recognizers : mapping of str to Recognizer
        Recognisers by model name.
    default_model : str
        Model for requests without one.
    max_duration_s : float
        Longest accepted recording, in seconds.
    decode : Decode, optional
        Decoder; `audio.decode` by default.
    """

    def __init__(
        self,
        recognizers: Mapping[str, Recognizer],
        default_model: str,
        max_duration_s: float,
        decode: Decode = decode,
    ) -> None:
        self.decode = decode
        self.recognizers = recognizers
        self.default_model = default_model
        self.max_duration_s = max_duration_s

    def hear(
        self,
        data: AnyBytes,
        filename: str,
        model: str | None = None,
        n_labels: int = DEFAULT_LABEL_SET,
        progress: Progress = nobody,
    ) -> Analysis:
        """Decode a recording, find its speech and recognise the emotion.

        Parameters
        ----------
        data : bytes, BinaryIO or RecordingBytes
            Recording in any readable format.
        filename : str
            Name given by the client.
        model : str, optional
            Name of a model; the default one if not given.
        n_labels : {7, 8, 6}
            Size of the emotion set for the answer.
        progress : Progress, optional
            Called with the finished share.

        Raises
        ------
        AudioError
            The recording cannot be used; each reason has a separate class.
        UnknownModel, UnknownLabels
            There is no such model or set of emotions.
        """
        recognizer = self.recognizer(model)
        # Time share of each step for a long recording.
        audio = self.decode(
            RecordingBytes.of(data),
            max_duration_s=self.max_duration_s,
            progress=part(progress, 0, 0.05),
        )
        speech = find_speech(audio, part(progress, 0.05, 0.25))
        measured = profile(audio, speech, part(progress, 0.25, 0.45))
        heard = recognizer.listen(audio, speech, n_labels, part(progress, 0.45, 1))
        prediction, segments = heard
        return Analysis(
            id=secrets.token_urlsafe(16),
            created_at=datetime.now(UTC),
            filename=display_name(filename),
            duration_s=round(audio.duration_s, 3),
            speech_s=round(sum(end - start for start, end in speech), 3),
            prediction=prediction,
            segments=segments,
            envelope=tuple(round(peak, 3) for peak in envelope(audio)),
            model_id=recognizer.info.id,
            profile=measured,
            spectrogram=mel_spectrogram(audio),
            speech=tuple(speech),
        )

    def recognizer(self, model: str | None = None) -> Recognizer:
        """Return the recogniser of this model, or of the default model; see `choose`."""
        return self.recognizers[self.choose(model)]

    def choose(self, model: str | None) -> str:
        """Return the name of the requested model, or of the default model if it is None.

        Raises
        ------
        UnknownModel
            There is no such model.
        """
        name = model or self.default_model
        if name not in self.recognizers:
            known = ", ".join(sorted(self.recognizers))
            raise UnknownModel(f"There is no model named {name[:40]!r}; installed: {known}.")
        return name


class Analyzer(Listener):
    """Listener with storage of the results.

    Parameters
    ----------
    recognizers, default_model, max_duration_s, decode
        As for `Listener`.
    history : History
        Store of the analyses.
    recordings : Recordings
        Store of the kept recordings.

    Attributes
    ----------
    note : callable
        Called with each stored analysis and its seconds; replaced by metrics code.
    """

    def __init__(
        self,
        recognizers: Mapping[str, Recognizer],
        default_model: str,
        history: "History",
        recordings: "Recordings",
        max_duration_s: float,
        decode: Decode = decode,
    ) -> None:
        super().__init__(recognizers, default_model, max_duration_s, decode)
        self.history = history
        self.recordings = recordings
        self.note: Callable[[Analysis, float], None] = lambda analysis, took_s: None

    def within(self, scope: "Scope") -> "Analyzer":
        """Return the same analyser, restricted to a scope of the history."""
        part = copy.copy(self)
        part.history = self.history.within(scope)
        return part

    def analyse(
        self,
        data: AnyBytes,
        filename: str,
        model: str | None = None,
        n_labels: int = DEFAULT_LABEL_SET,
        progress: Progress = nobody,
        together_with: Callable[["Connection", str], None] | None = None,
    ) -> Analysis:
        """Analyse a recording as `hear` does, and store the result.

        Parameters
        ----------
        data, filename, model, n_labels, progress
            As for `hear`.
        together_with : callable, optional
            As for `History.add`.

        Raises
        ------
        UndertoneError
            Raised by `hear`.
        StoreError
            The history, or the folder of kept recordings, cannot be written.
        """
        began_s = time.perf_counter()
        content = RecordingBytes.of(data)
        analysis = self.hear(content, filename, model, n_labels, progress)
        self.recordings.add(analysis.id, content)
        try:
            self.history.add(analysis, together_with)
        except Exception:
            self.recordings.forget([analysis.id])
            raise
        self.note(analysis, time.perf_counter() - began_s)
        return analysis
