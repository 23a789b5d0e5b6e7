"""Archives: all is heard, once and alike, whoever does it and whoever dies on the way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pyarrow.parquet
import pytest
from joblib.externals.loky import get_reusable_executor
from s3fs import S3FileSystem

from emotion_recognizer import EmotionRecognizer
from tests import sounds
from tests.buckets import S3Server, running_s3
from tests.clusters import running_cluster
from tests.conftest import wav
from undertone.__main__ import open_recognizer
from undertone.analysis import Listener
from undertone.batch import engines
from undertone.batch import table as tables
from undertone.batch.engines import Cores
from undertone.batch.hearing import Hearing
from undertone.cli import DONE, FAILED, WRONG_USE
from undertone.cli.command_line import main
from undertone.prediction import Analysis
from undertone.recording_bytes import RecordingBytes
from undertone.settings import ROOT

N_RECORDINGS = 48
PATIENCE_S = 120


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings in folders, files that are none, and some that cannot be used."""
    folder = tmp_path_factory.mktemp("archive")
    voices = [wav(sounds.voice(1.0 + n / 4, 90 + 25 * n)) for n in range(4)]
    for number in range(N_RECORDINGS):
        place = folder / f"day {number % 3}"
        place.mkdir(exist_ok=True)
        (place / f"{number:02}.wav").write_bytes(voices[number % 4])
    (folder / "long.wav").write_bytes(wav(sounds.voice(9.0)))
    (folder / "notes.txt").write_text("no recording")
    (folder / ".hidden.wav").write_bytes(voices[0])
    (folder / "silent.wav").write_bytes(wav(0 * sounds.voice(1.0)))
    (folder / "bro\udcffken.wav").write_bytes(voices[0][:20])
    return folder


@pytest.fixture(scope="module")
def expected(archive: Path) -> dict[str, dict[str, Any]]:
    """What one process hears in them, by their paths."""
    listener = Listener({"encoder": EmotionRecognizer()}, "encoder", 1800.0)
    heard = {}
    for path in archive.rglob("[!.]*.wav"):
        if path.name[0].isdigit() or path.name == "long.wav":
            analysis = listener.hear(path.read_bytes(), path.name)
            heard[str(path.relative_to(archive))] = fields(analysis)
    assert len(heard) == N_RECORDINGS + 1
    return heard


def fields(analysis: Analysis) -> dict[str, Any]:
    """What a row of the table holds of an analysis."""
    prediction = analysis.prediction
    return {
        "emotion": prediction.label,
        "confidence": prediction.confidence,
        "duration_s": analysis.duration_s,
        "n_windows": len(analysis.segments),
        **{f"p_{name}": p for name, p in prediction.probabilities.items()},
    }


def rows(out: Path) -> list[dict[str, Any]]:
    return pyarrow.parquet.read_table(out).to_pylist()


def errors(out: Path) -> dict[str, str]:
    lines = [line for path in out.glob("_errors-*") for line in path.read_text().splitlines()]
    assert len({json.loads(line)["path"] for line in lines}) == len(lines)
    return {json.loads(line)["path"]: json.loads(line)["code"] for line in lines}


def check(found: list[dict[str, Any]], expected: dict[str, dict[str, Any]]) -> None:
    assert len(found) == len(expected)
    for row in found:
        wanted = expected[row["path"]]
        assert {"n_windows": len(row["windows"])} | {
            name: row[name] for name in wanted if name != "n_windows"
        } == wanted
        assert row["p_calm"] is None


def run(*arguments: str | Path) -> int:
    return main(["batch", *map(str, arguments)], open_recognizer)


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "undertone", "batch", *map(str, arguments)],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def in_the_middle(out: Path, process: subprocess.Popen[str]) -> None:
    """Wait until one more part of the table is there, and not all of it."""
    deadline_s = time.monotonic() + PATIENCE_S
    n_before = len(list(out.glob("part-*")))
    while len(list(out.glob("part-*"))) == n_before:
        assert process.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.02)


