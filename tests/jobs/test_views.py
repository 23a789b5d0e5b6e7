"""The calls about jobs: what a program sends, the whole of what it gets, and what is refused."""

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from tests import sounds
from tests.conftest import multipart, upload
from tests.jobs.test_posting import running_receiver
from tests.test_error_shape import BROWSER, assert_error
from undertone.settings import Settings

PATIENCE_S = 120
SUMMARY = {
    "id", "state", "created_at", "started_at", "finished_at", "model", "labels", "progress",
    "counts", "webhook",
}  # fmt: skip
ITEM = {
    "number", "filename", "state", "progress", "attempts", "analysis_id", "emotion", "confidence",
    "uncertain", "error",
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data", max_upload_mb=1.0, job_files=5, job_mb=3.0, job_queue_files=6
    )


@pytest.fixture
def idle_app(settings: Settings) -> Any:
    """An application in which nothing is ever begun."""
    application = create_app(Settings(**{**vars(settings), "job_threads": 0}))
    yield application
    application.extensions["undertone"].history.close()


@pytest.fixture
def idle(idle_app: Flask) -> FlaskClient:
    return idle_app.test_client()


def recordings(*named: tuple[bytes, str], field: str = "file", **fields: str) -> dict[str, Any]:
    """Arguments of a test client's `post` for several files."""
    end = b"--undertone--\r\n"
    bodies = [multipart(data, name, field, **fields)[0].removesuffix(end) for data, name in named]
    _, content_type = multipart(b"")
    return {"data": b"".join(bodies) + end, "content_type": content_type}


def until_over(client: FlaskClient, job_id: str) -> dict[str, Any]:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        job = client.get(f"/jobs/{job_id}").get_json()
        if job["finished_at"]:
            return job
        time.sleep(0.05)
    raise AssertionError(f"not over: {job}")


def waiting_files(settings: Settings) -> list[Path]:
    return [path for path in (settings.data_dir / "jobs").rglob("*") if path.is_file()]


def test_it_works(client: FlaskClient, settings: Settings, voice_wav: bytes) -> None:
    alone = client.post("/upload", **upload(voice_wav)).get_json()
    response = client.post("/jobs", **recordings((voice_wav, "ałb.wav"), (b"words" * 99, "b.wav")))
    assert response.status_code == 202
    job = response.get_json()
    assert set(job) == SUMMARY | {"items"}
    assert all(set(item) == ITEM for item in job["items"])
    assert re.fullmatch(r"[\w-]{22}", job["id"])
    assert response.headers["Location"] == f"/jobs/{job['id']}"
    assert job["state"] in {"queued", "running"}
    assert (job["model"], job["labels"]) == ("encoder", 7)

    job = until_over(client, job["id"])
    assert job["state"] == "done"
    assert job["progress"] == 1
    assert job["counts"] == {"queued": 0, "running": 0, "done": 1, "failed": 1, "cancelled": 0}
    voice, words = job["items"]
    assert (voice["filename"], voice["state"], voice["attempts"]) == ("ałb.wav", "done", 1)
    assert voice["emotion"] == alone["predicted_emotion"]
    assert voice["confidence"] == alone["confidence"]
    assert client.get(f"/results/{voice['analysis_id']}").get_json()["filename"] == "ałb.wav"
    assert words["state"] == "failed"
    assert (words["error"]["code"], words["error"]["status"]) == ("not-audio", 415)
    assert words["analysis_id"] is None
    assert not waiting_files(settings)


@pytest.mark.parametrize("where", ["form", "query"])
def test_the_set_of_emotions(client: FlaskClient, voice_wav: bytes, where: str) -> None:
    if where == "form":
        response = client.post("/jobs", **recordings((voice_wav, "a.wav"), labels="6"))
    else:
        response = client.post("/jobs?labels=6", **recordings((voice_wav, "a.wav")))
    job = until_over(client, response.get_json()["id"])
    assert job["labels"] == 6
    result = client.get(f"/results/{job['items'][0]['analysis_id']}").get_json()
    assert len(result["prediction"]["probabilities"]) == 6


