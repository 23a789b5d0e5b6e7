from datetime import UTC, datetime, timedelta

import pytest

from tests.jobs.conftest import add
from tests.samples import analysis
from undertone.errors import JobNotFound, NotAudio, QueueFull
from undertone.jobs.claims import Claims
from undertone.jobs.job import State
from undertone.jobs.store import Jobs, NewItem
from undertone.store.history import History


def finish_one(history: History, claims: Claims, number: int = 0) -> None:
    claim = claims.take()
    history.add(analysis(number), lambda connection, name: claims.finish(claim, connection, name))


def test_it_works(jobs: Jobs, claims: Claims, history: History) -> None:
    job = add(jobs, "j", ["a.wav", "b.wav"])
    assert job == jobs.get("j")
    assert (job.state, job.progress, job.started_at) == (State.QUEUED, 0.0, None)
    assert [item.filename for item in job.items] == ["a.wav", "b.wav"]
    assert job.counts == {"queued": 2, "running": 0, "done": 0, "failed": 0, "cancelled": 0}

    finish_one(history, claims)
    job = jobs.get("j")
    assert (job.state, job.progress) == (State.RUNNING, 0.5)
    assert job.started_at >= job.created_at
    heard = job.items[0].heard
    assert (heard.analysis_id, heard.label, heard.confidence) == ("id0000", "happy", 0.75)

    claims.fail(claims.take(), NotAudio("These are words."))
    job = jobs.get("j")
    assert (job.state, job.progress) == (State.DONE, 1.0)
    assert job.finished_at >= job.started_at
    assert job.items[1].error == {"error": "These are words.", "code": "not-audio", "status": 415}
    assert claims.take() is None
    assert not claims.any_unfinished()


def test_a_job_without_any_result_has_failed(jobs: Jobs, claims: Claims) -> None:
    add(jobs, "j", ["a.wav"])
    claims.fail(claims.take(), NotAudio("No."))
    assert jobs.get("j").state == State.FAILED


def test_a_recording_that_was_refused_on_arrival(jobs: Jobs, claims: Claims) -> None:
    refusal = NotAudio("No.").to_dict()
    job = jobs.add("j", [NewItem(1, "a", 1, refusal), NewItem(2, "b", 1)], "encoder", 7)
    assert (job.state, job.items[0].state) == (State.QUEUED, State.FAILED)
    assert claims.take().number == 2
    assert jobs.add("k", [NewItem(1, "a", 1, refusal)], "encoder", 7).state == State.FAILED


def test_whoever_sends_many_does_not_keep_waiting_who_sends_one(jobs: Jobs, claims: Claims) -> None:
    add(jobs, "many", [f"{n}.wav" for n in range(20)])
    add(jobs, "one", ["x.wav"])
    order = [(claim.job_id, claim.number) for _ in range(21) if (claim := claims.take())]
    assert order.index(("one", 1)) == 1
    assert [number for job_id, number in order if job_id == "many"] == list(range(1, 21))


def test_cancel(jobs: Jobs, claims: Claims, history: History) -> None:
    add(jobs, "j", ["a.wav", "b.wav", "c.wav"])
    finish_one(history, claims)
    running = claims.take()
    job = jobs.cancel("j")
    assert job.state == State.CANCELLED
    assert [item.state for item in job.items] == [State.DONE, State.CANCELLED, State.CANCELLED]
    assert not claims.renew(running, 0.5)
    assert claims.take() is None
    assert jobs.cancel("j") == job


def test_what_is_over_cannot_be_cancelled(jobs: Jobs, claims: Claims, history: History) -> None:
    add(jobs, "j", ["a.wav"])
    finish_one(history, claims)
    assert jobs.cancel("j").state == State.DONE


def test_delete(jobs: Jobs, claims: Claims, history: History) -> None:
    add(jobs, "j", ["a.wav", "b.wav"], webhook="https://example.org")
    finish_one(history, claims)
    jobs.delete("j")
    for action in (jobs.get, jobs.cancel, jobs.delete):
        with pytest.raises(JobNotFound):
            action("j")
    assert history.get("id0000").id == "id0000"
    assert claims.take() is None


def test_who_deletes_an_analysis_deletes_the_name_of_its_recording(
    jobs: Jobs, claims: Claims, history: History
) -> None:
    add(jobs, "j", ["a.wav", "b.wav"])
    finish_one(history, claims)
    history.delete("id0000")
    assert [item.filename for item in jobs.get("j").items] == ["b.wav"]


def test_old_jobs_go(jobs: Jobs, claims: Claims, history: History) -> None:
    add(jobs, "over", ["a.wav"])
    finish_one(history, claims)
    add(jobs, "unfinished", ["a.wav"])
    jobs.delete_older(datetime.now(UTC) - timedelta(minutes=1))
    assert jobs.page(10).total == 2
    jobs.delete_older(datetime.now(UTC) + timedelta(minutes=1))
    assert [job.id for job in jobs.page(10).jobs] == ["unfinished"]


@pytest.mark.parametrize("name", ["none", "", "../x", "x" * 100, "a' OR 1=1 --", "\x00"])
def test_unknown_ids(jobs: Jobs, name: str) -> None:
    add(jobs, "j", ["a.wav"])
    with pytest.raises(JobNotFound):
        jobs.get(name)


def test_the_list_in_pages(jobs: Jobs) -> None:
    for number in range(5):
        add(jobs, f"j{number}", ["a.wav", "b.wav"])
    first = jobs.page(2)
    second = jobs.page(2, first.older)
    third = jobs.page(2, second.older)
    ids = [[job.id for job in page.jobs] for page in (first, second, third)]
    assert ids == [["j4", "j3"], ["j2", "j1"], ["j0"]]
    assert [len(job.items) for job in second.jobs] == [2, 2]
    assert (first.total, third.total) == (5, 5)
    assert third.older is None


def test_so_many_may_wait_and_no_more(jobs: Jobs, claims: Claims) -> None:
    add(jobs, "j", ["a.wav"] * 49)
    jobs.check_room()
    with pytest.raises(QueueFull) as refusal:
        add(jobs, "k", ["a.wav"] * 2)
    assert refusal.value.retry_after_s
    with pytest.raises(JobNotFound):
        jobs.get("k")
    add(jobs, "k", ["a.wav"])
    with pytest.raises(QueueFull):
        jobs.check_room()
    claims.take()  # what is being worked on still takes up room
    with pytest.raises(QueueFull):
        jobs.check_room()
    jobs.cancel("j")
    jobs.check_room()


def test_so_many_bytes_may_wait_and_no_more(jobs: Jobs) -> None:
    with pytest.raises(QueueFull):
        jobs.add("j", [NewItem(1, "a", 3000), NewItem(2, "b", 2001)], "encoder", 7)
    jobs.add("j", [NewItem(1, "a", 3000), NewItem(2, "b", 2000)], "encoder", 7)


def test_what_of_some_ids_is_over(jobs: Jobs) -> None:
    add(jobs, "a", ["a.wav"])
    add(jobs, "b", ["a.wav"])
    jobs.cancel("b")
    assert jobs.are_over(["a", "b", "c"]) == {"a": False, "b": True}
