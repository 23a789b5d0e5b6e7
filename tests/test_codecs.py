"""Every codec that is listed is decoded; any other is named; tags in front change nothing."""

import io
import struct
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.codec import Codec

from tests import boxes, sounds
from tests.codecs import DURATION_S, FILES, voice
from tests.test_audio import KINDS, likeness
from undertone.errors import NotAudio
from undertone.progress import nobody
from undertone.recording_bytes import RecordingBytes
from undertone.sound import decoders
from undertone.sound.audio import decode
from undertone.sound.audio_kinds import extension, is_known

RATE = sounds.SAMPLE_RATE
VOICE_48K = sounds.resampled(voice(48_000)[:, 0], 48_000)
LISTED = sorted({Codec(name, "r").canonical_name for name in decoders.FFMPEG_CODECS.split(",")})


class Gathered:
    """A sink that keeps the blocks as they come."""

    def __init__(self) -> None:
        self.is_whole = False
        self.blocks: list[npt.NDArray[Any]] = []
        self.rate_hz = 0

    def add(self, block: npt.NDArray[Any], rate_hz: int) -> None:
        self.blocks.append(block)
        self.rate_hz = rate_hz

    @property
    def samples(self) -> npt.NDArray[Any]:
        return np.concatenate(self.blocks)


def by_ffmpeg(data: bytes) -> Gathered:
    sink = Gathered()
    decoders.with_ffmpeg(RecordingBytes(data), sink, nobody)
    return sink


@pytest.mark.parametrize("codec", LISTED)
def test_every_codec_that_is_listed_is_decoded(codec: str) -> None:
    data = FILES[codec]()
    with av.open(io.BytesIO(data), options=decoders.FFMPEG_OPTIONS) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == codec
    sink = by_ffmpeg(data)
    about_s = pytest.approx(DURATION_S, rel=0.5 if codec == "wmapro" else 0.2)
    assert len(sink.samples) / sink.rate_hz == about_s
    assert decode(data).duration_s == about_s
    assert is_known(data)


UNLISTED: dict[str, Callable[[], bytes]] = {
    "dts": lambda: boxes.mov(b"dtsc", [bytes(512)] * 90, 2, 48_000, samples_per_packet=512),
    "truehd": lambda: boxes.mov(b"mlpa", [bytes(400)] * 90, 2, 48_000, samples_per_packet=40),
    "qdm2": lambda: boxes.mov(b"QDM2", [bytes(400)] * 90, 2, 44_100, samples_per_packet=2048),
    "atrac3": lambda: boxes.wav_of(
        0x270, bytes(40_000), 2, 44_100, block_bytes=384, extra=bytes(14)
    ),
    "dfpwm": lambda: sounds.with_ffmpeg(voice(48_000), 48_000, "wav", "dfpwm"),
}


@pytest.mark.parametrize("codec", UNLISTED)
def test_a_codec_that_is_not_listed_is_named(codec: str) -> None:
    with pytest.raises(NotAudio, match=f"coded as '{codec}', which is not supported"):
        decode(UNLISTED[codec]())


