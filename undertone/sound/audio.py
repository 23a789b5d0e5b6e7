"""Decode the bytes of any recording to mono samples at 16 kHz, with limits enforced on the way.

The rule: files are identified by content, never by name. Any bytes at all give an `Audio` or an
`AudioError`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from undertone.errors import (
    AudioError,
    EmptyFile,
    NotAudio,
    RecordingSilent,
    RecordingTooShort,
)
from undertone.progress import Progress, nobody, part
from undertone.recording_bytes import AnyBytes, RecordingBytes
from undertone.sound.allowance import Allowance
from undertone.sound.decoders import Sink, with_ffmpeg, with_libsndfile
from undertone.sound.gathering import Excerpts, Mix, Mono
from undertone.sound.levels import Levels
from undertone.sound.samples import (
    SAMPLE_RATE,
    SILENT_PEAK,
    Audio,
    Samples,
    envelope,
    excerpt,
)
from undertone.sound.wild import LOUDEST

__all__ = ["LOUDEST", "SAMPLE_RATE", "SILENT_PEAK", "Audio", "Samples", "decode", "envelope",
           "excerpt"]  # fmt: skip

MIN_DURATION_S = 0.3
MAX_TRACKS = 8  # number of tracks compared; decoding each takes as long as the first
# A track needs this many times more speech to be preferred to the one before it. Dubbed versions of
# a film have about the same amount.
LONGER_SPEECH = 1.5

Decoder = Callable[[RecordingBytes, Sink, Progress], None]
Filled = TypeVar("Filled", Mono, Excerpts)


def decode(data: AnyBytes, *, max_duration_s: float = 1800.0, progress: Progress = nobody) -> Audio:
    """Decode a file's bytes to mono samples at 16 kHz.

    With several sound tracks, FFmpeg's best track is used by default. Another track wins if it
    alone has speech, or has at least 1.5 times as much.

    A constant or slowly drifting offset is subtracted from each channel. Non-finite values become
    0. Single samples far beyond their surroundings are interpolated. A recording beyond -1 to 1 is
    scaled into this range.

    If channels agree, they are averaged. Otherwise the channels with speech are averaged. If a
    voice is lost in this mean because channels cancel, the single channel with the smallest loss is
    used; see `channels.weights_by_speech`. Without speech, all channels are averaged. If these
    cancel each other out, the loudest one is used. The same bytes always give the same samples.

    A damaged or truncated file gives its readable part.

    Parameters
    ----------
    data : bytes, BinaryIO or RecordingBytes
        Content of a wav, aiff, mp3, flac, ogg, opus, m4a, mp4, aac, webm, amr or similar file. The
        sound track of a video is used.
    max_duration_s : float > 0
        Limit in seconds. Decoding stops beyond it, and no more than this is ever held in memory.
    progress : Progress, optional
        Called with the finished share.

    Returns
    -------
    Audio

    Raises
    ------
    EmptyFile
        There are no bytes.
    NotAudio
        Nothing in the bytes can be read as sound.
    RecordingTooLong
        There are more than `max_duration_s` seconds of sound, or more samples than `Allowance`.
    RecordingTooShort
        There is less than 0.3 s of sound.
    RecordingSilent
        The peak, less any constant offset, is under -60 dBFS.
    AudioError
        The sample rate or number of channels is out of range.

    Examples
    --------
    >>> decode(open("hello.wav", "rb")).duration_s  # doctest: +SKIP
    1.52
    """
    data = RecordingBytes.of(data)
    if not data:
        raise EmptyFile("The file is empty (0 bytes). Choose or record it again.")
    passes = _Passes(progress)
    first = _best_mix(data, max_duration_s, passes)
    if len(first.streams) < 2:
        return _checked(first)
    return _spoken_track(data, max_duration_s, passes, first)


def _checked(track: Mono) -> Audio:
    """Return the samples of a track, or raise if they are too short or too quiet."""
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


def _spoken_track(
    data: RecordingBytes, max_duration_s: float, passes: "_Passes", first: Mono
) -> Audio:
    """Decode the sound track with speech; the first one if none or several have speech."""
    from undertone.sound.channels import clear_speech_s

    best: Audio | None = None
    longest_s, refusal = 0.0, None
    for stream in first.streams[:MAX_TRACKS]:
        try:
            is_first = stream == first.streams[0]
            audio = _checked(first if is_first else _best_mix(data, max_duration_s, passes, stream))
        except AudioError as error:
            refusal = refusal or error
            continue
        speech_s = clear_speech_s(audio)
        if best is None or speech_s > LONGER_SPEECH * longest_s:
            best, longest_s = audio, speech_s
        if LONGER_SPEECH * longest_s >= best.duration_s:
            break  # the others have about the same length and hardly more speech
    if best is None:
        assert refusal
        raise refusal
    return best


class _Passes:
    """Progress over an unknown number of decoding passes: each takes half of the remainder."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._start = 0.0

    def next(self) -> Progress:
        """Progress of the next pass."""
        start, self._start = self._start, (1 + self._start) / 2
        return part(self._progress, start, self._start)


