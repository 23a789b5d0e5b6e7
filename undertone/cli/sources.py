"""Recordings named by paths on a command line, and their bytes.

Rule: a file's first bytes decide if it is a recording, never its name. A file named on the command
line itself is always taken for a recording.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from undertone.errors import FileTooLarge, FileUnusable
from undertone.recording_bytes import CHUNK_BYTES, RecordingBytes, is_on_disk
from undertone.sound.audio_kinds import HEAD_BYTES, is_known
from undertone.spool import Spool

STDIN = "-"


@dataclass(frozen=True)
class Source:
    """File that may hold a recording.

    Attributes
    ----------
    path : str
        Path to show and to open; ``-`` is the standard input.
    place : PurePath
        Relative path for files about it in another folder, such as its report.
    is_named : bool
        True if it was named on the command line, False if it was found in a folder.
    problem : str
        Reason if it cannot be examined, otherwise empty.
    """

    path: str
    place: PurePath
    is_named: bool
    problem: str = ""

    @property
    def handle(self) -> str | int:
        """Argument for `open`: a path, or 0 for the standard input."""
        return 0 if self.path == STDIN else self.path

    def read(self, max_bytes: int) -> RecordingBytes | None:
        """Read the file.

        Returns
        -------
        RecordingBytes or None
            To be closed by the caller. None for a file found in a folder that is not a recording.

        Raises
        ------
        FileUnusable
            The file cannot be read.
        FileTooLarge
            The file has more than `max_bytes`.
        """
        if self.problem:
            raise FileUnusable(f"This cannot be read: {self.problem}.")
        try:
            file = open(self.handle, "rb", closefd=self.handle != 0)  # noqa: SIM115
            return read_recording(file, max_bytes, of_any_kind=self.is_named)
        except OSError as error:
            raise FileUnusable(f"The file cannot be read: {error.strerror}.") from error


def read_recording(
    file: BinaryIO, max_bytes: int, of_any_kind: bool = False
) -> RecordingBytes | None:
    """Read an open file if its first bytes are those of a recording.

    A regular file stays open as long as the result. Any other file is copied and closed here.

    Parameters
    ----------
    file : BinaryIO
    max_bytes : int
        Size limit in bytes.
    of_any_kind : bool
        Accept files of unknown kinds, too.

    Returns
    -------
    RecordingBytes or None
        None if the file is not a recording.

    Raises
    ------
    FileTooLarge
        The file has more than `max_bytes`.
    """
    with ExitStack() as opened:
        opened.enter_context(file)
        is_regular = is_on_disk(file)
        head = file.read(HEAD_BYTES)
        if not (of_any_kind or is_known(head)):
            return None
        if is_regular:
            content = RecordingBytes(file=file)
        else:
            content = opened.enter_context(_copy(head, file, max_bytes))
        if len(content) > max_bytes:
            raise FileTooLarge(
                f"The file is larger than {max_bytes / 1024 / 1024:g} MiB, the most accepted "
                "(UNDERTONE_MAX_UPLOAD_MB); cut the recording or convert it to a compressed format."
            )
        opened.pop_all()
        if not is_regular:
            file.close()
        return content


def _copy(head: bytes, file: BinaryIO, max_bytes: int) -> RecordingBytes:
    """Copy the head and the rest of a file, up to one byte over the limit."""
    spool = Spool()
    spool.write(head)
    n_left = max_bytes + 1 - len(head)
    while n_left > 0 and (piece := file.read(min(n_left, CHUNK_BYTES))):
        spool.write(piece)
        n_left -= len(piece)
    return spool.content()


def find(paths: Iterable[str]) -> Iterator[Source]:
    """Yield files in the order of the paths; a folder's contents are sorted by name.

    Hidden files and folders within a folder are left out. Links to folders are not followed. No
    file is yielded twice, even under different names.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        for source in _within(path) if os.path.isdir(path) else (_named(path),):
            status = _status(source)
            identity = status and (status.st_dev, status.st_ino)
            if identity in seen or not (source.is_named or source.problem or _is_file(status)):
                continue
            if identity:
                seen.add(identity)
            yield source


def _named(path: str) -> Source:
    return Source(path, PurePath("stdin" if path == STDIN else Path(path).name), True)


def _within(folder: str) -> Iterator[Source]:
    """Yield all files in a folder and its subfolders except hidden ones."""
    problems: list[OSError] = []
    above = Path(os.path.abspath(folder)).parent
    for parent, folders, files in os.walk(folder, onerror=problems.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            path = os.path.join(parent, name)
            yield Source(path, Path(os.path.abspath(path)).relative_to(above), False)
        yield from _failed(problems)
    yield from _failed(problems)


def _failed(problems: list[OSError]) -> Iterator[Source]:
    """Yield a source for each folder that could not be listed, and empty the list."""
    while problems:
        error = problems.pop(0)
        yield Source(str(error.filename), PurePath(), False, error.strerror or str(error))


def _status(source: Source) -> os.stat_result | None:
    try:
        return os.stat(source.handle)
    except (OSError, ValueError):
        return None


def _is_file(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISREG(status.st_mode)
