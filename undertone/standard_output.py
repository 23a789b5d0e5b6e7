"""Output of the command-line programs, with a clear error if it is full, closed or broken."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from undertone.errors import OutputUnwritable


class _Closed(io.TextIOBase):
    """Replacement for a standard output closed before the program started."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, "it is closed")


def prepare_streams() -> None:
    """Replace streams closed before the start; Python sets these to None.

    ``print(..., file=None)`` would write error messages to the standard output.
    """
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")


@contextmanager
def writing_output(file: IO[str] | None = None) -> Iterator[None]:
    """Flush an output at the end of the block, and raise a clear error if it cannot be written.

    Parameters
    ----------
    file : text file, optional
        Output file; the standard output by default.

    Raises
    ------
    OutputUnwritable
        The output is closed, or its disk is full.
    BrokenPipeError
        Its reader is gone, as with ``| head``.
    """
    file = file or sys.stdout
    try:
        try:
            yield
        finally:
            file.flush()
    except OSError as error:
        _discard(file)
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputUnwritable(f"The output cannot be written: {error.strerror}.") from error


def _discard(file: IO[str]) -> None:
    """Discard buffered output, so the interpreter's final flush does not fail."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, file.fileno())
        os.close(nowhere)
