"""Recordings of every codec in every container, with any channels, orders of them, and rates.

``python -m tests.sweep [seconds] [seed]`` decodes as many as it can, and says what was refused.
"""

import struct
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import av
import numpy as np

from tests import boxes, sounds
from tests.codecs import FILES
from undertone.errors import AudioError, DecoderDied
from undertone.sound.isolation import Decoders

DURATION_S = 0.5
RATES_HZ = (8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000)
PCM = ("pcm_s8", "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le",
       "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw",
       "pcm_mulaw")  # fmt: skip
# Encoder -> containers.
ENCODERS: dict[str, tuple[str, ...]] = {
    "aac": ("ipod", "mp4", "mov", "adts", "matroska", "mpegts", "flv", "caf", "3gp"),
    "ac3": ("ac3", "matroska", "mpegts", "mov", "mp4", "wav", "vob", "avi"),
    "adpcm_ima_qt": ("mov", "caf", "aiff"),
    "adpcm_ima_wav": ("wav", "avi"),
    "adpcm_ms": ("wav", "avi"),
    "adpcm_swf": ("flv",),
    "adpcm_yamaha": ("wav", "avi"),
    "alac": ("ipod", "mov", "caf", "matroska"),
    "eac3": ("eac3", "matroska", "mpegts", "mp4"),
    "flac": ("flac", "ogg", "mp4"),
    "g722": ("wav", "mov"),
    "g726": ("wav",),
    "libmp3lame": ("mp3", "wav", "matroska", "mpegts", "mov", "avi", "aiff", "flv"),
    "libopus": ("ogg", "matroska", "webm", "mpegts", "mp4", "caf"),
    "mp2": ("mp2", "wav", "matroska", "mpegts", "mpeg", "vob", "avi", "mov", "w64"),
    "nellymoser": ("flv",),
    "pcm_bluray": ("mpegts",),
    "pcm_dvd": ("dvd", "vob"),
    "tta": ("tta", "matroska"),
    "wavpack": ("wv", "matroska"),
    "wmav1": ("asf", "wav", "avi"),
    "wmav2": ("asf", "wav", "avi"),
    **dict.fromkeys(PCM, ("wav", "w64", "mov", "caf", "aiff", "au", "matroska", "avi")),
}
LAYOUTS = ("mono", "stereo", "2.1", "3.0", "3.0(back)", "4.0", "quad", "quad(side)", "3.1", "5.0",
           "5.0(side)", "4.1", "5.1", "5.1(side)", "6.0", "6.0(front)", "hexagonal", "6.1",
           "6.1(back)", "6.1(front)", "7.0", "7.0(front)", "7.1", "7.1(wide)", "7.1(wide-side)",
           "5.1.2", "octagonal", "cube", "5.1.4", "7.1.2", "7.1.4", "9.1.4", "hexadecagonal",
           "22.2", "FL+FR+LFE2", "FC+LFE", "TC", "BL+BR+FLC+FRC+BC+TC+TFL+TFR+TBL",
           "ambisonic 1", "ambisonic 2", "ambisonic 3", "ambisonic 5")  # fmt: skip
# None of these is in an order of its own: PyAV's encoders would break like its decoders.
# Apple's labels: positions, rear and top ones, ambisonic, discrete, none at all.
LABELS = (*range(51), 200, 201, 202, 301, 302, 304, 400, 401, 65_536, 65_537, 131_072, 131_073,
          0xFFFFFFFF)  # fmt: skip
TAGS = (1 << 16, 100 << 16 | 1, 101 << 16 | 2, 102 << 16 | 2, 103 << 16 | 2, 106 << 16 | 2,
        108 << 16 | 4, 113 << 16 | 3, 114 << 16 | 3, 115 << 16 | 4, 117 << 16 | 5, 120 << 16 | 5,
        121 << 16 | 6, 124 << 16 | 6, 125 << 16 | 7, 126 << 16 | 8, 127 << 16 | 8, 128 << 16 | 8,
        130 << 16 | 8, 147 << 16 | 5, 159 << 16 | 9, 190 << 16 | 8)  # fmt: skip


@dataclass(frozen=True)
class File:
    """A recording and what it is, in words."""

    about: str
    data: bytes


def files(seed: int) -> Iterator[File]:
    """Recordings without end: one of each encoder and hand-made kind in turn, its rest drawn."""
    rng = np.random.default_rng(seed)
    for name, make in FILES.items():
        yield File(name, make())
    while True:
        for encoder, containers in ENCODERS.items():
            container = str(rng.choice(containers))
            if made := _encoded(rng, encoder, container):
                yield made
            yield _with_order(rng)


def _n_channels(rng: np.random.Generator) -> int:
    """1 to 64; half of them up to 9."""
    return int(rng.integers(1, 10) if rng.random() < 0.5 else rng.integers(1, 65))


def _noise(rng: np.random.Generator, n_channels: int, rate_hz: int) -> np.ndarray:
    return 0.2 * rng.standard_normal((round(DURATION_S * rate_hz), n_channels), np.float32)


