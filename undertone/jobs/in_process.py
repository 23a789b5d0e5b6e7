"""InProcess: engine for a single web process, or for a few processes with one data folder."""

from collections.abc import Callable

from undertone.jobs.pool import Pool
from undertone.jobs.work import Work


class InProcess:
    """Engine with a few threads for items and one more thread for webhooks, all in this process.

    Parameters
    ----------
    work : Work
    n_threads : int >= 0
        Number of threads for items.
    """

    def __init__(self, work: Work, n_threads: int) -> None:
        self._work = work
        self._items = Pool("job", n_threads, self._step, work.claims.any_unfinished)
        self._tellers = Pool("webhook", 1, work.webhooks.step, work.webhooks.any_unfinished)

    def wake(self) -> None:
        """Check for work and start the threads if there is any."""
        if self._work.claims.any_unfinished():
            self._items.wake()
        if self._work.webhooks.any_unfinished():
            self._tellers.wake()

    def begin_stop(self, patience_s: float) -> None:
        """Start no more work, and hand back unfinished items after `patience_s` seconds.

        The call itself does not wait.
        """
        self._items.begin_stop(patience_s)
        self._tellers.begin_stop(patience_s)

    def stop(self, patience_s: float = 0.0) -> None:
        """Start no more work and block until every item is finished or handed back."""
        self._items.stop(patience_s)
        self._tellers.stop(patience_s)

    def _step(self, must_stop: Callable[[], bool]) -> bool:
        is_done = self._work.runner.step(must_stop)
        if is_done and self._work.webhooks.any_unfinished():  # it may have been a job's last
            self._tellers.wake()
        return is_done
