"""The two databases of the history, and what can happen to them."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import make_url

from tests.postgres import PostgresServer


class Database(Protocol):
    """A fresh database, to be opened by its URL."""

    url: str

    def execute(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """What another program could do to it; values stand at each ``?``."""

    def locked(self) -> AbstractContextManager[None]:
        """Another program holds it."""

    def refusing_to_write(self) -> AbstractContextManager[None]:
        """It can be read, and nothing can be added to it."""


class SqliteDatabase:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "history.sqlite3"
        self.url = f"sqlite:///{self._path}"

    def execute(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")

    @contextmanager
    def refusing_to_write(self) -> Iterator[None]:
        """No file may grow, as on a full disk."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        log = self._path.with_name(f"{self._path.name}-wal")
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class PostgresDatabase:
    """A database of a server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.url = server.new_database()
        self._name = str(make_url(self.url).database)

    def execute(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with self._server.connect(self._name) as connection:
            cursor = connection.execute(statement.replace("?", "%s"), values or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._server.connect(self._name) as connection, connection.transaction():
            connection.execute("LOCK TABLE analyses IN ACCESS EXCLUSIVE MODE")
            yield

    @contextmanager
    def refusing_to_write(self) -> Iterator[None]:
        """The server has become a read-only one; connections are cut when it changes."""
        self._set_read_only("on")
        try:
            yield
        finally:
            self._set_read_only("off")

    def _set_read_only(self, value: str) -> None:
        self._server.execute(
            f"ALTER DATABASE {self._name} SET default_transaction_read_only = {value}"
        )
        self._server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'"
        )
