from datetime import timedelta
from pathlib import Path

import pytest

from tests.databases import Database
from tests.samples import START, analysis
from undertone.store.history import History
from undertone.store.listing import Filter
from undertone.store.recordings import Recordings
from undertone.store.retention import Retention


def test_analyses_and_their_recordings_go_when_they_are_too_old(
    database: Database, tmp_path: Path
) -> None:
    recordings = Recordings(tmp_path / "recordings", timedelta(days=36_500))
    history = History(database.url, forget=recordings.forget)
    for number in range(48):  # one each hour
        history.add(analysis(number))
        recordings.add(f"id{number:04}", b"sound")
    retention = Retention(history, timedelta(days=1), recordings)
    retention.expire(START + timedelta(hours=47))
    assert history.page(Filter(), 1).total == 25  # the oldest is a day old to the second
    assert len(list((tmp_path / "recordings").iterdir())) == 25
    retention.expire(START + timedelta(hours=47))
    assert history.page(Filter(), 1).total == 25
    history.close()


def test_recordings_go_before_their_analyses(database: Database, tmp_path: Path) -> None:
    recordings = Recordings(tmp_path / "recordings", timedelta(hours=12))
    history = History(database.url, forget=recordings.forget)
    history.add(analysis(0))
    recordings.add("id0000", b"sound")
    written_s = recordings.find("id0000").stat().st_mtime
    retention = Retention(history, None, recordings)
    now = START.fromtimestamp(written_s, START.tzinfo) + timedelta(hours=12)
    retention.expire(now - timedelta(seconds=1))
    assert recordings.find("id0000")
    retention.expire(now + timedelta(seconds=1))
    assert not list((tmp_path / "recordings").iterdir())
    assert history.get("id0000").id == "id0000"
    history.close()


def test_nothing_goes_unless_asked(database: Database, tmp_path: Path) -> None:
    history = History(database.url)
    history.add(analysis(0))
    Retention(history, None, Recordings(tmp_path, timedelta(0))).expire(
        START + timedelta(days=36_500)
    )
    assert history.get("id0000").id == "id0000"
    history.close()


def test_the_start_goes_on_when_the_store_is_read_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    History(f"sqlite:///{tmp_path}/h.sqlite3").close()
    history = History(f"sqlite:///file:{tmp_path}/h.sqlite3?mode=ro&uri=true")
    retention = Retention(history, timedelta(days=1), Recordings(tmp_path / "r", timedelta(0)))
    retention._try_to_expire()
    assert "could not be deleted" in caplog.text
    history.close()