def _best_mix(
    data: RecordingBytes, max_duration_s: float, passes: _Passes, stream: int | None = None
) -> Mono:
    """Decode a sound track, clean it and mix it down.

    One pass is enough for most recordings. The offset and the mix can depend on the whole
    recording, so some recordings are decoded again.

    Parameters
    ----------
    data : RecordingBytes
        Content of the file.
    max_duration_s : float > 0
        Limit in seconds.
    passes : _Passes
        Progress of the passes.
    stream : int, optional
        Index of the sound stream; FFmpeg's best one by default.
    """
    track, decoder = _read(data, max_duration_s, passes.next(), stream)
    if len(track.samples) < MIN_DURATION_S * SAMPLE_RATE * 4:
        return track
    mix = Mix(ceiling=track.levels.ceiling())
    if mix.ceiling < LOUDEST:  # damaged samples spoil the measured offset
        track = _filled(Mono(max_duration_s, mix), data, decoder, passes.next())
    offset = track.levels.drift()
    mix = replace(mix, offset=track.levels.offset() if offset is None else offset)
    if not track.levels.agree:
        mix = replace(mix, weights=_weights(track.levels, mix, data, decoder, passes.next()))
    if mix.offset is None and mix.weights is None:
        return track
    del track  # of half an hour, 115 MB
    return _filled(Mono(max_duration_s, mix), data, decoder, passes.next())


def _weights(
    levels: Levels, mix: Mix, data: RecordingBytes, decoder: Decoder, progress: Progress
) -> Samples | None:
    """Weights of channels that do not agree."""
    # Loads the speech detector, which the usual recording does not need here.
    from undertone.sound.channels import weights_by_speech, windows_to_judge

    excerpts = Excerpts(windows_to_judge(levels), levels.n_channels, mix)
    return weights_by_speech(_filled(excerpts, data, decoder, progress).channels)


def _read(
    data: RecordingBytes, max_duration_s: float, progress: Progress, stream: int | None
) -> tuple[Mono, Decoder]:
    """Return the longest track decoded from the bytes, and its decoder."""
    found: list[tuple[Mono, Decoder]] = []
    refusal = None
    decoders: tuple[Decoder, ...] = (with_libsndfile, with_ffmpeg)
    if stream is not None:
        decoders = (partial(with_ffmpeg, stream=stream),)
    for decoder in decoders:
        track = Mono(max_duration_s, Mix())
        track.allowance = Allowance(len(data), max_duration_s)  # later passes take no more
        try:
            track = _filled(track, data, decoder, progress)
        except NotAudio as error:  # the other may have read some of it
            refusal = error
            track.finish()
        if track.samples and track.is_whole:
            return track, decoder
        if track.samples or track.is_whole:
            found.append((track, decoder))
    if not found:
        raise refusal or NotAudio(
            f"The file ({len(data)} bytes) cannot be read as sound: it is of no kind known here, "
            "has no sound track, or is damaged. Send a wav, mp3, m4a, ogg, flac, webm or amr file."
        )
    return max(found, key=lambda pair: len(pair[0].samples))


def _filled(sink: Filled, data: RecordingBytes, decoder: Decoder, progress: Progress) -> Filled:
    decoder(data, sink, progress)
    sink.finish()
    return sink
