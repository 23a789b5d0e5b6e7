"""Webhooks: notify a client when a job is over, with retries until the delivery succeeds.

The due time and the number of attempts are in the database. Delivery is at least once, so a
webhook may come twice. The signature follows standardwebhooks.com.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, select, update

from undertone import __version__
from undertone.errors import JobNotFound, WebhookRefused
from undertone.jobs import posting
from undertone.jobs.posting import Undelivered
from undertone.jobs.runner import never
from undertone.jobs.store import Jobs
from undertone.store.database import reading, writing
from undertone.store.schema import webhooks

# Back-off between attempts. After the last one, delivery is given up.
PAUSES = [timedelta(seconds=s) for s in (10, 60, 300, 1800, 2 * 3600, 6 * 3600, 12 * 3600)]
# If a process dies during an attempt, another one retries after this. Longer than one attempt.
LEASE = timedelta(seconds=90)
MAX_PROBLEM_CHARS = 300


class Webhooks:
    """Deliver webhooks. Safe for many threads and several processes.

    Parameters
    ----------
    engine : Engine
        Engine of a database opened by `History`.
    jobs : Jobs
    secret : str
        Signing secret, shared with the receiver. If empty, webhooks are disabled.
    allow_private : bool
        True if addresses of this machine and of internal networks are allowed.
    """

    def __init__(self, engine: Engine, jobs: Jobs, secret: str, allow_private: bool) -> None:
        self._engine = engine
        self._jobs = jobs
        self._secret = secret
        self._allow_private = allow_private

    def check(self, url: str) -> None:
        """Return if the URL is usable or empty.

        Raises
        ------
        WebhookRefused
            It is not usable, or webhooks are disabled.
        """
        if not url:
            return
        if not self._secret:
            raise WebhookRefused(
                "Webhooks are not set up here: ask who runs this server to set "
                "UNDERTONE_WEBHOOK_SECRET, or ask for the job again and again."
            )
        posting.check_url(url, self._allow_private)

    def any_unfinished(self) -> bool:
        """Return True if any webhook is due, now or at a later time.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        found = select(webhooks.c.job_id).where(webhooks.c.state == "due").limit(1)
        with reading(self._engine) as connection:
            return connection.execute(found).first() is not None

    def n_due(self) -> int:
        """Return the number of webhooks due now.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        with reading(self._engine) as connection:
            return len(connection.execute(self._due()).all())

    def step(self, must_stop: Callable[[], bool] = never) -> bool:
        """Attempt to deliver one due webhook. Return False if none was due.

        Raises
        ------
        StoreError
            The database cannot be written.
        """
        if not self.n_due():
            return False
        hook = self._take()
        if hook is None:
            return False
        try:
            self._tell(hook)
        except JobNotFound:
            return True  # the job was deleted, and its webhook with it
        except Undelivered as error:
            self._note(hook, error)
        else:
            self._write(hook.job_id, state="delivered", due_at=None, problem="")
        return True

    def _due(self) -> Any:
        return (
            select(webhooks)
            .where(webhooks.c.state == "due", webhooks.c.due_at <= datetime.now(UTC))
            .order_by(webhooks.c.due_at)
        )

    def _take(self) -> Row[Any] | None:
        with writing(self._engine) as connection:
            due = self._due().limit(1).with_for_update(skip_locked=True)
            hook: Row[Any] | None = connection.execute(due).one_or_none()
            if hook:
                connection.execute(
                    update(webhooks)
                    .where(webhooks.c.job_id == hook.job_id)
                    .values(attempts=hook.attempts + 1, due_at=datetime.now(UTC) + LEASE)
                )
        return hook

    def _tell(self, hook: Row[Any]) -> None:
        job = self._jobs.get(hook.job_id)
        event = {
            "type": f"job.{job.state.value}",
            "timestamp": job.finished_at.isoformat() if job.finished_at else None,
            "data": job.to_dict(),
        }
        body = json.dumps(event).encode()
        now_s = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Undertone/{__version__}",
            "webhook-id": job.id,
            "webhook-timestamp": str(now_s),
            "webhook-signature": sign(self._secret, job.id, now_s, body),
        }
        posting.post(hook.url, body, headers, self._allow_private)

    def _note(self, hook: Row[Any], error: Undelivered) -> None:
        problem = str(error)[:MAX_PROBLEM_CHARS]
        if error.is_final or hook.attempts >= len(PAUSES):
            self._write(hook.job_id, state="given up", due_at=None, problem=problem)
        else:
            due_at = datetime.now(UTC) + PAUSES[hook.attempts]
            self._write(hook.job_id, due_at=due_at, problem=problem)

    def _write(self, job_id: str, **values: Any) -> None:
        with writing(self._engine) as connection:
            connection.execute(update(webhooks).where(webhooks.c.job_id == job_id).values(**values))


def sign(secret: str, event_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the signature of a webhook: HMAC-SHA256 over id, time and body.

    Parameters
    ----------
    secret : str
        The key is its UTF-8 bytes. After a prefix ``whsec_``, the rest is the key in base64.
    event_id : str
    timestamp_s : int
        Seconds since 1970.
    body : bytes

    Examples
    --------
    >>> sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...      1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    prefix, _, encoded = secret.partition("whsec_")
    key = base64.b64decode(encoded) if encoded and not prefix else secret.encode()
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
