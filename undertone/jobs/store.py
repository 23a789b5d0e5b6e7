"""Jobs in the database: create, read, list, cancel and delete."""

import copy
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    and_,
    delete,
    func,
    insert,
    select,
    true,
    tuple_,
)

from undertone.errors import JobNotFound, QueueFull
from undertone.jobs.ending import end_items, end_job_if_over
from undertone.jobs.job import UNFINISHED, Heard, Item, Job, State, Webhook
from undertone.store.database import freeing, reading, truncate_log, writing
from undertone.store.listing import Cursor
from undertone.store.schema import analyses, job_items, jobs, webhooks
from undertone.store.scope import EVERYTHING, Scope

# Each item of a job is queued as if sent this long after the one before it. So a client with
# hundreds of recordings does not delay a client with a single one.
SPACING = timedelta(seconds=10)
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class NewItem:
    """Received recording of a new job.

    Attributes
    ----------
    number : int
        Number in the job.
    filename : str
    n_bytes : int
    error : dict, optional
        Reason, if the recording is already refused.
    """

    number: int
    filename: str
    n_bytes: int
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Limits:
    """Limits of the queue: number of recordings and their total size in bytes."""

    files: int
    n_bytes: int


@dataclass(frozen=True)
class JobPage:
    """Page of the list of jobs, the newest first.

    Attributes
    ----------
    jobs : tuple of Job
    total : int
        Number of jobs on all pages.
    older : Cursor, optional
        The next page starts after this position. None on the last page.
    """

    jobs: tuple[Job, ...]
    total: int
    older: Cursor | None


