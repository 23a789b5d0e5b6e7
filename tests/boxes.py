"""Sound files written box by box: channel orders and codecs that FFmpeg has no encoder for."""

import struct
from collections.abc import Sequence

import numpy as np

from tests import sounds
from tests.hostile import ogg_page


def chan(labels: Sequence[int] = (), *, tag: int = 0, bitmap: int = 0) -> bytes:
    """Apple's description of a channel order: a label for each channel, a tag or a bitmap."""
    named = b"".join(struct.pack(">II12x", label, 0) for label in labels)
    return struct.pack(">III", tag, bitmap, len(labels)) + named


def chnl(positions: Sequence[int], layout: int = 0) -> bytes:
    """ISO's description of a channel order: a position for each channel, or a known layout."""
    if layout:
        return struct.pack(">IBBQ", 0, 1, layout, 0)
    each = (
        struct.pack(">BhB", position, 30, 0) if position == 126 else bytes([position])
        for position in positions
    )
    return struct.pack(">IBB", 0, 1, 0) + b"".join(each)


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box of MP4 and MOV."""
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def mov(
    fourcc: bytes,
    packets: Sequence[bytes],
    n_channels: int,
    rate_hz: int,
    *extra: bytes,
    brand: bytes = b"qt  ",
    samples_per_packet: int = 1,
    bits: int = 16,
) -> bytes:
    """A MOV or MP4 with one track of packets of the same size."""
    zero, n = bytes(4), len(packets)
    entry = box(
        fourcc,
        struct.pack(">6xH8xHHHHI", 1, n_channels, bits, 0, 0, rate_hz << 16 & 0xFFFFFFFF),
        *extra,
    )
    file_type = box(b"ftyp", brand, zero, brand)
    media = box(b"mdat", *packets)
    tables = box(
        b"stbl",
        box(b"stsd", zero, struct.pack(">I", 1), entry),
        box(b"stts", zero, struct.pack(">III", 1, n, samples_per_packet)),
        box(b"stsc", zero, struct.pack(">IIII", 1, 1, n, 1)),
        box(b"stsz", zero, struct.pack(">II", len(packets[0]), n)),
        box(b"stco", zero, struct.pack(">II", 1, len(file_type) + 8)),
    )
    n_samples = n * samples_per_packet
    track = box(
        b"trak",
        box(b"tkhd", struct.pack(">IIIIII60x", 7, 0, 0, 1, 0, n_samples)),
        box(
            b"mdia",
            box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, rate_hz, n_samples, 0)),
            box(b"hdlr", zero, zero, b"soun", bytes(13)),
            box(b"minf", box(b"smhd", bytes(8)), tables),
        ),
    )
    movie = box(b"mvhd", struct.pack(">IIIII80x", 0, 0, 0, rate_hz, n_samples))
    return file_type + media + box(b"moov", movie, track)


def pcm(samples: np.ndarray) -> list[bytes]:
    """Little-endian 16-bit samples [n, channels], a packet each."""
    whole = (samples * 32767).astype("<i2")
    return [row.tobytes() for row in whole.reshape(len(whole), -1)]


def caf(
    kind: bytes,
    data: bytes,
    n_channels: int,
    rate_hz: int,
    *,
    flags: int = 0,
    packet_bytes: int = 0,
    packet_frames: int = 1,
    bits: int = 0,
    order: bytes = b"",
) -> bytes:
    """A Core Audio file of packets of the same size."""
    about = (kind, flags, packet_bytes, packet_frames, n_channels, bits)
    chunks = [
        (b"desc", struct.pack(">d4sIIIII", rate_hz, *about)),
        (b"chan", order),
        (b"data", bytes(4) + data),
    ]
    return b"caff\0\1\0\0" + b"".join(
        struct.pack(">4sq", name, len(content)) + content for name, content in chunks if content
    )


def wav_of(
    tag: int,
    data: bytes,
    n_channels: int,
    rate_hz: int,
    *,
    block_bytes: int,
    bits: int = 0,
    extra: bytes = b"",
    mask: int | None = None,
) -> bytes:
    """A WAV of any format tag; with a mask of channels, an extensible one."""
    if mask is not None:
        guid = struct.pack("<IHH", tag, 0, 16) + b"\x80\0\0\xaa\0\x38\x9b\x71"
        tag, extra = 0xFFFE, struct.pack("<HI", bits, mask) + guid + extra
    about = struct.pack("<HHIIHHH", tag, n_channels, rate_hz, 2000, block_bytes, bits, len(extra))
    chunks = ((b"fmt ", about + extra), (b"data", data))
    body = b"".join(
        struct.pack("<4sI", name, len(content)) + content + bytes(len(content) % 2)
        for name, content in chunks
    )
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WAVE") + body


# --- streams of random parameters, for codecs without an encoder: each sounds like a hiss ------


def _bits(
    fields: Sequence[tuple[int, int]], rng: np.random.Generator, n_bytes: int, share: float = 0.5
) -> bytes:
    """Fields of (value, width), then random bits, of which a share is set."""
    text = "".join(f"{value:0{width}b}" for value, width in fields)
    text += "".join("1" if draw < share else "0" for draw in rng.random(8 * n_bytes - len(text)))
    return int(text, 2).to_bytes(n_bytes)


def mp1(duration_s: float, rate_hz: int = 48_000) -> bytes:
    """MPEG-1 layer I, mono, 128 kbit/s: random samples of 8 bits in the lowest two subbands."""
    rng = np.random.default_rng(sounds.SEED)
    n_bytes = 12 * 128_000 // rate_hz * 4
    rate_bits = {44_100: 0, 48_000: 1, 32_000: 2}[rate_hz]
    head = [(0xFFFF, 16), (4, 4), (rate_bits, 2), (0, 2), (3, 2), (0, 6)]
    allocation = [(7, 4)] * 2 + [(0, 4)] * 30
    scales = [(10, 6)] * 2
    return b"".join(
        _bits(head + allocation + scales, rng, n_bytes)
        for _ in range(round(duration_s * rate_hz / 384))
    )


def gsm(duration_s: float) -> list[bytes]:
    """GSM full rate, 8 kHz: frames of 160 samples."""
    rng = np.random.default_rng(sounds.SEED)
    return [_bits([(0xD, 4)], rng, 33) for _ in range(round(duration_s * 50))]


def random_blocks(n_blocks: int, n_bytes: int) -> bytes:
    """Blocks in which every bit is a parameter: iLBC, TrueSpeech, G.729."""
    return np.random.default_rng(sounds.SEED).bytes(n_blocks * n_bytes)


def wma_voice(duration_s: float) -> bytes:
    """WMA Voice, 8 kHz, in a WAV: a superframe of 480 samples in each block."""
    rng, block_bytes = np.random.default_rng(sounds.SEED), 200
    tree = _bits([(kind // 3, 3) for kind in range(17)], rng, 24)  # which frame types there are
    head = [(0, 4), (0, 1), (1, 6), (0, 11), (1, 1), (0, 1)]
    data = b"".join(_bits(head, rng, block_bytes) for _ in range(round(duration_s * 8000 / 480)))
    extra = bytes(22) + tree
    return wav_of(0x0A, data, 1, 8000, block_bytes=block_bytes, bits=16, extra=extra)


def wma_pro(duration_s: float) -> bytes:
    """WMA Pro, 44.1 kHz, in a WAV: a frame of 2048 samples in each block, some damaged."""
    rng, block_bytes = np.random.default_rng(0), 4096  # most other seeds are damaged or silent
    data = b"".join(
        _bits([(number % 16, 4), (0, 18)], rng, block_bytes, share=0.1)
        for number in range(round(duration_s * 44_100 / 2048))
    )
    extra = struct.pack("<HI12x", 16, 4)
    return wav_of(0x162, data, 1, 44_100, block_bytes=block_bytes, bits=16, extra=extra)


def speex(duration_s: float) -> bytes:
    """Speex in Ogg, 8 kHz: frames of 160 samples in mode 3, 8 kbit/s."""
    rng, n = np.random.default_rng(sounds.SEED), round(duration_s * 50)
    about = struct.pack("<13I", 1, 80, 8000, 0, 4, 1, 8000, 160, 0, 1, 0, 0, 0)
    head = b"Speex   " + b"1.2".ljust(20, b"\0") + about
    pages = [
        ogg_page([head], 1, 0, 0, 2),
        ogg_page([struct.pack("<I4sI", 4, b"none", 0)], 1, 1, 0, 0),
    ]
    frames = [_bits([(0, 1), (3, 4)], rng, 20) for _ in range(n)]
    for number, first in enumerate(range(0, n, 50)):
        part = frames[first : first + 50]
        pages.append(ogg_page(part, 1, number + 2, 160 * (first + len(part)), 0))
    return b"".join(pages)
