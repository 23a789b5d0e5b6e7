"""What breaks a decoder breaks nothing else, and what it says is the same from another process."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from tests import sounds
from tests.conftest import wav
from tests.hostile import silent_flac
from undertone.errors import (
    AudioError,
    Busy,
    DecoderDied,
    EmptyFile,
    NotAudio,
    RecordingSilent,
    RecordingTooLong,
)
from undertone.progress import Progress
from undertone.sound import isolation
from undertone.sound.audio import decode
from undertone.sound.isolation import Decoders

HALF_AN_HOUR = silent_flac(48_000, 2, 1790.0)  # a second or two of CPU time


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(1)
    yield made
    made.close()


def process_of(decoders: Decoders) -> int:
    process = decoders._idle.get()
    decoders._idle.put(process)
    return process.pid


def files() -> Iterator[bytes]:
    """One file of each way through the decoders, the filters and what they load late."""
    voice, stereo = sounds.voice(1.0), np.stack([sounds.voice(1.0)] * 2, 1)
    yield wav(voice)
    yield wav(np.stack([voice, -voice], 1))
    # Channels that do not agree: the speech detector runs there.
    yield wav(np.stack([sounds.voice(2.0), sounds.noise(2.0)], axis=1))
    yield sounds.with_soundfile(sounds.voice(2.0), 44_100, "FLAC")
    yield sounds.with_soundfile(stereo, 22_050, "AIFF")
    yield sounds.webm_as_chrome(voice, 48_000)
    yield sounds.mp4_as_safari(voice, 48_000)
    yield sounds.amr_wb(1.0)
    yield sounds.with_ffmpeg(stereo, 48_000, "ogg", "libopus")
    for container, codec in (
        ("mp3", "libmp3lame"), ("mp4", "alac"), ("mov", "pcm_s16le"),
        ("wav", "adpcm_ms"), ("mpegts", "ac3"),
    ):  # fmt: skip
        yield sounds.with_ffmpeg(stereo, 44_100, container, codec)
    yield sounds.with_ffmpeg(voice, 48_000, "mp4", "aac", with_video=True)


def test_it_is_the_same_decoder(decoders: Decoders) -> None:
    for data in files():
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
        decoders.decode(HALF_AN_HOUR, max_duration_s=1800.0, progress=killing(pid))
    assert died.value.status == 422
    assert decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0).duration_s == 1.0
    assert process_of(decoders) != pid


def killing(pid: int, with_signal: int = signal.SIGKILL) -> Progress:
    """Sends a signal to the process at the first progress."""
    told: list[float] = []

    def progress(share: float) -> None:
        told.append(share)
        if len(told) == 1:
            os.kill(pid, with_signal)

    return progress


def test_a_process_that_died_while_idle_is_no_fault_of_the_next_file(decoders: Decoders) -> None:
    kill_and_wait(process_of(decoders))
    assert decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0).duration_s == 1.0


def kill_and_wait(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    while (
        Path(f"/proc/{pid}/stat").exists() and b" Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    ):
        time.sleep(0.01)


def test_a_process_that_hangs_while_idle_is_no_fault_of_the_next_file(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "BEGIN_LIMIT_S", 0.5)
    pid = process_of(decoders)
    os.kill(pid, signal.SIGSTOP)
    assert decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0).duration_s == 1.0
    assert process_of(decoders) != pid
    assert is_gone(pid)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_process_that_hangs_while_it_works_is_given_up(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "SILENCE_LIMIT_S", 1.0)
    pid = process_of(decoders)
    with pytest.raises(DecoderDied):
        decoders.decode(HALF_AN_HOUR, max_duration_s=1800.0, progress=killing(pid, signal.SIGSTOP))
    assert is_gone(pid)
    assert decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0).duration_s == 1.0


@pytest.mark.parametrize("at_work", [True, False])
def test_a_check_finds_what_hangs_and_replaces_it(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch, at_work: bool
) -> None:
    if at_work:
        decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0)
    decoders.check()
    pid = process_of(decoders)
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(isolation, "CHECK_LIMIT_S", 0.5)
    with pytest.raises(DecoderDied, match="did not answer"):
        decoders.check()
    assert is_gone(pid)
    decoders.check()
    assert decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0).duration_s == 1.0


def test_a_long_file_does_not_hold_the_only_decoder(decoders: Decoders) -> None:
    n_at_once: list[int] = []

    @contextmanager
    def aside() -> Iterator[None]:
        n_at_once.append(1)
        # Exactly here the long file is at work, and everything else goes on.
        clip = decoders.decode(wav(sounds.voice(1.0)), max_duration_s=9.0)
        assert clip.duration_s == 1.0
        yield

    decoders.aside = aside
    try:
        with pytest.raises(RecordingSilent):
            decoders.decode(HALF_AN_HOUR, max_duration_s=1800.0)
    finally:
        decoders.aside = nullcontext
    assert n_at_once == [1]


def test_long_files_wait_for_one_another_and_not_at_the_expense_of_clips(
    decoders: Decoders,
) -> None:
    pid = process_of(decoders)
    with ThreadPoolExecutor(4) as pool:
        long = [pool.submit(_codes, decoders, HALF_AN_HOUR) for _ in range(3)]
        while process_of(decoders) == pid:  # until the first has been moved aside
            time.sleep(0.01)
        clip = pool.submit(decoders.decode, wav(sounds.voice(1.0)), max_duration_s=9.0)
        assert clip.result().duration_s == 1.0
        assert not all(each.done() for each in long)
        assert [each.result() for each in long] == ["recording-silent"] * 3
    assert decoders._long.acquire(blocking=False)
    decoders._long.release()


def _codes(decoders: Decoders, data: bytes) -> str:
    try:
        decoders.decode(data, max_duration_s=1800.0)
    except AudioError as error:
        return error.code
    return "heard"


def test_who_listens_to_the_progress_can_end_it(decoders: Decoders) -> None:
    pid = process_of(decoders)
    told: list[float] = []

    def end(share: float) -> None:
        told.append(share)
        raise Busy("x")

    with pytest.raises(Busy):
        decoders.decode(HALF_AN_HOUR, max_duration_s=1800.0, progress=end)
    assert len(told) == 1
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
    kill_and_wait(process_of(decoders))
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
