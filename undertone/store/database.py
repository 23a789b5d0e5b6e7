"""Database of the history: a SQLite file or PostgreSQL, and its transactions.

All differences between the two are in this module. Failures of either raise `SettingsError` on
opening and `StoreError` afterwards. Errors never contain the values being written, because errors
end up in logs.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from undertone.errors import SettingsError, StoreError
from undertone.store.reserve import Reserve

PATIENCE_S = 5  # timeout for a lock, and for a response of the server
TRUNCATE_PATIENCE_MS = 500
MAX_CHECKED_PAGES = 16_384  # 64 MiB; the check takes about 0.1 s
T = TypeVar("T")
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


def open_engine(url: str) -> Engine:
    """Create the engine. For SQLite, create a missing folder of the file too.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of a SQLite file or of a PostgreSQL database.

    Raises
    ------
    SettingsError
        The URL is not usable, or its driver is not installed.
    """
    try:
        parsed = make_url(url)
        parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        kind = parsed.get_backend_name()
        if kind not in _OPENERS:
            raise ArgumentError(f"{kind} is neither sqlite nor postgresql")
        return _OPENERS[kind](parsed)
    except (ArgumentError, NoSuchModuleError, ImportError, OSError) as error:
        raise SettingsError(
            f"DATABASE_URL cannot be used: {error}. It takes a URL such as "
            "sqlite:////path/to/file or postgresql://user:password@host/database."
        ) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Run a read-only transaction."""
    with store_errors(), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Run a write transaction. If it ends without an error, all changes are durable."""
    with store_errors(), engine.connect() as connection:
        with connection.execution_options(writes=True).begin():
            yield connection


def truncate_log(engine: Engine) -> bool:
    """Empty the write-ahead log of a SQLite file. The log still holds deleted content.

    Returns
    -------
    bool
        False if other connections were busy for too long. The next call tries again.
    """
    if engine.dialect.name != "sqlite":
        return True
    with store_errors(), engine.connect() as connection:
        cursor = connection.connection.cursor()  # the driver's cursor, outside any transaction
        (usual_ms,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout={TRUNCATE_PATIENCE_MS}")
        is_busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.execute(f"PRAGMA busy_timeout={usual_ms}")
    return not is_busy


def freeing(engine: Engine, delete: Callable[[bool], T]) -> T:
    """Run a deletion, even on a full disk.

    Parameters
    ----------
    engine : Engine
    delete : callable
        Performs the deletion; may be called twice. Its argument is True if the disk is full, and
        transactions should then be small.

    Raises
    ------
    StoreError
        The database cannot be written.
    """
    try:
        return delete(False)
    except StoreError:
        reserve = reserve_of(engine)
        if not (reserve and reserve.release()):
            raise
    try:
        return delete(True)
    finally:
        reserve.fill()


def reserve_of(engine: Engine) -> Reserve | None:
    """Return the reserve beside a SQLite file. None if there is no such file."""
    path = engine.url.database or ""
    if engine.dialect.name != "sqlite" or path.startswith("file:"):
        return None
    return Reserve(Path(path))


@contextmanager
def store_errors() -> Iterator[None]:
    """Convert any database error to a `StoreError`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:  # the latter from _prepare_sqlite
        raise StoreError(
            "The history cannot be reached at the moment; please try again in a little while."
        ) from error


@contextmanager
def opening_errors(engine: Engine) -> Iterator[None]:
    """Add the database and the reason to a `StoreError` raised on opening.

    At startup, the message is for the operator. Later messages go to clients and contain neither.
    """
    try:
        yield
    except StoreError as error:
        if error.__cause__ is None:  # it has its own message
            raise
        cause = getattr(error.__cause__, "orig", None) or error.__cause__
        reason = str(cause).strip().split("\n")[0]
        raise StoreError(f"The database {location(engine)} cannot be used: {reason}.") from cause


def location(engine: Engine) -> str:
    """Return the path of the SQLite file, or the PostgreSQL URL without its password."""
    url = engine.url
    is_sqlite = url.get_backend_name() == "sqlite"
    return str(url.database) if is_sqlite else url.render_as_string(hide_password=True)


def check_pages(engine: Engine) -> None:
    """Return if no page of a SQLite file is damaged. Large files are not checked.

    Raises
    ------
    StoreError
        A page is damaged.
    """
    if engine.dialect.name != "sqlite":
        return
    with reading(engine) as connection:
        n_pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        if n_pages > MAX_CHECKED_PAGES:
            return
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if found != "ok":
        raise StoreError(
            f"The database {location(engine)} is damaged: {found.splitlines()[0]}. "
            "Restore it from a backup, or move it away to start with an empty history."
        )


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ArgumentError("SQLite needs a file here")
    if not url.database.startswith("file:"):
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    patience = {} if "timeout" in url.query else {"timeout": PATIENCE_S}
    engine = create_engine(url, connect_args=patience, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late; see _begin_sqlite
    connection.execute("PRAGMA journal_mode=WAL")  # readers continue during a write
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # deleted content is overwritten


def _begin_sqlite(connection: Connection) -> None:
    # A transaction started by a read could not wait for the lock at its first write.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgresql(url: URL) -> Engine:
    patience = {} if "connect_timeout" in url.query else {"connect_timeout": PATIENCE_S}
    engine = create_engine(url, connect_args=patience, pool_pre_ping=True, hide_parameters=True)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _begin_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE_S}s'")


_OPENERS = {"sqlite": _open_sqlite, "postgresql": _open_postgresql}
