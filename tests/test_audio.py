"""Every kind of recording that people send, every refusal, and bytes made to break it."""

import io
import struct
import tracemalloc
from collections.abc import Callable

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import sounds
from undertone.audio import Audio, decode, envelope
from undertone.errors import (
    AudioError,
    EmptyFile,
    NotAudio,
    RecordingSilent,
    RecordingTooLong,
    RecordingTooShort,
)

RATE = sounds.SAMPLE_RATE
SWEEP = sounds.chirp(1.5)
SWEEP_48K = sounds.chirp(1.5, sample_rate=48_000)  # browsers record at 48 kHz

WAVS = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM",
        "MS_ADPCM", "GSM610")  # fmt: skip

# Name -> the sweep as a file of this kind.
KINDS: dict[str, Callable[[], bytes]] = {
    **{
        f"wav {kind}": (lambda kind=kind: sounds.with_soundfile(SWEEP, RATE, "WAV", kind))
        for kind in WAVS
    },
    "wavex": lambda: sounds.with_soundfile(SWEEP, RATE, "WAVEX", "PCM_24"),
    "rf64": lambda: sounds.with_soundfile(SWEEP, RATE, "RF64"),
    "aiff": lambda: sounds.with_soundfile(SWEEP, RATE, "AIFF"),
    "flac": lambda: sounds.with_soundfile(SWEEP, RATE, "FLAC"),
    "flac 24": lambda: sounds.with_soundfile(SWEEP, RATE, "FLAC", "PCM_24"),
    "mp3 by libsndfile": lambda: sounds.with_soundfile(SWEEP, RATE, "MP3"),
    "ogg vorbis": lambda: sounds.with_soundfile(SWEEP, RATE, "OGG", "VORBIS"),
    "ogg opus": lambda: sounds.with_soundfile(SWEEP, RATE, "OGG", "OPUS"),
    "mp3": lambda: sounds.with_ffmpeg(SWEEP, RATE, "mp3", "libmp3lame"),
    "m4a": lambda: sounds.with_ffmpeg(SWEEP, RATE, "ipod", "aac"),
    "mp4": lambda: sounds.with_ffmpeg(SWEEP, RATE, "mp4", "aac"),
    "aac": lambda: sounds.with_ffmpeg(SWEEP, RATE, "adts", "aac"),
    "alac": lambda: sounds.with_ffmpeg(SWEEP, RATE, "ipod", "alac"),
    "webm": lambda: sounds.with_ffmpeg(SWEEP_48K, 48_000, "webm", "libopus"),
    "webm of Chrome": lambda: sounds.webm_as_chrome(SWEEP_48K, 48_000),
    "mp4 of Safari": lambda: sounds.mp4_as_safari(SWEEP_48K, 48_000),
    "mp4 with a picture": lambda: sounds.with_ffmpeg(SWEEP, RATE, "mp4", "aac", with_video=True),
}

LOSSLESS = {"wav PCM_16", "wav PCM_24", "wav PCM_32", "wav FLOAT", "wav DOUBLE", "wavex", "rf64",
            "aiff", "flac", "flac 24", "alac"}  # fmt: skip