REFUSED = {"silent.wav": "recording-silent", "bro\\udcffken.wav": "not-audio"}


def test_it_works_and_goes_on_where_it_was(
    archive: Path, expected: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.parquet"
    copy = shutil.copytree(archive, tmp_path / "archive")
    (copy / "day 0" / "00.wav").rename(tmp_path / "later.wav")
    assert run(copy, "--out", out, "--jobs", "2", "--part", "20") == FAILED
    assert f"{N_RECORDINGS} analysed, 2 failed; " in capsys.readouterr().err
    (tmp_path / "later.wav").rename(copy / "day 0" / "00.wav")
    assert run(copy, "--out", out, "--jobs", "2") == DONE
    assert f"1 analysed, 0 failed, {N_RECORDINGS + 2} done before" in capsys.readouterr().err
    check(rows(out), expected)
    assert errors(out) == REFUSED
    assert run(copy, "--out", out, "--labels", "8") == WRONG_USE
    assert "labels 7, not 8; begin another table" in capsys.readouterr().err
    assert len(list(out.glob("part-*"))) >= 3


def test_killed_in_the_middle(archive: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    slow, heard = slowly(archive, expected, tmp_path / "slow")
    out = tmp_path / "results.parquet"
    asked = (slow, "--out", out, "--jobs", "2", "--part", "4")
    with start(*asked) as process:
        in_the_middle(out, process)
        os.killpg(process.pid, signal.SIGKILL)
    assert 0 < len(rows(out)) < len(heard)
    with start(*asked) as process:
        in_the_middle(out, process)
        process.terminate()
        assert process.wait(timeout=60) in (FAILED, 130)
    assert len(rows(out)) < len(heard)
    run(*asked)
    check(rows(out), heard)
    assert errors(out) == REFUSED


def slowly(archive: Path, expected: dict[str, Any], slow: Path) -> tuple[Path, dict[str, Any]]:
    """The archive, with minutes of speech behind it: nobody is done before he is killed."""
    shutil.copytree(archive, slow)
    talk = wav(np.concatenate([sounds.voice(20.0, 100 + 20 * n) for n in range(3)]))
    name = "talk.wav"
    listener = Listener({"encoder": EmotionRecognizer()}, "encoder", 1800.0)
    heard = fields(listener.hear(talk, name))
    talks = {}
    for number in range(8):
        place = slow / f"talk {number:02}"
        place.mkdir()
        (place / name).write_bytes(talk)
        talks[f"{place.name}/{name}"] = heard
    return slow, expected | talks


def test_a_cluster_of_which_a_worker_and_then_all_are_killed(
    archive: Path, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long is waited for a scheduler that is gone; half a minute otherwise.
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "5s")
    slow, heard = slowly(archive, expected, tmp_path / "slow")
    out = tmp_path / "results.parquet"
    asked = (slow, "--out", out, "--part", "4", "--cluster")
    with running_cluster(tmp_path) as cluster, start(*asked, cluster.address) as process:
        in_the_middle(out, process)
        cluster.kill_a_worker()
        in_the_middle(out, process)
        cluster.stop()
        _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == WRONG_USE, told
    assert "The cluster was lost." in told
    assert 0 < len(rows(out)) < len(heard)
    with running_cluster(tmp_path) as cluster:
        run(*asked, cluster.address)
    check(rows(out), heard)
    assert errors(out) == REFUSED


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with running_s3(tmp_path) as running:
        for name, value in running.environ.items():
            monkeypatch.setenv(name, value)
        # Of other tests, whose environment they have.
        get_reusable_executor().shutdown(wait=True)
        S3FileSystem.clear_instance_cache()
        yield running


def test_an_object_store(
    archive: Path, expected: dict[str, Any], tmp_path: Path, s3: S3Server
) -> None:
    client = boto3.client("s3", endpoint_url=s3.endpoint)
    for path in archive.rglob("[!.]*.[wt]*"):
        if path.is_file() and path.name.isascii():
            client.put_object(
                Bucket=s3.bucket, Key=f"all/{path.relative_to(archive)}", Body=path.read_bytes()
            )
    out = f"s3://{s3.bucket}/results.parquet"
    assert run(f"s3://{s3.bucket}/all", "--out", out, "--jobs", "2", "--part", "20") == FAILED
    assert run(f"s3://{s3.bucket}/all", "--out", out, "--jobs", "1") == DONE
    for found in client.list_objects_v2(Bucket=s3.bucket, Prefix="results.parquet/")["Contents"]:
        place = tmp_path / found["Key"]
        place.parent.mkdir(exist_ok=True)
        client.download_file(s3.bucket, found["Key"], str(place))
    check(rows(tmp_path / "results.parquet"), expected)
    assert errors(tmp_path / "results.parquet") == {"silent.wav": "recording-silent"}


def test_a_store_that_does_not_answer(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    nobody = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    for name, value in {**nobody, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    assert run(archive, "--out", "s3://bucket/t") == WRONG_USE
    assert run("s3://bucket/all", "--out", tmp_path / "t") == WRONG_USE
    told = capsys.readouterr().err
    assert "s3://bucket/t cannot be used" in told
    assert "s3://bucket/all cannot be listed" in told


class Poisoned:
    """An archive in which one recording ends whoever reads it."""

    def names(self) -> list[str]:
        return [f"{number}.wav" for number in range(12)]

    def read(self, name: str, max_bytes: int) -> RecordingBytes:
        if name == "7.wav":
            os.kill(os.getpid(), signal.SIGKILL)
        return RecordingBytes(wav(sounds.voice(1.0)))


def test_what_kills_whoever_works_on_it_is_set_aside() -> None:
    archive = Poisoned()
    hearing = Hearing(archive, open_recognizer, "encoder", 7, 1_000_000, 60.0)
    found = [row for part in Cores(2).rows(hearing, archive.names()) for row in part]
    assert sorted(row["path"] for row in found) == sorted(archive.names())
    assert {row["path"]: row["code"] for row in found if "code" in row} == {"7.wav": "set-aside"}


def test_what_was_not_the_recordings_fault_is_tried_again(tmp_path: Path) -> None:
    def table() -> tables.Table:
        return tables.Table(str(tmp_path / "t"), {"model": "m"})

    first = table()
    told = [("a", "unusable-file"), ("b", "recording-silent"), ("c", "internal-error")]
    first.add({"path": path, "code": code, "error": "why", "status": 1} for path, code in told)
    first.write()
    again = table()
    assert [again.has(name) for name in "abcd"] == [False, True, False, False]
    assert errors(tmp_path / "t") == {"b": "recording-silent"}


def test_memory_is_bounded_by_what_is_under_way() -> None:
    """Names are asked for as they are needed, not all at once."""
    asked = 0

    def names() -> Iterator[str]:
        nonlocal asked
        for number in range(100_000):
            asked += 1
            yield f"{number}.wav"

    class Nothing:
        def read(self, name: str, max_bytes: int) -> None:
            return None

    hearing = Hearing(Nothing(), open_recognizer, "encoder", 7, 1, 1.0)
    outcomes = Cores(1).rows(hearing, names())
    next(outcomes)
    outcomes.close()
    assert asked < 1000


def test_wrong_use(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(engines, "CONNECT_S", 1)

    def says(*arguments: str | Path) -> str:
        assert run(*arguments) == WRONG_USE
        return capsys.readouterr().err

    (tmp_path / "file").write_text("text")
    (tmp_path / "notes.txt").write_text("text")
    assert "There is no folder" in says(tmp_path / "none", "--out", tmp_path / "t")
    assert "there is a file of that name" in says(archive, "--out", tmp_path / "file")
    assert "is no part of a table" in says(archive, "--out", tmp_path)
    assert "no model named 'none'" in says(archive, "--out", tmp_path / "t", "--model", "none")
    assert "cannot be used" in says(
        archive, "--out", tmp_path / "t", "--cluster", "tcp://127.0.0.1:1"
    )
