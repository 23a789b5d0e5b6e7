"""Main program of a decoder process: decodes the recordings from its pipe in a sandbox.

``python -m undertone.sound.decoder_main``, started by `decoder_process.DecoderProcess`.
"""

import io
import json
import os
import socket
import sys
import time
from contextlib import suppress
from functools import cache
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import soundfile

from undertone.errors import AudioError
from undertone.progress import Progress, nobody
from undertone.recording_bytes import RecordingBytes
from undertone.sound import sandbox
from undertone.sound.audio import SAMPLE_RATE, decode
from undertone.sound.decoder_process import ANSWER, DONE, PROGRESS_EVERY_S, REQUEST, Kind
from undertone.sound.decoders import with_ffmpeg

BYTES_PER_S = 4 * SAMPLE_RATE  # of decoded sound
SPARE_BYTES = 512 * 2**20  # for other needs of decoders, such as FFmpeg's blocks
# Limit of CPU time per file. Half an hour of 48 kHz stereo takes 3 to 8 s, whatever the codec, and
# may be decoded several times.
CPU_BASE_S = 10.0
CPU_S_PER_SOUND_S = 1 / 15
CPU_S_PER_BYTE = 0.5 / 2**20


def serve(requests: IO[bytes], answers: IO[bytes], files: socket.socket) -> None:
    """Decode requests until the pipe ends.

    Parameters
    ----------
    requests : binary file
        Pipe with request heads, each followed by its bytes unless these are in a file.
    answers : binary file
        Pipe for the answers.
    files : socket.socket
        Socket for the descriptors of recordings in files.
    """
    while head := requests.read(REQUEST.size):
        _answer(answers, Kind.BEGUN, b"")
        in_file, n_bytes, max_duration_s = REQUEST.unpack(head)
        data = _received(files) if in_file else RecordingBytes(_exactly(requests, n_bytes))
        _limit(n_bytes, max_duration_s, n_held=0 if in_file else n_bytes)
        try:
            with data:
                audio = decode(data, max_duration_s=max_duration_s, progress=_teller(answers))
            _answer(answers, Kind.SOUND, audio.samples.data.cast("B"))
            del audio  # free the memory before the next request
        except AudioError as error:
            _answer(answers, Kind.ERROR, json.dumps(error.to_dict()).encode())


def _exactly(pipe: IO[bytes], n_bytes: int) -> bytes:
    data = pipe.read(n_bytes)
    if len(data) < n_bytes:
        raise EOFError
    return data


def _received(files: socket.socket) -> RecordingBytes:
    _, descriptors, _, _ = socket.recv_fds(files, 1, 1)
    return RecordingBytes(file=open(descriptors[0], "rb", buffering=0))  # noqa: SIM115


def _answer(answers: IO[bytes], what: Kind, content: bytes | memoryview) -> None:
    answers.write(ANSWER.pack(what, len(content)))
    answers.write(content)
    answers.flush()


def _teller(answers: IO[bytes]) -> Progress:
    """Return a callback to report progress, but not for every block."""
    began_cpu_s = time.process_time()
    told_s = time.monotonic()

    def tell(share: float) -> None:
        nonlocal told_s
        if time.monotonic() > told_s + PROGRESS_EVERY_S:
            told_s = time.monotonic()
            done = DONE.pack(share, time.process_time() - began_cpu_s)
            _answer(answers, Kind.PROGRESS, done)

    return tell


def _limit(n_bytes: int, max_duration_s: float, n_held: int) -> None:
    """Limit the CPU time and memory of one decoding.

    Parameters
    ----------
    n_bytes : int
        Size of the file.
    max_duration_s : float
        Longest accepted recording, in seconds.
    n_held : int
        Bytes of the file held in memory.
    """
    import resource

    allowed_s = CPU_BASE_S + max_duration_s * CPU_S_PER_SOUND_S + n_bytes * CPU_S_PER_BYTE
    cpu_s = int(time.process_time() + allowed_s) + 1
    # Twice the sound, because a buffer that grows is copied.
    memory = _held_bytes() + n_held + SPARE_BYTES + int(2 * max_duration_s * BYTES_PER_S)
    for kind, limit in ((resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_DATA, memory)):
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


@cache
def _statm() -> int | None:
    """Descriptor of the process's memory statistics; None if the system has none (macOS)."""
    with suppress(OSError):
        return os.open("/proc/self/statm", os.O_RDONLY)
    return None


def _held_bytes() -> int:
    """Return the bytes reserved by the process for data; 0 if unknown."""
    if (file := _statm()) is None:
        return 0
    return int(os.pread(file, 200, 0).split()[5]) * os.sysconf("SC_PAGE_SIZE")


def _warm_up() -> None:
    """Load everything loaded lazily: inside the sandbox, only code can be read."""
    sound = np.random.default_rng(0).uniform(-0.1, 0.1, (22_050, 2)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, np.hstack([sound, -sound]), 44_100, format="WAV", subtype="FLOAT")
    data = file.getvalue()
    with suppress(AudioError):
        decode(data)
    with_ffmpeg(RecordingBytes(data), _Forgetful(), nobody)
    _held_bytes()


class _Forgetful:
    """Sink without memory."""

    is_whole = False
    streams: list[int] = []

    def add(self, block: npt.NDArray[Any], rate_hz: int) -> None:
        """Discard the block."""


def main() -> None:
    """Enter the sandbox, then serve requests."""
    # Answers have a separate pipe: text printed by a library must not be taken for an answer.
    pipe = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    files = socket.socket(fileno=int(sys.argv[1]))
    _warm_up()
    protections = sandbox.enter()
    os.dup2(nowhere, 2)  # it must not write into the server's log either
    os.close(nowhere)
    _answer(pipe, Kind.READY, ", ".join(protections).encode())
    serve(sys.stdin.buffer, pipe, files)


if __name__ == "__main__":
    main()
