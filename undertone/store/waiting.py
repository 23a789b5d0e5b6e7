"""Waiting recordings of jobs: one file each, from the upload until its item is over.

A file is named after its job and its number, never by a client. It is durably on the disk before
the job is in the database.
"""

import fcntl
import io
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from undertone.errors import JobTooLarge, RecordingLost, TooManyFiles
from undertone.recording_bytes import RecordingBytes
from undertone.spool import disk_errors, not_counted

# A request holds a lock in the folder of its job until the job is in the database. An unlocked
# folder of this age without a job was left behind by a crash.
ORPHAN_AGE_S = 60
LOCK = "receiving"
MIB = 1024 * 1024


class Upload(io.FileIO):
    """Upload of a recording into a file.

    Parameters
    ----------
    path : Path
        The new file.
    number : int
        Number of the file in its job.
    max_bytes : int
        Maximum size of the recording.
    note, on_disk : callable
        Called with the size in bytes of each part, before it is written; may raise.

    Attributes
    ----------
    number : int
        Number of the file in its job.
    n_bytes : int
        Number of bytes received. Nothing is kept of a recording over the limit.
    """

    def __init__(
        self,
        path: Path,
        number: int,
        max_bytes: int,
        note: Callable[[int], None],
        on_disk: Callable[[int], None],
    ) -> None:
        super().__init__(path, "x+")
        self.number = number
        self.n_bytes = 0
        self._max_bytes = max_bytes
        self._note = note
        self._on_disk = on_disk

    @property
    def is_too_large(self) -> bool:
        """True if the recording is larger than accepted."""
        return self.n_bytes > self._max_bytes

    def write(self, part: bytes) -> int:  # type: ignore[override]
        """Write a part, unless the recording is too large."""
        self._note(len(part))
        self._on_disk(len(part))
        self.n_bytes += len(part)
        with disk_errors():
            if self.is_too_large:
                self.truncate(0)
            view = memoryview(b"" if self.is_too_large else part)
            while view:
                view = view[super().write(view) :]
        return len(part)

    def settle(self) -> None:
        """Flush the file to the disk and close it."""
        os.fsync(self.fileno())
        self.close()


class Draft:
    """Recordings of a future job, while they are received.

    Parameters
    ----------
    folder : Path
        Parent of the folders of all jobs. The job's own folder is created in it.
    max_files, max_bytes : int
        Limits of the whole job.
    max_file_bytes : int
        Limit of one recording.
    on_disk : callable, optional
        As for `Spool`.

    Attributes
    ----------
    job_id : str
        Random and hard to guess.
    """

    def __init__(
        self,
        folder: Path,
        max_files: int,
        max_bytes: int,
        max_file_bytes: int,
        on_disk: Callable[[int], None] = not_counted,
    ) -> None:
        self.job_id = secrets.token_urlsafe(16)
        self._folder = folder / self.job_id
        self._max_files, self._max_bytes = max_files, max_bytes
        self._max_file_bytes = max_file_bytes
        self._on_disk = on_disk
        self._uploads: list[Upload] = []
        self._n_bytes = 0
        with disk_errors():
            self._folder.mkdir(mode=0o700, parents=True)
            self._lock = os.open(self._folder / LOCK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def release(self) -> None:
        """Release the lock on the folder. Its job is stored, or never will be."""
        if self._lock >= 0:
            (self._folder / LOCK).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    def open(self) -> Upload:
        """Open a file for one more recording. Its `write` raises `JobTooLarge` and `StoreError`.

        Raises
        ------
        TooManyFiles
            The job has the maximum number of recordings already.
        StoreError
            The folder cannot be written.
        """
        number = len(self._uploads) + 1
        if number > self._max_files:
            raise TooManyFiles(
                f"More than {self._max_files} recordings came at once, the most accepted here. "
                "Send them as several jobs."
            )
        with disk_errors():
            path = self._folder / str(number)
            upload = Upload(path, number, self._max_file_bytes, self._note, self._on_disk)
        self._uploads.append(upload)
        return upload

    def keep(self, wanted: Sequence[Upload]) -> None:
        """Make the wanted recordings durable and delete the others.

        Raises
        ------
        StoreError
            The recordings cannot be written.
        """
        with disk_errors():
            for upload in self._uploads:
                if upload in wanted and not upload.is_too_large:
                    upload.settle()
                else:
                    upload.close()
                    (self._folder / str(upload.number)).unlink()
            for folder in (self._folder, self._folder.parent):
                _settle_folder(folder)

    def discard(self) -> None:
        """Remove all received recordings."""
        self.release()
        for upload in self._uploads:
            upload.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _note(self, n_bytes: int) -> None:
        self._n_bytes += n_bytes
        if self._n_bytes > self._max_bytes:
            raise JobTooLarge(
                f"The recordings are larger than {self._max_bytes / MIB:g} MiB together, the most "
                "accepted here at once. Send them as several jobs, or in a compressed format."
            )


class WaitingFiles:
    """Recordings of all jobs. Safe for many threads and several processes.

    Parameters
    ----------
    folder : Path
        Created with the first job, readable by its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, draft: Draft, wanted: Sequence[Upload]) -> None:
        """Make the wanted recordings of a draft durable and delete the others.

        Raises
        ------
        StoreError
            The recordings cannot be written.
        """
        draft.keep(wanted)

    def open(self, job_id: str, number: int) -> RecordingBytes:
        """Open the recording of an item. The caller closes it.

        Raises
        ------
        RecordingLost
            The recording cannot be opened.
        """
        with losing():
            return RecordingBytes(file=(self.folder / job_id / str(number)).open("rb", buffering=0))

    def remove(self, job_id: str, number: int) -> None:
        """Remove the recording of an item, if it exists. With the last one, remove the folder."""
        (self.folder / job_id / str(number)).unlink(missing_ok=True)
        with suppress(OSError):  # already removed, or not empty
            (self.folder / job_id).rmdir()

    def remove_job(self, job_id: str) -> None:
        """Remove all recordings of a finished job."""
        shutil.rmtree(self.folder / job_id, ignore_errors=True)

    def sweep(self, are_over: Callable[[Sequence[str]], Mapping[str, bool]]) -> None:
        """Remove files left behind by a crash.

        Parameters
        ----------
        are_over : callable
            Maps the ids of known jobs to True if the job is over; see `Jobs.are_over`.
        """
        if not self.folder.is_dir():
            return
        # In this order, because a request unlocks its folder after its job is in the database.
        abandoned = {path.name: _is_abandoned(path) for path in self.folder.iterdir()}
        known = are_over(list(abandoned))
        for job_id, is_abandoned in abandoned.items():
            if known.get(job_id, is_abandoned):
                self.remove_job(job_id)


def _is_abandoned(folder: Path) -> bool:
    """Return True if a job's folder is old enough and no request holds its lock."""
    try:
        if time.time() - folder.stat().st_mtime < ORPHAN_AGE_S:
            return False
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:  # no lock, or the folder was just removed by another process
        return True
    except OSError:  # held, or on a file system without locks
        return False
    return True


def _settle_folder(folder: Path) -> None:
    """Flush the folder's list of files to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def losing() -> Iterator[None]:
    """Convert an OSError to a `RecordingLost`."""
    try:
        yield
    except OSError as error:
        raise RecordingLost(
            "The recording could no longer be read when its turn came. Send it again."
        ) from error
