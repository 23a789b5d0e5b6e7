"""Live recognition: a stream of sound, analysed over its last seconds.

The rule: only these seconds are kept, no matter how long the stream is.
"""

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import soxr

from undertone.analysis import Recognizer
from undertone.errors import BadRequest, NoSpeech
from undertone.prediction import Prediction
from undertone.progress import nobody
from undertone.sound.audio import SAMPLE_RATE, SILENT_PEAK, Audio, Samples
from undertone.sound.decoders import check_layout
from undertone.sound.levels import Levels
from undertone.sound.speech import Speech, find_speech
from undertone.sound.wild import Mender

SampleFormat = Literal["int16", "float32"]
# Shorter windows follow a change sooner; longer ones are right more often.
WINDOW_S = 4.0
STEP_S = 0.5
# With less speech in the window, or a longer pause at its end, no emotion is given.
MIN_SPEECH_S = 0.8
MAX_PAUSE_S = 1.0
# Time constant of smoothing. An answer weighs more if the last one is older: 39 % after half a
# second.
SMOOTHING_S = 1.0


class Ear:
    """Recognizer for a live stream of mono sound.

    Parameters
    ----------
    recognizer : Recognizer
        Recogniser for the windows.
    n_labels : {7, 8, 6}
        Size of the emotion set for the answers.
    rate_hz : int
        Sample rate in Hz.
    sample_format : {"int16", "float32"}
        Little endian; floats are from -1 to 1.

    Raises
    ------
    AudioError
        The rate is out of range.
    """

    def __init__(
        self, recognizer: Recognizer, n_labels: int, rate_hz: int, sample_format: SampleFormat
    ) -> None:
        check_layout(1, rate_hz)
        self._recognizer, self._n_labels = recognizer, n_labels
        self._type = np.dtype({"int16": "<i2", "float32": "<f4"}[sample_format])
        self._rate_hz = rate_hz
        self._resampler = None
        if rate_hz != SAMPLE_RATE:
            self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE, 1)
        self._mender = Mender()
        self._window: Samples = np.zeros(0, np.float32)
        self._n_heard = self._n_answered = 0
        self._mean: npt.NDArray[np.float64] | None = None

    @property
    def unanswered_s(self) -> float:
        """Seconds of sound received since the last answer."""
        return (self._n_heard - self._n_answered) / self._rate_hz

    def add(self, data: bytes) -> None:
        """Append samples to the window.

        Raises
        ------
        BadRequest
            The data ends within a sample.
        """
        if len(data) % self._type.itemsize:
            raise BadRequest(
                f"A message of {len(data)} bytes holds no whole number of {self._type.name} "
                f"samples, which have {self._type.itemsize} bytes each."
            )
        samples = np.frombuffer(data, self._type).astype(np.float32)
        if self._type.kind == "i":
            samples /= 2**15
        if not len(samples):
            return
        self._n_heard += len(samples)
        samples = self._mender.mended(samples[:, None], self._rate_hz)[0][:, 0]
        if self._resampler:
            samples = self._resampler.resample_chunk(samples)
        kept = np.concatenate([self._window, samples])[-round(WINDOW_S * SAMPLE_RATE) :]
        self._window = kept.copy()  # a view would keep all earlier samples in memory

    def answer(self) -> dict[str, Any]:
        """Analyse the last seconds; the result is ready for JSON, see ``docs/live.md``."""
        new_s, window_s = self.unanswered_s, len(self._window) / SAMPLE_RATE
        self._n_answered = self._n_heard
        end_s = self._n_heard / self._rate_hz
        times = {
            "start_s": round(end_s - window_s, 3),
            "end_s": round(end_s, 3),
            "skipped_s": round(max(0.0, new_s - window_s), 3),
        }
        audio = self._audio()
        speech = _speech(audio)
        if speech is None:
            self._mean = None
            return {"type": "listening", **times}
        heard, _ = self._recognizer.listen(audio, speech, self._n_labels, nobody)
        prediction = self._smoothed(heard, new_s, speech.is_doubtful)
        return {
            "type": "heard",
            **times,
            "emotion": prediction.label,
            "confidence": prediction.confidence,
            "uncertain": prediction.uncertain,
            "probabilities": prediction.probabilities,
            "sentiment": prediction.sentiment,
        }

    def _audio(self) -> Audio:
        """Return the window without a constant offset, scaled into -1 to 1."""
        samples = self._window
        if len(samples):
            levels = Levels()
            levels.add(samples[:, None], samples, None, SAMPLE_RATE)
            if (offset := levels.offset()) is not None:
                samples = samples - np.float32(offset[0])
        return Audio(samples / max(1.0, float(np.abs(samples).max(initial=0.0))))

    def _smoothed(self, heard: Prediction, new_s: float, is_doubtful: bool) -> Prediction:
        """Smooth a prediction exponentially with the ones before it.

        Parameters
        ----------
        heard : Prediction
            Prediction for the current window.
        new_s : float
            Seconds since the last answer.
        is_doubtful : bool
            True if the window may hold no speech.
        """
        now = np.array(list(heard.probabilities.values()))
        before = now if self._mean is None else self._mean
        self._mean = before + (1 - math.exp(-new_s / SMOOTHING_S)) * (now - before)
        probabilities = dict(zip(heard.probabilities, self._mean.tolist(), strict=True))
        label = max(probabilities, key=lambda name: probabilities[name])
        is_guess = self._recognizer.info.is_guess(probabilities[label], self._n_labels)
        return replace(
            heard,
            label=label,
            confidence=probabilities[label],
            probabilities=probabilities,
            uncertain=is_doubtful or is_guess,
        )


def _speech(audio: Audio) -> Speech | None:
    """Return the stretches of speech; None if there is too little, or too long a pause after it."""
    if np.ptp(audio.samples) / 2 < SILENT_PEAK:
        return None
    try:
        speech = find_speech(audio)
    except NoSpeech:
        return None
    speech_s = sum(end_s - start_s for start_s, end_s in speech)
    pause_s = audio.duration_s - speech[-1][1]
    return None if speech_s < MIN_SPEECH_S or pause_s > MAX_PAUSE_S else speech
