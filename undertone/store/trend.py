"""Trend: number of recordings by day and emotion."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Engine, func, select

from undertone.emotions import EMOTIONS
from undertone.store.database import reading
from undertone.store.listing import Filter
from undertone.store.schema import analyses
from undertone.store.scope import EVERYTHING, Scope

DAYS = 30


@dataclass(frozen=True)
class Day:
    """Results of one day, in UTC.

    Attributes
    ----------
    day : date
    counts : dict of str to int
        Number of recordings by emotion, in the order of `EMOTIONS`. Empty on a day without
        recordings.
    """

    day: date
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """Number of recordings."""
        return sum(self.counts.values())


def trend(engine: Engine, wanted: Filter, scope: Scope = EVERYTHING) -> list[Day]:
    """Return the days up to the newest wanted analysis, without gaps.

    Parameters
    ----------
    engine : Engine
    wanted : Filter
    scope : Scope, optional
        Scope of the analyses to count. Default is all.

    Returns
    -------
    list of Day
        At most `DAYS` days, none before the oldest wanted analysis, the oldest first.

    Raises
    ------
    StoreError
        The database cannot be read.
    """
    table = analyses.c
    conditions = [*wanted.conditions(), *scope.conditions(analyses)]
    # SQLite stores timestamps in UTC and has no time zones.
    in_utc: ColumnElement[datetime] = table.created_at
    if engine.dialect.name == "postgresql":
        in_utc = func.timezone("UTC", table.created_at)
    on = func.date(in_utc)
    # Uses the index of the list. `max` would visit all rows of an owner.
    by_age = select(table.created_at).where(*conditions).order_by(table.created_at.desc()).limit(1)
    with reading(engine) as connection:
        newest = connection.execute(by_age).scalar()
        if newest is None:
            return []
        last = newest.date()
        since = datetime.combine(last - timedelta(days=DAYS - 1), time.min, UTC)
        rows = connection.execute(
            select(on, table.label, func.count())
            .where(*conditions, table.created_at >= since)
            .group_by(on, table.label)
        ).all()
    found: dict[date, dict[str, int]] = {}
    for on_day, label, count in rows:
        found.setdefault(date.fromisoformat(str(on_day)), {})[label] = count
    first = min(found)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [Day(day, _in_order(found.get(day, {}))) for day in days]


def _in_order(counts: dict[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in EMOTIONS if name in counts}
