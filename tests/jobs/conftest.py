"""Jobs on both kinds of database, and recordings that are never heard."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion_recognizer import EmotionRecognizer
from tests import sounds
from tests.databases import Database
from tests.samples import analysis
from undertone.analysis import Analyzer, Listener
from undertone.jobs.claims import Claims
from undertone.jobs.job import Job
from undertone.jobs.store import Jobs, Limits, NewItem
from undertone.prediction import Analysis
from undertone.store.history import History
from undertone.store.recordings import Recordings
from undertone.store.waiting import WaitingFiles

LEASE = timedelta(seconds=30)


@pytest.fixture
def history(database: Database) -> Iterator[History]:
    opened = History(database.url)
    yield opened
    opened.close()


@pytest.fixture
def jobs(history: History) -> Jobs:
    return Jobs(history.engine, Limits(files=50, n_bytes=5000))


@pytest.fixture
def claims(history: History) -> Claims:
    return Claims(history.engine, LEASE, max_attempts=3)


@pytest.fixture
def files(tmp_path: Path) -> WaitingFiles:
    return WaitingFiles(tmp_path / "jobs")


@pytest.fixture(scope="session")
def voices() -> dict[str, bytes]:
    """Five recordings by name: short ones and one that takes longer."""
    made = {
        f"{n}.wav": sounds.with_soundfile(sounds.voice(1.0 + n / 4, 90 + 20 * n), 16_000, "WAV")
        for n in range(4)
    }
    long = np.tile(sounds.voice(30.0), 3)
    return {"long.mp3": sounds.with_soundfile(long, 16_000, "MP3"), **made}


@pytest.fixture(scope="session")
def expected(voices: dict[str, bytes]) -> dict[str, Analysis]:
    """What one process hears in them when nothing happens to it."""
    listener = Listener({"encoder": EmotionRecognizer()}, "encoder", 1800.0)
    return {name: listener.hear(data, name) for name, data in voices.items()}


class StubAnalyzer(Analyzer):
    """Stores an analysis for any bytes; `during` may do what happens meanwhile."""

    def __init__(self, history: History) -> None:
        nothing_kept = Recordings(Path("nowhere"), timedelta(0))
        super().__init__({}, "encoder", history, nothing_kept, max_duration_s=60.0)
        self.heard: list[str] = []
        self.during = lambda filename, progress: progress(0.5)

    def hear(self, data: Any, filename: str, model: Any, n_labels: Any, progress: Any) -> Any:
        self.during(filename, progress)
        self.heard.append(filename)
        return analysis(id=f"{data.head(9).decode()}-{len(self.heard)}", filename=filename)


@pytest.fixture
def analyzer(history: History) -> StubAnalyzer:
    return StubAnalyzer(history)


def add(
    jobs: Jobs, job_id: str, names: Sequence[str], files: WaitingFiles | None = None, **more: Any
) -> Job:
    """A job of recordings whose bytes are their names."""
    items = [NewItem(n, name, len(name)) for n, name in enumerate(names, 1)]
    for item in items:
        if files:
            (files.folder / job_id).mkdir(parents=True, exist_ok=True)
            (files.folder / job_id / str(item.number)).write_text(item.filename)
    return jobs.add(job_id, items, "encoder", 7, **more)
