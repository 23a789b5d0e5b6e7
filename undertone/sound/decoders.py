"""Two decoders from bytes to blocks of samples, delivered to a sink.

libsndfile reads uncompressed and lossless files. FFmpeg reads all others, and files refused by
libsndfile. The rule: only the formats and codecs listed here are read, and nothing but the given
bytes is ever opened.
"""

import ctypes
import io
from contextlib import suppress
from functools import cache
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from undertone.errors import AudioError, NotAudio, UndertoneError
from undertone.progress import Progress
from undertone.recording_bytes import RecordingBytes
from undertone.sound.frames import forget_channel_order, to_float
from undertone.sound.tags import leading_tags

MIN_RATE_HZ = 4_000  # lower rates leave hardly any formant
MAX_RATE_HZ = 384_000  # twice the highest rate of recorders; higher ones only waste time
MAX_CHANNELS = 64
BLOCK_SAMPLES = 2**17  # of all channels together: half a MiB of float32
MAX_BAD_PACKETS = 1000  # an mp4 can list so many that decoding would take far too long

# libsndfile also reads scientific formats, and random bytes may look like these.
SNDFILE_FORMATS = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "NIST"}
# Not Ogg and MPEG: libsndfile reads only the first of chained streams; libmpg123 prints to stderr.
SNDFILE_STARTS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"dns.", b"caff", b"fLaC",
                  b"NIST")  # fmt: skip
SNDFILE_START_BYTES = 4
# No playlist (hls, concat, dash, ...) is among these: they would name other files or addresses.
FFMPEG_FORMATS = (
    "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,loas,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,"
    "wav,wv"
)
# Names of FFmpeg's decoders. For layers I to III it uses one in integers or one in floats.
FFMPEG_CODECS = (
    "aac,aac_latm,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,adpcm_swf,adpcm_yamaha,alac,amrnb,"
    "amrwb,eac3,flac,g722,g723_1,g726,g726le,g729,gsm,gsm_ms,ilbc,mp1,mp1float,mp2,mp2float,mp3,"
    "mp3float,nellymoser,opus,pcm_alaw,pcm_bluray,pcm_dvd,pcm_f32be,pcm_f32le,pcm_f64be,"
    "pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,pcm_s24le,pcm_s32be,pcm_s32le,pcm_s8,"
    "pcm_u8,speex,truespeech,tta,vorbis,wavpack,wmapro,wmav1,wmav2,wmavoice"
)
FFMPEG_OPTIONS = {
    "format_whitelist": FFMPEG_FORMATS,
    "codec_whitelist": FFMPEG_CODECS,
    "max_streams": "32",
}
# The filter bank of MPEG layers I and II delays the sound by this many samples. Containers state it
# and FFmpeg removes it then; bare files and wav do not.
FILTER_BANK_SAMPLES = 481
BARE_FORMATS = ("mp3", "wav", "w64")
MPEG_LAYERS = ("mp1", "mp1float", "mp2", "mp2float")
# FFmpeg may not reserve more than this at a time. Otherwise an mp4 of 20 kB could claim 80 million
# samples and get an index of gigabytes.
FFMPEG_MAX_BYTES = 64 * 2**20


class Sink(Protocol):
    """Receiver of decoded blocks.

    Attributes
    ----------
    is_whole : bool
        Set to True if the end was reached without damage.
    streams : list of int
        Set to the indices of a container's sound streams, the best one first.
    """

    is_whole: bool
    streams: list[int]

    def add(self, block: npt.NDArray[Any], rate_hz: int) -> None:
        """Take one block, float [shape=(n, channels)]; raise an AudioError to end the decoding."""


def check_layout(n_channels: int, rate_hz: int) -> None:
    """Check the number of channels and the sample rate of a recording.

    Raises
    ------
    AudioError
        One of them is out of range.
    """
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise AudioError(
            f"The recording has a sample rate of {rate_hz} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz "
            "can be used. Export it again, best at 16000 Hz."
        )
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise AudioError(
            f"The recording has {n_channels} channels; 1 to {MAX_CHANNELS} can be used. "
            "Export it again as mono."
        )


