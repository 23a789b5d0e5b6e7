"""A scope holds one owner's rows, on SQLite and on PostgreSQL, in every method of the stores."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import event

from tests.databases import Database, SqliteDatabase
from tests.jobs.conftest import LEASE, StubAnalyzer, add
from tests.samples import START, analysis
from undertone.errors import AnalysisNotFound, JobNotFound
from undertone.jobs.claims import Claims
from undertone.jobs.runner import Runner
from undertone.jobs.store import Jobs, Limits
from undertone.store.history import History
from undertone.store.listing import Entry, Filter
from undertone.store.recordings import Recordings
from undertone.store.retention import Retention
from undertone.store.scope import EVERYTHING, NOTHING, Scope
from undertone.store.waiting import WaitingFiles

OWNERS = ("aa", "bb", "cc", "")
LABELS, MODELS, NAMES = ("happy", "sad"), ("encoder", "cnn"), ("a.wav", "b.wav", "ab.wav")
FILTERS = [
    Filter(),
    Filter(search="a"),
    Filter(emotions=("sad",)),
    Filter(model="cnn"),
    Filter(uncertain=True),
    Filter(since=(START + timedelta(days=1)).date(), search="b"),
]


@pytest.fixture
def history(database: Database) -> Iterator[History]:
    store = History(database.url)
    yield store
    store.close()


@pytest.fixture
def rows(history: History) -> dict[str, list[Any]]:
    """Sixty analyses, each of somebody: the owner's name to the newest first."""
    random = Random(16)
    made: dict[str, list[Any]] = {owner: [] for owner in OWNERS}
    for number in range(60):
        owner = random.choice(OWNERS)
        one = analysis(
            number, label=random.choice(LABELS), model=random.choice(MODELS),
            uncertain=random.random() < 0.5, filename=random.choice(NAMES),
        )  # fmt: skip
        history.within(Scope.of_owner(owner)).add(one)
        made[owner].insert(0, one)
    assert all(len(each) > 5 for each in made.values())
    return made


def is_wanted(wanted: Filter, entry: Any) -> bool:
    return (
        wanted.search in entry.filename
        and (not wanted.emotions or entry.prediction.label in wanted.emotions)
        and wanted.model in ("", entry.prediction.model)
        and wanted.uncertain in (None, entry.prediction.uncertain)
        and (not wanted.since or entry.created_at.date() >= wanted.since)
    )


def scopes(rows: dict[str, list[Any]]) -> Iterator[tuple[Scope, list[Any]]]:
    """Each scope and what must be in it."""
    for owner in OWNERS[:3]:
        yield Scope(owner), rows[owner]
    everything = sorted(sum(rows.values(), []), key=lambda one: one.created_at, reverse=True)
    yield EVERYTHING, everything
    yield Scope("aa", is_all=True), everything
    yield NOTHING, []
    yield Scope("nobody else"), []


def ids(entries: Any) -> list[str]:
    return [each.id for each in entries]


def paged(history: History, wanted: Filter) -> Iterator[Entry]:
    page = history.page(wanted, 4)
    yield from page.entries
    while page.older:
        page = history.page(wanted, 4, before=page.older)
        yield from page.entries


def test_every_list(history: History, rows: dict[str, list[Any]]) -> None:
    for scope, mine in scopes(rows):
        part = history.within(scope)
        assert part.models() == sorted({one.prediction.model for one in mine})
        for wanted in FILTERS:
            expected = ids(one for one in mine if is_wanted(wanted, one))
            assert ids(part.entries(wanted)) == expected
            assert ids(paged(part, wanted)) == expected
            assert part.page(wanted, 1).total == len(expected)
            n_in_trend = sum(day.total for day in part.trend(wanted))
            assert n_in_trend == len(expected)  # all within thirty days


def test_one_row(history: History, rows: dict[str, list[Any]]) -> None:
    for scope, mine in scopes(rows):
        part = history.within(scope)
        for one in sum(rows.values(), []):
            if one in mine:
                assert part.get(one.id) == one
            else:
                with pytest.raises(AnalysisNotFound):
                    part.get(one.id)
        for name in NAMES:
            newest = next((one for one in mine if one.filename == name), None)
            if newest:
                assert part.newest_named(name) == newest
            else:
                with pytest.raises(AnalysisNotFound):
                    part.newest_named(name)


def test_deleting_one(history: History, rows: dict[str, list[Any]]) -> None:
    for owner, stranger in (("aa", "bb"), ("bb", "cc"), ("cc", "")):
        with pytest.raises(AnalysisNotFound):
            history.within(Scope(owner)).delete(rows[stranger][0].id)
        history.get(rows[stranger][0].id)
        history.within(Scope(owner)).delete(rows[owner][0].id)
        with pytest.raises(AnalysisNotFound):
            history.get(rows[owner][0].id)


@pytest.mark.parametrize("wanted", FILTERS, ids=range(len(FILTERS)))
def test_deleting_many(history: History, rows: dict[str, list[Any]], wanted: Filter) -> None:
    expected = [one for one in rows["bb"] if is_wanted(wanted, one)]
    assert history.within(NOTHING).delete_all(wanted) == 0
    assert history.within(Scope("bb")).delete_all(wanted) == len(expected)
    left = set(ids(sum(rows.values(), []))) - set(ids(expected))
    assert set(ids(history.entries(Filter()))) == left


