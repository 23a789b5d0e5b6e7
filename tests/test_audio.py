"""Every kind of recording that people send, every refusal, and bytes made to break it."""

import io
import struct
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import sounds
from undertone.errors import (
    AudioError,
    EmptyFile,
    NotAudio,
    RecordingSilent,
    RecordingTooLong,
    RecordingTooShort,
)
from undertone.sound.audio import Audio, decode, envelope

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
    "mkv with a picture": lambda: sounds.with_ffmpeg(
        SWEEP, RATE, "matroska", "aac", with_video=True
    ),
    "avi": lambda: sounds.with_ffmpeg(SWEEP, RATE, "avi", "libmp3lame", with_video=True),
    "mov": lambda: sounds.with_ffmpeg(SWEEP, RATE, "mov", "pcm_s16le"),
    "mpegts": lambda: sounds.with_ffmpeg(SWEEP, RATE, "mpegts", "aac"),
    "mp3 in wav": lambda: sounds.with_ffmpeg(SWEEP, RATE, "wav", "libmp3lame"),
    "g722 in wav": lambda: sounds.with_ffmpeg(SWEEP, RATE, "wav", "adpcm_g722"),
    "caf": lambda: sounds.with_soundfile(SWEEP, RATE, "CAF"),
    "au": lambda: sounds.with_soundfile(SWEEP, RATE, "AU"),
    "w64": lambda: sounds.with_soundfile(SWEEP, RATE, "W64"),
    "nist": lambda: sounds.with_soundfile(SWEEP, RATE, "NIST"),
    "webm in stereo": lambda: sounds.webm_as_chrome(np.stack([SWEEP_48K] * 2, 1), 48_000),
    "m4a in stereo": lambda: sounds.with_ffmpeg(np.stack([SWEEP] * 2, 1), RATE, "ipod", "aac"),
    "mp3 in stereo": lambda: sounds.with_soundfile(np.stack([SWEEP] * 2, 1), RATE, "MP3"),
}

LOSSLESS = {"wav PCM_16", "wav PCM_24", "wav PCM_32", "wav FLOAT", "wav DOUBLE", "wavex", "rf64",
            "aiff", "flac", "flac 24", "alac", "mov", "caf", "au", "w64", "nist"}  # fmt: skip


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


@pytest.mark.parametrize("rate_hz", [4000, 8000, 11_025, 16_000, 22_050, 44_100, 96_000, 384_000])
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


@pytest.mark.parametrize("container", ["amr", "3gp"])
def test_amr(container: str) -> None:
    telephone = sounds.voice(1.5, sample_rate=8000)
    audio = decode(sounds.with_ffmpeg(telephone, 8000, container, "libopencore_amrnb"))
    assert audio.duration_s == pytest.approx(1.5, abs=0.05)
    assert likeness(audio.samples, sounds.resampled(telephone, 8000)) > 0.7


def test_amr_wideband() -> None:
    assert decode(sounds.amr_wb(1.0)).duration_s == pytest.approx(1.0, abs=0.05)


LONG = sounds.noise(9.0)
LONG_KINDS: dict[str, Callable[[], bytes]] = {
    "wav": lambda: sounds.with_soundfile(LONG, RATE, "WAV"),
    "aiff": lambda: sounds.with_soundfile(LONG, RATE, "AIFF"),
    "caf": lambda: sounds.with_soundfile(LONG, RATE, "CAF"),
    "flac": lambda: sounds.with_soundfile(LONG, RATE, "FLAC"),
    "mp3": lambda: sounds.with_ffmpeg(LONG, RATE, "mp3", "libmp3lame"),
    "ogg vorbis": lambda: sounds.with_soundfile(LONG, RATE, "OGG", "VORBIS"),
    "ogg opus": lambda: sounds.with_soundfile(LONG, RATE, "OGG", "OPUS"),
    "aac": lambda: sounds.with_ffmpeg(LONG, RATE, "adts", "aac"),
    "webm": lambda: sounds.with_ffmpeg(LONG, 48_000, "webm", "libopus"),
    "webm of Chrome": lambda: sounds.webm_as_chrome(LONG, 48_000),
    "mp4 of Safari": lambda: sounds.mp4_as_safari(LONG, 48_000),
    "mpegts": lambda: sounds.with_ffmpeg(LONG, RATE, "mpegts", "aac"),
    "amr": lambda: sounds.with_ffmpeg(LONG[::2], 8000, "amr", "libopencore_amrnb"),
    "amr wideband": lambda: sounds.amr_wb(9.0),
}


