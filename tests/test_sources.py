import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from undertone.cli.sources import Source, find
from undertone.errors import FileTooLarge, FileUnusable

WAV = b"RIFF\x04\0\0\0WAVE"


def read(source: Source, max_bytes: int) -> bytes | None:
    content = source.read(max_bytes)
    if content is None:
        return None
    with content:
        return b"".join(content.pieces())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recordings, a text, and what is hidden."""
    for name in ("b.wav", "a/x.mp3", "a/words.wav", ".hidden.wav", ".trash/old.wav", "a/.b/c.wav"):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"words" if "words" in name else WAV + name.encode())
    return tmp_path / "clips"


def names(folder: Path, *paths: Path) -> list[str]:
    return [str(Path(s.path).relative_to(folder)) for s in find(map(str, paths or (folder,)))]


def test_a_folder_gives_all_visible_files_in_order(folder: Path) -> None:
    assert names(folder) == ["b.wav", "a/words.wav", "a/x.mp3"]
    assert [str(s.place) for s in find([str(folder / "a")])] == ["a/words.wav", "a/x.mp3"]


def test_what_is_named_comes_even_if_it_is_hidden_and_in_the_order_given(folder: Path) -> None:
    hidden, trash = folder / ".hidden.wav", folder / ".trash"
    assert names(folder, trash, hidden) == [".trash/old.wav", ".hidden.wav"]


def test_no_file_comes_twice(folder: Path) -> None:
    os.link(folder / "b.wav", folder / "same.wav")
    (folder / "link.wav").symlink_to(folder / "b.wav")
    (folder / "a" / "loop").symlink_to(folder)
    assert names(folder, folder / "a/x.mp3", folder, folder) == ["a/x.mp3", "b.wav", "a/words.wav"]


def test_nothing_but_files_is_opened_in_a_folder(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "dangling.wav").symlink_to(folder / "nowhere")
    assert names(folder) == ["b.wav", "a/words.wav", "a/x.mp3"]


def test_recordings_are_known_by_their_content(folder: Path) -> None:
    found = {Path(s.path).name: read(s, 1000) for s in find([str(folder)])}
    assert found == {"b.wav": WAV + b"b.wav", "words.wav": None, "x.mp3": WAV + b"a/x.mp3"}
    [named] = find([str(folder / "a" / "words.wav")])
    assert read(named, 1000) == b"words"


def test_a_pipe_can_be_named(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    [source] = find([str(pipe)])
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(read, source, 100)
        pipe.write_bytes(WAV)
        assert pending.result() == WAV


def test_no_more_is_read_than_may_be(tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_bytes(WAV * 100)
    [source] = find([str(tmp_path / "clip.wav")])
    assert read(source, 1200) == WAV * 100
    for max_bytes in (1199, 1000):
        with pytest.raises(FileTooLarge, match="UNDERTONE_MAX_UPLOAD_MB"):
            source.read(max_bytes)
    [endless] = find(["/dev/zero"])
    with pytest.raises(FileTooLarge):
        endless.read(10_000)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    [missing] = find([str(tmp_path / "none.wav")])
    with pytest.raises(FileUnusable, match="No such file"):
        missing.read(100)


def test_a_folder_that_cannot_be_opened_is_told_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:  # permissions do not hold root back
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    clip, closed = find([str(folder)])
    assert Path(clip.path).name == "b.wav"
    with pytest.raises(FileUnusable, match="Permission denied"):
        closed.read(100)
