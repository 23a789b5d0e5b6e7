"""What breaks a decoder breaks nothing else, and what it says is the same from another process."""

import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests import sounds
from tests.conftest import wav
from undertone.errors import (
    AudioError,
    Busy,
    DecoderDied,
    EmptyFile,
    NotAudio,
    RecordingTooLong,
)
from undertone.sound import isolation
from undertone.sound.audio import decode
from undertone.sound.isolation import Decoders


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(1)
    yield made
    made.close()


def process_of(decoders: Decoders) -> int:
    process = decoders._idle.get()
    decoders._idle.put(process)
    return process.pid


def test_it_is_the_same_decoder(decoders: Decoders) -> None:
    for data in (
        wav(sounds.voice(1.0)),
        sounds.with_ffmpeg(sounds.voice(1.0), 48_000, "webm", "libopus"),
        sounds.with_soundfile(sounds.voice(2.0), 44_100, "FLAC"),
        # Channels that do not agree: the speech detector runs there.
        wav(np.stack([sounds.voice(2.0), sounds.noise(2.0)], axis=1)),
    ):
        there = decoders.decode(data, max_duration_s=10.0)
        assert np.array_equal(there.samples, decode(data).samples)
        assert not there.samples.flags.writeable


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"", EmptyFile), (b"words " * 100, NotAudio), (wav(sounds.voice(3.0)), RecordingTooLong)],
)
def test_errors_are_the_same(decoders: Decoders, data: bytes, kind: type[AudioError]) -> None:
    pid = process_of(decoders)
    with pytest.raises(kind) as there:
        decoders.decode(data, max_duration_s=2.0)
    with pytest.raises(kind) as here:
        decode(data, max_duration_s=2.0)
    assert there.value.message == here.value.message
    assert process_of(decoders) == pid


def test_a_process_that_dies_on_the_way_is_told_of_and_replaced(decoders: Decoders) -> None:
    pid = process_of(decoders)
    with pytest.raises(DecoderDied, match="brought the decoder down") as died:
        _die(decoders, pid)
    assert died.value.status == 422
    assert decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0).duration_s == 1.0
    assert process_of(decoders) != pid


def _die(decoders: Decoders, pid: int) -> None:
    """Ask a process that is stopped, so that it cannot answer, and kill it."""
    os.kill(pid, signal.SIGSTOP)
    killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    killer.start()
    try:
        decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0)
    finally:
        killer.join()


def test_a_process_that_died_while_idle_is_no_fault_of_the_next_file(decoders: Decoders) -> None:
    process = decoders._idle.get()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    decoders._idle.put(process)
    assert decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0).duration_s == 1.0


def test_who_listens_to_the_progress_can_end_it(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = process_of(decoders)
    frames = iter([isolation._ANSWER.pack(isolation._PROGRESS, 8), struct.pack("<d", 0.25)])
    really = isolation._exactly
    monkeypatch.setattr(
        isolation, "_exactly", lambda pipe, n: next(frames, None) or really(pipe, n)
    )
    told: list[float] = []

    def end(share: float) -> None:
        told.append(share)
        raise Busy("x")

    with pytest.raises(Busy):
        decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0, progress=end)
    assert told == [0.25]
    assert process_of(decoders) != pid
    assert decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0).duration_s == 1.0


def test_several_at_a_time_do_not_mix() -> None:
    made = Decoders(2)
    files = [wav(sounds.voice(0.5 + 0.1 * n, seed=n)) for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        audios = list(pool.map(lambda data: made.decode(data, max_duration_s=9.0), files * 3))
    made.close()
    for data, audio in zip(files * 3, audios, strict=True):
        assert np.array_equal(audio.samples, decode(data).samples)


def test_it_knows_no_secrets(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = Path(f"/proc/{process_of(decoders)}/environ")
    if not environ.exists():
        pytest.skip("there is no /proc here")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:password@host/database")
    os.kill(process_of(decoders), signal.SIGKILL)
    time.sleep(0.1)
    decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0)
    environ = Path(f"/proc/{process_of(decoders)}/environ")
    assert b"DATABASE_URL" not in environ.read_bytes()


def test_limits(decoders: Decoders) -> None:
    limits = Path(f"/proc/{process_of(decoders)}/limits")
    if not limits.exists():
        pytest.skip("there is no /proc here")
    decoders.decode(wav(sounds.voice(1.0)), max_duration_s=60.0)
    soft = {line[:26].strip(): line[26:].split()[0] for line in limits.read_text().splitlines()[1:]}
    assert soft["Max file size"] == soft["Max core file size"] == "0"
    assert int(soft["Max cpu time"]) < 70
    assert int(soft["Max data size"]) < 1200 * 2**20
