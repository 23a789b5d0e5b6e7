"""An application with four keys, and results, recordings and jobs that some of them own."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from tests import samples
from tests.jobs.conftest import LEASE, StubAnalyzer
from undertone.jobs.claims import Claims
from undertone.jobs.runner import Runner
from undertone.jobs.store import NewItem
from undertone.jobs.work import open_work
from undertone.keys import KeyRing, Role
from undertone.prediction import MelSpectrogram
from undertone.settings import Settings
from undertone.sound.audio import decode
from undertone.sound.spectrogram import mel_spectrogram
from undertone.store.listing import Filter
from undertone.store.scope import EVERYTHING, Scope

OLD = "old"  # owner of rows from before there were owners
OWNERS = ("alice", "bob", OLD)
ROLES = {"alice": Role.USER, "bob": Role.USER, "root": Role.ADMIN, "prometheus": Role.METRICS}
PEOPLE = ("alice", "bob", "root")


@dataclass
class House:
    """The application and its keys."""

    app: Flask
    ring: KeyRing
    secrets: dict[str, str]

    def ask(self, name: str, method: str, path: str, **more: Any) -> TestResponse:
        """Send a request with somebody's key."""
        headers = {"X-API-Key": self.secrets[name], **more.pop("headers", {})}
        return self.app.test_client().open(path, method=method, headers=headers, **more)

    def scope(self, owner: str) -> Scope:
        """The scope that a key has, or that of old rows."""
        ids = {key.name: key.id for key in self.ring.keys()}
        return EVERYTHING if owner == OLD else Scope(ids[owner])

    def ids(self) -> set[str]:
        """Ids of all results and jobs, whoever owns them."""
        results = self.app.extensions["undertone"].history.entries(Filter())
        jobs = self.app.extensions["undertone.jobs"].jobs.page(100).jobs
        return {entry.id for entry in results} | {job.id for job in jobs}

    def state(self) -> dict[str, Any]:
        """All results, the jobs with their states, and the recordings on the disk."""
        folder = self.app.config["SETTINGS"].data_dir
        jobs = self.app.extensions["undertone.jobs"].jobs.page(100).jobs
        return {
            "ids": self.ids(),
            "jobs": {job.id: job.state for job in jobs},
            "files": sorted(path for path in folder.glob("*/**/*") if path.is_file()),
        }


@pytest.fixture(scope="session")
def spectrogram(voice_wav: bytes) -> MelSpectrogram:
    return mel_spectrogram(decode(voice_wav))


@pytest.fixture
def house(tmp_path: Path, voice_wav: bytes, spectrogram: MelSpectrogram) -> Iterator[House]:
    """Each owner has two results, one of them named as the others' are, and two jobs."""
    ring = KeyRing(tmp_path / "keys.json")
    secrets = {name: ring.make(name, role=role) for name, role in ROLES.items()}
    settings = Settings(
        data_dir=tmp_path / "data", api_keys_file=ring.path, job_threads=0,
        keep_audio=timedelta(days=1),
    )  # fmt: skip
    built = House(create_app(settings), ring, secrets)
    for number, owner in enumerate(OWNERS):
        analyzer = built.app.extensions["undertone"].within(built.scope(owner))
        for n, name in enumerate((f"{owner}.wav", "recording.wav")):
            made = samples.analysis(
                number + 10 * n, id=f"{owner}-{n}", filename=name, model=f"model-of-{owner}"
            )
            analyzer.history.add(replace(made, spectrogram=spectrogram))
            analyzer.recordings.add(f"{owner}-{n}", voice_wav)
    for state in ("done", "waits"):
        for owner in OWNERS:
            _add_job(built, owner, f"{owner}-{state}", is_done=state == "done")
    yield built
    built.app.extensions["undertone.jobs"].engine.stop()
    built.app.extensions["undertone"].history.close()


def _add_job(house: House, owner: str, job_id: str, *, is_done: bool) -> None:
    analyzer = house.app.extensions["undertone"]
    work = open_work(house.app.config["SETTINGS"], analyzer)
    (work.files.folder / job_id).mkdir(parents=True)
    (work.files.folder / job_id / "1").write_text(job_id)
    items = [NewItem(1, f"{owner}.wav", 5)]
    work.jobs.within(house.scope(owner)).add(job_id, items, "encoder", 7, f"http://{owner}/")
    if is_done:
        claims = Claims(analyzer.history.engine, LEASE, 3)
        assert Runner(StubAnalyzer(analyzer.history), claims, work.files).step()
