from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from undertone.errors import StoreError
from undertone.recording_bytes import RecordingBytes
from undertone.store.recordings import Recordings

HOUR_S = 3600


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    return Recordings(tmp_path / "recordings", timedelta(hours=1))


def kept(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "recordings").iterdir())


def test_it_works(recordings: Recordings) -> None:
    recordings.add("abc", b"sound")
    assert recordings.find("abc").read_bytes() == b"sound"


def test_none_is_kept_unless_asked(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path / "recordings", timedelta(0))
    recordings.add("abc", b"sound")
    assert recordings.find("abc") is None
    assert not list(tmp_path.iterdir())


def test_nobody_else_may_enter_the_folder(recordings: Recordings, tmp_path: Path) -> None:
    recordings.add("abc", b"sound")
    assert (tmp_path / "recordings").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "name", ["none", "", "..", "../abc", "a/b", "a\x00", "x" * 999, "abc.part"]
)
def test_what_is_no_id_is_not_found(recordings: Recordings, tmp_path: Path, name: str) -> None:
    recordings.add("abc", b"sound")
    (tmp_path / "recordings" / "abc.part").write_bytes(b"half")
    assert recordings.find(name) is None


def test_they_are_handed_out_for_their_time_only(recordings: Recordings) -> None:
    recordings.add("abc", b"sound")
    written_s = recordings.find("abc").stat().st_mtime
    assert recordings.find("abc", written_s + HOUR_S - 1)
    assert recordings.find("abc", written_s + HOUR_S) is None


def test_they_expire(recordings: Recordings, tmp_path: Path) -> None:
    recordings.add("abc", b"sound")
    (tmp_path / "recordings" / "crashed.part").write_bytes(b"half")
    written_s = recordings.find("abc").stat().st_mtime
    recordings.expire(written_s + HOUR_S - 1)
    assert kept(tmp_path) == ["abc", "crashed.part"]
    recordings.expire(written_s + HOUR_S + 1)
    assert kept(tmp_path) == []


def test_all_expire_when_none_is_kept_any_more(recordings: Recordings, tmp_path: Path) -> None:
    recordings.add("abc", b"sound")
    now_s = recordings.find("abc").stat().st_mtime
    Recordings(tmp_path / "recordings", timedelta(0)).expire(now_s)
    assert kept(tmp_path) == []
    Recordings(tmp_path / "nowhere", timedelta(0)).expire(now_s)


def test_forgetting(recordings: Recordings, tmp_path: Path) -> None:
    for name in "abc":
        recordings.add(name, b"sound")
    recordings.forget(["a", "c", "never there"])
    assert kept(tmp_path) == ["b"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("a file where the folder should be")
    recordings = Recordings(tmp_path / "recordings", timedelta(hours=1))
    with pytest.raises(StoreError):
        recordings.add("abc", b"sound")
    with pytest.raises(StoreError):
        recordings.forget(["abc"])
    with pytest.raises(StoreError):
        recordings.expire(0)
    assert recordings.find("abc") is None


def test_a_full_disk_leaves_nothing_behind(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings.add("abc", b"sound")

    def half(content: RecordingBytes) -> Iterator[bytes]:
        yield content.head(len(content) // 2)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RecordingBytes, "pieces", half)
    with pytest.raises(StoreError):
        recordings.add("def", b"sound")
    assert kept(tmp_path) == ["abc"]
