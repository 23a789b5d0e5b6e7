"""Remote stores supported by fsspec, such as S3.

All their failures are raised as OSError, as with local files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from undertone.optional import needed_for


def open_store(
    url: str, what: str, requirements: str = "requirements-scale.txt"
) -> tuple[Any, str]:
    """Open the store of a URL or local path.

    Parameters
    ----------
    url : str
    what, requirements : str
        Name of the feature for error messages, and its requirements file; see `needed_for`.

    Returns
    -------
    store : fsspec.AbstractFileSystem
    root : str
        Rest of the URL: the path in the store.

    Raises
    ------
    PartMissing
        fsspec, or its package for this kind of store, is not installed.
    OSError
        The store cannot be opened.
    """
    with needed_for(what, requirements), as_os_errors():
        from fsspec.core import url_to_fs

        # Files stored by other machines must be visible at once.
        store, root = url_to_fs(url, use_listings_cache=False)
    return store, root.rstrip("/")


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Convert any error of a store to an OSError."""
    try:
        yield
    except (OSError, ImportError):
        raise
    except Exception as error:
        raise OSError(f"the store does not answer ({type(error).__name__})") from error