LAYERS: dict[str, Callable[[], bytes]] = {
    "1": lambda: boxes.mp1(DURATION_S),
    "1 in wav": lambda: boxes.wav_of(0x50, boxes.mp1(DURATION_S), 1, 48_000, block_bytes=1),
    "1 at 32 kHz": lambda: boxes.mp1(DURATION_S, 32_000),
    **{
        f"2 in {container}": (
            lambda container=container, with_video=with_video: sounds.with_ffmpeg(
                voice(48_000, 2), 48_000, container, "mp2", with_video=with_video
            )
        )
        for container, with_video in {
            "mp2": False, "wav": False, "matroska": True, "mpegts": False, "mpeg": True,
            "vob": True, "avi": True, "mp4": False,
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_mpeg_layers_1_and_2_in_any_container(name: str) -> None:
    audio = decode(LAYERS[name]())
    assert audio.duration_s == pytest.approx(DURATION_S, abs=0.1)
    if name.startswith("2"):
        assert likeness(audio.samples, VOICE_48K) > 0.9


@pytest.mark.parametrize("container", ["mp2", "wav", "matroska"])
def test_layer_2_begins_where_the_recording_did(container: str) -> None:
    sent = voice(48_000, 2)
    decoded = decode(sounds.with_ffmpeg(sent, 48_000, container, "mp2")).samples
    n = len(VOICE_48K)
    spectra = np.fft.rfft(decoded, 2 * n) * np.conj(np.fft.rfft(VOICE_48K, 2 * n))
    assert int(np.fft.irfft(spectra).argmax()) in (0, 1, 2 * n - 1)


# --- channels -----------------------------------------------------------------------------------


def of_channels(n: int) -> np.ndarray:
    """A tone of its own on each channel [n_samples, n], 0.5 s at 48 kHz."""
    tones = [sounds.tone(0.5, 200.0 * (1 + channel), sample_rate=48_000) for channel in range(n)]
    return np.stack(tones, axis=1)


@pytest.mark.parametrize("n_channels", [1, 2, 6, 7, 8, 9, 16, 33, 64])
def test_every_channel_is_decoded_with_planes(n_channels: int) -> None:
    samples = of_channels(n_channels)
    options = {"mapping_family": "255"}
    data = sounds.with_ffmpeg(
        samples, 48_000, "matroska", "libopus", layout=f"{n_channels}C", codec_options=options
    )
    decoded = by_ffmpeg(data).samples
    assert decoded.shape[1] == n_channels
    for channel in range(n_channels):
        assert likeness(decoded[:, channel], samples[:, channel]) > 0.9


@pytest.mark.parametrize("layout", ["octagonal", "7.1", "7.1(wide)", "hexadecagonal"])
@pytest.mark.parametrize("container", ["ipod", "adts", "matroska"])
def test_aac_of_8_channels_and_more(layout: str, container: str) -> None:
    n_channels = av.AudioLayout(layout).nb_channels
    try:
        data = sounds.with_ffmpeg(
            voice(48_000, n_channels), 48_000, container, "aac", layout=layout, bit_rate=512_000
        )
    except av.FFmpegError:
        pytest.skip("FFmpeg cannot write this")
    audio = decode(data)
    assert audio.duration_s == pytest.approx(DURATION_S, abs=0.1)
    assert likeness(audio.samples, VOICE_48K) > 0.9


# Apple's labels: 1 left, 2 right, 3 centre, 4 LFE, 5 and 6 surrounds, 33 rear surround left, ...
ORDERS = ([2, 1], [3, 3], [3, 1, 2], [3, 1, 2, 5, 6, 4], [1, 2, 3, 4, 9, 5, 6],
          [1, 2, 3, 4, 33, 34, 5, 6], [65_536] * 12, [2] * 64)  # fmt: skip


@pytest.mark.parametrize("labels", ORDERS, ids=str)
@pytest.mark.parametrize("container", ["mov chan", "mp4 chan", "mp4 chnl", "caf"])
def test_a_channel_order_of_its_own(labels: list[int], container: str) -> None:
    n_channels = len(labels)
    samples = of_channels(n_channels)
    packets = boxes.pcm(samples)
    if container == "caf":
        order = boxes.chan(labels)
        data = boxes.caf(
            b"lpcm", b"".join(packets), n_channels, 48_000, flags=2, bits=16, order=order,
            packet_bytes=2 * n_channels,
        )  # fmt: skip
    else:
        order = (
            boxes.box(b"chnl", boxes.chnl([label % 43 for label in labels]))
            if container == "mp4 chnl"
            else boxes.box(b"chan", bytes(4), boxes.chan(labels))
        )
        brand = b"qt  " if container.startswith("mov") else b"isom"
        data = boxes.mov(b"sowt", packets, n_channels, 48_000, order, brand=brand)
    decoded = by_ffmpeg(data).samples
    assert np.allclose(decoded, samples, atol=1e-4)
    assert len(decode(data).samples) == len(samples) // 3  # which channel is chosen by speech


# --- tags in front ------------------------------------------------------------------------------


def id3(n_bytes: int, version: int = 3, *, footer: bool = False) -> bytes:
    """An ID3v2 tag with one private frame, then padding."""
    size = bytes(n_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    frame = b"TIT2" + struct.pack(">IH", 3, 0) + b"\0hi" if n_bytes > 13 else b""
    head = bytes([version, 0, 0x10 if footer else 0]) + size
    content = frame.ljust(n_bytes, b"\0")
    return b"ID3" + head + content + (b"3DI" + head if footer else b"")


TAGS = {
    "v2.3": id3(20),
    "v2.4 with a footer": id3(30, 4, footer=True),
    "large": id3(300_000),
    "several": id3(20) + id3(0, 4) + id3(1000, 2),
}
TAGGED = ["wav PCM_16", "wav FLOAT", "wavex", "rf64", "aiff", "flac", "mp3", "aac", "ogg opus",
          "ogg vorbis", "m4a", "mp4 of Safari", "webm", "caf", "au", "w64", "nist", "avi",
          "mpegts", "g722 in wav"]  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", TAGGED)
def test_tags_in_front_change_nothing(kind: str, tag: str) -> None:
    data = KINDS[kind]()
    tagged = TAGS[tag] + data
    assert np.array_equal(decode(tagged).samples, decode(data).samples)
    assert is_known(tagged)
    assert extension(tagged) == extension(data)


@pytest.mark.parametrize(
    "data",
    [b"ID3", id3(20), id3(20)[:25], id3(20) * 3, b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + b"RIFF" * 9,
     b"ID3\x03\0\0\x80\0\0\0" + b"RIFF" * 9, id3(20) + b"RIFF", id3(20) + b"words " * 99],
)  # fmt: skip
def test_tags_and_nothing_else(data: bytes) -> None:
    with pytest.raises(NotAudio):
        decode(data)
