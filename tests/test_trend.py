"""What was heard day by day, in SQLite and PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from tests.databases import Database
from tests.samples import analysis
from undertone.store.history import History
from undertone.store.listing import Filter
from undertone.store.trend import DAYS, trend

NOON = datetime(2025, 3, 30, 12, tzinfo=UTC)


@pytest.fixture
def history(database: Database) -> Iterator[History]:
    store = History(database.url)
    yield store
    store.close()


def put(history: History, *moments: tuple[datetime, str]) -> None:
    for number, (moment, label) in enumerate(moments):
        history.add(analysis(number, created_at=moment, label=label))


def test_days_are_counted_and_gaps_are_days_too(history: History) -> None:
    put(
        history,
        (NOON, "sad"), (NOON, "happy"), (NOON, "sad"), (NOON + timedelta(days=2), "angry"),
    )  # fmt: skip
    days = trend(history.engine, Filter())
    assert [day.day for day in days] == [date(2025, 3, 30), date(2025, 3, 31), date(2025, 4, 1)]
    assert list(days[0].counts.items()) == [("happy", 1), ("sad", 2)]
    assert [day.total for day in days] == [3, 0, 1]


def test_a_day_is_one_in_utc(history: History) -> None:
    in_tokyo = timezone(timedelta(hours=9))
    put(history, (datetime(2025, 3, 31, 2, tzinfo=in_tokyo), "sad"))
    assert [day.day for day in trend(history.engine, Filter())] == [date(2025, 3, 30)]


def test_only_what_is_wanted_and_not_too_long_ago(history: History) -> None:
    put(
        history,
        (NOON - timedelta(days=DAYS), "sad"), (NOON - timedelta(days=DAYS - 1), "sad"),
        (NOON, "sad"), (NOON + timedelta(days=50), "happy"),
    )  # fmt: skip
    days = trend(history.engine, Filter(emotions=("sad",)))
    assert len(days) == DAYS
    assert sum(day.total for day in days) == 2


def test_nothing_wanted(history: History) -> None:
    assert trend(history.engine, Filter()) == []
