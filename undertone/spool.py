"""Spool for incoming bytes: in memory if they are few, else in a file without a name.

The rule: the file has no name from the start. So nothing of it outlives the process, even after a
crash.
"""

import errno
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from undertone.errors import StoreError
from undertone.recording_bytes import RecordingBytes

MEMORY_BYTES = 2**20
# EFBIG: a limit of the process or of the file system instead of the disk's own.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskFull(StoreError):
    """The server's disk is full."""

    status = 507
    code = "disk-full"


def not_counted(_n_bytes: int) -> None:
    """Do nothing."""


class Spool(io.RawIOBase):
    """File written once, front to back, then read.

    Parameters
    ----------
    folder : Path, optional
        Folder for content over 1 MiB; the system's temporary folder by default.
    on_disk : callable, optional
        Called with the number of bytes before they are written to the disk; may raise.
    """

    def __init__(
        self, folder: Path | None = None, on_disk: Callable[[int], None] = not_counted
    ) -> None:
        super().__init__()
        self._folder = folder
        self._on_disk = on_disk
        self._memory: io.BytesIO | None = io.BytesIO()
        self._file: BinaryIO | None = None
        self._n_bytes = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def write(self, part: bytes) -> int:  # type: ignore[override]
        """Append bytes.

        Raises
        ------
        DiskFull
            The disk is full.
        StoreError
            The folder cannot be written.
        """
        if self._memory is not None and self._n_bytes + len(part) > MEMORY_BYTES:
            self._roll_over(self._memory)
        if self._file is None:
            self._current.write(part)
        else:
            self._on_disk(len(part))
            with disk_errors():
                _write_all(self._file, part)
        self._n_bytes += len(part)
        return len(part)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read into a buffer; see `io.RawIOBase`."""
        return self._current.readinto(buffer)  # type: ignore[attr-defined, no-any-return]

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position for reading; see `io.IOBase`."""
        return self._current.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._current.tell()

    @property
    def n_in_memory(self) -> int:
        """Number of bytes in memory."""
        return 0 if self._memory is None else self._n_bytes

    def content(self) -> RecordingBytes:
        """Return all written bytes.

        If they are on the disk, they can be read until this spool is closed. Closing the result
        closes the spool.
        """
        if self._file is None and self._memory is not None:
            return RecordingBytes(self._memory.getvalue())
        return RecordingBytes(file=cast(BinaryIO, self))

    def fileno(self) -> int:
        """Return the descriptor of the file.

        Raises
        ------
        io.UnsupportedOperation
            The bytes are in memory.
        """
        if self._file is None:
            raise io.UnsupportedOperation("fileno")
        return self._file.fileno()

    def close(self) -> None:
        """Free the memory or the disk space."""
        self._memory = None
        if self._file is not None:
            self._file.close()
        super().close()

    @property
    def _current(self) -> BinaryIO:
        current = self._file or self._memory
        if current is None:
            raise ValueError("I/O operation on closed file")
        return current

    def _roll_over(self, memory: io.BytesIO) -> None:
        """Move the content from memory to a file."""
        self._on_disk(self._n_bytes)
        with disk_errors():
            # Without O_TMPFILE (some network file systems), the file has a name for a moment, but
            # no bytes yet.
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)
            _write_all(self._file, memory.getbuffer())
        self._memory = None


def _write_all(file: BinaryIO, part: bytes | memoryview) -> None:
    rest = memoryview(part)
    while rest:
        rest = rest[file.write(rest) :]


@contextmanager
def disk_errors(
    message: str = "Recordings cannot be stored at the moment; please try again later.",
) -> Iterator[None]:
    """Turn an OSError in the block into a `DiskFull` or a `StoreError`.

    Parameters
    ----------
    message : str
        Message of the `StoreError`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(
                "The disk is full, so the recording cannot be received. Please try again later, "
                "or tell the person who runs the server."
            ) from error
        raise StoreError(message) from error
