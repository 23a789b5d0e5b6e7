"""The output of the command-line programs: full, closed or broken, it ends in a sentence."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from undertone.errors import OutputUnwritable


class _Closed(io.TextIOBase):
    """Stands for a standard output that was closed before the program started."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, "it is closed")


def prepare_streams() -> None:
    """Replace streams that were closed before the start, which Python leaves as None.

    ``print(..., file=None)`` would write error messages to the standard output.
    """
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")


@contextmanager
def writing_output(file: IO[str] | None = None) -> Iterator[None]:
    """Flush an output at the end of the block, and report one that cannot be written.

    Parameters
    ----------
    file : text file, optional
        The standard output if not given.

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
    """Send what is still buffered nowhere, so that the interpreter's own flush does not fail."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, file.fileno())
        os.close(nowhere)
