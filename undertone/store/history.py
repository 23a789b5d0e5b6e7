"""Store of analyses, for access by id, by file name and in lists."""

import base64
import copy
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, delete, func, insert, select

from undertone.errors import AnalysisNotFound
from undertone.file_names import display_name
from undertone.prediction import Analysis
from undertone.store.database import (
    check_pages,
    freeing,
    open_engine,
    opening_errors,
    reading,
    reserve_of,
    truncate_log,
    writing,
)
from undertone.store.listing import Cursor, Entry, Filter, Page, entry, query, row
from undertone.store.schema import analyses, bring_up_to_date, documents
from undertone.store.scope import EVERYTHING, NO_OWNER, Scope
from undertone.store.trend import Day, trend

ROWS_AT_A_TIME = 500  # keeps waits for locks short and memory use low
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


def _keep_nothing(ids: Sequence[str]) -> None:
    """Do nothing: no other data is kept."""


class History:
    """Analyses in a database. Safe for many threads and several processes.

    By default the scope is all owners. `within` narrows it.

    Parameters
    ----------
    url : str
        See `database.open_engine`. The tables are created, or migrated to the current version.
    forget : callable, optional
        Called with ids before their analyses are deleted for good. It deletes all other data of
        these analyses. If it raises, the analyses stay.

    Raises
    ------
    SettingsError
        The URL cannot be used.
    StoreError
        The database cannot be reached or written, or comes from a newer Undertone.
    """

    def __init__(self, url: str, forget: Callable[[Sequence[str]], None] = _keep_nothing) -> None:
        self._engine = open_engine(url)
        self._forget = forget
        self._scope = EVERYTHING
        self._reserve = reserve_of(self._engine)
        try:
            with opening_errors(self._engine):
                bring_up_to_date(self._engine)
        except Exception:
            self.close()
            raise
        if self._reserve:
            self._reserve.fill()

    @property
    def engine(self) -> Engine:
        """Engine of the database, for other stores in the same database."""
        return self._engine

    def within(self, scope: Scope) -> "History":
        """Return the part of the history in a scope. New analyses belong to its owner."""
        part = copy.copy(self)
        part._scope = scope
        return part

    def add(
        self, analysis: Analysis, together_with: Callable[[Connection, str], None] | None = None
    ) -> None:
        """Store an analysis. On return it is durable.

        Parameters
        ----------
        analysis : Analysis
        together_with : callable, optional
            Called with the connection and the analysis's id. It writes further rows in the same
            transaction. If it raises, nothing is stored.

        Raises
        ------
        StoreError
            The database cannot be written.
        """
        document = analysis.to_dict()
        spectrogram = document["spectrogram"]
        packed = base64.b64decode(spectrogram.pop("levels")) if spectrogram else None
        with writing(self._engine) as connection:
            values = {**row(analysis), "owner": self._scope.owner}
            connection.execute(insert(analyses).values(values))
            connection.execute(
                insert(documents).values(id=analysis.id, document=document, spectrogram=packed)
            )
            if together_with:
                together_with(connection, analysis.id)

    def get(self, analysis_id: str) -> Analysis:
        """Return the analysis with this id.

        Raises
        ------
        AnalysisNotFound
            There is no such analysis.
        StoreError
            The database cannot be read.
        """
        if not _ID.fullmatch(analysis_id):
            raise _not_found()
        return self._one(select(analyses.c.id).where(analyses.c.id == analysis_id))

    def newest_named(self, filename: str) -> Analysis:
        """Return the newest analysis of a recording with this file name, as given by the client.

        Raises
        ------
        AnalysisNotFound
            There is no such analysis.
        StoreError
            The database cannot be read.
        """
        newest = (
            select(analyses.c.id)
            .where(analyses.c.filename == display_name(filename))
            .order_by(analyses.c.created_at.desc(), analyses.c.id.desc())
            .limit(1)
        )
        return self._one(newest)

    def page(
        self,
        wanted: Filter,
        limit: int,
        before: Cursor | None = None,
        after: Cursor | None = None,
    ) -> Page:
        """Return a page of the list, the newest lines first.

        Parameters
        ----------
        wanted : Filter
        limit : int > 0
            Maximum number of lines.
        before, after : Cursor, optional
            `older` or `newer` of another page. Default is the newest lines.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        mine = self._mine()
        count = select(func.count()).select_from(analyses).where(*wanted.conditions(), *mine)
        with reading(self._engine) as connection:
            rows = connection.execute(query(wanted, limit + 1, before, after).where(*mine)).all()
            if after and len(rows) <= limit:  # the top is reached: read a whole page from there
                before, after = None, None
                rows = connection.execute(query(wanted, limit + 1).where(*mine)).all()
            total = connection.execute(count).scalar_one()
        entries = [entry(each) for each in rows[:limit]]
        if after:
            entries.reverse()
        is_more = len(rows) > limit
        return Page(
            tuple(entries),
            total,
            older=entries[-1].cursor if entries and (is_more or after) else None,
            newer=entries[0].cursor if entries and (before or after) else None,
        )

    def entries(self, wanted: Filter) -> Iterator[Entry]:
        """Yield all lines of the list, the newest first. They are read on demand.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        before = None
        while True:
            with reading(self._engine) as connection:
                some = query(wanted, ROWS_AT_A_TIME, before).where(*self._mine())
                rows = connection.execute(some).all()
            if not rows:
                return
            found = [entry(each) for each in rows]
            yield from found
            before = found[-1].cursor

    def models(self) -> list[str]:
        """Return the names of all models with results, in alphabetical order.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        names = select(analyses.c.model).where(*self._mine()).distinct()
        with reading(self._engine) as connection:
            return sorted(connection.execute(names).scalars())

    def trend(self, wanted: Filter) -> list[Day]:
        """Return the number of recordings by day and emotion; see `trend.trend`.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        return trend(self._engine, wanted, self._scope)

    def delete(self, analysis_id: str) -> None:
        """Delete one analysis and all data kept with it.

        Raises
        ------
        AnalysisNotFound
            There is no such analysis.
        StoreError
            The database cannot be written.
        """
        if not (_ID.fullmatch(analysis_id) and self._delete([analyses.c.id == analysis_id])):
            raise _not_found()

    def delete_all(self, wanted: Filter) -> int:
        """Delete the wanted analyses and all data kept with them. Return their number.

        Raises
        ------
        StoreError
            The database cannot be written.
        """
        return self._delete(wanted.conditions())

    def delete_older(self, moment: datetime) -> int:
        """Delete all analyses from before a moment. Return their number.

        Raises
        ------
        StoreError
            The database cannot be written.
        """
        return self._delete([analyses.c.created_at < moment])

    def truncate_log(self) -> None:
        """Remove deleted content from the database's log; see `database.truncate_log`."""
        truncate_log(self._engine)

    def any_without_owner(self) -> bool:
        """Return True if there are analyses without an owner, visible in `EVERYTHING` only.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        found = select(analyses.c.id).where(analyses.c.owner == NO_OWNER).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(found).first() is not None

    def check_writable(self) -> None:
        """Return if a row could be written now.

        Raises
        ------
        StoreError
            A row cannot be written.
        """
        if self._reserve:
            self._reserve.check_room()
        # Needs the write lock and write permission, but changes nothing.
        with writing(self._engine) as connection:
            connection.execute(delete(analyses).where(analyses.c.id == ""))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _mine(self) -> list[ColumnElement[bool]]:
        return self._scope.conditions(analyses)

    def _one(self, wanted: Select[Any]) -> Analysis:
        """Return the analysis with the selected id, if it is in the scope."""
        an_id = wanted.where(*self._mine()).scalar_subquery()
        with reading(self._engine) as connection:
            found = connection.execute(
                select(documents).where(documents.c.id == an_id)
            ).one_or_none()
        if found is None:
            raise _not_found()
        document = found.document
        if document.get("spectrogram"):
            document["spectrogram"]["levels"] = base64.b64encode(found.spectrogram)
        return Analysis.from_dict(document)

    def _delete(self, conditions: Sequence[ColumnElement[bool]]) -> int:
        def delete_some(is_tight: bool) -> int:
            return self._delete_in_steps(conditions, 1 if is_tight else ROWS_AT_A_TIME)

        return freeing(self._engine, delete_some)

    def _delete_in_steps(self, conditions: Sequence[ColumnElement[bool]], n_at_a_time: int) -> int:
        some = select(analyses.c.id).where(*conditions, *self._mine()).limit(n_at_a_time)
        n_deleted = 0
        while True:
            with writing(self._engine) as connection:
                ids = connection.execute(some).scalars().all()
                self._forget(ids)
                deleted = connection.execute(delete(analyses).where(analyses.c.id.in_(ids)))
            n_deleted += deleted.rowcount
            if len(ids) < n_at_a_time:
                break
            if n_at_a_time == 1:  # keeps the log small
                self.truncate_log()
        if n_deleted:
            self.truncate_log()
        return n_deleted


def check_database(url: str) -> None:
    """Return if the database can be read and written. Create or upgrade its tables.

    Raises
    ------
    SettingsError
        The URL cannot be used.
    StoreError
        The database cannot be reached or written, is damaged, or comes from a newer Undertone. The
        message names it and the reason.
    """
    history = History(url)
    try:
        with opening_errors(history.engine):
            check_pages(history.engine)
            history.check_writable()
    finally:
        history.close()


def _not_found() -> AnalysisNotFound:
    return AnalysisNotFound(
        "There is no result at this address; it may have been deleted. "
        "Analyse the recording again to get a new one."
    )
