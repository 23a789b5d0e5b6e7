"""The database under the history: SQLite in a file or PostgreSQL, and their transactions.

The rule: what differs between the two stands here; all that can go wrong with either ends in a
`SettingsError` when it is opened and in a `StoreError` afterwards. Errors never hold the values
that were being written, because errors end in logs.
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

PATIENCE_S = 5  # how long one waits for another's lock, or for a server to answer
TRUNCATE_PATIENCE_MS = 500
MAX_CHECKED_PAGES = 16_384  # 64 MiB, which take about 0.1 s
T = TypeVar("T")
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


def open_engine(url: str) -> Engine:
    """An engine for the database; for SQLite the folder of the file is made when it is missing.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of a file for SQLite, or of a PostgreSQL database.

    Raises
    ------
    SettingsError
        The URL is none that can be used, or its driver is not installed.
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
    """A transaction that only reads."""
    with store_errors(), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes; when it ends without an error, what was written is durable."""
    with store_errors(), engine.connect() as connection:
        with connection.execution_options(writes=True).begin():
            yield connection


def truncate_log(engine: Engine) -> bool:
    """Empty the write-ahead log of a SQLite file, which still holds what was deleted.

    Returns
    -------
    bool
        False where others were reading or writing for too long; the next call does it.
    """
    if engine.dialect.name != "sqlite":
        return True
    with store_errors(), engine.connect() as connection:
        cursor = connection.connection.cursor()  # the driver's own: outside of any transaction
        (usual_ms,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout={TRUNCATE_PATIENCE_MS}")
        is_busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.execute(f"PRAGMA busy_timeout={usual_ms}")
    return not is_busy


def freeing(engine: Engine, delete: Callable[[bool], T]) -> T:
    """Delete something, on a full disk too.

    Parameters
    ----------
    engine : Engine
    delete : callable
        Deletes, and may be called twice. Takes whether there is little room: then transactions
        should be small.

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
    """The reserve beside a SQLite file; None where there is no such file."""
    path = engine.url.database or ""
    if engine.dialect.name != "sqlite" or path.startswith("file:"):
        return None
    return Reserve(Path(path))


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn whatever the database raises into a `StoreError`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:  # the latter from _prepare_sqlite
        raise StoreError(
            "The history cannot be reached at the moment; please try again in a little while."
        ) from error


@contextmanager
def opening_errors(engine: Engine) -> Iterator[None]:
    """Name the database and the reason in a `StoreError` raised while it is opened.

    At the start the operator reads the message; later it goes to clients, who get neither.
    """
    try:
        yield
    except StoreError as error:
        if error.__cause__ is None:  # it has its own sentence
            raise
        cause = getattr(error.__cause__, "orig", None) or error.__cause__
        reason = str(cause).strip().split("\n")[0]
        raise StoreError(f"The database {location(engine)} cannot be used: {reason}.") from cause


def location(engine: Engine) -> str:
    """Path of the SQLite file, or URL of the PostgreSQL database without its password."""
    url = engine.url
    is_sqlite = url.get_backend_name() == "sqlite"
    return str(url.database) if is_sqlite else url.render_as_string(hide_password=True)


def check_pages(engine: Engine) -> None:
    """Return if no page of a SQLite file is damaged; large files are not checked.

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
    connection.execute("PRAGMA journal_mode=WAL")  # readers go on while one writes
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that begins by reading could not wait for a lock when it comes to write.
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