def likeness(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest normalised correlation over lags up to 0.1 s (codecs delay)."""
    n = len(expected)
    spectrum = np.fft.rfft(found, 2 * n) * np.conj(np.fft.rfft(expected, 2 * n))
    correlation = np.fft.irfft(spectrum)
    lags = np.r_[correlation[:1600], correlation[-1600:]]
    return float(lags.max() / np.sqrt((found[: 2 * n] ** 2).sum() * (expected**2).sum()))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind: str) -> None:
    audio = decode(KINDS[kind]())
    assert audio.samples.dtype == np.float32
    assert audio.sample_rate == RATE
    assert audio.duration_s == pytest.approx(1.5, abs=0.13)
    assert likeness(audio.samples, SWEEP) > (0.999 if kind in LOSSLESS else 0.95)


@pytest.mark.parametrize("rate_hz", [4000, 8000, 11_025, 16_000, 22_050, 44_100, 96_000, 192_000])
def test_every_rate(rate_hz: int) -> None:
    tone = sounds.tone(1.0, 440.0, sample_rate=rate_hz)
    audio = decode(sounds.with_soundfile(tone, rate_hz, "WAV"))
    assert audio.duration_s == pytest.approx(1.0, abs=0.01)
    loudest_hz = np.abs(np.fft.rfft(audio.samples)).argmax() / audio.duration_s
    assert loudest_hz == pytest.approx(440, abs=2)
    assert np.abs(audio.samples).max() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("n_channels", [2, 3, 6, 64])
def test_channels_are_averaged(n_channels: int) -> None:
    one = sounds.tone(0.5, 440.0)
    channels = np.zeros((len(one), n_channels), np.float32)
    channels[:, 0] = one
    audio = decode(sounds.with_soundfile(channels, RATE, "WAV", "FLOAT"))
    assert audio.samples == pytest.approx(one / n_channels, abs=1e-6)


def test_channels_that_cancel_leave_the_loudest() -> None:
    one = sounds.voice(1.0)
    data = sounds.with_soundfile(np.stack([0.5 * one, -0.6 * one], axis=1), RATE, "WAV", "FLOAT")
    assert np.abs(decode(data).samples) == pytest.approx(np.abs(0.6 * one), abs=1e-4)


def test_amr() -> None:
    frame = (
        bytes([0x3C])
        + bytes.fromhex("48f5e8f8a0f0a5c8e6b3f1d29c4e7a5b3d8f6210a9c4b7e8f3d1a2b4c5d6e7f0")[:31]
    )
    audio = decode(b"#!AMR\n" + frame * 60)
    assert audio.duration_s == pytest.approx(1.2, abs=0.05)


def test_amr_wideband() -> None:
    assert decode(sounds.amr_wb(1.0)).duration_s == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    "kind", ["wav PCM_16", "flac", "mp3", "ogg vorbis", "ogg opus", "aac", "webm of Chrome",
             "mp4 of Safari", "aiff"],
)  # fmt: skip
def test_of_a_truncated_file_the_start_is_read(kind: str) -> None:
    samples, rate = sounds.noise(9.0), RATE
    makers = {
        "wav PCM_16": lambda: sounds.with_soundfile(samples, rate, "WAV"),
        "flac": lambda: sounds.with_soundfile(samples, rate, "FLAC"),
        "aiff": lambda: sounds.with_soundfile(samples, rate, "AIFF"),
        "mp3": lambda: sounds.with_ffmpeg(samples, rate, "mp3", "libmp3lame"),
        "ogg vorbis": lambda: sounds.with_soundfile(samples, rate, "OGG", "VORBIS"),
        "ogg opus": lambda: sounds.with_soundfile(samples, rate, "OGG", "OPUS"),
        "aac": lambda: sounds.with_ffmpeg(samples, rate, "adts", "aac"),
        "webm of Chrome": lambda: sounds.webm_as_chrome(samples, 48_000),
        "mp4 of Safari": lambda: sounds.mp4_as_safari(samples, 48_000),
    }
    data = makers[kind]()
    whole = decode(data).duration_s
    part = decode(data[: 6 * len(data) // 10]).duration_s
    assert 0.3 * whole < part < 0.8 * whole


@pytest.mark.parametrize("stated_bytes", [0, 100, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_header_that_lies_about_its_length(stated_bytes: int) -> None:
    data = bytearray(sounds.with_soundfile(SWEEP, RATE, "WAV"))
    at = data.find(b"data") + 4
    data[at : at + 4] = struct.pack("<I", stated_bytes)
    try:
        audio = decode(bytes(data))
    except AudioError:
        assert stated_bytes in (0, 100)
    else:
        assert audio.duration_s <= 1.51


class TestRefusals:
    def test_empty(self) -> None:
        with pytest.raises(EmptyFile, match="0 bytes"):
            decode(b"")

    @pytest.mark.parametrize(
        "data",
        [b"words, nothing but words " * 99, b"\0" * 5000, b"RIFF", b"RIFF\0\0\0\0WAVE", b"OggS",
         b"\x1aE\xdf\xa3", b"fLaC", b"ID3\x04\0\0\0\0\0\0", b"#!AMR\n", b"\x89PNG\r\n\x1a\n" * 20,
         b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"],
    )  # fmt: skip
    def test_not_audio(self, data: bytes) -> None:
        with pytest.raises((NotAudio, RecordingTooShort)):
            decode(data)

    def test_video_without_sound(self) -> None:
        file = io.BytesIO()
        with av.open(file, "w", format="mp4") as output:
            stream = output.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
            for _ in range(10):
                output.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
            output.mux(stream.encode(None))
        with pytest.raises(NotAudio):
            decode(file.getvalue())

    @pytest.mark.parametrize("duration_s", [0.0001, 0.1, 0.29])
    def test_too_short(self, duration_s: float) -> None:
        with pytest.raises(RecordingTooShort, match=r"at least 0\.3 s"):
            decode(sounds.with_soundfile(sounds.voice(duration_s), RATE, "WAV"))

    @pytest.mark.parametrize("offset", [0.0, 0.25])
    def test_silent(self, offset: float) -> None:
        with pytest.raises(RecordingSilent, match="dBFS"):
            decode(sounds.with_soundfile(sounds.silence(1.0) + offset, RATE, "WAV", "FLOAT"))

    def test_quiet_is_not_silent(self) -> None:
        quiet = sounds.voice(1.0, peak=0.004)
        assert decode(sounds.with_soundfile(quiet, RATE, "WAV")).duration_s == 1.0

    @pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
    def test_too_long(self, kind: str) -> None:
        with pytest.raises(RecordingTooLong, match="longer than the 2 s"):
            decode(sounds.with_soundfile(sounds.voice(3.0), RATE, kind), max_duration_s=2.0)

    @pytest.mark.parametrize("rate_hz", [1, 100, 1_000_000])
    def test_rates_out_of_range(self, rate_hz: int) -> None:
        with pytest.raises(AudioError):
            decode(sounds.with_soundfile(sounds.tone(2.0), rate_hz, "WAV"))


def test_a_bomb_stops_at_the_limit_and_not_in_memory() -> None:
    """An hour of silence in a few kilobytes must not become an hour of samples."""
    hour = np.zeros(3600 * 8000, np.int16)
    data = sounds.with_soundfile(hour, 8000, "FLAC")
    assert len(data) < 200_000
    del hour
    tracemalloc.start()
    with pytest.raises(RecordingTooLong):
        decode(data, max_duration_s=60.0)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 5 * 60 * RATE * 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_numbers_become_silence(value: float) -> None:
    samples = sounds.voice(1.0).astype(np.float64)
    samples[100:200] = value
    audio = decode(sounds.with_soundfile(samples, RATE, "WAV", "DOUBLE"))
    assert np.isfinite(audio.samples).all()
    assert np.abs(audio.samples).max() <= 1
    assert not audio.samples[100:200].any()


def test_samples_over_full_scale_are_scaled() -> None:
    audio = decode(sounds.with_soundfile(4 * sounds.tone(1.0), RATE, "WAV", "FLOAT"))
    assert np.abs(audio.samples).max() == pytest.approx(1.0)


def test_samples_are_read_only() -> None:
    audio = decode(sounds.with_soundfile(SWEEP, RATE, "WAV"))
    with pytest.raises(ValueError, match="read-only"):
        audio.samples[0] = 1


def test_envelope() -> None:
    samples = np.zeros(1000, np.float32)
    samples[250:500], samples[999] = 0.2, -0.4
    assert envelope(Audio(samples), 4) == pytest.approx((0.0, 0.5, 0.0, 1.0))
    assert len(envelope(Audio(np.ones(7, np.float32)), 240)) == 240
    assert envelope(Audio(np.zeros(0, np.float32)), 3) == (0.0, 0.0, 0.0)


SEEDS = {kind: KINDS[kind]() for kind in ("wav PCM_16", "flac", "ogg opus", "mp3", "m4a", "webm")}


def only_known_errors(data: bytes) -> None:
    try:
        audio = decode(data, max_duration_s=30.0)
    except AudioError as error:
        assert 400 <= error.status < 500
    else:
        assert np.isfinite(audio.samples).all()
        assert 0.29 < audio.duration_s <= 30


@settings(max_examples=150)
@given(data=st.binary(max_size=2000))
def test_any_bytes(data: bytes) -> None:
    only_known_errors(data)


@settings(max_examples=150)
@given(
    kind=st.sampled_from(sorted(SEEDS)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=6),
    keep=st.floats(0.02, 1.0),
)
def test_damaged_files(kind: str, changes: list[tuple[float, bytes]], keep: float) -> None:
    data = bytearray(SEEDS[kind])
    for where, what in changes:
        # Headers are where a change does most: half of all changes fall into the first 256 bytes.
        span = 256 if where < 0.5 else len(data) - 8
        at = int(2 * (where % 0.5) * span)
        data[at : at + len(what)] = what
    only_known_errors(bytes(data[: max(1, int(keep * len(data)))]))


def test_the_library_knows_the_kinds_we_name() -> None:
    assert {"WAV", "FLAC", "OGG"} <= set(soundfile.available_formats())
