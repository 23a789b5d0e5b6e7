"""Table of a batch: a folder of Parquet files, read as one table by any reader.

Rule: a part is there as a whole or not at all. Each recording in the table is therefore done, and
is there once. Failed recordings and their reasons are beside it, in files ignored by readers.
"""

import hashlib
import io
import json
import re
import time
from collections.abc import Iterable
from typing import Any

from undertone.batch.hearing import Row, stored
from undertone.emotions import EMOTIONS
from undertone.errors import AudioError, SetAside, TableUnusable
from undertone.optional import needed_for
from undertone.store.stores import as_os_errors, open_store

LONGEST_S = 30.0  # results wait no longer for their part to be full
# Codes of permanent errors, those of the recording itself. All others are retried.
_FOR_GOOD = {SetAside.code, *(error.code for error in AudioError.__subclasses__())}
_PART = re.compile(r"(part|_errors)-(\d{6})\.(parquet|jsonl)")


class Table:
    """Results at a path, including those of earlier runs.

    Parameters
    ----------
    url : str
        Local folder or folder in an object store. It is created at the first write.
    about : dict of str to str
        Metadata equal in all parts: model, its id and the set of emotions.
    n_rows : int
        Rows in each part.

    Raises
    ------
    PartMissing
        pyarrow or fsspec is not installed.
    TableUnusable
        The path holds something else, or a table with other metadata.
    """

    def __init__(self, url: str, about: dict[str, str], n_rows: int = 1000) -> None:
        with needed_for("A table", "requirements-batch.txt"):
            self._schema = _schema().with_metadata(about)
        self._n_rows = n_rows
        self._rows: list[Row] = []
        self._errors: list[Row] = []
        self._written_s = time.monotonic()
        self.n_heard = self.n_failed = 0
        self._done: set[bytes] = set()
        try:
            self._store, self._root = open_store(url, "A table", "requirements-batch.txt")
            with as_os_errors():
                self._next = self._read_what_is_done(about)
        except OSError as error:
            raise TableUnusable(f"{url} cannot be used: {error}.") from error

    def has(self, name: str) -> bool:
        """True if this file is done."""
        return _digest(stored(name)) in self._done

    def add(self, rows: Iterable[Row]) -> None:
        """Add results; write a part once it has `n_rows` rows or after `LONGEST_S` seconds.

        Raises
        ------
        TableUnusable
            The table cannot be written.
        """
        for row in rows:
            failed = "code" in row
            (self._errors if failed else self._rows).append(row)
            self.n_failed += failed
            self.n_heard += not failed
        is_late = time.monotonic() - self._written_s > LONGEST_S
        if len(self._rows) + len(self._errors) >= self._n_rows or is_late:
            self.write()

    def write(self) -> None:
        """Write all pending rows.

        Raises
        ------
        TableUnusable
            The table cannot be written.
        """
        import pyarrow
        import pyarrow.parquet

        self._written_s = time.monotonic()
        try:
            if self._rows:
                part = io.BytesIO()
                table = pyarrow.Table.from_pylist(self._rows, schema=self._schema)
                pyarrow.parquet.write_table(table, part, compression="zstd")
                self._put(f"part-{self._next:06}.parquet", part.getvalue())
            if self._errors:
                self._put(f"_errors-{self._next:06}.jsonl", _lines(self._errors))
        except OSError as error:
            raise TableUnusable(f"The table cannot be written: {error}.") from error
        self._next += bool(self._rows or self._errors)
        self._rows, self._errors = [], []

    def _put(self, name: str, data: bytes) -> None:
        with as_os_errors():
            self._store.makedirs(self._root, exist_ok=True)
            # Readers ignore names with a leading dot; the move makes the part visible as a whole.
            self._store.pipe_file(f"{self._root}/.{name}", data)
            self._store.mv(f"{self._root}/.{name}", f"{self._root}/{name}")

    def _read_what_is_done(self, about: dict[str, str]) -> int:
        """Read the finished names, drop errors to be retried, and return the next part's number."""
        if self._store.isfile(self._root):
            raise OSError("there is a file of that name; a folder is needed")
        number = -1
        paths = self._store.ls(self._root, detail=False) if self._store.exists(self._root) else []
        for path in paths:
            if part := _PART.fullmatch(path.rpartition("/")[2]):
                number = max(number, int(part[2]))
                read = self._read_rows if part[1] == "part" else self._read_errors
                read(path, about)
            elif not path.rpartition("/")[2].startswith("."):
                raise OSError(f"{path} is no part of a table of results")
        return number + 1

    def _read_rows(self, path: str, about: dict[str, str]) -> None:
        import pyarrow.parquet

        with self._store.open(path, "rb") as file:
            part = pyarrow.parquet.ParquetFile(file)
            found = {k.decode(): v.decode() for k, v in (part.schema_arrow.metadata or {}).items()}
            for name, wanted in about.items():
                if found.get(name) != wanted:
                    raise OSError(
                        f"what is there has {name} {found.get(name)}, not {wanted}; "
                        "begin another table"
                    )
            names = part.read(columns=["path"])["path"].to_pylist()
        self._done.update(map(_digest, names))

    def _read_errors(self, path: str, _about: dict[str, str]) -> None:
        found = [json.loads(line) for line in self._store.cat_file(path).splitlines()]
        for_good = [row for row in found if row["code"] in _FOR_GOOD]
        self._done.update(_digest(row["path"]) for row in for_good)
        if not for_good:
            self._store.rm_file(path)
        elif len(for_good) < len(found):
            self._put(path.rpartition("/")[2], _lines(for_good))


def _schema() -> Any:
    """Return the table's columns as an Arrow schema."""
    import pyarrow as pa

    window = [
        ("start_s", pa.float64()), ("end_s", pa.float64()), ("emotion", pa.string()),
        ("confidence", pa.float64()),
    ]  # fmt: skip
    return pa.schema(
        [
            ("path", pa.string()), ("duration_s", pa.float64()), ("speech_s", pa.float64()),
            ("emotion", pa.string()), ("confidence", pa.float64()), ("uncertain", pa.bool_()),
            ("sentiment", pa.string()), ("sentiment_score", pa.float64()),
            *((f"p_{name}", pa.float64()) for name in EMOTIONS),
            ("windows", pa.list_(pa.struct(window))),
            ("model", pa.string()), ("model_id", pa.string()),
        ]
    )  # fmt: skip


def _digest(path: str) -> bytes:
    """Return 16 bytes for a path: shorter than most paths, and practically unique."""
    return hashlib.blake2b(path.encode(), digest_size=16).digest()


def _lines(rows: list[Row]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
