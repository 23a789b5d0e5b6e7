"""Fixtures shared by all tests: an application of its own for each, and recordings to send."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as hypothesis_settings

from app import create_app
from emotion_recognizer import EmotionRecognizer
from tests import postgres, sounds
from tests.databases import Database, PostgresDatabase, SqliteDatabase
from undertone.settings import ROOT, Settings
from undertone.sound.audio import decode

# How long an example takes depends on the machine: never a reason to fail.
hypothesis_settings.register_profile("undertone", deadline=None)
hypothesis_settings.load_profile("undertone")

DATASETS = ROOT.parent / "shared" / "datasets"


@pytest.fixture(scope="session", autouse=True)
def models_are_loaded_once() -> Iterator[None]:
    """Applications by the hundred share what never changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.EmotionRecognizer", functools.cache(EmotionRecognizer))
        yield


class _InProcess:
    """Decodes right here; the real one has tests of its own, and live servers use it."""

    def __init__(self, n_processes: int) -> None:
        self.decode = decode

    def check(self) -> None:
        """There is nothing that could hang."""


@pytest.fixture(scope="session", autouse=True)
def no_processes_for_decoding() -> Iterator[None]:
    """Processes by the hundred would take long to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.Decoders", _InProcess)
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", max_upload_mb=2.0)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    application = create_app(settings)
    yield application
    application.extensions["undertone.jobs"].engine.stop()
    application.extensions["undertone"].history.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    """A real PostgreSQL server, where it is installed."""
    programs = postgres.find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres.running_postgres(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A fresh database; each test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path)
    return PostgresDatabase(request.getfixturevalue("postgres_server"))


def wav(samples: np.ndarray) -> bytes:
    """A wav file of samples at 16 kHz."""
    return sounds.with_soundfile(samples, sounds.SAMPLE_RATE, "WAV")


@pytest.fixture(scope="session")
def voice_wav() -> bytes:
    """A synthesised voice of 2 s as a wav file."""
    return wav(sounds.voice(2.0))


def multipart(
    data: bytes, name: str = "clip.wav", field: str = "file", **fields: str
) -> tuple[bytes, str]:
    """Body and content type of a form with a file, as a browser sends it."""
    parts = [
        f'--undertone\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ]
    quoted = name.replace('"', "%22")
    parts.append(
        f'--undertone\r\nContent-Disposition: form-data; name="{field}"; filename="{quoted}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = "".join(parts).encode() + data + b"\r\n--undertone--\r\n"
    return body, "multipart/form-data; boundary=undertone"


def upload(
    data: bytes, name: str = "clip.wav", field: str = "file", **fields: str
) -> dict[str, Any]:
    """Arguments of a test client's `post` for a multipart upload."""
    body, content_type = multipart(data, name, field, **fields)
    return {"data": body, "content_type": content_type}
