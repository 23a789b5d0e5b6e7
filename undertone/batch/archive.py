"""Where an archive's recordings are: a folder here, or in an object store."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from undertone.cli.sources import Source, find, read_recording
from undertone.errors import FileUnusable, UndertoneError
from undertone.recording_bytes import RecordingBytes
from undertone.store.stores import open_store

BLOCK_BYTES = 4 * 2**20  # that are fetched in one request, even to know what a file is


class Archive(Protocol):
    """Recordings by name; small, because it travels with the work."""

    def names(self) -> Iterator[str]:
        """All files in the order of their folders; hidden ones are left out.

        Raises
        ------
        FileUnusable
            There is no such folder, or a part of it cannot be listed.
        """

    def read(self, name: str, max_bytes: int) -> RecordingBytes | None:
        """The bytes of a file, to be closed; None if it is no recording.

        Raises
        ------
        FileUnusable
            It cannot be read.
        FileTooLarge
            There are more than `max_bytes`.
        """


@dataclass(frozen=True)
class Folder:
    """A folder that all who work can see under the same path."""

    path: str

    def names(self) -> Iterator[str]:
        """All files in the order of their folders."""
        if not os.path.isdir(self.path):
            raise FileUnusable(f"There is no folder {self.path!r}.")
        for source in find([self.path]):
            if source.problem:
                raise FileUnusable(f"{source.path} cannot be read: {source.problem}.")
            yield os.path.relpath(source.path, self.path)

    def read(self, name: str, max_bytes: int) -> RecordingBytes | None:
        """The bytes of a file, to be closed; None if it is no recording."""
        path = os.path.join(self.path, name)
        return Source(path, PurePosixPath(name), False).read(max_bytes)


@dataclass(frozen=True)
class ObjectStore:
    """A folder of whatever fsspec opens, such as ``s3://bucket/folder``."""

    url: str

    def names(self) -> Iterator[str]:
        """All files in the order of their folders."""
        try:
            store, root = self._open()
            n_root = len(root) + 1
            for folder, folders, files in store.walk(root, on_error="raise"):
                # Changed in place, folders tell `walk` where to go and in which order.
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
        """The bytes of a file, to be closed; None if it is no recording."""
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
    """The archive in a folder, or under a URL."""
    return ObjectStore(source) if "://" in source else Folder(os.path.abspath(source))
