"""A recording's bytes are the same in memory and on the disk, and leave nothing there."""

import fcntl
import gc
import io
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import wav
from tests.sounds import voice
from tests.test_audio import KINDS
from undertone.errors import StoreError
from undertone.recording_bytes import CHUNK_BYTES, RecordingBytes
from undertone.sound.audio import decode
from undertone.sound.decoder_process import DecoderProcess
from undertone.sound.isolation import Decoders
from undertone.spool import MEMORY_BYTES, DiskFull, Spool

SIZES = sorted(
    {max(0, size + more) for size in (0, CHUNK_BYTES, MEMORY_BYTES, 3 * MEMORY_BYTES)
     for more in (-1, 0, 1)}
)  # fmt: skip


def spooled(data: bytes, folder: Path, n_part: int = 70_000) -> Spool:
    spool = Spool(folder)
    for start in range(0, len(data), n_part):
        spool.write(data[start : start + n_part])
    return spool


@pytest.mark.parametrize("n_bytes", SIZES)
def test_bytes_come_out_as_they_went_in(n_bytes: int, tmp_path: Path) -> None:
    data = np.random.default_rng(n_bytes).bytes(n_bytes)
    content = spooled(data, tmp_path).content()
    gc.collect()  # the content alone keeps the file open
    assert (content.in_memory is None) == (n_bytes > MEMORY_BYTES)
    assert len(content) == n_bytes
    assert content.head(100) == data[:100]
    for part in (slice(None, 5), slice(n_bytes // 2, n_bytes + 9), slice(-7, None), slice(9, 5)):
        assert content[part] == data[part]
    assert b"".join(content.pieces()) == data
    assert content.open().read() == data
    assert not list(tmp_path.iterdir())
    content.close()


def test_readers_do_not_move_each_other(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(2 * MEMORY_BYTES)
    with spooled(data, tmp_path).content() as content:
        first, second = content.open(), content.open()
        assert first.read(1000) == second.read(1000) == data[:1000]
        second.seek(-10, os.SEEK_END)
        assert first.read(10) == data[1000:1010]
        assert second.read() == data[-10:]
        first.close()
        assert content.head(9) == data[:9]
        later = content.open(1234)
        assert later.seek(0, os.SEEK_END) == len(data) - 1234
        later.seek(0)
        assert later.read(10) == data[1234:1244]
        assert RecordingBytes(data).open(1234).read() == data[1234:]


@given(st.lists(st.tuples(st.integers(-50, 3000), st.sampled_from([0, 1, 2]), st.integers(0, 900))))
def test_a_file_is_read_as_memory_is(steps: list[tuple[int, int, int]]) -> None:
    data = bytes(range(256)) * 8
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        file.seek(0)
        readers = RecordingBytes(data).open(), RecordingBytes.of(file).open()

        def seek(reader: Any, offset: int, whence: int) -> int | None:
            try:
                return reader.seek(offset, whence)
            except ValueError:
                return None

        for offset, whence, n_bytes in steps:
            one, other = (
                (seek(reader, offset, whence) if offset >= 0 or whence == 0 else None,
                 reader.read(n_bytes), reader.tell())
                for reader in readers
            )  # fmt: skip
            assert one == other


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(1)
    yield made
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_sounds_the_same_from_a_file(
    kind: str, tmp_path: Path, decoders: Decoders
) -> None:
    data = KINDS[kind]()
    (tmp_path / "file").write_bytes(data)
    with (tmp_path / "file").open("rb") as file:
        here = decode(file).samples
        there = decoders.decode(file, max_duration_s=60.0).samples
    assert np.array_equal(here, decode(data).samples)
    assert np.array_equal(there, here)


def test_an_open_file_is_taken_from_where_it_is(tmp_path: Path) -> None:
    data = wav(voice(1.0))
    (tmp_path / "file").write_bytes(b"0123" + data)
    with (tmp_path / "file").open("rb") as file:
        file.read(4)
        assert decode(file).duration_s == 1.0
    assert decode(io.BytesIO(data)).duration_s == 1.0


def test_a_decoder_is_given_the_file_to_read_only_and_keeps_it_no_longer(
    decoders: Decoders, tmp_path: Path
) -> None:
    process = decoders._idle.get()
    decoders._idle.put(process)
    long = wav(np.tile(voice(20.0), 6))
    ours, theirs = socket.socketpair()
    with ours, theirs, spooled(long, tmp_path).content() as content:
        DecoderProcess.send_file(SimpleNamespace(_files=ours), content)
        _, (descriptor,), _, _ = socket.recv_fds(theirs, 1, 1)
        assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        assert os.pread(descriptor, 100, 0) == long[:100]
        os.close(descriptor)
        assert decoders.decode(content, max_duration_s=1800.0).duration_s == 120
    assert not [f for f in psutil.Process(process.pid).open_files() if str(tmp_path) in f.path]


def test_what_is_on_the_disk_is_counted_before_it_is_there(tmp_path: Path) -> None:
    counted: list[int] = []
    spool = Spool(tmp_path, counted.append)
    for _ in range(4):
        spool.write(bytes(MEMORY_BYTES // 2))
    assert sum(counted) == 2 * MEMORY_BYTES
    assert spool.n_in_memory == 0

    def refuse(_n_bytes: int) -> None:
        raise StoreError("no")

    spool = Spool(tmp_path, refuse)
    with pytest.raises(StoreError):
        spool.write(bytes(MEMORY_BYTES + 1))
    spool.close()
    spool.close()


def test_a_full_disk_and_a_folder_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError) as gone:
        Spool(tmp_path / "nowhere").write(bytes(MEMORY_BYTES + 1))
    assert gone.value.status == 503
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: open("/dev/full", "wb", buffering=0))
    spool = Spool(tmp_path)
    with pytest.raises(DiskFull) as full:
        spool.write(bytes(MEMORY_BYTES + 1))
    assert full.value.to_dict()["status"] == 507
    spool.close()
