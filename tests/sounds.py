"""Test signals whose answer is known, and every kind of file made of them in memory.

Nothing here is recorded: signals are synthesised from fixed seeds, and files are written by
libsndfile (through soundfile) and FFmpeg (through PyAV), so tests need no fixtures on disk.
"""

import io
from fractions import Fraction

import av
import numpy as np
import soundfile
import soxr
from scipy.signal import lfilter

SEED = 440
SAMPLE_RATE = 16_000

# First four formants in Hz of a, e, i, o, u, ə; rounded from Peterson & Barney (1952).
VOWELS_HZ = (
    (730, 1090, 2440, 3400),
    (530, 1840, 2480, 3500),
    (270, 2290, 3010, 3700),
    (570, 840, 2410, 3300),
    (300, 870, 2240, 3300),
    (500, 1500, 2500, 3500),
)
FORMANT_WIDTHS_HZ = (80, 100, 140, 200)


def silence(duration_s: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    return np.zeros(round(duration_s * sample_rate), np.float32)


def tone(
    duration_s: float,
    frequency_hz: float = 440.0,
    peak: float = 0.5,
    sample_rate: int = SAMPLE_RATE,
) -> np.ndarray:
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    return (peak * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def chirp(
    duration_s: float,
    start_hz: float = 200.0,
    end_hz: float = 3000.0,
    peak: float = 0.5,
    sample_rate: int = SAMPLE_RATE,
) -> np.ndarray:
    """Sine whose frequency rises linearly, so that it correlates with itself at one lag only."""
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    phase = start_hz * time_s + (end_hz - start_hz) / (2 * duration_s) * time_s**2
    return (peak * np.sin(2 * np.pi * phase)).astype(np.float32)


def noise(
    duration_s: float, peak: float = 0.5, sample_rate: int = SAMPLE_RATE, seed: int = SEED
) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(duration_s * sample_rate))
    return _to_peak(samples, peak)


def voice(
    duration_s: float,
    f0_hz: float = 120.0,
    *,
    syllable_s: float = 0.22,
    syllables_per_phrase: int = 5,
    pause_s: float = 0.25,
    peak: float = 0.5,
    sample_rate: int = SAMPLE_RATE,
    seed: int = SEED,
) -> np.ndarray:
    """Babble of a synthetic talker that a voice activity detector takes for speech.

    Glottal pulses with falling intonation, vibrato and jitter pass formant filters that glide
    from vowel to vowel; each syllable begins with a puff of noise, each phrase ends in a pause.
    """
    rng = np.random.default_rng(seed)
    pieces: list[np.ndarray] = []
    n_wanted, n_made, index = round(duration_s * sample_rate), 0, 0
    while n_made < n_wanted:
        place = index % syllables_per_phrase
        accent = 1.12 - 0.24 * place / syllables_per_phrase + rng.uniform(-0.05, 0.05)
        length_s = syllable_s * rng.uniform(0.8, 1.3)
        piece = _syllable(length_s, f0_hz * accent, sample_rate, rng)
        if place == syllables_per_phrase - 1:
            piece = np.concatenate([piece, np.zeros(round(pause_s * sample_rate))])
        pieces.append(piece)
        n_made += len(piece)
        index += 1
    return _to_peak(np.concatenate(pieces)[:n_wanted], peak)


def _syllable(
    duration_s: float, f0_hz: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """A puff of noise and a diphthong, 1 at the loudest."""
    n = round(duration_s * sample_rate)
    time_s = np.arange(n) / sample_rate
    f0 = f0_hz * np.linspace(1.08, 0.9, n) * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * time_s))
    source = _glottis(f0, sample_rate, rng)
    # Higher voices come from shorter throats: formants up to 18 % higher from 110 to 220 Hz.
    shorter = 1 + 0.18 * np.clip((f0_hz - 110) / 110, 0, 1)
    first, second = rng.choice(len(VOWELS_HZ), 2, replace=False)
    blend = np.clip(np.linspace(-0.5, 1.5, n), 0, 1)
    vowel = (1 - blend) * _formants(source, VOWELS_HZ[first], shorter, sample_rate)
    vowel += blend * _formants(source, VOWELS_HZ[second], shorter, sample_rate)
    rise, fall = np.clip(time_s / 0.04, 0, 1), np.clip((duration_s - time_s) / 0.06, 0, 1)
    puff = np.diff(rng.standard_normal(n), prepend=0.0) * np.exp(-(((time_s - 0.02) / 0.012) ** 2))
    return _to_peak(vowel * rise * fall, 1.0) + 0.08 * puff


