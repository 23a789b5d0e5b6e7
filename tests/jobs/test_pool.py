import threading
from collections.abc import Callable

import pytest

from undertone.jobs import pool as module
from undertone.jobs.pool import Pool

PATIENCE_S = 60


class Work:
    """Pieces of work that may be held up; counts how many are done, and at the same time."""

    def __init__(self, n_pieces: int = 0) -> None:
        self.n_pieces = n_pieces
        self.go_on = threading.Event()
        self.begun = threading.Semaphore(0)
        self.n_done = self.n_now = self.most_at_once = 0
        self.n_stopped = 0
        self._lock = threading.Lock()

    def step(self, must_stop: Callable[[], bool]) -> bool:
        with self._lock:
            if not self.n_pieces:
                return False
            self.n_pieces -= 1
            self.n_now += 1
            self.most_at_once = max(self.most_at_once, self.n_now)
        self.begun.release()
        while not self.go_on.wait(0.01):
            if must_stop():
                break
        with self._lock:
            self.n_now -= 1
            self.n_done += self.go_on.is_set()
            self.n_stopped += not self.go_on.is_set()
        return True


def ended(pool: Pool) -> bool:
    """Wait until the pool has no threads."""
    for thread in list(pool._threads):
        thread.join(PATIENCE_S)
    return not pool._threads


def test_threads_come_with_the_work_and_go_with_it() -> None:
    work = Work()
    work.go_on.set()
    pool = Pool("test", 2, work.step, lambda: False)
    for n_pieces in (5, 3):
        work.n_pieces = n_pieces
        pool.wake()
        assert ended(pool)
        assert work.n_pieces == 0
    assert work.n_done == 8


def test_no_more_threads_than_asked_for() -> None:
    work = Work(5)
    pool = Pool("test", 2, work.step, lambda: False)
    for _ in range(5):
        pool.wake()
    for _ in range(2):
        assert work.begun.acquire(timeout=PATIENCE_S)
    work.go_on.set()
    assert ended(pool)
    assert (work.n_done, work.most_at_once) == (5, 2)


def test_without_threads_nothing_is_done_here() -> None:
    work = Work(1)
    pool = Pool("test", 0, work.step, lambda: True)
    pool.wake()
    pool.stop()
    assert work.n_pieces == 1


def test_what_is_left_behind_elsewhere_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    work = Work()
    work.go_on.set()
    looks = iter([0, 0, 1])  # pieces that have come back when it looks

    def any_unfinished() -> bool:
        work.n_pieces = next(looks, 0)
        return not work.n_done

    pool = Pool("test", 1, work.step, any_unfinished)
    pool.wake()
    assert ended(pool)
    assert work.n_done == 1


def test_an_error_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    work = Work(1)
    work.go_on.set()
    troubles = [RuntimeError("trouble"), OSError("more trouble")]

    def step(must_stop: Callable[[], bool]) -> bool:
        if troubles:
            raise troubles.pop()
        return work.step(must_stop)

    pool = Pool("test", 1, step, lambda: False)
    pool.wake()
    assert ended(pool)
    assert work.n_done == 1
    assert "more trouble" in caplog.text


def test_stopping_waits_for_what_is_begun() -> None:
    work = Work(5)
    pool = Pool("test", 2, work.step, lambda: True)
    pool.wake()
    for _ in range(2):
        work.begun.acquire()
    pool.begin_stop(PATIENCE_S)
    threading.Timer(0.05, work.go_on.set).start()
    pool.stop()
    assert (work.n_done, work.n_pieces) == (2, 3)
    pool.wake()
    assert not pool._threads


def test_stopping_has_an_end() -> None:
    work = Work(5)
    pool = Pool("test", 2, work.step, lambda: True)
    pool.wake()
    for _ in range(2):
        work.begun.acquire()
    pool.stop()
    assert (work.n_stopped, work.n_done, work.n_pieces) == (2, 0, 3)
