"""A recording for every codec that is listed, by the codec's FFmpeg name."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests import boxes, sounds

DURATION_S = 1.5


def voice(rate_hz: int, n_channels: int = 1, duration_s: float = DURATION_S) -> np.ndarray:
    """A voice on all channels."""
    return np.repeat(sounds.voice(duration_s, sample_rate=rate_hz)[:, None], n_channels, axis=1)


def _encoded(container: str, rate_hz: int, encoder: str, **options: Any) -> Callable[[], bytes]:
    return lambda: sounds.with_ffmpeg(voice(rate_hz), rate_hz, container, encoder, **options)


def _by_libsndfile(container: str, codec: str | None = None) -> Callable[[], bytes]:
    return lambda: sounds.with_soundfile(voice(16_000), 16_000, container, codec)


FILES: dict[str, Callable[[], bytes]] = {
    "aac": _encoded("ipod", 16_000, "aac"),
    "aac_latm": _encoded("mpegts", 48_000, "aac", options={"mpegts_flags": "latm"}),
    "ac3": _encoded("ac3", 48_000, "ac3"),
    "adpcm_g722": _encoded("wav", 16_000, "g722"),
    "adpcm_g726": _encoded("wav", 8000, "g726"),
    "adpcm_g726le": _encoded("au", 8000, "g726le"),
    "adpcm_ima_qt": _encoded("mov", 44_100, "adpcm_ima_qt"),
    "adpcm_ima_wav": _encoded("wav", 16_000, "adpcm_ima_wav"),
    "adpcm_ms": _encoded("wav", 16_000, "adpcm_ms"),
    "adpcm_swf": _encoded("flv", 22_050, "adpcm_swf"),
    "adpcm_yamaha": _encoded("wav", 16_000, "adpcm_yamaha"),
    "alac": _encoded("ipod", 16_000, "alac"),
    "amr_nb": _encoded("amr", 8000, "libopencore_amrnb"),
    "amr_wb": lambda: sounds.amr_wb(DURATION_S),
    "eac3": _encoded("eac3", 48_000, "eac3"),
    "flac": _by_libsndfile("FLAC"),
    "g723_1": _encoded("wav", 8000, "g723_1", bit_rate=6300),
    "g729": lambda: boxes.wav_of(0x83, boxes.random_blocks(150, 10), 1, 8000, block_bytes=10),
    "gsm": lambda: boxes.mov(b"agsm", boxes.gsm(DURATION_S), 1, 8000, samples_per_packet=160),
    "gsm_ms": _by_libsndfile("WAV", "GSM610"),
    "ilbc": lambda: boxes.caf(
        b"ilbc", boxes.random_blocks(75, 38), 1, 8000, packet_bytes=38, packet_frames=160
    ),
    "mp1": lambda: boxes.mp1(DURATION_S),
    "mp2": _encoded("mp2", 16_000, "mp2"),
    "mp3": _encoded("mp3", 16_000, "libmp3lame"),
    "nellymoser": _encoded("flv", 22_050, "nellymoser"),
    "opus": _encoded("webm", 48_000, "libopus"),
    "pcm_bluray": _encoded("mpegts", 48_000, "pcm_bluray", options={"mpegts_m2ts_mode": "1"}),
    "pcm_dvd": _encoded("dvd", 48_000, "pcm_dvd"),
    **{
        name: _encoded("caf", 16_000, name)
        for name in (
            "pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le",
            "pcm_s32be", "pcm_s32le", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le",
        )
    },
    "pcm_u8": _encoded("wav", 16_000, "pcm_u8"),
    "speex": lambda: boxes.speex(DURATION_S),
    "truespeech": lambda: boxes.wav_of(
        0x22, boxes.random_blocks(50, 32), 1, 8000, block_bytes=32, bits=1, extra=bytes(32)
    ),
    "tta": _encoded("tta", 16_000, "tta"),
    "vorbis": _by_libsndfile("OGG", "VORBIS"),
    "wavpack": _encoded("wv", 16_000, "wavpack"),
    "wmapro": lambda: boxes.wma_pro(DURATION_S),
    "wmav1": _encoded("asf", 16_000, "wmav1", bit_rate=32_000),
    "wmav2": _encoded("asf", 16_000, "wmav2", bit_rate=32_000),
    "wmavoice": lambda: boxes.wma_voice(DURATION_S),
}  # fmt: skip
