"""Retention: automatic deletion of old analyses and recordings.

Data past its retention is deleted at the start of the server and every ten minutes from then on,
with or without requests. Several servers may do so on one store at the same time, because deleting
the same data twice does no harm.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from undertone.errors import StoreError
from undertone.store.history import History
from undertone.store.recordings import Recordings

EVERY_S = 600
logger = logging.getLogger("undertone")


class Retention:
    """Deletion of analyses and recordings past their retention.

    Parameters
    ----------
    history : History
    keep_history : timedelta, optional
        Retention of analyses. Default is for ever.
    recordings : Recordings
    sweep : callable, optional
        Removes files left behind by crashes. Called just as often.
    """

    def __init__(
        self,
        history: History,
        keep_history: timedelta | None,
        recordings: Recordings,
        sweep: Callable[[], None] | None = None,
    ) -> None:
        self._history = history
        self._keep_history = keep_history
        self._recordings = recordings
        self._sweep = sweep

    def expire(self, now: datetime) -> None:
        """Delete all data past its retention at this moment.

        Parameters
        ----------
        now : datetime
            Current time.

        Raises
        ------
        StoreError
            The data cannot be deleted.
        """
        self._recordings.expire(now.timestamp())
        if self._keep_history:
            self._history.delete_older(now - self._keep_history)
        self._history.truncate_log()
        if self._sweep:
            self._sweep()

    def start(self) -> None:
        """Delete old data now and every ten minutes. Errors are logged."""
        self._try_to_expire()
        threading.Thread(target=self._run, name="retention", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(EVERY_S)
            self._try_to_expire()

    def _try_to_expire(self) -> None:
        try:
            self.expire(datetime.now(UTC))
        except StoreError as error:
            logger.error("What is too old could not be deleted: %s", error.message, exc_info=error)
