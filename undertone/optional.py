"""Optional libraries, and the error for a missing one."""

from collections.abc import Iterator
from contextlib import contextmanager

from undertone.errors import PartMissing


@contextmanager
def needed_for(what: str, requirements: str = "requirements-scale.txt") -> Iterator[None]:
    """Guard a block of optional imports.

    Parameters
    ----------
    what : str
        Beginning of the error's sentence.
    requirements : str
        Requirements file with the library.

    Raises
    ------
    PartMissing
        A library is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise PartMissing(
            f"{what} needs {error.name}, which is not installed: "
            f".venv/bin/pip install -r {requirements}."
        ) from error
