"""The one path from the bytes of a recording to an analysis, stored or not."""

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

if TYPE_CHECKING:  # who only listens needs no database
    from sqlalchemy import Connection

    from undertone.store.history import History
    from undertone.store.recordings import Recordings
    from undertone.store.scope import Scope


class Recognizer(Protocol):
    """What the analyser needs of a recogniser."""

    @property
    def info(self) -> ModelInfo:
        """What is known of its model."""

    @property
    def folder(self) -> Path:
        """Where its model's files are."""

    def listen(
        self, audio: Audio, speech: Speech | None, n_labels: int, progress: Progress
    ) -> tuple[Prediction, tuple[Segment, ...]]:
        """The prediction for the whole and those for its windows."""


class Decode(Protocol):
    """`audio.decode`, here or in another process."""

    def __call__(self, data: RecordingBytes, *, max_duration_s: float, progress: Progress) -> Audio:
        """The recording in the bytes."""


class Listener:
    """Analyses recordings and keeps nothing of them.

    Parameters
    ----------
    recognizers : mapping of str to Recognizer
        By model name.
    default_model : str
        The one that answers when none is asked for.
    max_duration_s : float
        Longer recordings are refused.
    decode : Decode, optional
        `audio.decode` if not given.
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
        """Decode, find the speech, recognise.

        Parameters
        ----------
        data : bytes, BinaryIO or RecordingBytes
            A recording in any format that can be read.
        filename : str
            As the client gave it.
        model : str, optional
            Name of a model; the default one if not given.
        n_labels : {7, 8, 6}
            Set of emotions to answer in.
        progress : Progress, optional

        Raises
        ------
        AudioError
            The recording cannot be used; each reason is a class of its own.
        UnknownModel, UnknownLabels
            There is no such model or set of emotions.
        """
        recognizer = self.recognizer(model)
        # Shares of the time that each step takes of a long recording.
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
        """The recogniser with this model, by default the default one; see `choose`."""
        return self.recognizers[self.choose(model)]

    def choose(self, model: str | None) -> str:
        """Name of the model that answers when this one, or none, is asked for.

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
    """A listener that remembers what was heard.

    Parameters
    ----------
    recognizers, default_model, max_duration_s, decode
        As for `Listener`.
    history : History
    recordings : Recordings

    Attributes
    ----------
    note : callable
        Told of each analysis that is stored and the seconds it took; who counts puts its own there.
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
        """Return the same analyser on the part of the history in a scope."""
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
        """What `hear` says, stored; `together_with` is as for `History.add`.

        Raises
        ------
        UndertoneError
            Whatever `hear` raises.
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
