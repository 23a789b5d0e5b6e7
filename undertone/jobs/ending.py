"""Ends of items and jobs. A job ends in the same transaction as the last of its items.

A transaction changes the items before their job. The fixed lock order prevents deadlocks.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from undertone.jobs.job import UNFINISHED, State
from undertone.store.schema import job_items, jobs, webhooks


def end_items(
    connection: Connection, which: ColumnElement[bool], state: State, **values: Any
) -> bool:
    """End unfinished items. Return False if there were none.

    Parameters
    ----------
    connection : Connection
        Connection inside a write transaction.
    which : sqlalchemy.ColumnElement[bool]
        Condition on `job_items`.
    state : State
        Final state of the items.
    **values
        Values for further columns.

    Returns
    -------
    bool
        True if at least one item was ended.
    """
    mine = (job_items.c.job_id, job_items.c.number)
    locked = select(*mine).where(which, job_items.c.state.in_(UNFINISHED))
    # Lock in a fixed order, to prevent deadlocks.
    connection.execute(locked.order_by(*mine).with_for_update())
    ended = connection.execute(
        update(job_items)
        .where(which, job_items.c.state.in_(UNFINISHED))
        .values(state=state, claim=None, lease_until=None, **values)
    )
    return bool(ended.rowcount)


def end_job_if_over(connection: Connection, job_id: str, now: datetime) -> None:
    """End a job if all its items have ended. Its webhook is then due.

    Parameters
    ----------
    connection : Connection
        Connection inside a write transaction.
    job_id : str
    now : datetime
        Time of the job's end; the webhook is due from then on.
    """
    job = jobs.c.id == job_id
    # Two transactions may end the last two items. The second must see the first one's change.
    connection.execute(select(jobs.c.id).where(job).with_for_update())
    states = set(
        connection.execute(
            select(job_items.c.state).where(job_items.c.job_id == job_id).distinct()
        ).scalars()
    )
    if states.intersection(UNFINISHED):
        return
    ends = (State.CANCELLED, State.DONE, State.FAILED)
    state = next((state for state in ends if state in states), State.CANCELLED)
    connection.execute(
        update(jobs).where(job, jobs.c.finished_at.is_(None)).values(state=state, finished_at=now)
    )
    connection.execute(
        update(webhooks)
        .where(webhooks.c.job_id == job_id, webhooks.c.state == "waiting")
        .values(state="due", due_at=now)
    )