def test_a_long_recording_tells_how_far_it_is(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("undertone.jobs.runner.BEAT_S", 0.01)
    data = sounds.with_soundfile(sounds.voice(120.0), sounds.SAMPLE_RATE, "MP3")
    job_id = client.post("/jobs", **recordings((data, "long.mp3"))).get_json()["id"]
    shares = []
    while not shares or shares[-1] < 1:
        shares.append(client.get(f"/jobs/{job_id}").get_json()["progress"])
    assert shares == sorted(shares)
    assert len(set(shares)) > 4
    result = client.get(f"/jobs/{job_id}").get_json()["items"][0]["analysis_id"]
    assert len(client.get(f"/results/{result}").get_json()["segments"]) > 30


def test_cancel_in_the_middle(client: FlaskClient, settings: Settings) -> None:
    data = sounds.with_soundfile(np.tile(sounds.voice(60.0), 15), sounds.SAMPLE_RATE, "MP3")
    job_id = client.post("/jobs", **recordings((data[:900_000], "long.mp3"))).get_json()["id"]
    while client.get(f"/jobs/{job_id}").get_json()["progress"] == 0:
        time.sleep(0.01)
    job = client.post(f"/jobs/{job_id}/cancel").get_json()
    assert (job["state"], job["items"][0]["state"]) == ("cancelled", "cancelled")
    assert not waiting_files(settings)
    client.application.extensions["undertone.jobs"].engine.stop()
    assert client.get(f"/jobs/{job_id}").get_json() == job
    assert client.post(f"/jobs/{job_id}/cancel").get_json() == job


def test_cancel_before_it_begins(idle: FlaskClient, settings: Settings) -> None:
    job_id = idle.post("/jobs", **recordings((b"a", "a.wav"), (b"b", "b.wav"))).get_json()["id"]
    assert len(waiting_files(settings)) == 2
    assert idle.post(f"/jobs/{job_id}/cancel").get_json()["counts"]["cancelled"] == 2
    assert not waiting_files(settings)


def test_delete(idle: FlaskClient, settings: Settings) -> None:
    job_id = idle.post("/jobs", **recordings((b"a", "a.wav"))).get_json()["id"]
    response = idle.delete(f"/jobs/{job_id}")
    assert (response.status_code, response.data) == (204, b"")
    assert not waiting_files(settings)
    assert_error(idle.get(f"/jobs/{job_id}"), 404, "job-not-found")


def test_the_list(idle: FlaskClient) -> None:
    ids = [idle.post("/jobs", **recordings((b"a", "a.wav"))).get_json()["id"] for _ in range(3)]
    first = idle.get("/jobs?limit=2").get_json()
    assert set(first) == {"jobs", "total", "next"}
    assert all(set(job) == SUMMARY for job in first["jobs"])
    second = idle.get("/jobs", query_string={"limit": 2, "before": first["next"]}).get_json()
    assert [job["id"] for page in (first, second) for job in page["jobs"]] == ids[::-1]
    assert (first["total"], second["next"]) == (3, None)
    for query in ("limit=0", "limit=201", "limit=x", "before=x"):
        assert_error(idle.get(f"/jobs?{query}"), 400, "bad-request")


def test_limits(idle: FlaskClient, settings: Settings) -> None:
    small, large = (b"x", "a.wav"), (bytes(900_000), "b.wav")
    assert_error(idle.post("/jobs", **recordings(*[small] * 6)), 413, "too-many-files")
    assert_error(idle.post("/jobs", **recordings(*[large] * 4)), 413, "job-too-large")
    fields = {f"field{n}": "x" for n in range(200)}
    assert_error(idle.post("/jobs", **recordings(small, **fields)), 413, "request-too-large")
    assert not list((settings.data_dir / "jobs").iterdir())
    assert idle.post("/jobs", **recordings(*[small] * 5)).status_code == 202
    response = idle.post("/jobs", **recordings(small, small))
    assert_error(response, 503, "queue-full")
    assert response.headers["Retry-After"] == "60"
    assert idle.post("/jobs", **recordings(small)).status_code == 202
    assert_error(idle.post("/jobs", **recordings(small)), 503, "queue-full")
    assert len(waiting_files(settings)) == 6


def test_a_file_that_is_too_large_does_not_harm_the_others(
    client: FlaskClient, voice_wav: bytes
) -> None:
    response = client.post("/jobs", **recordings((bytes(1_500_000), "big"), (voice_wav, "fine")))
    job = until_over(client, response.get_json()["id"])
    assert [item["state"] for item in job["items"]] == ["failed", "done"]
    assert job["items"][0]["error"]["code"] == "file-too-large"
    assert "1 MiB" in job["items"][0]["error"]["error"]


def test_what_is_refused(idle: FlaskClient, settings: Settings) -> None:
    for request in (
        {}, {"data": {"file": "text"}}, {"json": {"file": "x"}}, recordings((b"", "")),
        recordings((b"x", "a.wav"), field="sound"), {"data": b"x"},
    ):  # fmt: skip
        assert_error(idle.post("/jobs", **request), 400, "missing-file")
    one = recordings
    assert_error(idle.post("/jobs?model=../x", **one((b"x", "a"))), 400, "unknown-model")
    assert_error(idle.post("/jobs", **one((b"x", "a"), model="none")), 400, "unknown-model")
    assert_error(idle.post("/jobs?labels=9", **one((b"x", "a"))), 400, "unknown-labels")
    assert_error(idle.put("/jobs"), 405, "method-not-allowed")
    for path in ("/jobs/none", "/jobs/..%2fx", "/jobs/" + "x" * 100):
        assert idle.get(path).status_code == 404
    assert_error(idle.post("/jobs/none/cancel"), 404, "job-not-found")
    assert_error(idle.delete("/jobs/none"), 404, "job-not-found")
    assert idle.get("/jobs").get_json()["total"] == 0
    assert not list((settings.data_dir / "jobs").iterdir())


def test_file_names_are_only_shown(idle: FlaskClient, settings: Settings) -> None:
    for name, shown in (("../../etc/passwd", "passwd"), ("a\u202eb.wav", "ab.wav")):
        job = idle.post("/jobs", **recordings((b"x", name))).get_json()
        assert job["items"][0]["filename"] == shown
    assert {path.name for path in waiting_files(settings)} == {"1"}


def test_a_browser_is_sent_to_the_page(idle: FlaskClient) -> None:
    name = "<img src=x onerror=alert(1)>.wav"
    response = idle.post("/jobs", **recordings((b"x", name)), headers=BROWSER)
    assert response.status_code == 303
    page = idle.get(response.headers["Location"], headers=BROWSER)
    assert page.mimetype == "text/html"
    html = page.get_data(as_text=True)
    assert "&lt;img src=x" in html
    assert "<img src=x" not in html
    cancelled = idle.post(f"{response.headers['Location']}/cancel", headers=BROWSER)
    assert (cancelled.status_code, cancelled.headers["Location"]) == (
        303, response.headers["Location"],
    )  # fmt: skip
    lost = idle.get("/jobs/none", headers=BROWSER)
    assert (lost.status_code, lost.mimetype) == (404, "text/html")


def test_what_is_unfinished_is_taken_up_by_the_next_start(
    idle: FlaskClient, settings: Settings, voice_wav: bytes
) -> None:
    job_id = idle.post("/jobs", **recordings((voice_wav, "a.wav"))).get_json()["id"]
    application = create_app(settings)
    try:
        job = until_over(application.test_client(), job_id)
    finally:
        application.extensions["undertone.jobs"].engine.stop()
        application.extensions["undertone"].history.close()
    assert job["state"] == "done"


def test_a_webhook(settings: Settings, voice_wav: bytes) -> None:
    secret = {"webhook_secret": "a secret of sixteen characters", "webhook_private": True}
    application = create_app(Settings(**{**vars(settings), **secret}))
    try:
        with running_receiver() as receiver:
            client = application.test_client()
            sent = recordings((voice_wav, "a.wav"), webhook=receiver.url)
            job_id = client.post("/jobs", **sent).get_json()["id"]
            deadline_s = time.monotonic() + PATIENCE_S
            while not receiver.got and time.monotonic() < deadline_s:
                time.sleep(0.05)
            event = json.loads(receiver.got[0][2])
            application.extensions["undertone.jobs"].engine.stop()
            job = client.get(f"/jobs/{job_id}").get_json()
    finally:
        application.extensions["undertone.jobs"].engine.stop()
        application.extensions["undertone"].history.close()
    assert event["type"] == "job.done"
    assert event["data"]["items"] == job["items"]
    assert job["webhook"] == {
        "url": receiver.url, "state": "delivered", "attempts": 1, "problem": None
    }  # fmt: skip


def test_webhooks_that_are_refused(idle: FlaskClient, settings: Settings) -> None:
    for url in ("http://example.org", "file:///etc/passwd"):
        response = idle.post("/jobs", **recordings((b"x", "a.wav"), webhook=url))
        assert_error(response, 400, "webhook-refused")
    assert not list((settings.data_dir / "jobs").iterdir())


def test_several_files_in_the_pages_form(idle: FlaskClient, settings: Settings) -> None:
    """As a browser without a script sends them."""
    response = idle.post(
        "/result", **recordings((b"a", "a.wav"), (b"b", "b.wav"), labels="8"), headers=BROWSER
    )
    assert response.status_code == 303
    job = idle.get(response.headers["Location"]).get_json()
    assert [item["filename"] for item in job["items"]] == ["a.wav", "b.wav"]
    assert job["labels"] == 8
    page = idle.get(response.headers["Location"], headers=BROWSER).get_data(as_text=True)
    assert '<noscript><meta http-equiv="refresh"' in page

    for choice, status in (({"model": "none"}, 400), ({"labels": "9"}, 400)):
        sent = recordings((b"a", "a.wav"), (b"b", "b.wav"), **choice)
        response = idle.post("/result", **sent, headers=BROWSER)
        assert response.status_code == status
        assert 'action="/result"' in response.get_data(as_text=True)
    sent = recordings((bytes(2_000_000), "a.wav"), (bytes(2_000_000), "b.wav"))
    response = idle.post("/result", **sent, headers=BROWSER)
    assert response.status_code == 413
    assert 'action="/result"' in response.get_data(as_text=True)
    assert idle.get("/jobs").get_json()["total"] == 1
    assert len(waiting_files(settings)) == 2


def test_one_file_over_the_limit_in_the_pages_form(idle: FlaskClient, settings: Settings) -> None:
    sent = recordings((b"a", "a.wav"), (bytes(1_100_000), "big.wav"), (bytes(900_000), "c.wav"))
    response = idle.post("/result", **sent, headers=BROWSER)
    assert response.status_code == 303
    items = idle.get(response.headers["Location"]).get_json()["items"]
    assert [item["state"] for item in items] == ["queued", "failed", "queued"]
    assert items[1]["error"]["code"] == "file-too-large"
    assert len(waiting_files(settings)) == 2
    # Alone it is refused at once, and stays with the form.
    response = idle.post("/result", **upload(bytes(1_100_000)), headers=BROWSER)
    assert response.status_code == 413
    assert 'id="problem"' in response.get_data(as_text=True)


def test_a_job_is_received_without_holding_it_in_memory(settings: Settings) -> None:
    """More than may be held of all requests together goes by, because it goes to the disk."""
    little = {"max_upload_mb": 0.5, "uploads_mb": 1.0, "job_mb": 10.0, "job_threads": 0}
    application = create_app(Settings(**{**vars(settings), **little}))
    files = [(bytes(500_000), f"{n}.wav") for n in range(4)]
    files.insert(2, (bytes(3_000_000), "too large.wav"))
    response = application.test_client().post("/jobs", **recordings(*files))
    application.extensions["undertone"].history.close()
    assert response.status_code == 202, response.get_data()
    assert [path.stat().st_size for path in waiting_files(settings)] == [500_000] * 4