class _Forgiving:
    """File with a safe seek: ignores a damaged header's request to go before the start."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read, self.tell = file.read, file.tell
        self.readinto = file.readinto  # type: ignore[attr-defined]  # of all that are opened here

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except (ValueError, OverflowError, OSError):  # libsndfile's wrapper would print it
            return self.tell()


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    """Sound file read from front to back, without seeking; its stated length is not trusted."""

    def seekable(self) -> bool:
        return False


def with_libsndfile(data: RecordingBytes, sink: Sink, progress: Progress) -> None:
    """Decode the bytes with libsndfile into the sink, as far as possible.

    Parameters
    ----------
    data : RecordingBytes
        Content of the file.
    sink : Sink
        Receiver of the blocks.
    progress : Progress
        Called with the finished share.

    Raises
    ------
    AudioError
        The layout cannot be used, or the sink raised it.
    """
    start = leading_tags(data)
    if not data[start : start + SNDFILE_START_BYTES].startswith(SNDFILE_STARTS):
        return
    source = _Forgiving(data.open(start))
    with suppress(soundfile.SoundFileError), _Stream(source) as file:
        if file.format not in SNDFILE_FORMATS or file.subtype.startswith("MPEG"):
            return
        check_layout(file.channels, file.samplerate)
        block = np.empty((BLOCK_SAMPLES // file.channels, file.channels), np.float32)
        while len(part := file.read(out=block)):
            sink.add(part, file.samplerate)
            progress((start + source.tell()) / len(data))
        sink.is_whole = True


def with_ffmpeg(
    data: RecordingBytes, sink: Sink, progress: Progress, stream: int | None = None
) -> None:
    """Decode the bytes with FFmpeg into the sink, as far as possible.

    Parameters
    ----------
    data : RecordingBytes
        Content of the file.
    sink : Sink
        Receiver of the blocks.
    progress : Progress
        Called with the finished share.
    stream : int, optional
        Index of the sound stream to decode; FFmpeg's best one by default.

    Raises
    ------
    NotAudio
        The codec of the sound is not supported.
    AudioError
        Raised by the sink.
    """
    start, n_bad = leading_tags(data), 0
    av, file = _ffmpeg(), data.open(start)
    try:
        with av.open(
            file, "r", options=FFMPEG_OPTIONS, metadata_errors="replace", io_open=_refuse
        ) as container:
            sink.streams = _sound_streams(container)
            if not sink.streams:
                return
            track = container.streams[sink.streams[0] if stream is None else stream]
            forget_channel_order(track.codec_context)
            track.codec_context.thread_count = 1
            is_delayed = _codec(track) in MPEG_LAYERS and container.format.name in BARE_FORMATS
            n_delay = FILTER_BANK_SAMPLES if is_delayed else 0
            for packet in container.demux(track):
                progress((start + file.tell()) / len(data))
                try:
                    for frame in track.decode(packet):
                        block = to_float(frame)
                        sink.add(block[n_delay:], frame.sample_rate)
                        n_delay = max(0, n_delay - len(block))
                except av.FFmpegError:
                    n_bad += 1
                    if n_bad > MAX_BAD_PACKETS:
                        return
            sink.is_whole = not n_bad
    except UndertoneError:
        raise
    except Exception:  # noqa: BLE001 whatever hostile bytes make of FFmpeg, they are damaged
        return


def _sound_streams(container: Any) -> list[int]:
    """Return the indices of the decodable sound streams, FFmpeg's best one first.

    Raises
    ------
    NotAudio
        There are sound streams, but none has a supported codec.
    """
    best = container.streams.best("audio")
    streams = list(container.streams.audio)
    usable = [stream.index for stream in streams if _codec(stream) in FFMPEG_CODECS.split(",")]
    if streams and not usable:
        codec = streams[0].codec_context and streams[0].codec_context.codec
        name = repr(codec.canonical_name) if codec else "something unknown"
        raise NotAudio(
            f"The sound is coded as {name}, which is not supported. "
            "Export it again, best as wav, flac, mp3 or m4a."
        )
    return sorted(usable, key=lambda index: (best is None or index != best.index, index))


def _codec(stream: Any) -> str:
    """Name of a stream's decoder; empty if FFmpeg has none."""
    codec = stream.codec_context and stream.codec_context.codec
    return codec.name if codec else ""


@cache
def _ffmpeg() -> Any:
    """Return PyAV, loaded on first use: this takes 0.1 s and 20 MB."""
    import av

    # Windows does not search a module's own libraries for the function, so it has no limit there.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(av.packet.__file__).av_max_alloc(ctypes.c_size_t(FFMPEG_MAX_BYTES))
    return av


def _refuse(url: str, flags: int, options: dict[str, str]) -> None:
    """Refuse to open any further file or address for FFmpeg."""
    raise PermissionError(f"a recording may not open {url!r}")
