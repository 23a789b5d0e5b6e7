"""Libraries that not every installation has: what is said where one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from undertone.errors import PartMissing


@contextmanager
def needed_for(what: str, requirements: str = "requirements-scale.txt") -> Iterator[None]:
    """Import in the block what is needed for something.

    Parameters
    ----------
    what : str
        With which the sentence of the error begins.
    requirements : str
        The file that brings it.

    Raises
    ------
    PartMissing
        It is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise PartMissing(
            f"{what} needs {error.name}, which is not installed: "
            f".venv/bin/pip install -r {requirements}."
        ) from error