def test_retention_is_for_all_owners(
    history: History, rows: dict[str, list[Any]], tmp_path: Path
) -> None:
    recordings = Recordings(tmp_path, timedelta(0))
    now = START + timedelta(hours=30) + timedelta(days=1)
    Retention(history, timedelta(days=1), recordings).expire(now)
    assert set(ids(history.entries(Filter()))) == {f"id{n:04}" for n in range(30, 60)}


def test_what_is_not_an_owner() -> None:
    """Rows without an owner are in no scope but everything."""
    with pytest.raises(ValueError, match="owner"):
        Scope("")


def test_rows_without_an_owner_are_told_of(history: History) -> None:
    history.within(Scope("aa")).add(analysis(1))
    assert not history.any_without_owner()
    history.add(analysis(2))
    assert history.any_without_owner()


class TestJobs:
    @pytest.fixture
    def jobs(self, history: History) -> Jobs:
        jobs = Jobs(history.engine, Limits(files=50, n_bytes=5000))
        for n in range(6):
            for owner in OWNERS:
                part = jobs.within(Scope.of_owner(owner))
                add(part, f"{owner}-{n}", ["a", "b"], webhook="http://hook/")
        return jobs

    def test_lists(self, jobs: Jobs) -> None:
        for owner in OWNERS[:3]:
            part = jobs.within(Scope(owner))
            found, page = [], part.page(2)
            while True:
                found += page.jobs
                assert page.total == 6
                if not page.older:
                    break
                page = part.page(2, page.older)
            assert ids(found) == [f"{owner}-{n}" for n in range(5, -1, -1)]
        assert jobs.page(100).total == len(jobs.page(100).jobs) == 24
        assert jobs.within(NOTHING).page(100).jobs == ()

    def test_reading_and_changing(self, jobs: Jobs) -> None:
        for owner in OWNERS[:3]:
            part = jobs.within(Scope(owner))
            for other in OWNERS:
                if other == owner:
                    continue
                for change in (part.get, part.cancel, part.delete):
                    with pytest.raises(JobNotFound):
                        change(f"{other}-0")
            assert part.get(f"{owner}-0").webhook.url == "http://hook/"
            assert part.cancel(f"{owner}-0").state == "cancelled"
            part.delete(f"{owner}-0")
        assert {job.state for job in jobs.page(100).jobs} == {"queued"}
        assert jobs.page(100).total == 21

    def test_old_ones_of_all_owners_are_deleted(self, jobs: Jobs) -> None:
        for owner in OWNERS:
            jobs.cancel(f"{owner}-1")
        jobs.delete_older(datetime.now(UTC) + timedelta(seconds=1))
        assert jobs.page(100).total == 20

    def test_a_worker_stores_for_the_owner_of_the_job(
        self, jobs: Jobs, history: History, tmp_path: Path
    ) -> None:
        files = WaitingFiles(tmp_path)
        for job in jobs.page(100).jobs:
            for item in job.items:
                (tmp_path / job.id).mkdir(exist_ok=True)
                (tmp_path / job.id / str(item.number)).write_text(f"{job.id}-{item.number}")
        runner = Runner(StubAnalyzer(history), Claims(history.engine, LEASE, 3), files)
        while runner.step():
            pass
        for owner in OWNERS[:3]:
            mine = ids(history.within(Scope(owner)).entries(Filter()))
            assert {an_id.split("-")[0] for an_id in mine} == {owner}
            assert len(mine) == 12
            items = [i for j in jobs.within(Scope(owner)).page(100).jobs for i in j.items]
            assert {item.heard.analysis_id for item in items} == set(mine)
        assert history.page(Filter(), 1).total == 48


def test_lists_of_one_owner_read_its_rows_only(tmp_path: Path) -> None:
    """What SQLite says it is going to do, without any statistics: the index of the owner."""
    database = SqliteDatabase(tmp_path)
    history = History(database.url)
    for number in range(3):
        history.within(Scope("aa")).add(analysis(number))
    plans = Plans(history)
    mine = history.within(Scope("aa"))
    for wanted in FILTERS:
        list(mine.entries(wanted))
        mine.page(wanted, 10)
        mine.trend(wanted)
    assert_all_use(plans.taken(), "ix_analyses_owned")  # or that by name, to count
    mine.models()
    assert_all_use(plans.taken(), "ix_analyses_owned")
    with pytest.raises(AnalysisNotFound):
        mine.newest_named("other.wav")
    assert_all_use(plans.taken(), "ix_analyses_owned_named ")
    list(history.entries(Filter()))
    assert_all_use(plans.taken(), "ix_analyses_listed")
    jobs = Jobs(history.engine, Limits(1, 1))
    jobs.within(Scope("aa")).page(10)
    assert any("ix_jobs_owned" in plan for plan in plans.taken())
    history.close()


class Plans:
    """How the database goes about each query."""

    def __init__(self, history: History) -> None:
        self._plans: list[str] = []
        event.listen(history.engine, "before_cursor_execute", self._note)

    def taken(self) -> list[str]:
        taken, self._plans = self._plans, []
        return taken

    def _note(self, _connection: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            found = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            self._plans.append("; ".join(str(row[3]) for row in found))


def assert_all_use(plans: list[str], index: str) -> None:
    assert plans
    for plan in plans:
        assert index in plan, plan
        assert "TEMP B-TREE FOR ORDER BY" not in plan, plan
