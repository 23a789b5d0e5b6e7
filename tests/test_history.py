"""The store, on SQLite and on PostgreSQL alike."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.databases import Database
from tests.samples import ANALYSIS, PREDICTION, START, analysis
from undertone.errors import AnalysisNotFound, BadRequest, SettingsError, StoreError
from undertone.prediction import Analysis, Segment
from undertone.store import database as undertone_database
from undertone.store import history as undertone_history
from undertone.store.history import History
from undertone.store.listing import Cursor, Entry, Filter

ALL = Filter()


@pytest.fixture
def history(database: Database) -> Iterator[History]:
    store = History(database.url)
    yield store
    store.close()


def fill(history: History, n: int) -> None:
    for number in range(n):
        history.add(analysis(number))


def names(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.filename for entry in entries]


def ids(history: History, wanted: Filter) -> list[str]:
    return [entry.id for entry in history.page(wanted, 100).entries]


def test_it_works(history: History) -> None:
    history.add(ANALYSIS)
    assert history.get("abc") == ANALYSIS


def test_it_is_there_after_a_restart(database: Database) -> None:
    first = History(database.url)
    first.add(ANALYSIS)
    first.close()
    second = History(database.url)
    assert second.get("abc") == ANALYSIS
    second.close()


def test_without_what_old_analyses_lack(history: History) -> None:
    bare = replace(ANALYSIS, spectrogram=None, profile={}, model_id="", segments=())
    history.add(bare)
    assert history.get("abc") == bare


@pytest.mark.parametrize("unknown", ["none", "", "x" * 9999, "a b", "a\x00b", "ß", "%", "abc\n"])
def test_an_unknown_id_is_not_found(history: History, unknown: str) -> None:
    history.add(ANALYSIS)
    with pytest.raises(AnalysisNotFound):
        history.get(unknown)
    with pytest.raises(AnalysisNotFound):
        history.delete(unknown)
    assert history.get("abc") == ANALYSIS


def test_an_entry_says_what_the_analysis_says(history: History) -> None:
    history.add(ANALYSIS)
    (entry,) = history.page(ALL, 10).entries
    for name in ("id", "created_at", "filename", "duration_s", "prediction", "model_id"):
        assert getattr(entry, name) == getattr(ANALYSIS, name), name
    assert list(entry.prediction.probabilities) == list(ANALYSIS.prediction.probabilities)


def test_the_strip_is_the_timeline_in_sixtieths(history: History) -> None:
    sad = replace(PREDICTION, label="sad", probabilities={"sad": 0.75, "happy": 0.25})
    windows = (Segment(0.0, 6.0, PREDICTION), Segment(7.0, 13.0, sad), Segment(14.0, 20.0, sad))
    history.add(analysis(segments=windows, speech=((0.0, 6.0), (8.0, 20.0)), duration_s=20.0))
    # Happy until somebody speaks again, at 8 s of 20 s.
    assert history.page(ALL, 10).entries[0].strip == (("happy", 24), ("sad", 36))


def test_a_short_recording_has_no_strip(history: History) -> None:
    history.add(analysis(segments=()))
    assert history.page(ALL, 10).entries[0].strip == ()


def test_the_newest_of_a_name(history: History) -> None:
    for number in (1, 3, 2):
        history.add(analysis(number, filename="same.wav"))
    history.add(analysis(4, filename="SAME.wav"))
    assert history.newest_named("same.wav").id == "id0003"
    assert history.newest_named("C:\\folder\\sa\x00me.wav").id == "id0003"
    with pytest.raises(AnalysisNotFound):
        history.newest_named("same%")


class TestPaging:
    def test_from_the_newest_to_the_oldest_and_back(self, history: History) -> None:
        fill(history, 7)
        first = history.page(ALL, 3)
        assert names(first.entries) == ["clip6.wav", "clip5.wav", "clip4.wav"]
        assert first.total == 7
        assert first.newer is None
        second = history.page(ALL, 3, before=first.older)
        assert names(second.entries) == ["clip3.wav", "clip2.wav", "clip1.wav"]
        third = history.page(ALL, 3, before=second.older)
        assert names(third.entries) == ["clip0.wav"]
        assert third.older is None
        back = history.page(ALL, 3, after=third.newer)
        assert back.entries == second.entries
        assert history.page(ALL, 3, before=back.older).entries == third.entries
        assert history.page(ALL, 3, after=back.newer) == first

    def test_the_first_page_is_always_full(self, history: History) -> None:
        fill(history, 4)
        first = history.page(ALL, 3)
        history.add(analysis(4))
        assert history.page(ALL, 3, after=first.newer or first.entries[-1].cursor).newer is None
        assert len(history.page(ALL, 3, after=first.entries[-1].cursor).entries) == 3

    def test_nothing(self, history: History) -> None:
        page = history.page(ALL, 3)
        assert (page.entries, page.total, page.older, page.newer) == ((), 0, None, None)

    def test_the_same_moment(self, history: History) -> None:
        for number in range(5):
            history.add(analysis(number, created_at=START))
        seen, before = [], None
        while True:
            page = history.page(ALL, 2, before=before)
            seen += [entry.id for entry in page.entries]
            if not (before := page.older):
                break
        assert seen == [f"id{number:04}" for number in (4, 3, 2, 1, 0)]

    def test_what_is_deleted_or_added_meanwhile_moves_nothing(self, history: History) -> None:
        fill(history, 6)
        first = history.page(ALL, 2)
        history.delete(first.entries[-1].id)
        history.add(analysis(9))
        assert names(history.page(ALL, 2, before=first.older).entries) == ["clip3.wav", "clip2.wav"]

    def test_all_entries(self, history: History, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(undertone_history, "ROWS_AT_A_TIME", 2)
        fill(history, 5)
        assert names(tuple(history.entries(ALL))) == [f"clip{n}.wav" for n in (4, 3, 2, 1, 0)]


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(5000, 1, 1), timezones=st.just(UTC)),
    st.from_regex(r"[\w-]{1,64}", fullmatch=True).filter(str.isascii),
)
def test_a_cursor_survives_an_address(moment: datetime, identity: str) -> None:
    assert Cursor.parse(str(Cursor(moment, identity))) == Cursor(moment, identity)


@pytest.mark.parametrize("text", ["", "abc", "1-", "-1-abc", "9" * 18 + "-a", "1-a b", "1-a\x00"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="no place in the history"):
        Cursor.parse(text)


class TestFilter:
    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("interview", ["Interview 1.WAV", "INTERVIEW_2.wav"]),
            ("VIEW_", ["INTERVIEW_2.wav"]),
            ("100%", ["100%.wav"]),
            ("%", ["100%.wav"]),
            ("\\", ["back\\slash.wav"]),
            ("/", ["sl/ash.wav"]),
            ("ŁÓDŹ", ["łódź.wav"]),
            ("łódz\u0301", ["łódź.wav"]),  # the same letter, written as two characters
            ("straSSe", ["Straße.wav"]),
            ("ΣΊΣΥΦΟΣ", ["σίσυφος.wav"]),
            ("تسجيل", ["تسجيل.wav"]),
            ("a\x00b\r", []),
            ("\x00", []),
            ("'; DROP TABLE analyses; --", []),
            ("", None),
        ],
    )
    def test_part_of_the_name(self, history: History, search: str, found: list[str] | None) -> None:
        everything = ["Interview 1.WAV", "INTERVIEW_2.wav", "interXview.wav", "100%.wav",
                      "back\\slash.wav", "sl/ash.wav", "łódź.wav", "Straße.wav", "σίσυφος.wav",
                      "تسجيل.wav"]  # fmt: skip
        for number, name in enumerate(everything):
            history.add(analysis(number, filename=name))
        page = history.page(Filter(search=search), 100)
        assert sorted(names(page.entries)) == sorted(everything if found is None else found)
        assert page.total == len(page.entries)

    def test_a_name_of_letters_that_fold_into_many(self, history: History) -> None:
        history.add(analysis(filename="\U0001d160" * 200))
        assert ids(history, Filter(search="\U0001d160" * 10)) == ["id0000"]

    def test_emotions_model_and_certainty(self, history: History) -> None:
        history.add(analysis(0, label="sad"))
        history.add(analysis(1, label="happy", uncertain=True))
        history.add(analysis(2, label="fear", model="cnn"))
        assert ids(history, Filter(emotions=("sad", "fear"))) == ["id0002", "id0000"]
        assert ids(history, Filter(model="cnn")) == ["id0002"]
        assert ids(history, Filter(model="cnn\x00")) == []
        assert ids(history, Filter(uncertain=True)) == ["id0001"]
        assert ids(history, Filter(uncertain=False)) == ["id0002", "id0000"]
        assert ids(history, Filter(emotions=("sad",), uncertain=True)) == []
        assert history.models() == ["cnn", "encoder"]

    def test_days_are_whole_ones_in_utc(self, history: History) -> None:
        midnight = START.replace(hour=0, minute=0)
        for number, moment in enumerate(
            [midnight - timedelta(microseconds=1), midnight,
             midnight + timedelta(days=1, microseconds=-1), midnight + timedelta(days=1)]
        ):  # fmt: skip
            history.add(analysis(number, created_at=moment))
        day = START.date()
        assert ids(history, Filter(since=day, until=day)) == ["id0002", "id0001"]
        assert ids(history, Filter(since=day)) == ["id0003", "id0002", "id0001"]
        assert ids(history, Filter(until=day)) == ["id0002", "id0001", "id0000"]
        assert len(ids(history, Filter(since=date.min, until=date.max))) == 4


class TestDeleting:
    def test_one(self, history: History, database: Database) -> None:
        fill(history, 2)
        history.delete("id0001")
        with pytest.raises(AnalysisNotFound):
            history.get("id0001")
        assert history.get("id0000").id == "id0000"
        assert database.execute("SELECT id FROM documents") == [("id0000",)]

    def test_all_that_is_wanted(self, history: History, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(undertone_history, "ROWS_AT_A_TIME", 2)
        fill(history, 7)
        assert history.delete_all(Filter(until=START.date())) == 7
        fill(history, 5)
        history.add(analysis(5, label="sad"))
        assert history.delete_all(Filter(emotions=("happy",))) == 5
        assert ids(history, ALL) == ["id0005"]
        assert history.delete_all(ALL) == 1
        assert history.delete_all(ALL) == 0

    def test_what_is_older(self, history: History) -> None:
        fill(history, 3)
        assert history.delete_older(START + timedelta(hours=1)) == 1
        assert ids(history, ALL) == ["id0002", "id0001"]

    def test_what_else_is_kept_goes_first(self, database: Database) -> None:
        forgotten: list[str] = []
        store = History(database.url, forget=forgotten.extend)
        fill(store, 3)
        store.delete("id0001")
        assert forgotten == ["id0001"]
        store.delete_all(ALL)
        assert sorted(forgotten) == ["id0000", "id0001", "id0002"]
        store.close()

    def test_what_cannot_be_forgotten_is_not_deleted(self, database: Database) -> None:
        def fail(_: object) -> None:
            raise StoreError("The folder is read-only.")

        store = History(database.url, forget=fail)
        fill(store, 1)
        with pytest.raises(StoreError, match="read-only"):
            store.delete_all(ALL)
        assert store.get("id0000").id == "id0000"
        store.close()


class TestTrouble:
    """Each ends in a StoreError, and is over when its cause is."""

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(undertone_database, "PATIENCE_S", 1)

    def test_it_says_whether_it_is_writable(self, history: History) -> None:
        history.check_writable()

    def test_locked_by_another(self, history: History, database: Database) -> None:
        history.add(analysis(0))
        with database.locked():
            with pytest.raises(StoreError):
                history.add(analysis(1))
            with pytest.raises(StoreError):
                history.check_writable()
        history.add(analysis(1))
        assert ids(history, ALL) == ["id0001", "id0000"]

    def test_full_or_read_only(self, history: History, database: Database) -> None:
        history.add(analysis(0))
        with database.refusing_to_write():
            for number in range(1, 4):
                with pytest.raises(StoreError):
                    history.add(analysis(number))
            assert ids(history, ALL) == ["id0000"]
        history.add(analysis(1))
        assert ids(history, ALL) == ["id0001", "id0000"]

    def test_an_id_that_is_taken(self, history: History) -> None:
        history.add(ANALYSIS)
        with pytest.raises(StoreError):
            history.add(replace(ANALYSIS, filename="other.wav"))
        assert history.get("abc") == ANALYSIS


def test_a_server_that_was_restarted(postgres_server: object) -> None:
    store = History(postgres_server.new_database())
    store.add(ANALYSIS)
    postgres_server.stop()
    with pytest.raises(StoreError):
        store.get("abc")
    postgres_server.start()
    assert store.get("abc") == ANALYSIS
    store.close()


def test_a_read_only_file(tmp_path: Path) -> None:
    History(f"sqlite:///{tmp_path}/h.sqlite3").close()
    store = History(f"sqlite:///file:{tmp_path}/h.sqlite3?mode=ro&uri=true")
    with pytest.raises(StoreError):
        store.check_writable()
    with pytest.raises(StoreError):
        store.add(ANALYSIS)
    store.close()


def test_the_folder_is_made(tmp_path: Path) -> None:
    History(f"sqlite:///{tmp_path}/deep/er/h.sqlite3").close()
    assert (tmp_path / "deep/er/h.sqlite3").is_file()


@pytest.mark.parametrize(
    "url",
    ["nonsense", "oracle9i://x", "mysql://x", "sqlite://", "sqlite:///:memory:",
     "sqlite:////proc/none/h.sqlite3", "postgresql+none://x"],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        History(url)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StoreError):
        History("postgres://nobody@127.0.0.1:9/none")


@given(filename=st.text(st.characters(exclude_categories=["Cs"])), peak=st.floats(0, 1))
def test_json_round_trip(filename: str, peak: float) -> None:
    heard = replace(ANALYSIS, filename=filename, envelope=(peak,))
    assert Analysis.from_dict(heard.to_dict()) == heard
