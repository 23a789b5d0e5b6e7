"""Bytes of a recording, in memory if they are few, else in an open file.

The rule: reading moves no shared position, so threads and processes may read the same recording at
the same time. A file is never in memory as a whole.
"""

import io
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO, TypeAlias

CHUNK_BYTES = 2**18


class RecordingBytes:
    """Content of a file, in memory or in an open file.

    Parameters
    ----------
    data : bytes, optional
        Content in memory.
    file : BinaryIO, optional
        Open regular file with the content instead; closed together with this object.
    """

    def __init__(self, data: bytes = b"", file: BinaryIO | None = None) -> None:
        self._data = data
        self._file = file
        self._n_bytes = os.fstat(file.fileno()).st_size if file else len(data)

    @classmethod
    def of(cls, source: "AnyBytes") -> "RecordingBytes":
        """Return the bytes of a source; a file is read from its current position.

        A regular file at its start stays the source. Any other file is read into memory.
        """
        if isinstance(source, RecordingBytes):
            return source
        if isinstance(source, bytes):
            return cls(source)
        return cls(file=source) if is_on_disk(source) else cls(source.read())

    def __len__(self) -> int:
        return self._n_bytes

    def __enter__(self) -> "RecordingBytes":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def in_memory(self) -> bytes | None:
        """Bytes in memory; None if they are in a file."""
        return self._data if self._file is None else None

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

    def open(self, start: int = 0) -> BinaryIO:
        """Return a readable file with a separate position.

        Parameters
        ----------
        start : int
            Beginning of the file: bytes before it cannot be reached.
        """
        if self._file is None:
            return io.BytesIO(self._data[start:])
        return io.BufferedReader(_Part(self._file, start, self._n_bytes - start), CHUNK_BYTES)

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._n_bytes)
        if self._file is None:
            return self._data[start:stop]
        return os.pread(self._file.fileno(), max(0, stop - start), start)

    def head(self, n_bytes: int) -> bytes:
        """Return the first bytes."""
        return self[:n_bytes]

    def pieces(self) -> Iterator[bytes]:
        """Yield all bytes in order, in chunks."""
        file = self.open()
        while piece := file.read(CHUNK_BYTES):
            yield piece

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()


AnyBytes: TypeAlias = bytes | BinaryIO | RecordingBytes


class _Part(io.RawIOBase):
    """End of an open file, read by position; closing it does not close the file."""

    def __init__(self, file: BinaryIO, start: int, n_bytes: int) -> None:
        super().__init__()
        self._start = start
        self._file = file  # not only its descriptor: the reference keeps the file open
        self._n_bytes = n_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        n_read = os.preadv(self._file.fileno(), [buffer], self._start + self._position)
        self._position += n_read
        return n_read

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._n_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"negative position {start + offset}")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position


def is_on_disk(file: BinaryIO) -> bool:
    """Return True for a regular file at its start."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.tell() == 0
    except (OSError, AttributeError):
        return False
