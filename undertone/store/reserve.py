"""Disk space beside a SQLite file: a check for free space, and a reserve for deletions.

SQLite needs space to delete, because changes go into its journal first. So on a full disk nothing
could be deleted to free space. The reserve is a file to give up in this case.
"""

import os
from contextlib import suppress
from pathlib import Path

from undertone.errors import StoreError

RESERVE_BYTES = 4 * 2**20  # fits the largest results and the journal of their deletion
PROBE_BYTES = 2**18  # size of an analysis


class Reserve:
    """Reserve and probe files beside a database, named like SQLite's own files.

    Parameters
    ----------
    database : Path
        The SQLite file.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = Path(f"{database}-reserve")

    def fill(self) -> None:
        """Occupy the reserved space, unless it is occupied already or the disk is too full."""
        with suppress(OSError):
            if self._path.exists() and self._path.stat().st_size == RESERVE_BYTES:
                return
            _write(self._path, RESERVE_BYTES)

    def release(self) -> bool:
        """Free the reserved space. Return False if there was none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def check_room(self) -> None:
        """Return if a file can be written beside the database.

        Raises
        ------
        StoreError
            The file cannot be written. The message has the system's reason.
        """
        probe = Path(f"{self._database}-probe-{os.getpid()}")
        try:
            _write(probe, PROBE_BYTES)
            probe.unlink()
        except OSError as error:
            raise StoreError(f"The data folder cannot be written: {error.strerror}.") from error


def _write(path: Path, n_bytes: int) -> None:
    """Write random bytes, because no file system can compress them. On failure, leave no file."""
    try:
        with open(path, "wb", opener=_owners_only) as file:
            file.write(os.urandom(n_bytes))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise


def _owners_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
