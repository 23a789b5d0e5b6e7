"""Parts of a list of analyses: filter, cursor, lines and pages."""

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
    """Filter for analyses. Empty fields do not restrict.

    Attributes
    ----------
    search : str
        Part of the file name. Case is ignored and there are no wildcards.
    emotions : tuple of str
        Accepted emotions.
    model : str
        Name of the model used.
    uncertain : bool, optional
        True for uncertain results only, False for the others only.
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
        """Return the conditions on rows of `analyses`."""
        table = analyses.c
        found: list[ColumnElement[bool]] = []
        if self.search + self.model != printable(self.search + self.model):
            return [false()]  # no name has such characters, and PostgreSQL would reject them
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
    """Position of an analysis in the list. The analysis may be deleted by now."""

    created_at: datetime
    id: str

    def __str__(self) -> str:
        """Return the form used in URLs: microseconds since 1970, and the id."""
        return f"{(self.created_at - _EPOCH) // timedelta(microseconds=1)}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Parse the form returned by `str`.

        Raises
        ------
        BadRequest
            The text is not a cursor.
        """
        parts = CURSOR.fullmatch(text)
        if not parts:
            raise BadRequest(
                f"{text[:80]!r} is no place in the history; take `next` or `previous` of an answer."
            )
        return cls(_EPOCH + timedelta(microseconds=int(parts[1])), parts[2])


@dataclass(frozen=True)
class Entry:
    """One line of a list. The other attributes are those of `Analysis`.

    Attributes
    ----------
    strip : tuple of (str, int)
        Emotions of a long recording in time order, each with its length in sixtieths of the
        duration. Empty for a short recording.
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
        """Emotions of a long recording with their shares of the duration, the largest first."""
        n_steps = Counter[str]()
        for label, steps in self.strip:
            n_steps[label] += steps
        return {label: steps / STRIP_STEPS for label, steps in n_steps.most_common()}

    @property
    def cursor(self) -> Cursor:
        """Position of the line in the list."""
        return Cursor(self.created_at, self.id)


@dataclass(frozen=True)
class Page:
    """Page of a list, the newest line first.

    Attributes
    ----------
    entries : tuple of Entry
    total : int
        Number of wanted analyses on all pages.
    older, newer : Cursor, optional
        Pass `older` as `before` for the next page and `newer` as `after` for the previous one.
        None if there is no such page.
    """

    entries: tuple[Entry, ...]
    total: int
    older: Cursor | None
    newer: Cursor | None


def query(
    wanted: Filter, limit: int, before: Cursor | None = None, after: Cursor | None = None
) -> Select[Any]:
    """Return a query for at most `limit` rows, the newest first; with `after`, the oldest first.

    Parameters
    ----------
    wanted : Filter
    limit : int > 0
    before, after : Cursor, optional
        Only rows older than `before`, or newer than `after`.
    """
    place = tuple_(analyses.c.created_at, analyses.c.id)
    conditions = wanted.conditions()
    if before:
        conditions.append(place < (before.created_at, before.id))
    if after:
        conditions.append(place > (after.created_at, after.id))
    order = [c.asc() if after else c.desc() for c in (analyses.c.created_at, analyses.c.id)]
    return select(*_LISTED).where(*conditions).order_by(*order).limit(limit)


def entry(row: Row[Any]) -> Entry:
    """Convert a row from `query` to a line of the list."""
    prediction = Prediction(row.label, row.confidence, row.probabilities, row.model, row.uncertain)
    strip = tuple((label, n_steps) for label, n_steps in row.strip)
    return Entry(
        row.id, row.created_at, row.filename, row.duration_s, prediction, row.model_id, strip
    )


def row(analysis: Analysis) -> dict[str, Any]:
    """Return the row of `analyses` for an analysis."""
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
    """Run-length encode the emotion in each sixtieth of a long recording."""
    runs: list[tuple[str, int]] = []
    line = timeline(analysis)
    heard = list(line.steps) if line else []
    for step in range(STRIP_STEPS if heard else 0):
        now_s = (step + 0.5) * analysis.duration_s / STRIP_STEPS
        # During silence, the last emotion continues.
        while len(heard) > 1 and heard[1].start_s <= now_s:
            heard.pop(0)
        label = heard[0].emotion
        if runs and runs[-1][0] == label:
            runs[-1] = (label, runs[-1][1] + 1)
        else:
            runs.append((label, 1))
    return runs
