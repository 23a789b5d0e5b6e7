"""The engine for many machines: Celery workers, whom a broker tells that there is work.

The rule: a message says that there may be work, not which. Whose turn it is stands in the database,
so a message that comes twice or late does no harm, and for one that is lost another is sent.
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
SWEEP_S = 10.0  # how often workers look for work of which no message tells
PAUSE_S = 2.0  # between two times that a web process tells of work: each look at a job asks for it
# Redis keeps a message of a worker that died for so long; no recording takes longer.
VISIBILITY_S = 6 * 3600
PATIENCE_S = 3.0  # for the broker's answers
# Who only sends tries once and does not wait for a broker that is there and says nothing, such as
# a RabbitMQ that is short of memory. The names are those of both, which pass over the other's.
SENDING = {
    "max_retries": 0,
    "socket_timeout": PATIENCE_S,
    "read_timeout": PATIENCE_S,
    "write_timeout": PATIENCE_S,
}
logger = logging.getLogger("undertone")


def make_celery(broker_url: str, work: Callable[[], Work]) -> Celery:
    """The Celery application of web processes, which send, and of workers, which work.

    Parameters
    ----------
    broker_url : str
        Such as ``redis://host:6379/0`` or ``amqp://user:password@host``.
    work : callable
        Gives the work, made when it is first needed: a worker's processes each need their own.
    """
    celery = Celery("undertone", broker=broker_url, set_as_current=False)
    celery.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        # A message is done with when the work is, and one at a time is taken.
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
    """Have as many messages under way as there are steps to take.

    Raises
    ------
    OperationalError
        The broker does not answer.
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
    """The engine of a web process: it only says that there is work.

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
        """Tell workers of what waits, now or in a moment; nobody waits for the broker."""
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
        """Nothing is worked on here."""

    def stop(self, patience_s: float = 0.0) -> None:
        """Nothing is worked on here."""


def _n_messages(connection: Any) -> int:
    """How many messages no worker has taken yet."""
    channel = connection.default_channel
    try:
        return int(channel.queue_declare(QUEUE, passive=True).message_count)
    except connection.channel_errors:  # there is no queue yet
        return 0


def _guarded(action: Callable[[], None]) -> None:
    """Do it; when database or broker do not answer, a later sweep makes good for it."""
    try:
        action()
    except (StoreError, OperationalError) as error:
        logger.error("Jobs wait: %s", type(error).__name__, exc_info=error)


class _Sweeper(bootsteps.StartStopStep):  # type: ignore[misc]
    """Has each worker look for work of which no message tells: it was lost, or somebody died."""

    requires = {"celery.worker.components:Timer"}

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._entry: Any = None

    def start(self, worker: Any) -> None:
        """Begin to look."""
        self._entry = worker.timer.call_repeatedly(SWEEP_S, self._sweep, (worker.app,))

    def stop(self, worker: Any) -> None:
        """Look no more."""
        if self._entry:
            self._entry.cancel()
            self._entry = None

    def _sweep(self, celery: Celery) -> None:
        # Of use only for now: if all are at work until the next one comes, there is no hurry.
        _guarded(lambda: celery.send_task("undertone.sweep", expires=SWEEP_S, retry=False))
