"""How long what is stored stays.

The rule: what is older than the settings say is deleted when the server starts and every ten
minutes from then on, whether anybody asks for anything or not. Several servers on one store may
do so at the same time: what is deleted twice is deleted.
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
    """What ends the stay of analyses and recordings.

    Parameters
    ----------
    history : History
    keep_history : timedelta, optional
        How long analyses stay; for ever if not given.
    recordings : Recordings
    sweep : callable, optional
        Removes what crashes left behind; called as often.
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
        """Delete what is too old at this moment.

        Raises
        ------
        StoreError
            It cannot be deleted.
        """
        self._recordings.expire(now.timestamp())
        if self._keep_history:
            self._history.delete_older(now - self._keep_history)
        self._history.truncate_log()
        if self._sweep:
            self._sweep()

    def start(self) -> None:
        """Delete what is too old, now and every ten minutes; trouble is logged."""
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
