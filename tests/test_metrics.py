"""What Prometheus is told: counts of what happened, in one process and in several."""

import re
import signal
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import multipart, upload
from tests.databases import Database
from tests.live import running_server
from tests.samples import analysis
from undertone.errors import SettingsError
from undertone.recognition.model_store import installed_models
from undertone.settings import Settings
from undertone.store import drift
from undertone.store.history import History
from undertone.web import metrics
from undertone.web.access import check_limits


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FRESH_S", 0.0)


def told(text: str) -> dict[tuple[str, ...], float]:
    """Name and values of the labels, in the order of their names, to the number."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped(client: FlaskClient) -> dict[tuple[str, ...], float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=")
    return told(response.get_data(as_text=True))


def test_it_works(client: FlaskClient, voice_wav: bytes) -> None:
    heard = client.post("/upload", **upload(voice_wav)).get_json()["predicted_emotion"]
    client.post("/upload", **upload(b"no sound at all"))
    client.get("/results/secret-id")
    client.open("/nowhere", method="INVENTED")
    found = scraped(client)
    assert found["undertone_request_seconds_count", "POST", "/upload", "200"] == 1
    assert found["undertone_request_seconds_count", "POST", "/upload", "415"] == 1
    assert found["undertone_request_seconds_count", "GET", "/results/<analysis_id>", "404"] == 1
    assert found["undertone_request_seconds_count", "other", "none", "404"] == 1
    assert found["undertone_requests_underway",] == 1  # the one that asks
    assert found["undertone_errors_total", "not-audio"] == 1
    assert found["undertone_analysis_seconds_count", "encoder"] == 1
    assert found["undertone_sound_seconds_total", "encoder"] == 2
    assert found["undertone_predictions_lately", heard, "encoder"] == 1
    assert found["undertone_job_recordings", "queued"] == 0
    assert found["undertone_store_up",] == 1
    models = [key[-1] for key in found if key[0] == "undertone_model_info"]
    assert sorted(models) == installed_models()


def test_nothing_of_a_client_is_told(client: FlaskClient, voice_wav: bytes) -> None:
    answer = client.post("/upload", **upload(voice_wav, "my secret.wav")).get_json()
    client.get(f"/results/{answer['id']}")
    text = client.get("/metrics").get_data(as_text=True)
    assert "secret" not in text
    assert answer["id"] not in text


def test_drift(database: Database) -> None:
    history = History(database.url)
    now = datetime.now(UTC)
    for number, (days, label) in enumerate([(0, "sad"), (0, "sad"), (3, "sad"), (4, "happy")]):
        history.add(analysis(number, label=label, created_at=now - timedelta(days=days, hours=1)))
    lately, before = drift.lately_and_before(history.engine)
    history.close()
    ((model, heard),) = lately.items()
    assert heard == {"sad": 2}
    assert before == {model: {"sad": 1, "happy": 1}}
    assert drift.distance(heard, before[model]) == 0.5


def test_rates_are_not_counted_apart_by_several_processes() -> None:
    check_limits(Settings(rate_limit="5 per second"))
    check_limits(Settings(processes=2))
    check_limits(
        Settings(processes=2, rate_limit="5 per second", rate_limit_storage="redis://host")
    )
    with pytest.raises(SettingsError, match="UNDERTONE_RATE_LIMIT_STORAGE=redis"):
        check_limits(Settings(processes=2, rate_limit="5 per second"))


def test_two_processes_count_together_and_drain_before_they_end(
    tmp_path: Path, voice_wav: bytes
) -> None:
    usual = {"UNDERTONE_PROCESSES": "2", "UNDERTONE_DRAIN_S": "60"}
    with running_server(tmp_path, **usual) as server:

        def status(path: str, body: bytes | None = None) -> int:
            headers = {"Content-Type": multipart(b"")[1]} if body else {}
            asked = urllib.request.Request(f"{server.url}{path}", body, headers)
            try:
                with urllib.request.urlopen(asked, timeout=60) as response:
                    return response.status
            except urllib.error.HTTPError as error:
                return error.code

        sent = multipart(voice_wav)[0]
        assert [status("/upload", sent) for _ in range(6)] == [200] * 6
        with urllib.request.urlopen(f"{server.url}/metrics") as response:
            text = response.read().decode()
        assert told(text)["undertone_analysis_seconds_count", "encoder"] == 6
        assert not re.search(r"\bpid=", text)
        server.process.send_signal(signal.SIGTERM)
        while status("/health/ready") != 503:
            time.sleep(0.05)
        assert status("/health/live") == 200
        assert status("/upload", sent) == 200
        server.process.send_signal(signal.SIGTERM)  # nobody has to wait for the end of it
        assert server.process.wait(timeout=60) == 0
    assert not list(tmp_path.glob("metrics-*"))
