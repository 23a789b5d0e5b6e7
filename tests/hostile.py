"""Recordings made to break a server: what each is, and the answers that are right for it."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np

from tests import sounds
from tests.conftest import wav

RATE = sounds.SAMPLE_RATE
USABLE = ""  # an answer with an emotion in it


@dataclass(frozen=True)
class Case:
    """Bytes, and the codes of the errors they may end in; `USABLE` where an answer is fine too."""

    make: Callable[[], bytes]
    codes: tuple[str, ...]


def ogg_page(packets: list[bytes], serial: int, number: int, granule: int, flags: int) -> bytes:
    """One page of an Ogg stream; each packet has less than 255 bytes."""
    lacing = bytes(len(packet) for packet in packets)
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, serial, number, 0)
    page = bytearray(head + bytes([len(lacing)]) + lacing + b"".join(packets))
    page[22:26] = struct.pack("<I", _crc(page))
    return bytes(page)


def _crc(page: bytes | bytearray) -> int:
    crc = 0
    for byte in page:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC[(crc >> 24) ^ byte]
    return crc


def _crc_of(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = ((crc << 1) & 0xFFFFFFFF) ^ (0x04C11DB7 if crc & 0x80000000 else 0)
    return crc


_CRC = [_crc_of(byte) for byte in range(256)]


def opus_silence(hours: float) -> bytes:
    """Hours of silence in a byte for each 0.12 s: two frames of 60 ms that were never sent."""
    n_packets = round(hours * 3600 / 0.12)
    pages = [
        ogg_page([b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)], 1, 0, 0, 2),
        ogg_page([b"OpusTags" + struct.pack("<I4sI", 4, b"none", 0)], 1, 1, 0, 0),
    ]
    silent = bytes([11 << 3 | 1])  # SILK, wide band, 60 ms; two of the same length
    for number, first in enumerate(range(0, n_packets, 255)):
        n = min(255, n_packets - first)
        granule = (first + n) * 5760
        pages.append(ogg_page([silent] * n, 1, number + 2, granule, 0))
    return b"".join(pages)


def opus_of_16_channels() -> bytes:
    """Of 8 channels in planes and more, `planes` of PyAV 18.1 reads some that are not there."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as output:
        stream = output.add_stream(
            "libopus", 48_000, layout="hexadecagonal", options={"mapping_family": "255"}
        )
        samples = np.tile(np.repeat(sounds.voice(1.0), 3), (16, 1))
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T).reshape(1, -1), "flt", "hexadecagonal"
        )
        frame.sample_rate = 48_000
        output.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def mp3_without_end() -> bytes:
    """Eleven hours in 40 MB: the same frame of 8 kbit/s again and again."""
    short = sounds.with_ffmpeg(
        sounds.silence(3.0, 8000), 8000, "mp3", "libmp3lame", {"write_xing": "0"}
    )
    start = short.find(b"\xff\xe3", len(short) // 2)
    end = short.find(b"\xff\xe3", start + 4)
    frame = short[start:end]
    return frame * (40_000_000 // len(frame))


def changed(data: bytes, at: int, what: bytes) -> bytes:
    """The same with some bytes replaced."""
    return data[:at] + what + data[at + len(what) :]


def after(data: bytes, mark: bytes, skip: int, what: bytes) -> bytes:
    """The same with bytes replaced `skip` bytes after a mark."""
    at = data.find(mark)
    assert at >= 0
    return changed(data, at + len(mark) + skip, what)


def of_samples(value: float, kind: str = "FLOAT") -> bytes:
    """A second of the same value."""
    return sounds.with_soundfile(np.full(RATE, value, np.float64), RATE, "WAV", kind)


VOICE = sounds.voice(2.0)
FLAC_HEAD = 8 + 10  # "fLaC", the head of STREAMINFO, its block and frame sizes

CASES: dict[str, Case] = {
    "no bytes": Case(lambda: b"", ("file-empty",)),
    "one byte": Case(lambda: b"R", ("not-audio",)),
    "one sample": Case(lambda: wav(VOICE[:1]), ("recording-too-short",)),
    "no samples": Case(lambda: wav(VOICE[:0]), ("recording-too-short", "not-audio")),
    "0.1 s": Case(lambda: wav(VOICE[:1600]), ("recording-too-short",)),
    "silence": Case(lambda: wav(sounds.silence(2.0)), ("recording-silent",)),
    "noise": Case(lambda: wav(sounds.noise(2.0)), ("no-speech",)),
    "a click": Case(lambda: wav(np.eye(1, RATE, 8000, dtype=np.float32)[0]), ("no-speech",)),
    "text": Case(lambda: b"This is no recording.\n" * 500, ("not-audio",)),
    "a page": Case(lambda: b"<!doctype html><script>alert(1)</script>" * 99, ("not-audio",)),
    "a program": Case(lambda: b"\x7fELF\x02\x01\x01" + bytes(9999), ("not-audio",)),
    "an archive": Case(lambda: b"PK\x03\x04" + bytes(9999), ("not-audio",)),
    "a picture": Case(lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(9999), ("not-audio",)),
    "a playlist": Case(lambda: b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x\n", ("not-audio",)),
    "zeros": Case(lambda: bytes(100_000), ("not-audio",)),
    "set bits": Case(lambda: b"\xff" * 100_000, ("not-audio",)),
    "two formats": Case(lambda: b"ID3\x04\0\0\0\0\0\0" + wav(VOICE), (USABLE,)),
    "wav in wav": Case(lambda: wav(VOICE)[:44] + wav(VOICE), (USABLE,)),
    "NaN": Case(lambda: of_samples(np.nan), ("recording-silent",)),
    "infinite": Case(lambda: of_samples(np.inf, "DOUBLE"), ("recording-silent",)),
    "1e300": Case(lambda: of_samples(1e300, "DOUBLE"), ("recording-silent",)),
    "denormal": Case(lambda: of_samples(1e-42), ("recording-silent",)),
    "0 Hz": Case(lambda: changed(wav(VOICE), 24, bytes(4)), ("not-audio",)),
    "1 Hz": Case(lambda: changed(wav(VOICE), 24, b"\1\0\0\0"), ("audio-unusable",)),
    "768 kHz": Case(
        lambda: changed(wav(VOICE), 24, struct.pack("<I", 768_000)), ("audio-unusable",)
    ),
    "4 GHz": Case(lambda: changed(wav(VOICE), 24, b"\xff" * 4), ("audio-unusable", "not-audio")),
    "64 channels": Case(
        lambda: sounds.with_soundfile(np.stack([VOICE] * 64, 1), RATE, "WAV"), (USABLE,)
    ),
    "65 channels": Case(
        lambda: sounds.with_soundfile(np.zeros((8000, 65)), RATE, "WAV"), ("audio-unusable",)
    ),
    "65535 channels": Case(
        lambda: changed(wav(VOICE), 22, b"\xff\xff"), ("audio-unusable", "not-audio")
    ),
    "no channels": Case(lambda: changed(wav(VOICE), 22, b"\0\0"), ("audio-unusable", "not-audio")),
    "a wav that says it is 4 GB": Case(
        lambda: after(changed(wav(VOICE), 4, b"\xff" * 4), b"data", 0, b"\xff" * 4), (USABLE,)
    ),
    "a wav that says it is empty": Case(
        lambda: after(wav(VOICE), b"data", 0, bytes(4)),
        (USABLE, "recording-too-short", "not-audio"),
    ),
    "an aiff that says it has 2^32 samples": Case(
        lambda: after(sounds.with_soundfile(VOICE, RATE, "AIFF"), b"COMM", 6, b"\xff\xff\xff\xff"),
        (USABLE, "not-audio"),
    ),
    "a flac that says it has 2^36 samples": Case(
        lambda: changed(
            flac := sounds.with_soundfile(VOICE, RATE, "FLAC"),
            FLAC_HEAD + 3,
            bytes([flac[FLAC_HEAD + 3] | 0x0F]) + b"\xff" * 4,
        ),
        (USABLE, "not-audio"),
    ),
    "a caf of negative length": Case(
        lambda: after(sounds.with_soundfile(VOICE, RATE, "CAF"), b"data", 0, b"\xff" * 8),
        (USABLE, "not-audio"),
    ),
    "an au that begins after its end": Case(
        lambda: changed(sounds.with_soundfile(VOICE, RATE, "AU"), 4, b"\x7f\xff\xff\xff"),
        ("not-audio", "recording-too-short"),
    ),
    "10 hours of silence in an opus": Case(lambda: opus_silence(10.0), ("recording-too-long",)),
    "16 channels of opus": Case(opus_of_16_channels, (USABLE,)),
    "an hour of silence in a flac": Case(
        lambda: sounds.with_soundfile(np.zeros(3600 * 8000, np.int16), 8000, "FLAC"),
        ("recording-too-long",),
    ),
    "11 hours of mp3": Case(mp3_without_end, ("recording-too-long",)),
}


def silent_flac(sample_rate: int, n_channels: int, duration_s: float) -> bytes:
    """Silence in FLAC: 36 bytes for 65535 samples of 8 channels."""
    n_samples = 65_535  # of each channel in a frame
    n_frames = round(sample_rate * duration_s / n_samples)
    stated = sample_rate << 44 | (n_channels - 1) << 41 | 15 << 36 | n_frames * n_samples
    info = n_samples.to_bytes(2, "big") * 2 + bytes(6) + stated.to_bytes(8, "big") + bytes(16)
    frames = [b"fLaC\x80\x00\x00\x22" + info]
    for number in range(n_frames):
        head = bytes([0xFF, 0xF8, 0x70, (n_channels - 1) << 4 | 8]) + _utf8(number)
        head += (n_samples - 1).to_bytes(2, "big")
        frame = head + bytes([_remainder(head, 0x07, 8)]) + bytes(3) * n_channels
        frames.append(frame + _remainder(frame, 0x8005, 16).to_bytes(2, "big"))
    return b"".join(frames)


def _utf8(number: int) -> bytes:
    return chr(number).encode("utf-8", "surrogatepass")


def _remainder(data: bytes, polynomial: int, n_bits: int) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << (n_bits - 8)
        for _ in range(8):
            crc = (crc << 1 ^ (polynomial if crc >> (n_bits - 1) else 0)) & ((1 << n_bits) - 1)
    return crc