def _glottis(f0_hz: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Derivative of Rosenberg's (1971) glottal flow with jitter and a little breath."""
    phase = np.cumsum(f0_hz * (1 + 0.005 * rng.standard_normal(len(f0_hz)))) / sample_rate % 1.0
    opening = 0.5 * (1 - np.cos(np.pi * phase / 0.4))
    closing = np.cos(np.pi / 2 * (phase - 0.4) / 0.16)
    flow = np.where(phase < 0.4, opening, np.where(phase < 0.56, closing, 0.0))
    return _to_peak(np.diff(flow, prepend=0.0), 1.0) + 0.02 * rng.standard_normal(len(f0_hz))


def _formants(
    source: np.ndarray, formants_hz: tuple[int, ...], shift: float, sample_rate: int
) -> np.ndarray:
    """The source through a cascade of two-pole resonators, each of unit gain at 0 Hz."""
    for formant_hz, width_hz in zip(formants_hz, FORMANT_WIDTHS_HZ, strict=True):
        centre_hz = formant_hz * shift
        if centre_hz < 0.45 * sample_rate:
            radius = np.exp(-np.pi * width_hz / sample_rate)
            poles = [1, -2 * radius * np.cos(2 * np.pi * centre_hz / sample_rate), radius**2]
            source = lfilter([sum(poles)], poles, source)
    return source


def _to_peak(samples: np.ndarray, peak: float) -> np.ndarray:
    return (samples * (peak / max(np.abs(samples).max(initial=0.0), 1e-12))).astype(np.float32)


def resampled(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """The same sound at 16 kHz, as the decoder should give it."""
    return soxr.resample(samples, sample_rate, SAMPLE_RATE)


# --- files ---------------------------------------------------------------------------------


def with_soundfile(
    samples: np.ndarray, sample_rate: int, container: str, codec: str | None = None
) -> bytes:
    """A file by libsndfile; `samples` are [n] or [n, channels]."""
    file = io.BytesIO()
    n_channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(file, "w", sample_rate, n_channels, codec, format=container) as output:
        for start in range(0, len(samples), sample_rate * 60):  # Vorbis: a long one is too much
            output.write(samples[start : start + sample_rate * 60])
    return file.getvalue()


class _Pipe(io.RawIOBase):
    """Somewhere to write that cannot seek: what a browser's MediaRecorder writes to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        self.written += chunk
        return len(chunk)


def with_ffmpeg(
    samples: np.ndarray,
    sample_rate: int,
    container: str,
    codec: str,
    options: dict[str, str] | None = None,
    *,
    live: bool = False,
    with_video: bool = False,
    layout: str | None = None,
    bit_rate: int | None = None,
    codec_options: dict[str, str] | None = None,
) -> bytes:
    """A file by FFmpeg; `live` writes to a pipe, so that lengths cannot be filled in later."""
    file = _Pipe() if live else io.BytesIO()
    samples = samples.reshape(len(samples), -1)
    layout = layout or {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[1]]
    with av.open(file, "w", format=container, options=options or {}) as output:
        video = None
        if with_video:
            video = output.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
        stream = output.add_stream(codec, rate=sample_rate, layout=layout, options=codec_options)
        if bit_rate:
            stream.bit_rate = bit_rate
        output.start_encoding()
        if video:
            for index in range(max(1, round(10 * len(samples) / sample_rate))):
                image = av.VideoFrame(32, 32, "yuv420p")
                image.pts, image.time_base = index, Fraction(1, 10)
                output.mux(video.encode(image))
            output.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(  # not planar: PyAV breaks with 8 planes or more
            np.ascontiguousarray(samples, np.float32).reshape(1, -1), format="flt", layout=layout
        )
        frame.sample_rate, frame.time_base = sample_rate, Fraction(1, sample_rate)
        context = stream.codec_context
        resampler = av.AudioResampler(
            context.format, layout, context.sample_rate, context.frame_size or 1024
        )
        for part in (frame, None):
            for block in resampler.resample(part):
                output.mux(stream.encode(block))
        output.mux(stream.encode(None))
    return bytes(file.written) if live else file.getvalue()


def with_tracks(
    tracks: list[np.ndarray], sample_rate: int, container: str = "matroska", codec: str = "aac"
) -> bytes:
    """A file of several sound tracks by FFmpeg; each is [n] or [n, channels]."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        streams = []
        for samples in tracks:
            layout = "mono" if samples.ndim == 1 else "stereo"
            streams.append(output.add_stream(codec, rate=sample_rate, layout=layout))
        for samples, stream in zip(tracks, streams, strict=True):
            context = stream.codec_context
            rows = np.ascontiguousarray(samples.reshape(len(samples), -1).T, np.float32)
            frame = av.AudioFrame.from_ndarray(rows, format="fltp", layout=context.layout.name)
            frame.sample_rate, frame.time_base = sample_rate, Fraction(1, sample_rate)
            resampler = av.AudioResampler(
                context.format, context.layout, context.sample_rate, context.frame_size or 1024
            )
            for part in (frame, None):
                for block in resampler.resample(part):
                    output.mux(stream.encode(block))
            output.mux(stream.encode(None))
    return file.getvalue()


def webm_as_chrome(samples: np.ndarray, sample_rate: int) -> bytes:
    """What MediaRecorder gives: Opus in WebM, no duration, every cluster of unknown size."""
    webm = bytearray(with_ffmpeg(samples, sample_rate, "webm", "libopus", {"live": "1"}, live=True))
    position = webm.find(b"\x1f\x43\xb6\x75")
    while position >= 0:
        size_at = position + 4
        n_bytes = 9 - webm[size_at].bit_length()  # EBML: leading zeros tell the width
        webm[size_at : size_at + n_bytes] = (2 ** (7 * n_bytes + 1) - 1).to_bytes(n_bytes, "big")
        position = webm.find(b"\x1f\x43\xb6\x75", size_at)
    return bytes(webm)


def mp4_as_safari(samples: np.ndarray, sample_rate: int) -> bytes:
    """What Safari's MediaRecorder gives: AAC in fragments, with an empty index up front."""
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}
    return with_ffmpeg(samples, sample_rate, "mp4", "aac", flags, live=True)


def amr_wb(duration_s: float, seed: int = SEED) -> bytes:
    """AMR-WB frames of random parameters, a hiss: no free encoder exists."""
    rng = np.random.default_rng(seed)
    frame = lambda: b"\x04" + rng.bytes(17)  # noqa: E731 mode 0 (6.6 kbit/s), good quality bit
    return b"#!AMR-WB\n" + b"".join(frame() for _ in range(round(duration_s * 50)))
