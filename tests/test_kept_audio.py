"""Recordings that the settings ask to keep: played back, deleted, and what the pages say of it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from tests import sounds
from tests.conftest import upload
from tests.samples import analysis
from tests.test_error_shape import BROWSER, assert_error
from undertone.errors import StoreError
from undertone.settings import Settings
from undertone.store.history import History


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def app(data_dir: Path) -> Iterator[Flask]:
    application = create_app(
        Settings(data_dir=data_dir, keep_audio=timedelta(days=7), keep_history=timedelta(days=30))
    )
    yield application
    application.extensions["undertone"].history.close()


def get(client: FlaskClient, path: str, **headers: str) -> TestResponse:
    """The answer, read and closed, as a file that is sent must be."""
    with client.get(
        path, headers={name.replace("_", "-"): headers[name] for name in headers}
    ) as response:
        response.get_data()
        return response


def send(client: FlaskClient, data: bytes, name: str = "clip.wav") -> str:
    return client.post("/api/predict", **upload(data, name)).get_json()["id"]


def test_it_is_played_back_as_it_came(client: FlaskClient, voice_wav: bytes) -> None:
    identity = send(client, voice_wav, "Głos.wav")
    response = get(client, f"/recordings/{identity}")
    assert response.status_code == 200
    assert response.data == voice_wav
    assert response.mimetype == "audio/wav"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"].startswith("inline; filename=")
    assert "filename*=UTF-8''G%C5%82os.wav" in response.headers["Content-Disposition"]
    assert "private" in response.headers["Cache-Control"]
    assert response.headers["Accept-Ranges"] == "bytes"
    (entry,) = [e for e in client.get("/history").get_json()["history"] if e["id"] == identity]
    assert entry["recording"] == f"/recordings/{identity}"


def test_the_call_whose_clients_play_it_back_says_where(
    client: FlaskClient, voice_wav: bytes
) -> None:
    answer = client.post("/analyze", **upload(voice_wav)).get_json()
    assert answer["audio_path"] == f"/recordings/{answer['id']}"
    assert get(client, answer["audio_path"]).data == voice_wav


def test_in_parts(client: FlaskClient, voice_wav: bytes) -> None:
    path = f"/recordings/{send(client, voice_wav)}"
    part = get(client, path, Range="bytes=100-199")
    assert part.status_code == 206
    assert part.data == voice_wav[100:200]
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(voice_wav)}"
    end = get(client, path, Range="bytes=-10")
    assert end.data == voice_wav[-10:]
    assert_error(get(client, path, Range=f"bytes={len(voice_wav)}-"), 416,
                 "requested-range-not-satisfiable")  # fmt: skip
    again = get(client, path, If_None_Match=part.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")


def test_its_kind_is_that_of_its_bytes(client: FlaskClient) -> None:
    data = sounds.with_soundfile(sounds.voice(2.0), sounds.SAMPLE_RATE, "FLAC")
    identity = send(client, data, "page.html")
    response = get(client, f"/recordings/{identity}")
    assert response.mimetype == "audio/flac"
    assert "filename=page.flac" in response.headers["Content-Disposition"]


def test_nothing_but_ids_names_a_file(
    client: FlaskClient, data_dir: Path, voice_wav: bytes
) -> None:
    identity = send(client, voice_wav, "../../evil.wav")
    assert (data_dir / "recordings" / identity).read_bytes() == voice_wav
    assert not list(data_dir.parent.rglob("*evil*"))
    for name in ("none", "..", "%2e%2e%2fundertone.sqlite3", f"{identity}.part", "x" * 500):
        response = get(client, f"/recordings/{name}")
        assert response.status_code == 404


def test_it_goes_with_its_result(client: FlaskClient, data_dir: Path, voice_wav: bytes) -> None:
    first, second, third = (send(client, voice_wav, f"{n}.wav") for n in range(3))
    client.delete(f"/results/{first}")
    client.post(f"/results/{second}/delete")
    assert_error(get(client, f"/recordings/{first}"), 404, "analysis-not-found")
    kept = {path.name for path in (data_dir / "recordings").iterdir()}
    assert third in kept
    assert not {first, second} & kept
    client.delete("/history")
    assert not list((data_dir / "recordings").iterdir())


def test_after_its_time(client: FlaskClient, data_dir: Path, voice_wav: bytes) -> None:
    identity = send(client, voice_wav)
    path = data_dir / "recordings" / identity
    a_week_ago = path.stat().st_mtime - timedelta(days=7).total_seconds()
    os.utime(path, (a_week_ago, a_week_ago))
    assert_error(get(client, f"/recordings/{identity}"), 404, "recording-not-kept")
    assert client.get(f"/results/{identity}").status_code == 200


def test_an_analysis_without_a_recording(app: Flask, client: FlaskClient) -> None:
    app.extensions["undertone"].history.add(analysis(1))
    assert_error(client.get("/recordings/id0001"), 404, "recording-not-kept")


def test_what_cannot_be_analysed_or_stored_is_not_kept(
    app: Flask, client: FlaskClient, data_dir: Path, voice_wav: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    client.delete("/history")
    assert client.post("/upload", **upload(b"words, not a recording" * 50)).status_code == 415

    def fail(*_: object) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(app.extensions["undertone"].history, "add", fail)
    assert_error(client.post("/upload", **upload(voice_wav)), 503, "store-unavailable")
    assert not (data_dir / "recordings").exists() or not list((data_dir / "recordings").iterdir())


def test_the_pages_tell_what_is_kept(client: FlaskClient, voice_wav: bytes, tmp_path: Path) -> None:
    html = client.get(f"/results/{send(client, voice_wav)}", headers=BROWSER).get_data(as_text=True)
    assert 'data-recording="/recordings/' in html
    assert "The recording is kept until" in html
    assert "kept there for 7 days" in html
    assert "for 30 days, unless you delete it before" in html


def test_the_pages_tell_that_nothing_is_kept(tmp_path: Path, voice_wav: bytes) -> None:
    application = create_app(Settings(data_dir=tmp_path))
    client = application.test_client()
    html = client.get(f"/results/{send(client, voice_wav)}", headers=BROWSER).get_data(as_text=True)
    assert "data-recording" not in html
    assert "The recording itself is not kept" in html
    assert "runs, and not kept." in " ".join(html.split())
    assert "until you delete it" in html
    assert not (tmp_path / "recordings").exists()
    application.extensions["undertone"].history.close()


def test_what_is_too_old_goes_at_the_start(tmp_path: Path) -> None:
    kept = tmp_path / "recordings" / "id0000"
    kept.parent.mkdir()
    kept.write_bytes(b"sound of a time when recordings were kept")
    history = History(f"sqlite:///{tmp_path}/undertone.sqlite3")
    history.add(analysis(0, created_at=datetime(2000, 1, 1, tzinfo=UTC)))
    history.add(analysis(1, created_at=datetime.now(UTC)))
    history.close()
    application = create_app(Settings(data_dir=tmp_path, keep_history=timedelta(days=30)))
    assert not kept.exists()
    assert application.test_client().get("/history").get_json()["total"] == 1
    application.extensions["undertone"].history.close()
