"""Bytes of any recording to mono samples at 16 kHz, within limits that hold while decoding.

The rule: files are known by their content, never by their name, and any bytes at all end in an
`Audio` or in an `AudioError`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from undertone.errors import (
    EmptyFile,
    NotAudio,
    RecordingSilent,
    RecordingTooLong,
    RecordingTooShort,
)
from undertone.progress import Progress, nobody
from undertone.sound.decoders import MAX_CHANNELS, check_layout, with_ffmpeg, with_libsndfile

SAMPLE_RATE = 16_000
MIN_DURATION_S = 0.3
SILENT_PEAK = 1e-3  # -60 dBFS: under it, 16-bit speech has fewer than six bits left
LOUDEST = 2.0**31  # integers stored as float without scaling reach this; more is damage
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Audio:
    """A recording, ready to be analysed.

    Attributes
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        Mono, -1 to 1, read-only.
    sample_rate : int
        In Hz.
    """

    samples: Samples
    sample_rate: int = SAMPLE_RATE

    def __post_init__(self) -> None:
        samples = np.ascontiguousarray(self.samples, np.float32).view()
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


def decode(data: bytes, *, max_duration_s: float = 1800.0, progress: Progress = nobody) -> Audio:
    """The recording in a file's bytes, as mono samples at 16 kHz.

    Channels are averaged, unless they cancel each other out: then the loudest one is taken.
    Samples that are not finite become 0; a recording that exceeds -1 to 1 is scaled into it.
    Of a damaged or truncated file, what can be read is given.

    Parameters
    ----------
    data : bytes
        Content of a wav, aiff, mp3, flac, ogg, opus, m4a, mp4, aac, webm, amr or similar file; of
        a video, the sound track.
    max_duration_s : float > 0
        Decoding stops where this is exceeded; no more than this is ever held in memory.
    progress : Progress, optional

    Raises
    ------
    EmptyFile
        There are no bytes.
    NotAudio
        Nothing in the bytes can be read as sound.
    RecordingTooLong
        There are more than `max_duration_s` seconds of sound.
    RecordingTooShort
        There are less than 0.3 s of sound.
    RecordingSilent
        The peak, less any constant offset, is under -60 dBFS.
    AudioError
        The sample rate or number of channels is out of range.

    Examples
    --------
    >>> decode(Path("hello.wav").read_bytes()).duration_s  # doctest: +SKIP
    1.52
    """
    if not data:
        raise EmptyFile("The file is empty (0 bytes). Choose or record it again.")
    track = _read(data, max_duration_s, progress)
    if track.cancels_out:
        track = _read(data, max_duration_s, progress, channel=track.loudest_channel)
    samples = np.frombuffer(track.samples, np.float32)
    duration_s = round(len(samples) / SAMPLE_RATE, 3)
    if duration_s < MIN_DURATION_S:
        raise RecordingTooShort(
            f"The recording lasts {duration_s:g} s; "
            f"at least {MIN_DURATION_S} s of speech are needed. Record a few words."
        )
    highest, lowest = float(samples.max()), float(samples.min())
    peak = (highest - lowest) / 2
    if peak < SILENT_PEAK:
        raise RecordingSilent(
            f"The recording is silent (peak {20 * np.log10(max(peak, 1e-10)):.1f} dBFS; at least "
            f"{20 * np.log10(SILENT_PEAK):.0f} is needed). Check the microphone and record again."
        )
    samples /= max(1.0, highest, -lowest)
    return Audio(samples)


def excerpt(samples: Samples, start: int, end: int) -> Samples:
    """Samples from `start` to `end`, either of which may lie outside: there is silence.

    Examples
    --------
    >>> excerpt(np.array([1, 2, 3], np.float32), -1, 2)
    array([0., 1., 2.], dtype=float32)
    """
    inside = samples[max(0, start) : max(0, end)]
    before = max(0, -start)
    return np.pad(inside, (before, end - start - before - len(inside)))


def envelope(audio: Audio, n_points: int = 240) -> tuple[float, ...]:
    """Peaks of the waveform in equal steps of time, 0 to 1 of the loudest.

    Parameters
    ----------
    audio : Audio
    n_points : int > 0
        Number of steps.

    Examples
    --------
    >>> envelope(Audio(np.array([0.1, -0.2, 0.4, 0.0], np.float32)), 2)
    (0.5, 1.0)
    """
    n_samples = len(audio.samples)
    if not n_samples:
        return (0.0,) * n_points
    starts = np.arange(n_points) * n_samples // n_points
    peaks = np.maximum.reduceat(np.abs(audio.samples), starts)
    return tuple((peaks / max(float(peaks.max()), 1e-12)).tolist())


class _Track:
    """Mono samples at 16 kHz, gathered from blocks of any rate and number of channels.

    Parameters
    ----------
    max_duration_s : float > 0
    channel : int, optional
        Take this channel; the mean of all if not given.
    """

    def __init__(self, max_duration_s: float, channel: int | None = None) -> None:
        self.samples = bytearray()  # of float32: grows in place, without a second copy at the end
        self.is_whole = False
        self._max_duration_s = max_duration_s
        self._channel = channel
        self._rate_hz = SAMPLE_RATE
        self._resampler: soxr.ResampleStream | None = None
        self._energy = np.zeros(MAX_CHANNELS)
        self._mean_energy = 0.0
        self._unrelated_energy = 0.0

    def add(self, block: npt.NDArray[Any], rate_hz: int) -> None:
        """Mix down, resample and keep one block, float [shape=(n, channels)]."""
        n_channels = block.shape[1]
        check_layout(n_channels, rate_hz)
        block = np.where(np.abs(block) <= LOUDEST, block, np.float32(0))  # NaN compares false
        mean = block.mean(axis=1, dtype=np.float32)
        energy = np.einsum("ij,ij->j", block, block, dtype=np.float64)
        self._energy[:n_channels] += energy
        self._mean_energy += float(np.dot(mean, mean))
        self._unrelated_energy += float(energy.sum()) / n_channels**2
        if rate_hz != self._rate_hz:
            self.finish()
            self._rate_hz = rate_hz
            if rate_hz != SAMPLE_RATE:
                self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE, 1)
        mono = mean if self._channel is None else block[:, min(self._channel, n_channels - 1)]
        self._keep(np.ascontiguousarray(mono, np.float32))

    def finish(self) -> None:
        """Take what the resampler still holds."""
        if self._resampler:
            self._keep(np.zeros(0, np.float32), last=True)
            self._resampler = None
        self._rate_hz = SAMPLE_RATE

    def _keep(self, mono: Samples, last: bool = False) -> None:
        if self._resampler:
            mono = self._resampler.resample_chunk(mono, last=last)
        self.samples += mono.tobytes()
        if len(self.samples) > self._max_duration_s * SAMPLE_RATE * mono.itemsize:
            raise RecordingTooLong(
                f"The recording is longer than the {self._max_duration_s:g} s "
                f"({self._max_duration_s / 60:.3g} min) that are accepted. Send a part of it."
            )

    @property
    def cancels_out(self) -> bool:
        """Whether the mean of the channels has far less energy than unrelated ones would leave."""
        return self._mean_energy < 0.1 * self._unrelated_energy

    @property
    def loudest_channel(self) -> int:
        """Index of the channel with the most energy."""
        return int(self._energy.argmax())


def _read(
    data: bytes, max_duration_s: float, progress: Progress, channel: int | None = None
) -> _Track:
    """The longest track that one of the decoders gets out of the bytes."""
    tracks, refusal = [], None
    for decoder in (with_libsndfile, with_ffmpeg):
        track = _Track(max_duration_s, channel)
        try:
            decoder(data, track, progress)
        except NotAudio as error:  # the other may have read some of it
            refusal = error
        track.finish()
        if track.samples and track.is_whole:
            return track
        if track.samples or track.is_whole:
            tracks.append(track)
    if not tracks:
        raise refusal or NotAudio(
            f"The file ({len(data)} bytes) cannot be read as sound: it is of no kind known here, "
            "has no sound track, or is damaged. Send a wav, mp3, m4a, ogg, flac, webm or amr file."
        )
    return max(tracks, key=lambda track: len(track.samples))
