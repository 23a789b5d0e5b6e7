import pytest

from tests.jobs.conftest import StubAnalyzer, add
from undertone.errors import NotAudio, StoreError
from undertone.jobs import runner as module
from undertone.jobs.claims import Claims
from undertone.jobs.job import State
from undertone.jobs.runner import Runner
from undertone.jobs.store import Jobs
from undertone.store.listing import Filter
from undertone.store.waiting import WaitingFiles


@pytest.fixture
def runner(analyzer: StubAnalyzer, claims: Claims, files: WaitingFiles) -> Runner:
    return Runner(analyzer, claims, files)


@pytest.fixture(autouse=True)
def _quick_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)


def waiting(files: WaitingFiles) -> bytes:
    with files.open("j", 1) as content:
        return content.head(9)


def endless(_filename: str, progress: object) -> None:
    while True:
        progress(0.25)


def test_it_works(runner: Runner, jobs: Jobs, files: WaitingFiles, analyzer: StubAnalyzer) -> None:
    add(jobs, "j", ["a", "b"], files)
    assert runner.step()
    assert jobs.get("j").items[0].state == State.DONE
    assert not (files.folder / "j" / "1").exists()
    assert (files.folder / "j" / "2").exists()
    assert runner.step()
    assert not runner.step()
    assert analyzer.heard == ["a", "b"]
    assert jobs.get("j").state == State.DONE
    assert not list(files.folder.iterdir())


def test_a_recording_that_cannot_be_used(
    runner: Runner, jobs: Jobs, files: WaitingFiles, analyzer: StubAnalyzer
) -> None:
    def refuse(filename: str, progress: object) -> None:
        raise NotAudio("These are words.")

    analyzer.during = refuse
    add(jobs, "j", ["a"], files)
    assert runner.step()
    item = jobs.get("j").items[0]
    assert (item.state, item.attempts, item.error["code"]) == (State.FAILED, 1, "not-audio")
    assert not list(files.folder.iterdir())


def test_an_error_that_nobody_foresaw_tells_its_number_only(
    runner: Runner, jobs: Jobs, files: WaitingFiles, analyzer: StubAnalyzer,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    analyzer.during = lambda *_: {}["/secret/path"]
    add(jobs, "j", ["a"], files)
    assert runner.step()
    error = jobs.get("j").items[0].error
    assert (error["code"], error["status"]) == ("internal-error", 500)
    assert "secret" not in error["error"]
    assert "secret" in caplog.text


def test_a_recording_that_is_not_there(runner: Runner, jobs: Jobs) -> None:
    add(jobs, "j", ["a"])
    assert runner.step()
    assert jobs.get("j").items[0].error["code"] == "recording-lost"


def test_cancelling_ends_the_work(
    runner: Runner, jobs: Jobs, files: WaitingFiles, analyzer: StubAnalyzer
) -> None:
    def cancelled(filename: str, progress: object) -> None:
        jobs.cancel("j")
        endless(filename, progress)

    analyzer.during = cancelled
    add(jobs, "j", ["a"], files)
    assert runner.step()
    assert jobs.get("j").state == State.CANCELLED
    assert not analyzer.heard


def test_cancelling_at_the_last_moment_stores_nothing(
    runner: Runner, jobs: Jobs, files: WaitingFiles, analyzer: StubAnalyzer
) -> None:
    analyzer.during = lambda *_: jobs.cancel("j")
    add(jobs, "j", ["a"], files)
    assert runner.step()
    assert analyzer.heard == ["a"]
    assert analyzer.history.page(Filter(), 1).total == 0
    assert jobs.get("j").state == State.CANCELLED


def test_progress_is_told_and_only_grows(
    runner: Runner, jobs: Jobs, files: WaitingFiles, analyzer: StubAnalyzer
) -> None:
    def wait_for(share: float) -> None:
        while jobs.get("j").items[0].progress != share:
            pass

    def during(filename: str, progress: object) -> None:
        progress(0.5)
        wait_for(0.5)
        progress(0.2)
        progress(0.6)
        wait_for(0.6)

    analyzer.during = during
    add(jobs, "j", ["a"], files)
    assert runner.step()
    assert jobs.get("j").items[0].progress == 1


def test_the_end_of_a_job_takes_what_a_killed_process_left(
    runner: Runner, jobs: Jobs, files: WaitingFiles, claims: Claims
) -> None:
    add(jobs, "j", ["a", "b"], files)
    assert runner.step()
    (files.folder / "j" / "1").write_bytes(b"left")
    assert runner.step()
    assert jobs.get("j").state == State.DONE
    assert not list(files.folder.iterdir())


def test_stopping_gives_it_back(
    runner: Runner, jobs: Jobs, files: WaitingFiles, analyzer: StubAnalyzer
) -> None:
    analyzer.during = endless
    add(jobs, "j", ["a"], files)
    assert runner.step(must_stop=lambda: True)
    item = jobs.get("j").items[0]
    assert (item.state, item.attempts) == (State.QUEUED, 0)
    analyzer.during = lambda *_: None
    assert runner.step()
    assert jobs.get("j").state == State.DONE


def test_a_process_that_is_told_to_end_gives_it_back(
    runner: Runner, jobs: Jobs, files: WaitingFiles, analyzer: StubAnalyzer
) -> None:
    def end(filename: str, progress: object) -> None:
        raise SystemExit

    analyzer.during = end
    add(jobs, "j", ["a"], files)
    with pytest.raises(SystemExit):
        runner.step()
    assert jobs.get("j").items[0].state == State.QUEUED
    assert waiting(files) == b"a"


def test_a_store_that_fails(
    runner: Runner, jobs: Jobs, files: WaitingFiles, analyzer: StubAnalyzer
) -> None:
    def fail(filename: str, progress: object) -> None:
        raise StoreError("The disk is full.")

    analyzer.during = fail
    add(jobs, "j", ["a"], files)
    with pytest.raises(StoreError):
        runner.step()
    item = jobs.get("j").items[0]
    assert (item.state, item.attempts) == (State.QUEUED, 1)
    assert waiting(files) == b"a"


def test_who_lost_the_item_leaves_the_file_to_the_other(
    runner: Runner, jobs: Jobs, files: WaitingFiles, analyzer: StubAnalyzer, claims: Claims
) -> None:
    add(jobs, "j", ["a"], files)
    claims.lease *= -1  # taken for dead at once
    other = []
    analyzer.during = lambda *_: other.append(claims.take())
    assert runner.step()
    assert waiting(files) == b"a"
    assert claims.renew(other[0], 0.5)
    assert analyzer.history.page(Filter(), 1).total == 0
