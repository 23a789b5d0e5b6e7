from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.errors import AnalysisNotFound, SettingsError, StoreError
from undertone.history import History
from undertone.prediction import Analysis, MelSpectrogram, Prediction, Segment

PREDICTION = Prediction("happy", 0.75, {"sad": 0.25, "happy": 0.75}, "encoder", False)
ANALYSIS = Analysis(
    id="abc",
    created_at=datetime(2026, 11, 21, 12, 30, tzinfo=UTC),
    filename="słowo مرحبا.wav",
    duration_s=12.5,
    speech_s=9.0,
    prediction=PREDICTION,
    segments=(Segment(0.0, 6.0, PREDICTION),),
    envelope=(0.0, 0.5, 1.0),
    model_id="0123456789ab",
    profile={"pitch_hz": 123.4},
    spectrogram=MelSpectrogram(bytes(range(6)), n_mels=2, n_frames=3, frame_s=0.01),
)


@pytest.fixture
def history(tmp_path: Path) -> History:
    store = History(f"sqlite:///{tmp_path}/deep/er/history.sqlite3")
    yield store
    store.close()


def test_it_works(history: History) -> None:
    history.add(ANALYSIS)
    assert history.get("abc") == ANALYSIS


def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.sqlite3"
    first = History(url)
    first.add(ANALYSIS)
    first.close()
    second = History(url)
    assert second.get("abc") == ANALYSIS
    second.close()


def test_an_unknown_id_is_not_found(history: History) -> None:
    with pytest.raises(AnalysisNotFound):
        history.get("none")


def test_it_says_whether_it_is_writable(history: History) -> None:
    history.check_writable()


def test_a_read_only_store_is_an_error_of_its_own(tmp_path: Path) -> None:
    History(f"sqlite:///{tmp_path}/h.sqlite3").close()
    store = History(f"sqlite:///file:{tmp_path}/h.sqlite3?mode=ro&uri=true")
    with pytest.raises(StoreError):
        store.check_writable()
    with pytest.raises(StoreError):
        store.add(ANALYSIS)
    store.close()


@pytest.mark.parametrize("url", ["nonsense", "oracle9i://x", "sqlite:////proc/none/h.sqlite3"])
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        History(url)


@given(filename=st.text(st.characters(exclude_categories=["Cs"])), peak=st.floats(0, 1))
def test_json_round_trip(filename: str, peak: float) -> None:
    analysis = replace(ANALYSIS, filename=filename, envelope=(peak,))
    assert Analysis.from_dict(analysis.to_dict()) == analysis
