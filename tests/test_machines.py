"""Several machines: processes that share nothing but PostgreSQL, Redis and a bucket."""

import io
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from emotion_recognizer import EmotionRecognizer
from tests import brokers, sounds
from tests.brokers import BrokerServer, running_redis, running_worker
from tests.buckets import S3Server, running_s3
from tests.conftest import wav
from tests.jobs.steps import call, looks, send
from tests.live import running_server
from tests.postgres import PostgresServer
from undertone.analysis import Listener
from undertone.errors import RecordingLost
from undertone.recording_bytes import RecordingBytes
from undertone.store.shared_audio import Bucket, SharedRecordings, SharedWaitingFiles
from undertone.store.waiting import Draft

HOUR_S = 3600


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bucket:
    for name, value in s3.environ.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    return Bucket(f"s3://{s3.bucket}/{tmp_path.name}", tmp_path)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerServer]:
    if not brokers.is_installed():
        pytest.skip("Redis is not installed (Debian: apt-get install redis-server)")
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


def test_recordings_in_a_bucket(bucket: Bucket) -> None:
    kept = SharedRecordings(bucket, timedelta(hours=1))
    for name in ("abc", "def"):
        kept.add(name, b"sound")
    assert kept.source("abc").in_memory == b"sound"
    large = bytes(range(256)) * 80_000  # 20 MB: in parts, there and back
    kept.add("large", io.BytesIO(large))
    with tempfile.TemporaryFile() as file:
        file.write(large)
        file.seek(0)
        kept.add("from a file", RecordingBytes.of(file))
    for name in ("large", "from a file"):
        bucket_copy = bucket.fetch(name).content()
        assert b"".join(bucket_copy.pieces()) == large
        bucket_copy.close()
    kept.forget(["large", "from a file"])
    assert kept.source("../abc") is kept.source("nothing") is None
    written_s = bucket.written_s("abc")
    assert kept.is_kept("abc", written_s + HOUR_S - 1)
    assert not kept.is_kept("abc", written_s + HOUR_S)
    kept.forget(["abc", "never there"])
    assert not kept.is_kept("abc")
    kept.expire(written_s + HOUR_S - 10)
    assert kept.is_kept("def")
    kept.expire(written_s + HOUR_S + 10)
    assert not bucket.all_written_s()


def test_waiting_recordings_in_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    files = SharedWaitingFiles(bucket, tmp_path / "jobs")
    drafts = {}
    for name in ("over", "goes on"):
        draft = Draft(files.folder, 5, 1000, 10)
        uploads = [draft.open() for _ in range(3)]
        for upload, data in zip(uploads, (b"one", b"two", b"much too large"), strict=True):
            upload.write(data)
        files.keep(draft, [uploads[1], uploads[2]])
        drafts[name] = draft.job_id
    assert not list(files.folder.iterdir())
    with files.open(drafts["over"], 2) as content:
        assert content.in_memory == b"two"
    for number in (1, 3):
        with pytest.raises(RecordingLost):
            files.open(drafts["over"], number)
    files.sweep(lambda ids: {job_id: job_id == drafts["over"] for job_id in ids})
    assert list(bucket.all_written_s()) == [f"{drafts['goes on']}/2"]
    files.remove_job(drafts["goes on"])
    assert not bucket.all_written_s()


def test_a_worker_on_another_machine(
    tmp_path: Path, s3: S3Server, redis: BrokerServer, postgres_server: PostgresServer
) -> None:
    """It has another data folder; what it heard and kept is told by two web processes."""
    usual = {
        **s3.environ,
        "DATABASE_URL": postgres_server.new_database(),
        "UNDERTONE_BROKER_URL": redis.url,
        "UNDERTONE_AUDIO_URL": f"s3://{s3.bucket}/machines",
        "UNDERTONE_KEEP_AUDIO": "1h",
    }
    voices = {f"{pitch}.wav": wav(sounds.voice(1.5, pitch)) for pitch in (110, 180)}
    listener = Listener({"encoder": EmotionRecognizer()}, "encoder", 60.0)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    with (
        running_server(here, UNDERTONE_PROCESSES="2", **usual) as server,
        running_worker(there, **usual),
    ):
        job_id = send(server, voices)
        job = next(job for job in looks(server, job_id) if job["finished_at"])
        for item in job["items"]:
            data = voices[item["filename"]]
            heard = listener.hear(data, item["filename"]).prediction
            assert (item["emotion"], item["confidence"]) == (heard.label, heard.confidence)
            with urllib.request.urlopen(f"{server.url}/recordings/{item['analysis_id']}") as kept:
                assert kept.read() == data
    assert not [path for path in here.rglob("jobs/*")]


def test_rates_are_counted_together(tmp_path: Path, redis: BrokerServer) -> None:
    usual = {
        "UNDERTONE_PROCESSES": "2",
        "UNDERTONE_RATE_LIMIT": "10 per hour",
        "UNDERTONE_RATE_LIMIT_STORAGE": redis.url,
    }
    with running_server(tmp_path, **usual) as server:
        for _ in range(10):
            call(f"{server.url}/jobs")
        for _ in range(10):
            with pytest.raises(urllib.error.HTTPError, match="429") as refused:
                call(f"{server.url}/jobs")
            refused.value.close()
