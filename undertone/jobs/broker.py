"""Engine for several machines: Celery workers, notified of work through a message broker.

A message only says "there may be work"; it names no item. The queue order is in the database.
Duplicate or late messages do no harm, and a lost message is replaced by a later one.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from celery import Celery, bootsteps
from kombu.exceptions import OperationalError

from undertone.errors import StoreError
from undertone.jobs.work import Work

QUEUE = "undertone"
SWEEP_S = 10.0  # interval between the checks of workers for work without a message
PAUSE_S = 2.0  # minimum time between two notifications; every read of a job requests one
# Redis redelivers the message of a dead worker after this time. No recording takes longer.
VISIBILITY_S = 6 * 3600
PATIENCE_S = 3.0  # timeout for the broker's responses
# A process that only sends tries once. It does not wait for a connected but silent broker, such as
# a RabbitMQ short of memory. The names are for Redis and RabbitMQ; each ignores the other's.
SENDING = {
    "max_retries": 0,
    "socket_timeout": PATIENCE_S,
    "read_timeout": PATIENCE_S,
    "write_timeout": PATIENCE_S,
}
logger = logging.getLogger("undertone")


def make_celery(broker_url: str, work: Callable[[], Work]) -> Celery:
    """Create the Celery application. Web processes send with it and workers run its tasks.

    Parameters
    ----------
    broker_url : str
        Such as ``redis://host:6379/0`` or ``amqp://user:password@host``.
    work : callable
        Returns the work. It is created on first use, because each process of a worker needs its
        own.
    """
    celery = Celery("undertone", broker=broker_url, set_as_current=False)
    celery.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        # Acknowledge a message after the work, and take one message at a time.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=PATIENCE_S,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_S,
            "socket_connect_timeout": PATIENCE_S,
            "socket_keepalive": True,
        },
    )

    @celery.task(name="undertone.work")  # type: ignore[untyped-decorator]
    def take_a_step() -> None:
        _guarded(work().step)

    @celery.task(name="undertone.sweep")  # type: ignore[untyped-decorator]
    def sweep() -> None:
        _guarded(lambda: top_up(celery, work().n_waiting()))

    celery.steps["worker"].add(_Sweeper)
    return celery


def top_up(celery: Celery, n_waiting: int) -> None:
    """Send messages until the queue holds at least `n_waiting`.

    Raises
    ------
    OperationalError
        The broker does not respond.
    """
    if not n_waiting:
        return
    with celery.connection_for_write(transport_options=SENDING) as connection:
        try:
            n_missing = n_waiting - _n_messages(connection)
            for _ in range(n_missing):
                celery.send_task("undertone.work", connection=connection, retry=False)
        except (*connection.connection_errors, *connection.channel_errors) as error:
            raise OperationalError(str(error)) from error


class Broker:
    """Engine of a web process. It only notifies workers of work.

    Parameters
    ----------
    celery : Celery
    work : Work
    """

    def __init__(self, celery: Celery, work: Work) -> None:
        self._celery = celery
        self._work = work
        self._changing = threading.Lock()
        self._is_wanted = self._is_telling = False

    def wake(self) -> None:
        """Notify workers of waiting work, now or shortly. Do not wait for the broker."""
        with self._changing:
            self._is_wanted = True
            if self._is_telling:
                return
            self._is_telling = True
        threading.Thread(target=self._tell, name="broker", daemon=True).start()

    def _tell(self) -> None:
        while True:
            with self._changing:
                if not self._is_wanted:
                    self._is_telling = False
                    return
                self._is_wanted = False
            _guarded(lambda: top_up(self._celery, self._work.n_waiting()))
            time.sleep(PAUSE_S)

    def begin_stop(self, patience_s: float) -> None:
        """Do nothing: this process runs no items."""

    def stop(self, patience_s: float = 0.0) -> None:
        """Do nothing: this process runs no items."""


def _n_messages(connection: Any) -> int:
    """Return the number of messages not yet taken by a worker."""
    channel = connection.default_channel
    try:
        return int(channel.queue_declare(QUEUE, passive=True).message_count)
    except connection.channel_errors:  # there is no queue yet
        return 0


def _guarded(action: Callable[[], None]) -> None:
    """Run the action. Log a failure of database or broker; a later sweep makes up for it."""
    try:
        action()
    except (StoreError, OperationalError) as error:
        logger.error("Jobs wait: %s", type(error).__name__, exc_info=error)


class _Sweeper(bootsteps.StartStopStep):  # type: ignore[misc]
    """Periodic check in each worker for work without a message: lost messages, dead workers."""

    requires = {"celery.worker.components:Timer"}

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._entry: Any = None

    def start(self, worker: Any) -> None:
        """Start the periodic check."""
        self._entry = worker.timer.call_repeatedly(SWEEP_S, self._sweep, (worker.app,))

    def stop(self, worker: Any) -> None:
        """Stop the periodic check."""
        if self._entry:
            self._entry.cancel()
            self._entry = None

    def _sweep(self, celery: Celery) -> None:
        # The message expires with the next sweep: if all workers are busy, there is no hurry.
        _guarded(lambda: celery.send_task("undertone.sweep", expires=SWEEP_S, retry=False))
