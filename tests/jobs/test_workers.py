"""Workers behind a broker: the same results as one process, whoever is killed on the way."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from tests import brokers
from tests.brokers import BrokerServer, running_rabbitmq, running_redis, running_worker
from tests.jobs.steps import call, check_all_is_there_once, in_the_middle, looks, send
from tests.live import running_server
from tests.postgres import PostgresServer
from undertone.jobs import broker as broker_engine
from undertone.jobs.work import Work
from undertone.prediction import Analysis
from undertone.settings import ROOT

pytestmark = pytest.mark.skipif(
    not brokers.is_installed(),
    reason="Redis is not installed (Debian: apt-get install redis-server)",
)


both_brokers = pytest.mark.parametrize(
    "broker",
    [
        pytest.param(running_redis, id="redis"),
        pytest.param(
            running_rabbitmq,
            id="rabbitmq",
            marks=pytest.mark.skipif(
                not brokers.rabbitmq_is_installed(),
                reason="RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)",
            ),
        ),
    ],
    indirect=True,
)


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerServer]:
    start = getattr(request, "param", running_redis)
    with start(tmp_path) as running:
        yield running


def settings(broker: BrokerServer, **more: str) -> dict[str, str]:
    return {"UNDERTONE_BROKER_URL": broker.url, "UNDERTONE_JOB_LEASE_S": "3", **more}


@both_brokers
def test_everything_is_killed_on_postgresql(
    tmp_path: Path,
    broker: BrokerServer,
    postgres_server: PostgresServer,
    voices: dict[str, bytes],
    expected: dict[str, Analysis],
) -> None:
    """One of two workers, then the broker, then the other worker.

    Redis has forgotten all when it is back; RabbitMQ tells again of what nobody said was done.
    """
    url = postgres_server.new_database()
    usual = settings(broker, DATABASE_URL=url)
    with running_server(tmp_path, **usual) as server:
        with running_worker(tmp_path, **usual) as one:
            job_id = send(server, voices)
            in_the_middle(server, job_id)
            one.kill()
        with running_worker(tmp_path, **usual) as other:
            next(job for job in looks(server, job_id) if job["items"][0]["attempts"] == 2)
            broker.kill()
            other_job = send(server, {"4.wav": voices["0.wav"]})  # taken while nobody can be told
            other.kill()
        broker.start()
        with running_worker(tmp_path, **usual):
            job = next(job for job in looks(server, other_job) if job["finished_at"])
            assert job["items"][0]["confidence"] == expected["0.wav"].prediction.confidence
            check_all_is_there_once(server, job_id, tmp_path, expected, url)


def test_the_broker_comes_back_while_workers_wait(
    tmp_path: Path, broker: BrokerServer, voices: dict[str, bytes], expected: dict[str, Analysis]
) -> None:
    usual = settings(broker)
    with running_server(tmp_path, **usual) as server, running_worker(tmp_path, **usual) as worker:
        job_id = send(server, voices)
        in_the_middle(server, job_id)
        broker.kill()
        worker.kill_a_child()
        broker.start()
        check_all_is_there_once(server, job_id, tmp_path, expected)


def test_what_kills_every_worker_is_set_aside(
    tmp_path: Path, broker: BrokerServer, voices: dict[str, bytes]
) -> None:
    usual = settings(broker, UNDERTONE_JOB_ATTEMPTS="2")
    both = {name: voices[name] for name in ("long.mp3", "0.wav")}
    with running_server(tmp_path, **usual) as server, running_worker(tmp_path, **usual) as worker:
        job_id = send(server, both)
        for attempt in (1, 2):
            for job in looks(server, job_id):
                item = job["items"][0]
                if item["attempts"] == attempt and 0 < item["progress"] < 1:
                    break
            worker.kill_a_child()
        job = next(job for job in looks(server, job_id) if job["finished_at"])
    poison, fine = job["items"]
    assert (poison["state"], poison["error"]["code"]) == ("failed", "set-aside")
    assert fine["state"] == "done"


def test_a_worker_that_is_asked_to_stop_finishes_what_it_has_begun(
    tmp_path: Path, broker: BrokerServer, voices: dict[str, bytes]
) -> None:
    usual = settings(broker, UNDERTONE_JOB_LEASE_S="3600", UNDERTONE_LOG_FORMAT="json")
    with running_server(tmp_path, **usual) as server, running_worker(tmp_path, **usual) as worker:
        job_id = send(server, voices)
        in_the_middle(server, job_id)
        assert worker.stop() == 0
        begun, *others = call(f"{server.url}/jobs/{job_id}")["items"]
    assert (begun["state"], begun["attempts"]) == ("done", 1)
    assert {item["state"] for item in others} == {"queued"}
    lines = (tmp_path / "worker.log").read_text().splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    assert any("undertone.work" in line["message"] for line in told)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_nobody_waits_for_a_broker_that_says_nothing(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_engine, "PATIENCE_S", 0.1)
    for name in ("socket_timeout", "read_timeout"):
        monkeypatch.setitem(broker_engine.SENDING, name, 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(OperationalError):
            broker_engine.top_up(broker_engine.make_celery(url, never_opened), 1)


def never_opened() -> Work:
    raise AssertionError("a web process does not work")


def test_a_worker_without_a_broker_says_so() -> None:
    environ = {**os.environ, "UNDERTONE_BROKER_URL": ""}
    done = subprocess.run(
        [sys.executable, "worker.py"], cwd=ROOT, env=environ, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "UNDERTONE_BROKER_URL" in done.stderr
    assert "Traceback" not in done.stderr
