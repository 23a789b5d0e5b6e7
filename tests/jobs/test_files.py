import os
from pathlib import Path

import pytest

from undertone.errors import JobTooLarge, RecordingLost, StoreError, TooManyFiles
from undertone.store.waiting import ORPHAN_AGE_S, Draft, WaitingFiles


def draft(files: WaitingFiles, **limits: int) -> Draft:
    usual = {"max_files": 3, "max_bytes": 100, "max_file_bytes": 50}
    return Draft(files.folder, **{**usual, **limits})


def on_disk(files: WaitingFiles) -> dict[str, bytes]:
    return {
        str(path.relative_to(files.folder)): path.read_bytes()
        for path in files.folder.rglob("*")
        if path.is_file()
    }


def test_it_works(files: WaitingFiles) -> None:
    new = draft(files)
    first, second = new.open(), new.open()
    first.write(b"one ")
    second.write(b"two")
    first.write(b"more")
    new.keep([first, second])
    new.release()
    assert on_disk(files) == {f"{new.job_id}/1": b"one more", f"{new.job_id}/2": b"two"}
    with files.open(new.job_id, 1) as content:
        assert b"".join(content.pieces()) == b"one more"
    assert (files.folder / new.job_id).stat().st_mode & 0o77 == 0

    files.remove(new.job_id, 1)
    files.remove(new.job_id, 1)
    with pytest.raises(RecordingLost):
        files.open(new.job_id, 1)
    files.remove(new.job_id, 2)
    assert not list(files.folder.iterdir())


def test_ids_are_not_to_be_guessed(files: WaitingFiles) -> None:
    ids = {draft(files).job_id for _ in range(20)}
    assert len(ids) == 20
    assert {len(each) for each in ids} == {22}


def test_only_what_is_wanted_is_kept(files: WaitingFiles) -> None:
    new = draft(files)
    wanted, other = new.open(), new.open()
    wanted.write(b"x")
    other.write(b"y")
    new.keep([wanted])
    new.release()
    assert list(on_disk(files)) == [f"{new.job_id}/1"]
    new.discard()
    assert not list(files.folder.iterdir())


def test_a_recording_that_is_too_large_takes_no_room(files: WaitingFiles) -> None:
    new = draft(files)
    upload = new.open()
    for _ in range(6):
        upload.write(b"0123456789")
        assert (files.folder / new.job_id / "1").stat().st_size <= 50
    assert upload.is_too_large
    assert upload.n_bytes == 60
    new.keep([upload])
    new.release()
    assert not on_disk(files)


def test_limits_of_the_whole(files: WaitingFiles) -> None:
    new = draft(files)
    for _ in range(2):
        new.open().write(bytes(45))
    last = new.open()
    with pytest.raises(JobTooLarge, match="together"):
        last.write(bytes(11))
    with pytest.raises(TooManyFiles, match="More than 3"):
        new.open()
    new.discard()
    assert not list(files.folder.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file")
    with pytest.raises(StoreError):
        draft(WaitingFiles(tmp_path / "jobs"))


def test_what_a_crash_left_is_swept_away(files: WaitingFiles) -> None:
    files.sweep(lambda ids: {})  # before the first job there is no folder
    for name in ("over", "unfinished", "new", "orphan"):
        folder = files.folder / name
        folder.mkdir(parents=True)
        (folder / "1").write_bytes(b"x")
    long_ago_s = (files.folder / "orphan").stat().st_mtime - ORPHAN_AGE_S - 1
    for name in ("orphan", "unfinished"):
        os.utime(files.folder / name, (long_ago_s, long_ago_s))
    # Like a job that another process removes between the look at the folder and that at its age.
    (files.folder / "gone").symlink_to("nowhere")
    files.sweep(lambda ids: {"over": True, "unfinished": False})
    (files.folder / "gone").unlink()
    assert {path.name for path in files.folder.iterdir()} == {"unfinished", "new"}
