"""Drift: change of the recent emotion distribution against the time before.

It is computed from the history, so it does not depend on the process or worker of an analysis.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

from undertone.store.database import reading
from undertone.store.schema import analyses

LATELY = timedelta(days=1)
BEFORE = timedelta(days=30)
Counts = dict[str, dict[str, int]]


def heard(engine: Engine, since: datetime, until: datetime) -> Counts:
    """Count the results by model and emotion between two moments.

    Parameters
    ----------
    engine : Engine
    since, until : datetime
        Start (included) and end (excluded).

    Returns
    -------
    dict of str to dict of str to int
        Model to emotion to count.

    Raises
    ------
    StoreError
        The database cannot be read.
    """
    columns = analyses.c.model, analyses.c.label
    counted = (
        select(*columns, func.count().label("n"))
        .where(analyses.c.created_at >= since, analyses.c.created_at < until)
        .group_by(*columns)
    )
    counts: Counts = defaultdict(dict)
    with reading(engine) as connection:
        for row in connection.execute(counted):
            counts[row.model][row.label] = row.n
    return dict(counts)


def lately_and_before(engine: Engine) -> tuple[Counts, Counts]:
    """Count the results of the last day, and of the thirty days before it.

    Raises
    ------
    StoreError
        The database cannot be read.
    """
    now = datetime.now(UTC)
    day = now - LATELY
    return heard(engine, day, now), heard(engine, day - BEFORE, day)


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Convert counts to shares of their sum."""
    return {label: n / sum(counts.values()) for label, n in counts.items()}


def distance(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """Total variation distance of two distributions: 0 if equal, 1 if disjoint.

    Examples
    --------
    >>> distance({"sad": 1, "happy": 3}, {"sad": 3, "happy": 1})
    0.5
    """
    left, right = shares(one), shares(other)
    return sum(abs(left.get(k, 0) - right.get(k, 0)) for k in left.keys() | right.keys()) / 2
