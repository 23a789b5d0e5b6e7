"""Nothing is left on the disk: not after kill -9 in an upload, not after a deletion."""

import http.client
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from tests import sounds
from tests.conftest import multipart, wav
from tests.databases import Database
from tests.live import running_server
from tests.samples import analysis
from undertone.store.database import open_engine, reading, truncate_log
from undertone.store.history import History
from undertone.store.listing import Filter
from undertone.store.waiting import ORPHAN_AGE_S, Draft, WaitingFiles

MIB = 2**20


def draft(files: WaitingFiles) -> Draft:
    return Draft(files.folder, 10, MIB, MIB)


def age(folder: Path, age_s: float) -> None:
    moment_s = time.time() - age_s
    os.utime(folder, (moment_s, moment_s))


def test_a_request_that_still_receives_keeps_its_folder(tmp_path: Path) -> None:
    files = WaitingFiles(tmp_path / "jobs")
    receiving, released, crashed = draft(files), draft(files), draft(files)
    for each in (receiving, released, crashed):
        with each.open() as upload:
            upload.write(b"sound")
    released.release()
    os.close(crashed._lock)  # what the end of its process does
    for path in files.folder.iterdir():
        age(path, ORPHAN_AGE_S + 1)
    files.sweep(lambda ids: {released.job_id: False})
    assert {path.name for path in files.folder.iterdir()} == {receiving.job_id, released.job_id}
    receiving.discard()
    assert {path.name for path in files.folder.iterdir()} == {released.job_id}


def test_killed_in_an_upload_of_a_job_nothing_stays(tmp_path: Path) -> None:
    data = tmp_path / "data"
    body, kind = multipart(wav(sounds.noise(30.0)))
    with running_server(data, log=tmp_path / "log") as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        connection.putrequest("POST", "/jobs")
        connection.putheader("Content-Type", kind)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        connection.send(body[: len(body) // 2])
        deadline = time.monotonic() + 30
        while not [*data.glob("jobs/*/1")] and time.monotonic() < deadline:
            time.sleep(0.05)
        server.process.kill()
        server.process.wait()
        connection.close()
    (left,) = data.glob("jobs/*")
    age(left, ORPHAN_AGE_S + 1)
    with running_server(data, log=tmp_path / "log"):
        deadline = time.monotonic() + 30
        while [*data.glob("jobs/*")] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not [*data.glob("jobs/*")]


@pytest.mark.parametrize("way", ["one", "all", "older"])
def test_a_deleted_name_is_nowhere_in_the_files(tmp_path: Path, way: str) -> None:
    history = History(f"sqlite:///{tmp_path}/history.sqlite3")
    for number in range(20):
        history.add(analysis(number, filename=f"unmistakable-{number}.wav"))
    assert b"unmistakable" in _content(tmp_path)
    if way == "one":
        for number in range(20):
            history.delete(f"id{number:04}")
    elif way == "all":
        assert history.delete_all(Filter()) == 20
    else:
        assert history.delete_older(analysis(1000).created_at) == 20
    assert b"unmistakable" not in _content(tmp_path)
    history.close()


def test_a_reader_delays_it_until_the_next_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.sqlite3"
    history, other = History(url), open_engine(url)
    history.add(analysis(0, filename="unmistakable.wav"))
    with reading(other) as connection:
        connection.execute(text("SELECT count(*) FROM analyses")).scalar_one()
        history.delete("id0000")  # does not wait for the reader
        assert not truncate_log(history.engine)
    history.truncate_log()
    assert b"unmistakable" not in _content(tmp_path)
    other.dispose()
    history.close()


def test_postgresql_has_no_log_of_ours(database: Database) -> None:
    history = History(database.url)
    assert truncate_log(history.engine)
    history.close()


def _content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())
