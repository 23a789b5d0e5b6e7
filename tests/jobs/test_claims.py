"""Each item is answered once, whoever dies, sleeps, or comes at the same time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.databases import Database
from tests.jobs.conftest import add
from tests.samples import analysis
from undertone.errors import Abandoned, AnalysisNotFound
from undertone.jobs.claims import Claims
from undertone.jobs.job import State
from undertone.jobs.store import Jobs
from undertone.store.history import History

AT_ONCE = timedelta(seconds=-1)  # a lease that is over when it begins


@pytest.fixture
def brief(history: History) -> Claims:
    """Claims of somebody who is taken for dead at once."""
    return Claims(history.engine, AT_ONCE, max_attempts=3)


def test_nobody_else_gets_what_is_worked_on(jobs: Jobs, claims: Claims) -> None:
    add(jobs, "j", ["a.wav"])
    claim = claims.take()
    assert claims.take() is None
    assert claims.n_waiting() == 0
    assert claims.any_unfinished()
    assert claims.renew(claim, 0.25)
    assert jobs.get("j").items[0].progress == 0.25


def test_what_a_dead_one_leaves_is_taken_up(jobs: Jobs, claims: Claims, brief: Claims) -> None:
    add(jobs, "j", ["a.wav"])
    dead = brief.take()
    assert claims.n_waiting() == 1
    alive = claims.take()
    assert (alive.job_id, alive.number) == (dead.job_id, dead.number)
    assert not claims.renew(dead, 0.5)
    assert claims.renew(alive, 0.5)
    assert jobs.get("j").items[0].attempts == 2


def test_one_who_was_only_slow_cannot_answer_twice(
    jobs: Jobs, claims: Claims, brief: Claims, history: History
) -> None:
    add(jobs, "j", ["a.wav"])
    slow = brief.take()
    quick = claims.take()
    with pytest.raises(Abandoned):
        history.add(analysis(1), lambda c, name: claims.finish(slow, c, name))
    with pytest.raises(AnalysisNotFound):
        history.get("id0001")
    history.add(analysis(2), lambda c, name: claims.finish(quick, c, name))
    with pytest.raises(Abandoned):
        history.add(analysis(3), lambda c, name: claims.finish(quick, c, name))
    assert jobs.get("j").items[0].heard.analysis_id == "id0002"


def test_one_who_was_slow_but_alone_may_answer(jobs: Jobs, brief: Claims, history: History) -> None:
    add(jobs, "j", ["a.wav"])
    slow = brief.take()
    history.add(analysis(1), lambda c, name: brief.finish(slow, c, name))
    assert jobs.get("j").state == State.DONE


def test_what_ends_every_program_is_set_aside(jobs: Jobs, brief: Claims) -> None:
    add(jobs, "j", ["poison.wav", "fine.wav"])
    taken = [(claim.number) for _ in range(10) if (claim := brief.take())]
    assert sorted(taken) == [1, 1, 1, 2, 2, 2]
    job = jobs.get("j")
    assert job.state == State.FAILED
    assert job.items[0].attempts == 3
    assert job.items[0].error["code"] == "set-aside"
    assert "3 times" in job.items[0].error["error"]


def test_giving_back(jobs: Jobs, claims: Claims) -> None:
    add(jobs, "j", ["a.wav"])
    claims.give_back(claims.take(), blameless=True)
    assert jobs.get("j").items[0].attempts == 0
    assert jobs.get("j").items[0].state == State.QUEUED
    claim = claims.take()
    claims.give_back(claim, blameless=False)
    assert jobs.get("j").items[0].attempts == 1
    assert not claims.renew(claim, 0.5)


def test_a_cancelled_item_is_not_given_back(jobs: Jobs, claims: Claims) -> None:
    add(jobs, "j", ["a.wav"])
    claim = claims.take()
    jobs.cancel("j")
    claims.give_back(claim, blameless=True)
    assert jobs.get("j").items[0].state == State.CANCELLED


def test_many_at_once(jobs: Jobs, claims: Claims, history: History) -> None:
    """Each of 40 items is taken once, and the last of each job's items ends the job."""
    for job in range(4):
        add(jobs, f"j{job}", [f"{n}.wav" for n in range(10)])

    def work(worker: int) -> list[tuple[str, int]]:
        taken = []
        while claim := claims.take():
            name = f"{claim.job_id}-{claim.number}"
            history.add(analysis(id=name), lambda c, n, mine=claim: claims.finish(mine, c, n))
            taken.append((claim.job_id, claim.number))
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [item for items in pool.map(work, range(8)) for item in items]
    # Who finds all that waits locked by others goes home early: somebody has to look again.
    taken += work(9)
    assert sorted(taken) == [(f"j{job}", n) for job in range(4) for n in range(1, 11)]
    for job in range(4):
        found = jobs.get(f"j{job}")
        assert found.state == State.DONE
        assert all(item.heard.analysis_id == f"j{job}-{item.number}" for item in found.items)


def test_cancelling_while_others_finish(
    jobs: Jobs, claims: Claims, history: History, database: Database
) -> None:
    """Whoever comes first has its way, nobody waits for ever, and nothing is half done."""
    for job in range(6):
        add(jobs, f"j{job}", [f"{n}.wav" for n in range(5)])

    def work(_: int) -> None:
        while claim := claims.take():
            name = f"{claim.job_id}-{claim.number}"
            try:
                history.add(analysis(id=name), lambda c, n, mine=claim: claims.finish(mine, c, n))
            except Abandoned:
                pass

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(work, number) for number in range(3)]
        cancelling = [pool.submit(jobs.cancel, f"j{job}") for job in range(6)]
        for each in [*working, *cancelling]:
            each.result()
    for job in range(6):
        found = jobs.get(f"j{job}")
        assert found.state.is_over
        done = {item.heard.analysis_id for item in found.items if item.state == State.DONE}
        rows = database.execute("SELECT id FROM analyses WHERE id LIKE ?", f"j{job}-%")
        assert {row[0] for row in rows} == done
