"""The two decoders: bytes to blocks of samples, for whoever gathers them.

libsndfile reads uncompressed and lossless files; FFmpeg all others and what libsndfile refuses.
The rule: formats and codecs are those listed here, and nothing but the bytes given is ever opened.
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

MIN_RATE_HZ = 4_000  # under it, hardly a formant is left
MAX_RATE_HZ = 384_000  # over it, time is wasted: twice what recorders offer
MAX_CHANNELS = 64
BLOCK_SAMPLES = 2**17  # of all channels together: half a MiB of float32
MAX_BAD_PACKETS = 1000  # an mp4 can name far more than anybody wants to wait for

# libsndfile also takes scientific formats, which random bytes may look like.
SNDFILE_FORMATS = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "NIST"}
# Not Ogg and MPEG: of chained streams libsndfile reads the first; its libmpg123 writes to stderr.
SNDFILE_STARTS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"dns.", b"caff", b"fLaC",
                  b"NIST")  # fmt: skip
SNDFILE_START_BYTES = 4
# No playlist (hls, concat, dash, ...) is among these: they would name other files or addresses.
FFMPEG_FORMATS = (
    "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,loas,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,"
    "wav,wv"
)
# As FFmpeg's decoders are called; of layers I to III it takes one in integers or one in floats.
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
# FFmpeg may not reserve more than this at a time: an mp4 of 20 kB that claims 80 million samples
# would get an index of gigabytes.
FFMPEG_MAX_BYTES = 64 * 2**20


class Sink(Protocol):
    """What takes the decoded blocks; `is_whole` is set when the end was reached undamaged.

    `streams` is set to the indices of a container's sound streams, the best first.
    """

    is_whole: bool
    streams: list[int]

    def add(self, block: npt.NDArray[Any], rate_hz: int) -> None:
        """Take one block, float [shape=(n, channels)]; an AudioError ends the decoding."""


def check_layout(n_channels: int, rate_hz: int) -> None:
    """Return if a recording of this kind can be used.

    Raises
    ------
    AudioError
        It cannot.
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
    """A file that stays where it is when a damaged header asks to go before its start."""

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
    """A sound file read from front to back: no seeking, no faith in its stated length."""

    def seekable(self) -> bool:
        return False


def with_libsndfile(data: RecordingBytes, sink: Sink, progress: Progress) -> None:
    """Fill the sink with what libsndfile makes of the bytes, if anything."""
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
    """Fill the sink with what FFmpeg makes of the bytes, if anything.

    Parameters
    ----------
    data : RecordingBytes
    sink : Sink
    progress : Progress
    stream : int, optional
        Index of the sound stream to decode; the one FFmpeg deems best if not given.

    Raises
    ------
    NotAudio
        The sound is coded in a way that is not supported.
    AudioError
        Whatever the sink raises.
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
            for packet in container.demux(track):
                progress((start + file.tell()) / len(data))
                try:
                    for frame in track.decode(packet):
                        sink.add(to_float(frame), frame.sample_rate)
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
    """Return the indices of the sound streams that can be decoded, FFmpeg's best one first.

    Raises
    ------
    NotAudio
        There are sound streams, and all of them are coded in ways that are not supported.
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
    """Name of a stream's decoder; empty where FFmpeg has none."""
    codec = stream.codec_context and stream.codec_context.codec
    return codec.name if codec else ""


@cache
def _ffmpeg() -> Any:
    """PyAV, loaded by the first file that needs it: it takes 0.1 s and 20 MB."""
    import av

    # Windows does not look for the function in a module's own libraries, and goes without.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(av.packet.__file__).av_max_alloc(ctypes.c_size_t(FFMPEG_MAX_BYTES))
    return av


def _refuse(url: str, flags: int, options: dict[str, str]) -> None:
    """Refuse FFmpeg any further file or address."""
    raise PermissionError(f"a recording may not open {url!r}")
