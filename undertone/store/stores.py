"""Stores elsewhere, such as S3: whatever fsspec opens.

The rule: what can go wrong with them is an OSError, as with files here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from undertone.optional import needed_for


def open_store(
    url: str, what: str, requirements: str = "requirements-scale.txt"
) -> tuple[Any, str]:
    """The store of a URL, or of a path here, and what is left of the URL in it.

    Parameters
    ----------
    url : str
    what, requirements : str
        Who needs it; see `needed_for`.

    Raises
    ------
    PartMissing
        fsspec, or what it needs for this kind of store, is not installed.
    OSError
        It cannot be opened.
    """
    with needed_for(what, requirements), as_os_errors():
        from fsspec.core import url_to_fs

        # What others put there has to be seen at once.
        store, root = url_to_fs(url, use_listings_cache=False)
    return store, root.rstrip("/")


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Have whatever a store raises be an OSError."""
    try:
        yield
    except (OSError, ImportError):
        raise
    except Exception as error:
        raise OSError(f"the store does not answer ({type(error).__name__})") from error
