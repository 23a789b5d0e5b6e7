"""Database schema, and the migration of older databases to it.

`analyses` holds all values to list, search and filter by. `documents` holds the rest and is never
read by lists. `jobs`, `job_items` and `webhooks` belong to `undertone.jobs`. `owner` is the id of
the API key used to create a row; see `scope`. Each change of the schema is a new file in
`migrations/versions/`.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)
from sqlalchemy.types import TypeDecorator

from undertone.errors import StoreError
from undertone.store.database import reading, writing

HEAD = "0004"  # the newest file in migrations/versions/
# Version of databases created before migrations existed.
FIRST = "0001"
_MIGRATION_LOCK = 0x756E646572  # any number not used by others


class UtcDateTime(TypeDecorator[datetime]):
    """Timestamp type, in UTC for both writes and reads. SQLite has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the time in UTC."""
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the time in UTC, whatever the server's time zone."""
        return value and (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))


metadata = MetaData()
analyses = Table(
    "analyses",
    metadata,
    Column("id", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("filename", String, nullable=False),
    Column("search_key", String, nullable=False),
    Column("label", String(32), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("uncertain", Boolean, nullable=False),
    Column("probabilities", JSON, nullable=False),
    Column("sentiment_score", Float, nullable=False),
    Column("model", String, nullable=False),
    Column("model_id", String, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("strip", JSON, nullable=False),
    Column("owner", String(64), nullable=False, server_default=""),
    PrimaryKeyConstraint("id", name="pk_analyses"),
    # All columns to filter by, in list order. Rows without a match are never visited.
    Index("ix_analyses_listed", "created_at", "id", "label", "model", "uncertain", "search_key"),
    Index("ix_analyses_named", "filename", "created_at"),
    # The same for the rows of one owner.
    Index(
        "ix_analyses_owned",
        "owner",
        "created_at",
        "id",
        "label",
        "model",
        "uncertain",
        "search_key",
    ),  # fmt: skip
    Index("ix_analyses_owned_named", "owner", "filename", "created_at", "id"),
)
documents = Table(
    "documents",
    metadata,
    Column("id", String(64), ForeignKey("analyses.id", ondelete="CASCADE")),
    Column("document", JSON, nullable=False),
    Column("spectrogram", LargeBinary),
    PrimaryKeyConstraint("id", name="pk_documents"),
)
jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("state", String(16), nullable=False),
    Column("model", String, nullable=False),
    Column("n_labels", Integer, nullable=False),
    Column("owner", String(64), nullable=False, server_default=""),
    PrimaryKeyConstraint("id", name="pk_jobs"),
    Index("ix_jobs_listed", "created_at", "id"),
    Index("ix_jobs_owned", "owner", "created_at", "id"),
)
job_items = Table(
    "job_items",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE")),
    Column("number", Integer),
    Column("filename", String, nullable=False),
    Column("n_bytes", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("turn_at", UtcDateTime, nullable=False),
    Column("progress", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claim", String(32)),
    Column("lease_until", UtcDateTime),
    # Deletion of an analysis deletes all data of the recording.
    Column("analysis_id", String(64), ForeignKey("analyses.id", ondelete="CASCADE")),
    Column("error", JSON(none_as_null=True)),
    PrimaryKeyConstraint("job_id", "number", name="pk_job_items"),
    Index("ix_job_items_turns", "state", "turn_at"),
    Index("ix_job_items_analysis", "analysis_id"),
)
webhooks = Table(
    "webhooks",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE")),
    Column("url", String, nullable=False),
    Column("state", String(16), nullable=False),
    Column("due_at", UtcDateTime),
    Column("attempts", Integer, nullable=False),
    Column("problem", String, nullable=False),
    PrimaryKeyConstraint("job_id", name="pk_webhooks"),
    Index("ix_webhooks_due", "state", "due_at"),
)
_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def bring_up_to_date(engine: Engine) -> None:
    """Create the tables, or migrate older ones. Of several concurrent processes, one does it.

    Raises
    ------
    StoreError
        The database cannot be reached or written, or comes from a newer Undertone.
    """
    with reading(engine) as connection:
        if _current(connection) == HEAD:
            return
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        current = _current(connection)
        if current is None:
            metadata.create_all(connection)
            _version.create(connection)
            connection.execute(insert(_version).values(version_num=HEAD))
        elif current != HEAD:
            _migrate(connection, current)


def _current(connection: Connection) -> str | None:
    """Return the version of the database. None if it has no tables yet."""
    if inspect(connection).has_table(_version.name):
        return connection.execute(select(_version.c.version_num)).scalar_one_or_none()
    return FIRST if inspect(connection).has_table(analyses.name) else None


def _migrate(connection: Connection, current: str) -> None:
    # Slow to import. New and up-to-date databases do not need it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current not in known:
        raise StoreError(
            f"The history was last used by a newer Undertone (version {current} of its tables; "
            f"this one knows {HEAD}). Update Undertone, or give it another database."
        )
    command.stamp(config, current)
    command.upgrade(config, HEAD)
