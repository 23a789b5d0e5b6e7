"""Room on the disk beside a SQLite file: whether there is some, and some that is kept for deleting.

SQLite needs room to delete: what changes goes into its journal first. On a full disk nothing could
be deleted, and so no room be made, were it not for a file that can be given up.
"""

import os
from contextlib import suppress
from pathlib import Path

from undertone.errors import StoreError

RESERVE_BYTES = 4 * 2**20  # the largest results and the journal of their deletion
PROBE_BYTES = 2**18  # as an analysis takes


class Reserve:
    """Files beside a database, named as those of SQLite itself are.

    Parameters
    ----------
    database : Path
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = Path(f"{database}-reserve")

    def fill(self) -> None:
        """Occupy the room, unless there is too little or it is occupied already."""
        with suppress(OSError):
            if self._path.exists() and self._path.stat().st_size == RESERVE_BYTES:
                return
            _write(self._path, RESERVE_BYTES)

    def release(self) -> bool:
        """Give up the room; whether there was any."""
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
            It cannot; the message has the system's reason.
        """
        probe = Path(f"{self._database}-probe-{os.getpid()}")
        try:
            _write(probe, PROBE_BYTES)
            probe.unlink()
        except OSError as error:
            raise StoreError(f"The data folder cannot be written: {error.strerror}.") from error


def _write(path: Path, n_bytes: int) -> None:
    """Write random bytes, which no file system stores in less room, or leave nothing."""
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
