"""The data folder: made before the first use, writable, and readable by its owner only."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from undertone.errors import SettingsError

OWNER_ONLY = 0o077  # umask: files 0600, folders 0700


def prepare_data_folder(folder: Path) -> None:
    """Make the data folder, and let this process write files for its owner only.

    A folder that exists keeps its mode, because it may hold other things. The database files in it
    do not: earlier versions left them readable to everybody.

    Parameters
    ----------
    folder : Path
        ``UNDERTONE_DATA_DIR``.

    Raises
    ------
    SettingsError
        It is a file, cannot be made, or cannot be written.
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
        with suppress(OSError):  # another user's
            path.chmod(0o600)
