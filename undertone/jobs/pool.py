"""Pool: a few threads that work for as long as there is something to do, in this process."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

POLL_S = 5  # how often is looked for what other processes have left behind
logger = logging.getLogger("undertone")


class Step(Protocol):
    """One piece of work."""

    def __call__(self, must_stop: Callable[[], bool]) -> bool:
        """Do it, or end when told to; whether there was any."""


class Pool:
    """Threads that do one step after the other; without work there are none.

    Parameters
    ----------
    name : str
    n_threads : int >= 0
    step : Step
    any_unfinished : callable
        Whether there may be work later on, here or where another process drops it.
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
        """Say that there is work."""
        with self._changed:
            self._n_calls += 1
            self._changed.notify_all()
            while len(self._threads) < self._n_threads and self._stop_at_s is None:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()

    def begin_stop(self, patience_s: float) -> None:
        """Begin nothing more, and give back what is unfinished after a while; do not wait."""
        # Called by a signal's handler, which must not wait for a lock.
        self._stop_at_s = time.monotonic() + patience_s

    def stop(self, patience_s: float = 0.0) -> None:
        """Begin nothing more and wait until all is finished or given back."""
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
