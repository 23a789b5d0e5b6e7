"""Data folder: created before first use, writable, and readable by its owner only."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from undertone.errors import SettingsError

OWNER_ONLY = 0o077  # umask: files 0600, folders 0700


def prepare_data_folder(folder: Path) -> None:
    """Create the data folder and set this process's umask to owner only.

    An existing folder keeps its mode, because it may hold other files. The mode of the database
    files in it is changed to 0600, because earlier versions left them readable by everyone.

    Parameters
    ----------
    folder : Path
        ``UNDERTONE_DATA_DIR``.

    Raises
    ------
    SettingsError
        The path is a file, or the folder cannot be created or written.
    """
    os.umask(OWNER_ONLY)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        reason = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
        raise SettingsError(
            f"UNDERTONE_DATA_DIR={str(folder)!r} cannot be used: {reason}. It takes a folder that "
            "this user may write to."
        ) from error
    for path in folder.glob("undertone.sqlite3*"):
        with suppress(OSError):  # owned by another user
            path.chmod(0o600)
