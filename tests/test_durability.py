"""What is said to be stored is stored: under threads, several processes, and kill -9."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.databases import Database, SqliteDatabase
from tests.samples import analysis
from undertone.settings import ROOT
from undertone.store.history import History
from undertone.store.listing import Filter


def writer(database: Database, prefix: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.writer", database.url, prefix, str(count), "2"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def stored(database: Database) -> set[str]:
    history = History(database.url)
    ids = {entry.id for entry in history.entries(Filter())}
    for each in ids:
        assert history.get(each).id == each
    history.close()
    return ids


def test_threads(database: Database) -> None:
    history = History(database.url)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: history.add(analysis(n)), range(100)))
        pages = list(pool.map(lambda n: history.page(Filter(), 10).total, range(16)))
    history.close()
    assert pages == [100] * 16
    assert stored(database) == {f"id{n:04}" for n in range(100)}


def test_processes_that_start_at_once(database: Database) -> None:
    """Each finds no tables, one makes them, and none of them loses a row."""
    writers = [writer(database, prefix, 25) for prefix in "abcd"]
    for each in writers:
        each.communicate()
    assert [each.returncode for each in writers] == [0] * 4
    assert stored(database) == {f"{prefix}-{n}" for prefix in "abcd" for n in range(25)}


def test_killed_in_the_middle_of_writing(database: Database) -> None:
    said: list[str] = []
    for number in range(3):
        process = writer(database, f"round{number}", 100_000)
        said += [process.stdout.readline() for _ in range(20)]
        process.kill()
        said += process.stdout
        process.communicate()
    # A row may be there whose writer was killed before it could say so; none may be missing.
    said = [line.strip() for line in said if line.endswith("\n")]
    assert len(set(said)) == len(said) >= 60
    assert set(said) <= stored(database)


def test_the_file_is_whole_after_a_kill(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path)
    process = writer(database, "a", 100_000)
    for _ in range(20):
        process.stdout.readline()
    process.kill()
    process.communicate()
    assert database.execute("PRAGMA integrity_check") == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check") == []