def _encoded(rng: np.random.Generator, encoder: str, container: str) -> File | None:
    """A file by one of FFmpeg's encoders, if it can write one within some tries."""
    for _ in range(12):
        rate_hz = int(rng.choice(RATES_HZ))
        layout = str(rng.choice(LAYOUTS))
        if rng.random() < 0.4:
            layout = f"{_n_channels(rng)}C"
        n_channels = av.AudioLayout(layout).nb_channels
        about = f"{encoder} in {container}, {layout}, {rate_hz} Hz"
        container_options = {"mpegts_m2ts_mode": "1"} if encoder == "pcm_bluray" else {}
        options = {"mapping_family": "255"} if encoder == "libopus" and n_channels > 2 else {}
        try:
            data = sounds.with_ffmpeg(
                _noise(rng, n_channels, rate_hz), rate_hz, container, encoder, container_options,
                layout=layout, codec_options=options,
                bit_rate=64_000 if encoder.startswith("wma") else None,
            )  # fmt: skip
        except (av.FFmpegError, ValueError, OverflowError):
            continue
        return File(about, data)
    return None


def _with_order(rng: np.random.Generator) -> File:
    """PCM, A-law or ADPCM in a container whose channel order is drawn."""
    n_channels, rate_hz = _n_channels(rng), int(rng.choice(RATES_HZ))
    n_named = n_channels if rng.random() < 0.8 else _n_channels(rng)
    labels = [int(label) for label in rng.choice(LABELS, n_named)]
    match int(rng.integers(4)):
        case 0:
            order, about = boxes.chan(tag=int(rng.choice(TAGS))), "tag"
        case 1:
            order, about = boxes.chan(tag=1 << 16, bitmap=int(rng.integers(2**32))), "bitmap"
        case _:
            order, about = boxes.chan(labels), f"labels {labels}"
    kind, width = [(b"sowt", 2), (b"alaw", 1), (b"ulaw", 1), (b"raw ", 1)][rng.integers(4)]
    packets = [rng.bytes(width * n_channels) for _ in range(round(DURATION_S * rate_hz))]
    about = f"{about} of {n_channels}, {rate_hz} Hz"
    match int(rng.integers(4)):
        case 0:
            box = boxes.box(b"chan", bytes(4), order)
            brand = [b"qt  ", b"isom"][rng.integers(2)]
            data = boxes.mov(kind, packets, n_channels, rate_hz, box, brand=brand, bits=8 * width)
        case 1:
            positions = [label % 128 for label in labels]
            box = boxes.box(b"chnl", boxes.chnl(positions, int(rng.integers(22))))
            data = boxes.mov(kind, packets, n_channels, rate_hz, box, brand=b"isom", bits=8 * width)
        case 2:  # IMA 4:1, which libsndfile leaves to FFmpeg
            n_channels = min(n_channels, 2)
            n_bytes, block = 34 * n_channels, b"\0\x10" + rng.bytes(32)
            data = boxes.caf(
                b"ima4", block * (n_channels * round(DURATION_S * rate_hz / 64)), n_channels,
                rate_hz, packet_bytes=n_bytes, packet_frames=64, order=order,
            )  # fmt: skip
        case _:
            mask = int(rng.integers(2**32))
            data = boxes.wav_of(
                1, b"".join(packets), n_channels, rate_hz, block_bytes=width * n_channels,
                bits=8 * width, mask=mask,
            )  # fmt: skip
            if rng.random() < 0.5:  # a length that libsndfile refuses
                data = data[:4] + struct.pack("<I", 4) + data[8:]
            about = f"wav with mask {mask:#x} of {n_channels}, {rate_hz} Hz"
    return File(f"{data[4:12]!r}, {kind!r}, {about}", data)


def decode_all(decoders: Decoders, these: Iterable[File]) -> Iterator[tuple[File, str]]:
    """Each file, with the code of the error it ended in, or "decoded"."""
    for file in these:
        try:
            decoders.decode(file.data, max_duration_s=30.0)
        except AudioError as error:
            yield file, error.code
        else:
            yield file, "decoded"


def main(seconds: float, seed: int) -> int:
    """Decode for so long; the exit status, 0 where no decoder ended."""
    decoders, end_s, outcomes = Decoders(1), time.monotonic() + seconds, Counter[str]()
    for file, outcome in decode_all(decoders, files(seed)):
        outcomes[outcome] += 1
        if outcome not in ("decoded", "recording-silent", "audio-unusable"):
            print(outcome, file.about, flush=True)
        if time.monotonic() > end_s:
            break
    decoders.close()
    print(sum(outcomes.values()), "files:", dict(outcomes))
    return int(outcomes[DecoderDied.code] > 0)


if __name__ == "__main__":
    asked = [float(argument) for argument in sys.argv[1:]]
    sys.exit(main(asked[0] if asked else 600.0, int(asked[1]) if asked[1:] else 1))
