"""The store of analyses: what was heard, never the recording itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from undertone.errors import AnalysisNotFound, SettingsError, StoreError
from undertone.prediction import Analysis

_metadata = MetaData()
_analyses = Table(
    "analyses",
    _metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, index=True),
    Column("filename", String, nullable=False, index=True),
    Column("label", String(32), nullable=False, index=True),
    Column("document", JSON, nullable=False),
)


class History:
    """Analyses in a database; safe to use from many threads.

    Parameters
    ----------
    url : str
        SQLAlchemy URL. For SQLite the folder of the file is made when it is missing.

    Raises
    ------
    SettingsError
        The URL is none that SQLAlchemy knows, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            file = parsed.database if parsed.get_backend_name() == "sqlite" else None
            if file and not file.startswith("file:"):
                Path(file).parent.mkdir(parents=True, exist_ok=True)
            self._engine = create_engine(parsed, pool_pre_ping=True)
        except (ArgumentError, NoSuchModuleError, ImportError, OSError) as error:
            raise SettingsError(
                f"DATABASE_URL cannot be used: {error}. It takes an SQLAlchemy URL such as "
                "sqlite:////path/to/file or postgresql+psycopg://user:password@host/database."
            ) from error
        if parsed.get_backend_name() == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)
        with _store_errors():
            _metadata.create_all(self._engine)

    def add(self, analysis: Analysis) -> None:
        """Store an analysis; on return it is durable.

        Raises
        ------
        StoreError
            The database cannot be written.
        """
        row: dict[str, Any] = {
            "id": analysis.id,
            "created_at": analysis.created_at,
            "filename": analysis.filename,
            "label": analysis.prediction.label,
            "document": analysis.to_dict(),
        }
        with _store_errors(), self._engine.begin() as connection:
            connection.execute(insert(_analyses).values(row))

    def get(self, analysis_id: str) -> Analysis:
        """The analysis with this id.

        Raises
        ------
        AnalysisNotFound
            There is none.
        StoreError
            The database cannot be read.
        """
        query = select(_analyses.c.document).where(_analyses.c.id == analysis_id)
        with _store_errors(), self._engine.connect() as connection:
            document = connection.execute(query).scalar_one_or_none()
        if document is None:
            raise AnalysisNotFound(
                "There is no result at this address; it may have been deleted. "
                "Analyse the recording again to get a new one."
            )
        return Analysis.from_dict(document)

    def check_writable(self) -> None:
        """Return if a row could be written now.

        Raises
        ------
        StoreError
            It could not.
        """
        with _store_errors(), self._engine.connect() as connection:
            # Takes the write lock and the right to write, and changes nothing.
            connection.execute(delete(_analyses).where(_analyses.c.id == ""))
            connection.rollback()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # WAL lets readers go on while one writes; a writer waits up to 5 s for another.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=5000")


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(
            "The history cannot be reached at the moment; please try again in a little while."
        ) from error
