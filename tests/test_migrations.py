"""Databases of every age become today's, and lose nothing on the way."""

import json
from dataclasses import replace
from datetime import datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tests.databases import Database
from tests.samples import ANALYSIS, analysis
from undertone.errors import StoreError
from undertone.jobs.store import Jobs, Limits, NewItem
from undertone.settings import ROOT
from undertone.store.database import open_engine, reading
from undertone.store.history import History
from undertone.store.listing import Filter
from undertone.store.schema import HEAD, bring_up_to_date, metadata
from undertone.store.scope import Scope

# As the first release made it, without any note of a version.
FIRST_TABLES = """
    CREATE TABLE analyses (
        id VARCHAR(64) NOT NULL, created_at {moment} NOT NULL, filename VARCHAR NOT NULL,
        label VARCHAR(32) NOT NULL, document JSON NOT NULL, PRIMARY KEY (id)
    );
    CREATE INDEX ix_analyses_created_at ON analyses (created_at);
    CREATE INDEX ix_analyses_filename ON analyses (filename);
    CREATE INDEX ix_analyses_label ON analyses (label)
"""


@pytest.fixture
def old_database(database: Database) -> Database:
    moment = "DATETIME" if database.url.startswith("sqlite") else "TIMESTAMP WITH TIME ZONE"
    for statement in FIRST_TABLES.format(moment=moment).split(";"):
        database.execute(statement)
    return database


def put(database: Database, document: dict[str, object]) -> None:
    """A row as the first release wrote it."""
    created_at = str(datetime.fromisoformat(document["created_at"]).replace(tzinfo=None))
    if not database.url.startswith("sqlite"):
        created_at += "+00"
    database.execute(
        "INSERT INTO analyses VALUES (?, ?, ?, ?, ?)",
        document["id"],
        created_at,
        document["filename"],
        document["prediction"]["label"],
        json.dumps(document),
    )


def test_what_the_migrations_make_is_what_the_tables_say(old_database: Database) -> None:
    assert_todays_tables(old_database)


def test_a_new_database_gets_the_same(database: Database) -> None:
    assert_todays_tables(database)


def assert_todays_tables(database: Database) -> None:
    engine = open_engine(database.url)
    bring_up_to_date(engine)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()


def test_head_is_the_newest_migration() -> None:
    folder = ScriptDirectory(str(ROOT / "undertone" / "store" / "migrations"))
    assert folder.get_heads() == [HEAD]


def test_a_database_from_before_migrations_is_taken_over(old_database: Database) -> None:
    oldest = ANALYSIS.to_dict() | {"id": "oldest"}
    for name in ("model_id", "profile", "spectrogram"):
        del oldest[name]
    put(old_database, oldest)
    put(old_database, ANALYSIS.to_dict())
    short = analysis(7, filename="Krótki.WAV", segments=(), uncertain=True)
    put(old_database, short.to_dict())

    history = History(old_database.url)
    assert history.get("oldest") == replace(
        ANALYSIS, id="oldest", model_id="", profile={}, spectrogram=None
    )
    assert history.get("abc") == ANALYSIS
    assert history.get(short.id) == short
    history.close()


def test_old_rows_are_listed_as_new_ones_are(old_database: Database) -> None:
    old = [replace(ANALYSIS, id="a1"), analysis(7, filename="Krótki.WAV", segments=())]
    for each in old:
        put(old_database, each.to_dict())
    history = History(old_database.url)
    for each in old:
        history.add(replace(each, id=f"new-{each.id}"))
    for each in old:
        mine = [e for e in history.entries(Filter()) if e.id.endswith(each.id)]
        assert len(mine) == 2
        # Strips of old rows were made of windows, those of new ones are of the smoothed timeline.
        new, migrated = sorted(mine, key=lambda entry: not entry.id.startswith("new-"))
        if each.segments:
            assert (migrated.strip, new.strip) == ((("happy", 24), ("sad", 36)), (("happy", 60),))
        assert replace(new, id="", strip=()) == replace(migrated, id="", strip=())
    assert history.page(Filter(search="KRÓTKI"), 10).total == 2
    history.close()
    columns = "created_at, filename, search_key, sentiment_score"
    assert len(old_database.execute(f"SELECT DISTINCT {columns} FROM analyses")) == 2


def test_many_old_rows(old_database: Database) -> None:
    put(old_database, ANALYSIS.to_dict())
    old_database.execute(  # more than are moved at a time
        "INSERT INTO analyses"
        " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)"
        " SELECT 'copy' || i, created_at, filename, label, document FROM analyses, n"
    )
    history = History(old_database.url)
    assert history.page(Filter(), 1).total == 1201
    assert history.get("copy1200") == ANALYSIS
    history.close()


def test_an_empty_old_database(old_database: Database) -> None:
    history = History(old_database.url)
    history.add(ANALYSIS)
    assert history.page(Filter(), 1).total == 1
    history.close()


def test_a_migration_that_fails_changes_nothing(old_database: Database) -> None:
    put(old_database, ANALYSIS.to_dict())
    old_database.execute("CREATE TABLE documents (id INTEGER)")  # somebody else's
    with pytest.raises(StoreError):
        History(old_database.url)
    assert old_database.execute("SELECT id FROM analyses") == [("abc",)]
    old_database.execute("DROP TABLE documents")
    history = History(old_database.url)
    assert history.get("abc") == ANALYSIS
    history.close()


def test_a_database_of_a_newer_undertone_is_left_alone(database: Database) -> None:
    History(database.url).close()
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer Undertone"):
        History(database.url)


def test_rows_from_before_there_were_owners_are_the_admins(database: Database) -> None:
    """A database of the version before: what is in it is visible to a scope of everything only."""
    history = History(database.url)
    Jobs(history.engine, Limits(5, 50)).add("job", [NewItem(1, "a.wav", 5)], "encoder", 7)
    history.add(ANALYSIS)
    history.close()
    for index in ("ix_analyses_owned", "ix_analyses_owned_named", "ix_jobs_owned"):
        database.execute(f"DROP INDEX {index}")
    for table in ("analyses", "jobs"):
        database.execute(f"ALTER TABLE {table} DROP COLUMN owner")
    database.execute("UPDATE alembic_version SET version_num = '0003'")

    history = History(database.url)
    assert history.any_without_owner()
    jobs = Jobs(history.engine, Limits(5, 50))
    assert history.get("abc") == ANALYSIS
    assert jobs.get("job").state == "queued"
    some_key = Scope("0123456789abcdef")
    assert history.within(some_key).page(Filter(), 10).total == 0
    assert jobs.within(some_key).page(10).total == 0
    history.close()
    assert_todays_tables(database)
    # A process of the earlier version that still runs knows nothing of owners.
    database.execute(
        "INSERT INTO jobs (id, created_at, state, model, n_labels)"
        " SELECT 'older', created_at, state, model, n_labels FROM jobs"
    )
    assert ("older", "") in database.execute("SELECT id, owner FROM jobs")