@pytest.mark.parametrize("kind", LONG_KINDS)
def test_of_a_damaged_file_what_can_be_read_is_read(kind: str) -> None:
    data = LONG_KINDS[kind]()
    whole_s = decode(data).duration_s
    truncated = data[: 6 * len(data) // 10]
    assert 0.3 * whole_s < decode(truncated).duration_s < 0.8 * whole_s
    middle, n_bad = 7 * len(data) // 10, len(data) // 50
    holed = data[:middle] + bytes(n_bad) + data[middle + n_bad :]
    assert 0.5 * whole_s < decode(holed).duration_s < 1.02 * whole_s


def test_an_m4a_that_lost_its_index_is_refused() -> None:
    data = KINDS["m4a"]()  # the index is at the end: a recorder that died before writing it
    with pytest.raises(NotAudio, match="damaged"):
        decode(data[: 9 * len(data) // 10])


@pytest.mark.parametrize("kind", ["ogg vorbis", "ogg opus", "flac", "webm of Chrome"])
def test_files_put_one_after_another_are_all_read(kind: str) -> None:
    data = KINDS[kind]()
    assert decode(data + data).duration_s == pytest.approx(3.0, abs=0.05)


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

    @pytest.mark.parametrize("scheme", ["", "file:", "file://"])
    @pytest.mark.parametrize(
        "playlist",
        ["#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n",
         "ffconcat version 1.0\nfile '{}'\n", "[playlist]\nFile1={}\n",
         '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet '
         'mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>{}</BaseURL>'
         "</Representation></AdaptationSet></Period></MPD>"],
        ids=["hls", "ffconcat", "pls", "dash"],
    )  # fmt: skip
    def test_a_list_of_other_files(self, playlist: str, scheme: str, tmp_path: Path) -> None:
        secret = tmp_path / "secret.ts"
        secret.write_bytes(KINDS["mpegts"]())
        with pytest.raises(NotAudio):
            decode(playlist.format(f"{scheme}{secret}").encode())

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

    @pytest.mark.parametrize("rate_hz", [1, 100, 1_000_000, 2**31 - 1])
    def test_rates_out_of_range(self, rate_hz: int) -> None:
        with pytest.raises(AudioError, match=f"{rate_hz} Hz"):
            decode(sounds.with_soundfile(sounds.tone(2.0), rate_hz, "WAV"))

    def test_a_rate_of_zero(self) -> None:
        data = bytearray(KINDS["wav PCM_16"]())
        data[24:28] = bytes(4)
        with pytest.raises(NotAudio):
            decode(bytes(data))

    def test_too_many_channels(self) -> None:
        with pytest.raises(AudioError, match="65 channels"):
            decode(sounds.with_soundfile(np.zeros((8000, 65), np.float32), RATE, "WAV"))


@pytest.mark.parametrize("container", ["FLAC", "OGG"])  # by libsndfile, by FFmpeg
def test_a_bomb_stops_at_the_limit_and_not_in_memory(container: str) -> None:
    """An hour of silence in a few kilobytes must not become an hour of samples."""
    data = sounds.with_soundfile(np.zeros(3600 * 8000, np.int16), 8000, container)
    assert len(data) < 250_000
    tracemalloc.start()
    with pytest.raises(RecordingTooLong):
        decode(data, max_duration_s=60.0)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2.5 * 60 * RATE * 4


def test_an_index_that_claims_80_million_samples_gets_no_memory() -> None:
    resource = pytest.importorskip("resource", reason="resident memory is not measured here")
    data = bytearray(KINDS["m4a"]())
    data[(at := data.find(b"stsz") + 8) : at + 8] = struct.pack(">II", 4, 80_000_000)
    fragments = bytearray(KINDS["mp4 of Safari"]())
    at = fragments.find(b"trun") + 4
    fragments[at : at + 8] = struct.pack(">II", 1, 80_000_000)  # flags: nothing but the offset
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for lie in (data, fragments):
        with pytest.raises((NotAudio, RecordingTooShort)):
            decode(bytes(lie))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 300 * 1024


def test_what_decoders_complain_of_is_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(sounds.SEED)
    for kind in ("wav PCM_16", "aiff", "flac", "mp3", "ogg opus", "m4a", "webm of Chrome"):
        data = bytearray(KINDS[kind]())
        for at in rng.integers(40, len(data) - 8, 20):
            data[at : at + 8] = rng.bytes(8)
        only_known_errors(bytes(data))
    for beginning in (b"\xff\xfb", b"ID3\x04", "words".encode("utf-16")):
        only_known_errors(beginning + rng.bytes(70_000))
    assert capfd.readouterr() == ("", "")


def test_many_at_a_time() -> None:
    files = [KINDS[kind]() for kind in ("wav PCM_16", "flac", "ogg opus", "m4a", "webm", "mp3")]
    alone = [decode(data).samples for data in files]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(decode, files * 3))
    for expected, audio in zip(alone * 3, together, strict=True):
        assert np.array_equal(audio.samples, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_numbers_become_silence(value: float) -> None:
    samples = sounds.voice(1.0).astype(np.float64)
    samples[100:200] = value
    audio = decode(sounds.with_soundfile(samples, RATE, "WAV", "DOUBLE"))
    assert np.isfinite(audio.samples).all()
    assert np.abs(audio.samples).max() <= 1
    assert not audio.samples[100:200].any()


def test_signalling_nans_are_no_trouble() -> None:
    data = bytearray(KINDS["wav FLOAT"]())
    at = data.find(b"data") + 8
    data[at : at + 400] = struct.pack("<I", 0x7FA00001) * 100
    samples = decode(bytes(data)).samples
    assert not samples[:100].any()
    assert samples[100:] == pytest.approx(SWEEP[100:], abs=1e-6)


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


SEEDS = {
    kind: KINDS[kind]()
    for kind in ("wav PCM_16", "wav FLOAT", "wav IMA_ADPCM", "aiff", "caf", "flac", "ogg opus",
                 "mp3", "m4a", "alac", "aac", "mp4 of Safari", "webm of Chrome", "avi", "mpegts")
}  # fmt: skip
LIES = st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]).map(lambda n: n.to_bytes(4))


def only_known_errors(data: bytes) -> None:
    try:
        audio = decode(data, max_duration_s=30.0)
    except AudioError as error:
        assert 400 <= error.status < 500
    else:
        assert np.isfinite(audio.samples).all()
        assert 0.29 < audio.duration_s <= 30


MAGIC = (b"", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"FORM", b"fLaC", b"OggS", b"ID3\x04", b"\xff\xfb",
         b"\xff\xf1", b"\x1aE\xdf\xa3", b"\0\0\0\x18ftypM4A ", b"#!AMR\n", b"caff\0\1")  # fmt: skip


@settings(max_examples=200)
@given(data=st.builds(bytes.__add__, st.sampled_from(MAGIC), st.binary(max_size=2000)))
def test_any_bytes(data: bytes) -> None:
    only_known_errors(data)


@settings(max_examples=400)
@given(
    kind=st.sampled_from(sorted(SEEDS)),
    changes=st.lists(
        st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8) | LIES, st.integers(0, 12)),
        max_size=6,
    ),
    keep=st.just(1.0) | st.floats(0.02, 1.0),
)
def test_damaged_files(kind: str, changes: list[tuple[float, bytes, int]], keep: float) -> None:
    """Bytes replaced by as many, by fewer or by more, and the end cut off."""
    data = bytearray(SEEDS[kind])
    for where, what, n_replaced in changes:
        # Headers are where a change does most: half of all changes fall into the first 256 bytes.
        span = 256 if where < 0.5 else max(0, len(data) - 8)
        at = int(2 * (where % 0.5) * span)
        data[at : at + n_replaced] = what
    only_known_errors(bytes(data[: max(1, int(keep * len(data)))]))


def test_the_library_knows_the_kinds_we_name() -> None:
    assert {"WAV", "FLAC", "OGG"} <= set(soundfile.available_formats())
