"""Claims: the exclusive right of a worker to process one item.

A claim is valid for one lease and is renewed during the work. A worker loses its claim if it dies,
stops renewing or the item is cancelled. Without the claim it can no longer change the item.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, func, or_, select, update

from undertone.errors import Abandoned, SetAside, UndertoneError
from undertone.jobs.ending import end_items, end_job_if_over
from undertone.jobs.job import UNFINISHED, State
from undertone.store.database import reading, writing
from undertone.store.schema import job_items, jobs


@dataclass(frozen=True)
class Claim:
    """An item and the right to process it.

    Attributes
    ----------
    job_id : str
    number : int
        Number of the item in the job.
    key : str
        Key of this claim alone.
    filename, model : str
        Inputs of the analysis, besides the recording and the number of labels.
    n_labels : int
        Requested number of labels.
    owner : str
        Id of the API key used to submit the job. It owns the results.
    """

    job_id: str
    number: int
    key: str
    filename: str
    model: str
    n_labels: int
    owner: str


class Claims:
    """Queue of the items. Safe for threads, processes and machines.

    Parameters
    ----------
    engine : Engine
        Engine of a database opened by `History`.
    lease : timedelta
        Time without a renewal before another worker may claim the item.
    max_attempts : int
        Number of unfinished attempts before an item is set aside.
    """

    def __init__(self, engine: Engine, lease: timedelta, max_attempts: int) -> None:
        self._engine = engine
        self.lease = lease
        self._max_attempts = max_attempts

    def n_waiting(self) -> int:
        """Return the number of items ready to be claimed.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        count = select(func.count()).select_from(job_items)
        with reading(self._engine) as connection:
            return connection.execute(count.where(_waits(datetime.now(UTC)))).scalar_one()

    def any_unfinished(self) -> bool:
        """Return True if any item is queued or running.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        found = select(job_items.c.job_id).where(job_items.c.state.in_(UNFINISHED)).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(found).first() is not None

    def take(self) -> Claim | None:
        """Claim the next item. Return None if none is waiting.

        Raises
        ------
        StoreError
            The database cannot be written.
        """
        while self.n_waiting():
            now = datetime.now(UTC)
            with writing(self._engine) as connection:
                item = self._next(connection, now)
                if item is None:
                    return None
                if item.attempts < self._max_attempts:
                    return self._begin(connection, item, now)
                self._set_aside(connection, item, now)
        return None

    def renew(self, claim: Claim, progress: float) -> bool:
        """Renew the lease. Return False if the claim is lost.

        Raises
        ------
        StoreError
            The database cannot be written.
        """
        until = datetime.now(UTC) + self.lease
        with writing(self._engine) as connection:
            renewed = connection.execute(
                update(job_items).where(_holds(claim)).values(lease_until=until, progress=progress)
            )
        return bool(renewed.rowcount)

    def finish(self, claim: Claim, connection: Connection, analysis_id: str) -> None:
        """End an item as done. Its analysis is stored in the same transaction.

        Parameters
        ----------
        claim : Claim
        connection : Connection
            Connection inside a write transaction.
        analysis_id : str

        Raises
        ------
        Abandoned
            The claim is lost; the analysis must not be stored.
        """
        ended = end_items(
            connection, _holds(claim), State.DONE, analysis_id=analysis_id, progress=1.0
        )
        if not ended:
            raise Abandoned("The recording was cancelled, or somebody else took it up.")
        end_job_if_over(connection, claim.job_id, datetime.now(UTC))

    def fail(self, claim: Claim, error: UndertoneError) -> None:
        """End an item as failed and store the error. Do nothing if the claim is lost.

        Raises
        ------
        StoreError
            The database cannot be written.
        """
        with writing(self._engine) as connection:
            self._fail(connection, _holds(claim), claim.job_id, error)

    def is_last(self, claim: Claim) -> bool:
        """Return True if the job of an ended item is over.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        with reading(self._engine) as connection:
            found = select(jobs.c.finished_at).where(jobs.c.id == claim.job_id)
            return connection.execute(found).scalar() is not None

    def give_back(self, claim: Claim, *, blameless: bool) -> None:
        """Return an item to the queue, to be restarted. Do nothing if the claim is lost.

        Parameters
        ----------
        claim : Claim
        blameless : bool
            True if the attempt does not count, because something else ended it.

        Raises
        ------
        StoreError
            The database cannot be written.
        """
        with writing(self._engine) as connection:
            connection.execute(
                update(job_items)
                .where(_holds(claim))
                .values(
                    state=State.QUEUED, claim=None, lease_until=None, progress=0.0,
                    attempts=job_items.c.attempts - int(blameless),
                )
            )  # fmt: skip

    def _next(self, connection: Connection, now: datetime) -> Row[Any] | None:
        """Select and lock the next row. Rows locked by others are skipped."""
        return connection.execute(
            select(job_items, jobs.c.model, jobs.c.n_labels, jobs.c.owner)
            .join_from(job_items, jobs)
            .where(_waits(now))
            .order_by(job_items.c.turn_at, job_items.c.number)
            .limit(1)
            .with_for_update(of=job_items, skip_locked=True)
        ).one_or_none()

    def _begin(self, connection: Connection, item: Row[Any], now: datetime) -> Claim:
        key = secrets.token_urlsafe(16)
        connection.execute(
            update(job_items)
            .where(_is(item))
            .values(
                state=State.RUNNING, claim=key, lease_until=now + self.lease, progress=0.0,
                attempts=item.attempts + 1,
            )
        )  # fmt: skip
        connection.execute(
            update(jobs)
            .where(jobs.c.id == item.job_id, jobs.c.state == State.QUEUED)
            .values(state=State.RUNNING, started_at=now)
        )
        return Claim(
            item.job_id, item.number, key, item.filename, item.model, item.n_labels, item.owner
        )

    def _set_aside(self, connection: Connection, item: Row[Any], now: datetime) -> None:
        error = SetAside(
            f"The analysis of this recording was begun {item.attempts} times, and each time the "
            "program that did it ended. It is set aside; the others go on."
        )
        self._fail(connection, _is(item), item.job_id, error)

    def _fail(
        self, connection: Connection, which: ColumnElement[bool], job_id: str, error: UndertoneError
    ) -> None:
        if end_items(connection, which, State.FAILED, error=error.to_dict()):
            end_job_if_over(connection, job_id, datetime.now(UTC))


def _waits(now: datetime) -> ColumnElement[bool]:
    """Condition: the item is queued, or its lease has expired."""
    state, until = job_items.c.state, job_items.c.lease_until
    return or_(state == State.QUEUED, and_(state == State.RUNNING, until < now))


def _holds(claim: Claim) -> ColumnElement[bool]:
    """Condition: the item still belongs to the claim."""
    return and_(
        job_items.c.job_id == claim.job_id,
        job_items.c.number == claim.number,
        job_items.c.claim == claim.key,
    )


def _is(item: Row[Any]) -> ColumnElement[bool]:
    return and_(job_items.c.job_id == item.job_id, job_items.c.number == item.number)
