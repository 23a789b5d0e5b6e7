"""Pool of worker threads in this process. The threads run as long as there is work."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

POLL_S = 5  # interval between checks for work left behind by other processes
logger = logging.getLogger("undertone")


class Step(Protocol):
    """One unit of work."""

    def __call__(self, must_stop: Callable[[], bool]) -> bool:
        """Do one unit of work. Return False if there was none.

        Parameters
        ----------
        must_stop : callable
            Returns True when the step should end early.
        """


class Pool:
    """Threads that run one step after another. Without work there are no threads.

    Parameters
    ----------
    name : str
        Name of the threads.
    n_threads : int >= 0
        Maximum number of threads.
    step : Step
    any_unfinished : callable
        Returns True if work may still come, from here or handed back by another process.
    """

    def __init__(
        self, name: str, n_threads: int, step: Step, any_unfinished: Callable[[], bool]
    ) -> None:
        self._name = name
        self._n_threads = n_threads
        self._step = step
        self._any_unfinished = any_unfinished
        self._changed = threading.Condition()
        self._threads: set[threading.Thread] = set()
        self._n_calls = 0
        self._stop_at_s: float | None = None

    def wake(self) -> None:
        """Signal new work. Start threads up to the maximum."""
        with self._changed:
            self._n_calls += 1
            self._changed.notify_all()
            while len(self._threads) < self._n_threads and self._stop_at_s is None:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()

    def begin_stop(self, patience_s: float) -> None:
        """Start no more work, and hand back unfinished items after `patience_s` seconds.

        The call itself does not wait.
        """
        # Called by a signal handler, so it must not wait for a lock.
        self._stop_at_s = time.monotonic() + patience_s

    def stop(self, patience_s: float = 0.0) -> None:
        """Start no more work and block until every item is finished or handed back."""
        if self._stop_at_s is None:
            self.begin_stop(patience_s)
        with self._changed:
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _must_stop(self) -> bool:
        return self._stop_at_s is not None and time.monotonic() >= self._stop_at_s

    def _work(self) -> None:
        while True:
            n_calls = self._n_calls
            try:
                if self._stop_at_s is None and self._step(self._must_stop):
                    continue
                is_idle = not self._any_unfinished()
            except Exception as error:  # noqa: BLE001 the next one may fare better
                logger.error("Jobs wait after an error", exc_info=error)
                is_idle = False
            with self._changed:
                if self._stop_at_s is not None or (is_idle and self._n_calls == n_calls):
                    self._threads.discard(threading.current_thread())
                    return
                if self._n_calls == n_calls:
                    self._changed.wait(POLL_S)
