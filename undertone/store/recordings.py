"""Kept recordings: one file each, named after the analysis id, for a limited time.

File names never come from a client. After its retention a recording is no longer served.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from undertone.errors import StoreError
from undertone.recording_bytes import AnyBytes, RecordingBytes

_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


class Recordings:
    """Folder of recordings. Safe for many threads and several processes.

    Parameters
    ----------
    folder : Path
        Created with the first recording, readable by its owner only.
    keep_for : timedelta
        Retention of each recording. With zero, none is kept.
    """

    def __init__(self, folder: Path, keep_for: timedelta) -> None:
        self.keep_for = keep_for
        self._folder = folder

    def add(self, analysis_id: str, data: AnyBytes) -> None:
        """Keep the recording of an analysis, unless `keep_for` is zero.

        Raises
        ------
        StoreError
            The folder cannot be written.
        """
        if not self.keep_for:
            return
        with store_errors():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = self._folder / f"{analysis_id}.part"
            try:
                with unfinished.open("wb") as file:
                    file.writelines(RecordingBytes.of(data).pieces())
                unfinished.rename(self._folder / analysis_id)
            except OSError:
                unfinished.unlink(missing_ok=True)
                raise

    def find(self, analysis_id: str, now_s: float | None = None) -> Path | None:
        """Return the path of an analysis's recording. None if it is not kept.

        Parameters
        ----------
        analysis_id : str
        now_s : float, optional
            Seconds since 1970. Default is the current time.
        """
        if not self.keep_for or not _ID.fullmatch(analysis_id):
            return None
        path = self._folder / analysis_id
        with suppress(OSError):
            if not self.is_too_old(path.stat().st_mtime, now_s):
                return path
        return None

    def is_kept(self, analysis_id: str, now_s: float | None = None) -> bool:
        """Return True if the recording of an analysis is kept. `now_s` is as for `find`."""
        return self.find(analysis_id, now_s) is not None

    def source(self, analysis_id: str) -> Path | RecordingBytes | None:
        """Return the recording of an analysis, as a path or open. None if it is not kept."""
        return self.find(analysis_id)

    def forget(self, ids: Sequence[str]) -> None:
        """Delete the recordings of these analyses, if there are any.

        Raises
        ------
        StoreError
            The folder cannot be written.
        """
        with store_errors():
            for analysis_id in ids:
                (self._folder / analysis_id).unlink(missing_ok=True)

    def expire(self, now_s: float) -> None:
        """Delete all recordings past their retention, and partial files left by a crash.

        Parameters
        ----------
        now_s : float
            Seconds since 1970.

        Raises
        ------
        StoreError
            The folder cannot be written.
        """
        with store_errors(), suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                with suppress(FileNotFoundError):  # another process was faster
                    if self.is_too_old(path.stat().st_mtime, now_s):
                        path.unlink()

    def is_too_old(self, written_s: float, now_s: float | None = None) -> bool:
        """Return True if a file written then is past its retention. `now_s` is as for `find`."""
        age_s = (time.time() if now_s is None else now_s) - written_s
        return age_s >= self.keep_for.total_seconds()


@contextmanager
def store_errors() -> Iterator[None]:
    """Convert an OSError to a `StoreError`."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            "Recordings cannot be kept or deleted at the moment; please try again later."
        ) from error
