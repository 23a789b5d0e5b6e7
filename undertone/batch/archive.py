"""Archives of recordings: a local folder or a folder in an object store."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from undertone.cli.sources import Source, find, read_recording
from undertone.errors import FileUnusable, UndertoneError
from undertone.recording_bytes import RecordingBytes
from undertone.store.stores import open_store

BLOCK_BYTES = 4 * 2**20  # fetched in one request, even if only a file's first bytes are needed


class Archive(Protocol):
    """Recordings by name; kept small, because it is pickled and sent with each task."""

    def names(self) -> Iterator[str]:
        """Yield the names of all files, folder by folder, except hidden ones.

        Raises
        ------
        FileUnusable
            There is no such folder, or a part of it cannot be listed.
        """

    def read(self, name: str, max_bytes: int) -> RecordingBytes | None:
        """Read a file.

        Returns
        -------
        RecordingBytes or None
            To be closed by the caller. None if the file is not a recording.

        Raises
        ------
        FileUnusable
            The file cannot be read.
        FileTooLarge
            The file has more than `max_bytes`.
        """


@dataclass(frozen=True)
class Folder:
    """Folder with the same path on all workers."""

    path: str

    def names(self) -> Iterator[str]:
        """Yield the names of all files, folder by folder."""
        if not os.path.isdir(self.path):
            raise FileUnusable(f"There is no folder {self.path!r}.")
        for source in find([self.path]):
            if source.problem:
                raise FileUnusable(f"{source.path} cannot be read: {source.problem}.")
            yield os.path.relpath(source.path, self.path)

    def read(self, name: str, max_bytes: int) -> RecordingBytes | None:
        """Read a file, to be closed by the caller; None if it is not a recording."""
        path = os.path.join(self.path, name)
        return Source(path, PurePosixPath(name), False).read(max_bytes)


@dataclass(frozen=True)
class ObjectStore:
    """Folder in any store supported by fsspec, such as ``s3://bucket/folder``."""

    url: str

    def names(self) -> Iterator[str]:
        """Yield the names of all files, folder by folder."""
        try:
            store, root = self._open()
            n_root = len(root) + 1
            for folder, folders, files in store.walk(root, on_error="raise"):
                # `walk` descends into what is left in `folders`, which is therefore changed in
                # place.
                for hidden in [name for name in folders if name.startswith(".")]:
                    folders.remove(hidden)
                yield from (
                    f"{folder}/{name}"[n_root:]
                    for name in sorted(files)
                    if name and not name.startswith(".")
                )
        except UndertoneError:
            raise
        except Exception as error:
            raise FileUnusable(f"{self.url} cannot be listed: {error}.") from error

    def read(self, name: str, max_bytes: int) -> RecordingBytes | None:
        """Read a file, to be closed by the caller; None if it is not a recording."""
        try:
            store, root = self._open()
            file = store.open(f"{root}/{name}", "rb", block_size=BLOCK_BYTES)
            return read_recording(file, max_bytes)
        except UndertoneError:
            raise
        except Exception as error:
            raise FileUnusable(f"The file cannot be read: {error}.") from error

    def _open(self) -> tuple[Any, str]:
        return open_store(self.url, "An object store", "requirements-batch.txt")


def open_archive(source: str) -> Archive:
    """Return the archive in a local folder or at a URL."""
    return ObjectStore(source) if "://" in source else Folder(os.path.abspath(source))