class Jobs:
    """Jobs in the database. Safe for many threads and several processes.

    By default the scope is all owners. `within` narrows it.

    Parameters
    ----------
    engine : Engine
        Engine of a database opened by `History`.
    queue : Limits
        Limits of the queue. New jobs beyond them are refused.
    """

    def __init__(self, engine: Engine, queue: Limits) -> None:
        self._engine = engine
        self._queue = queue
        self._scope = EVERYTHING

    def within(self, scope: Scope) -> "Jobs":
        """Return the jobs in a scope. New jobs belong to its owner."""
        part = copy.copy(self)
        part._scope = scope
        return part

    def check_room(self) -> None:
        """Return if the queue has room for at least one more recording.

        Raises
        ------
        QueueFull
            The queue is full.
        StoreError
            The database cannot be read.
        """
        with reading(self._engine) as connection:
            self._check_room(connection, 1, 0)

    def add(
        self, job_id: str, items: Sequence[NewItem], model: str, n_labels: int, webhook: str = ""
    ) -> Job:
        """Store a job. On return it is durable and waits for a worker.

        Parameters
        ----------
        job_id : str
            Id of the job. Its recordings are already stored under it.
        items : sequence of NewItem
        model : str
        n_labels : {7, 8, 6}
        webhook : str, optional
            URL to call when the job is over.

        Raises
        ------
        QueueFull
            The queue has no room for the job.
        StoreError
            The database cannot be written.
        """
        now = datetime.now(UTC)
        owner = self._scope.owner
        job = {"id": job_id, "created_at": now, "state": State.QUEUED, "owner": owner}
        with writing(self._engine) as connection:
            self._check_room(connection, len(items), sum(item.n_bytes for item in items))
            connection.execute(insert(jobs).values(**job, model=model, n_labels=n_labels))
            connection.execute(
                insert(job_items),
                [_row(job_id, item, now + place * SPACING) for place, item in enumerate(items)],
            )
            if webhook:
                told = {"state": "waiting", "attempts": 0, "problem": ""}
                connection.execute(insert(webhooks).values(job_id=job_id, url=webhook, **told))
            end_job_if_over(connection, job_id, now)
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """Return the job with this id.

        Raises
        ------
        JobNotFound
            There is no such job.
        StoreError
            The database cannot be read.
        """
        which = and_(jobs.c.id == job_id, *self._mine())
        with reading(self._engine) as connection:
            found = _read(connection, which) if _ID.fullmatch(job_id) else []
        if not found:
            raise _not_found()
        return found[0]

    def page(self, limit: int, before: Cursor | None = None) -> JobPage:
        """Return a page of the list, the newest jobs first.

        Parameters
        ----------
        limit : int > 0
            Maximum number of jobs.
        before : Cursor, optional
            `older` of the previous page. Default is the newest jobs.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        place = tuple_(jobs.c.created_at, jobs.c.id)
        older = place < (before.created_at, before.id) if before else true()
        counted = select(func.count()).select_from(jobs).where(*self._mine())
        with reading(self._engine) as connection:
            found = _read(connection, and_(older, *self._mine()), limit + 1)
            total = connection.execute(counted).scalar_one()
        shown = found[:limit]
        return JobPage(tuple(shown), total, shown[-1].cursor if len(found) > limit else None)

    def cancel(self, job_id: str) -> Job:
        """Cancel the unfinished items of a job and return the job. Existing results stay.

        Raises
        ------
        JobNotFound
            There is no such job.
        StoreError
            The database cannot be written.
        """
        job = self.get(job_id)
        with writing(self._engine) as connection:
            if end_items(connection, job_items.c.job_id == job.id, State.CANCELLED):
                end_job_if_over(connection, job.id, datetime.now(UTC))
        return self.get(job_id)

    def delete(self, job_id: str) -> None:
        """Cancel and delete a job. Its results stay in the history.

        Raises
        ------
        JobNotFound
            There is no such job.
        StoreError
            The database cannot be written.
        """

        def delete_job(_is_tight: bool) -> None:
            job = self.cancel(job_id)
            with writing(self._engine) as connection:
                connection.execute(delete(jobs).where(jobs.c.id == job.id))

        freeing(self._engine, delete_job)
        truncate_log(self._engine)

    def delete_older(self, moment: datetime) -> None:
        """Delete all jobs finished before a moment.

        Raises
        ------
        StoreError
            The database cannot be written.
        """
        with writing(self._engine) as connection:
            old = delete(jobs).where(jobs.c.finished_at < moment, *self._mine())
            deleted = connection.execute(old)
        if deleted.rowcount:
            truncate_log(self._engine)

    def are_over(self, job_ids: Sequence[str]) -> dict[str, bool]:
        """Map the id of each known job to True if it is over. Unknown ids are left out.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        with reading(self._engine) as connection:
            found = select(jobs.c.id, jobs.c.finished_at).where(jobs.c.id.in_(job_ids))
            rows = connection.execute(found).all()
        return {row.id: row.finished_at is not None for row in rows}

    def unfinished(self) -> Counter[State]:
        """Return the number of queued and running recordings of all jobs, by state.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        state = job_items.c.state
        counted = select(state, func.count()).where(state.in_(UNFINISHED)).group_by(state)
        with reading(self._engine) as connection:
            return Counter({State(name): n for name, n in connection.execute(counted).all()})

    def _mine(self) -> list[ColumnElement[bool]]:
        return self._scope.conditions(jobs)

    def _check_room(self, connection: Connection, n_files: int, n_bytes: int) -> None:
        count, size = func.count(), func.coalesce(func.sum(job_items.c.n_bytes), 0)
        waiting = select(count, size).where(job_items.c.state.in_(UNFINISHED))
        files, in_bytes = connection.execute(waiting).one()
        if files + n_files > self._queue.files or in_bytes + n_bytes > self._queue.n_bytes:
            raise QueueFull(
                f"So many recordings wait already that there is no room for {n_files} more at the "
                "moment. Send them again in a few minutes."
            )


def _row(job_id: str, item: NewItem, turn_at: datetime) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "number": item.number,
        "filename": item.filename,
        "n_bytes": item.n_bytes,
        "state": State.FAILED if item.error else State.QUEUED,
        "turn_at": turn_at,
        "progress": 0.0,
        "attempts": 0,
        "error": item.error,
    }


def _read(connection: Connection, which: ColumnElement[bool], limit: int = 1) -> list[Job]:
    """Return jobs with their items, the newest first."""
    rows = connection.execute(
        select(jobs, webhooks.c.url, webhooks.c.attempts, webhooks.c.problem,
               webhooks.c.state.label("webhook_state"))
        .join_from(jobs, webhooks, isouter=True)
        .where(which)
        .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
        .limit(limit)
    ).all()  # fmt: skip
    items = defaultdict(list)
    for row in connection.execute(
        select(job_items, analyses.c.label, analyses.c.confidence, analyses.c.uncertain)
        .join_from(job_items, analyses, isouter=True)
        .where(job_items.c.job_id.in_([row.id for row in rows]))
        .order_by(job_items.c.job_id, job_items.c.number)
    ):
        items[row.job_id].append(_item(row))
    return [_job(row, tuple(items[row.id])) for row in rows]


def _job(row: Row[Any], items: tuple[Item, ...]) -> Job:
    webhook = Webhook(row.url, row.webhook_state, row.attempts, row.problem) if row.url else None
    return Job(
        row.id, row.created_at, row.started_at, row.finished_at, State(row.state), row.model,
        row.n_labels, items, webhook,
    )  # fmt: skip


def _item(row: Row[Any]) -> Item:
    heard = None
    if row.analysis_id:
        heard = Heard(row.analysis_id, row.label, row.confidence, row.uncertain)
    return Item(
        row.number, row.filename, State(row.state), row.progress, row.attempts, heard, row.error
    )


def _not_found() -> JobNotFound:
    return JobNotFound(
        "There is no job at this address; it may have been deleted. Send the recordings again."
    )
