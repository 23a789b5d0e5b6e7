"""A job's results as files: all that was heard, and why the rest was not."""

import csv
import io
import json
import zipfile
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.jobs.conftest import add
from tests.samples import analysis
from undertone.errors import NotAudio
from undertone.jobs.claims import Claims


@pytest.fixture
def job_id(app: Flask) -> str:
    """Four recordings: heard, refused, heard, and one whose turn has not come."""
    desk, history = app.extensions["undertone.jobs"], app.extensions["undertone"].history
    desk.engine.stop()
    jobs, claims = desk.jobs, desk_claims(app)
    names = ["../../one.wav", "words.txt", "=two.wav", "later.wav"]
    add(jobs, "j", names)
    for number, name in enumerate(names[:3], 1):
        claim = claims.take()
        if number == 2:
            claims.fail(claim, NotAudio("These are words."))
            continue
        heard = analysis(number, filename=name, id=f"id{number}")
        history.add(heard, lambda connection, id, claim=claim: claims.finish(claim, connection, id))
    return "j"


def desk_claims(app: Flask) -> Claims:
    from datetime import timedelta

    return Claims(app.extensions["undertone"].history.engine, timedelta(seconds=60), 3)


def test_json(client: FlaskClient, job_id: str) -> None:
    response = client.get(f"/jobs/{job_id}/results.json")
    assert response.headers["Content-Disposition"] == "attachment; filename=undertone-job.json"
    told: dict[str, Any] = json.loads(response.data)
    alone = client.get(f"/jobs/{job_id}").get_json()
    assert [{k: v for k, v in i.items() if k != "result"} for i in told["items"]] == alone["items"]
    assert told["items"][0]["result"] == client.get("/results/id1").get_json()
    assert [bool(item["result"]) for item in told["items"]] == [True, False, True, False]


def test_csv(client: FlaskClient, job_id: str) -> None:
    text = client.get(f"/jobs/{job_id}/results.csv").data.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["number"], row["state"]) for row in rows] == [
        ("1", "done"), ("2", "failed"), ("3", "done"), ("4", "queued"),
    ]  # fmt: skip
    assert [row["emotion"] or row["error"] for row in rows] == [
        "happy", "These are words.", "happy", "",
    ]  # fmt: skip
    assert rows[2]["filename"] == "'=two.wav"
    assert float(rows[0]["p_happy"]) == 0.75


def test_reports(client: FlaskClient, job_id: str) -> None:
    response = client.get(f"/jobs/{job_id}/reports.zip")
    assert response.mimetype == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["0001 one.pdf", "0003 =two.pdf"]
        assert all(archive.read(name).startswith(b"%PDF") for name in archive.namelist())


def test_a_result_that_was_deleted(client: FlaskClient, job_id: str) -> None:
    client.delete("/results/id1")
    told = json.loads(client.get(f"/jobs/{job_id}/results.json").data)
    assert [item["number"] for item in told["items"]] == [2, 3, 4]


def test_nothing_was_heard(app: Flask, client: FlaskClient) -> None:
    app.extensions["undertone.jobs"].engine.stop()
    add(app.extensions["undertone.jobs"].jobs, "j", ["a"])
    response = client.get("/jobs/j/reports.zip")
    assert (response.status_code, response.get_json()["code"]) == (404, "no-results")
    for name in ("results.json", "results.csv", "reports.zip"):
        assert client.get(f"/jobs/none/{name}").get_json()["code"] == "job-not-found"
