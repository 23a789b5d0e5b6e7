"""What a list of analyses is made of: which are wanted, where a page begins, and its lines."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, false, select, tuple_

from undertone.errors import BadRequest
from undertone.file_names import printable, search_key
from undertone.prediction import Analysis, Prediction
from undertone.recognition.timeline import timeline
from undertone.store.schema import analyses

STRIP_STEPS = 60
CURSOR = re.compile(r"^([0-9]{1,17})-([0-9A-Za-z_-]{1,64})$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNLISTED = ("search_key", "sentiment_score", "owner")
_LISTED = [column for column in analyses.c if column.name not in _UNLISTED]


@dataclass(frozen=True)
class Filter:
    """Which analyses are wanted; what is empty does not restrict.

    Attributes
    ----------
    search : str
        Part of the file name; upper and lower case are the same, nothing is a wildcard.
    emotions : tuple of str
        One of these was heard.
    model : str
        Name of the model that answered.
    uncertain : bool, optional
        Only guesses, or none of them.
    since, until : date, optional
        First and last day, in UTC.
    """

    search: str = ""
    emotions: tuple[str, ...] = ()
    model: str = ""
    uncertain: bool | None = None
    since: date | None = None
    until: date | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """What must hold for a row of `analyses`."""
        table = analyses.c
        found: list[ColumnElement[bool]] = []
        if self.search + self.model != printable(self.search + self.model):
            return [false()]  # no name holds such characters, nor would PostgreSQL take them
        if self.search:
            found.append(table.search_key.contains(search_key(self.search), autoescape=True))
        if self.emotions:
            found.append(table.label.in_(self.emotions))
        if self.model:
            found.append(table.model == self.model)
        if self.uncertain is not None:
            found.append(table.uncertain == self.uncertain)
        if self.since:
            found.append(table.created_at >= datetime.combine(self.since, time.min, UTC))
        if self.until:
            found.append(table.created_at <= datetime.combine(self.until, time.max, UTC))
        return found


@dataclass(frozen=True)
class Cursor:
    """A place in the list: that of one analysis, whether it is still there or not."""

    created_at: datetime
    id: str

    def __str__(self) -> str:
        """As it stands in an address: microseconds since 1970, and the id."""
        return f"{(self.created_at - _EPOCH) // timedelta(microseconds=1)}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The inverse of `str`.

        Raises
        ------
        BadRequest
            It is none.
        """
        parts = CURSOR.fullmatch(text)
        if not parts:
            raise BadRequest(
                f"{text[:80]!r} is no place in the history; take `next` or `previous` of an answer."
            )
        return cls(_EPOCH + timedelta(microseconds=int(parts[1])), parts[2])


@dataclass(frozen=True)
class Entry:
    """One line of a list; the attributes are those of `Analysis`.

    Attributes
    ----------
    strip : tuple of (str, int)
        Emotions of a long recording in their order, each with the number of sixtieths of the
        duration that it lasts; empty for a short one.
    """

    id: str
    created_at: datetime
    filename: str
    duration_s: float
    prediction: Prediction
    model_id: str
    strip: tuple[tuple[str, int], ...]

    @property
    def shares(self) -> dict[str, float]:
        """Emotions of a long recording and the share of its duration, the longest first."""
        n_steps = Counter[str]()
        for label, steps in self.strip:
            n_steps[label] += steps
        return {label: steps / STRIP_STEPS for label, steps in n_steps.most_common()}

    @property
    def cursor(self) -> Cursor:
        """Its place in the list."""
        return Cursor(self.created_at, self.id)


@dataclass(frozen=True)
class Page:
    """Some lines of a list, the newest first.

    Attributes
    ----------
    entries : tuple of Entry
    total : int
        How many are wanted in all.
    older, newer : Cursor, optional
        What lies before or after it is on the next or previous page; None where there is none.
    """

    entries: tuple[Entry, ...]
    total: int
    older: Cursor | None
    newer: Cursor | None


def query(
    wanted: Filter, limit: int, before: Cursor | None = None, after: Cursor | None = None
) -> Select[Any]:
    """At most `limit` rows, the newest first; with `after`, the oldest first."""
    place = tuple_(analyses.c.created_at, analyses.c.id)
    conditions = wanted.conditions()
    if before:
        conditions.append(place < (before.created_at, before.id))
    if after:
        conditions.append(place > (after.created_at, after.id))
    order = [c.asc() if after else c.desc() for c in (analyses.c.created_at, analyses.c.id)]
    return select(*_LISTED).where(*conditions).order_by(*order).limit(limit)


def entry(row: Row[Any]) -> Entry:
    """A line of the list from a row that `query` gives."""
    prediction = Prediction(row.label, row.confidence, row.probabilities, row.model, row.uncertain)
    strip = tuple((label, n_steps) for label, n_steps in row.strip)
    return Entry(
        row.id, row.created_at, row.filename, row.duration_s, prediction, row.model_id, strip
    )


def row(analysis: Analysis) -> dict[str, Any]:
    """The row of `analyses` for an analysis."""
    prediction = analysis.prediction
    return {
        "id": analysis.id,
        "created_at": analysis.created_at,
        "filename": analysis.filename,
        "search_key": search_key(analysis.filename),
        "label": prediction.label,
        "confidence": prediction.confidence,
        "uncertain": prediction.uncertain,
        "probabilities": prediction.probabilities,
        "sentiment_score": prediction.sentiment["score"],
        "model": prediction.model,
        "model_id": analysis.model_id,
        "duration_s": analysis.duration_s,
        "strip": _strip(analysis),
    }


def _strip(analysis: Analysis) -> Sequence[tuple[str, int]]:
    """What is heard in each sixtieth of a long recording, equal neighbours as one."""
    runs: list[tuple[str, int]] = []
    line = timeline(analysis)
    heard = list(line.steps) if line else []
    for step in range(STRIP_STEPS if heard else 0):
        now_s = (step + 0.5) * analysis.duration_s / STRIP_STEPS
        # While nobody speaks, what was heard last goes on.
        while len(heard) > 1 and heard[1].start_s <= now_s:
            heard.pop(0)
        label = heard[0].emotion
        if runs and runs[-1][0] == label:
            runs[-1] = (label, runs[-1][1] + 1)
        else:
            runs.append((label, 1))
    return runs
