"""How items and jobs end: in the transaction of whoever ends the last of a job's items.

The rule: who changes items and their job changes the items first. Two who each hold what the other
waits for would wait in vain.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from undertone.jobs.job import UNFINISHED, State
from undertone.store.schema import job_items, jobs, webhooks


def end_items(
    connection: Connection, which: ColumnElement[bool], state: State, **values: Any
) -> bool:
    """End unfinished items; whether there were any.

    Parameters
    ----------
    connection : Connection
        In a transaction that writes.
    which : condition on `job_items`
    state : State
        The one they end in.
    **values
        More columns.
    """
    mine = (job_items.c.job_id, job_items.c.number)
    locked = select(*mine).where(which, job_items.c.state.in_(UNFINISHED))
    # In one order: two who each held what the other waits for would wait in vain.
    connection.execute(locked.order_by(*mine).with_for_update())
    ended = connection.execute(
        update(job_items)
        .where(which, job_items.c.state.in_(UNFINISHED))
        .values(state=state, claim=None, lease_until=None, **values)
    )
    return bool(ended.rowcount)


def end_job_if_over(connection: Connection, job_id: str, now: datetime) -> None:
    """End a job whose items are all over; its webhook is due then."""
    job = jobs.c.id == job_id
    # Of two who end the last two items, the second has to see what the first did.
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
