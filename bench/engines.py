"""Throughput of jobs and of archives, each with both engines, with one and two workers.

``python -m bench.engines`` prints a table for docs/deploy.md. Each row has the same recordings, as
one job or as one archive, several times. It shows the median rate and the range of all rounds. A
wide range means other load on the machine. Workers analyse some recordings before the clock
starts.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import psutil

from bench.processes import usage
from emotion_recognizer import EmotionRecognizer
from tests import sounds
from tests.brokers import running_redis, running_worker
from tests.clusters import running_cluster
from tests.conftest import wav
from tests.jobs.steps import call, send
from tests.live import Server, running_server
from undertone.batch.archive import Folder
from undertone.batch.engines import Cluster, Cores, Engine
from undertone.batch.hearing import Hearing

MANY = "10000"  # recordings in a job
LOOK_EVERY_S = 0.2  # each poll costs the server some milliseconds
Work = Callable[[dict[str, bytes]], None]


def main() -> None:
    """Run all measurements and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each recording")
    options = parser.parse_args()
    pitches = itertools.islice(itertools.cycle(range(90, 250, 10)), options.recordings)
    made = [wav(sounds.voice(options.seconds, pitch)) for pitch in range(90, 250, 10)]
    clips = {f"{n}.wav": made[(pitch - 90) // 10] for n, pitch in enumerate(pitches)}
    load = " ".join(f"{each:.1f}" for each in psutil.getloadavg())
    print(f"{psutil.cpu_count()} cores, load before {load}")
    print("| engine | workers | recordings an hour | CPU time each |\n|---|--:|--:|--:|")
    ways = {
        "jobs, in the server": _in_process, "jobs, Celery": _celery,
        "archive, cores (joblib)": _cores, "archive, Dask": _dask,
    }  # fmt: skip
    for name, way in ways.items():
        for n_workers in (1, 2):
            with tempfile.TemporaryDirectory() as folder, way(Path(folder), n_workers) as work:
                work(dict(itertools.islice(clips.items(), 4 * n_workers)))  # loads the models
                rounds = [_measured(work, clips) for _ in range(options.rounds)]
            rates, costs_s = zip(*rounds, strict=True)
            print(
                f"| {name} | {n_workers} | {median(rates):,.0f} ({min(rates):,.0f} to "
                f"{max(rates):,.0f}) | {median(costs_s):.2f} s |",
                flush=True,
            )


def _measured(work: Work, clips: dict[str, bytes]) -> tuple[float, float]:
    """Return recordings an hour, and seconds of CPU for each recording."""
    before_s, began_s = _cpu_s(), time.perf_counter()
    work(clips)
    lasted_s, cpu_s = time.perf_counter() - began_s, _cpu_s() - before_s
    return 3600 * len(clips) / lasted_s, cpu_s / len(clips)


@contextmanager
def _in_process(folder: Path, n_workers: int) -> Iterator[Work]:
    with running_server(
        folder, UNDERTONE_JOB_THREADS=str(n_workers), UNDERTONE_JOB_FILES=MANY
    ) as server:
        yield lambda clips: _until_done(server, clips)


@contextmanager
def _celery(folder: Path, n_workers: int) -> Iterator[Work]:
    with ExitStack() as stack:
        broker = stack.enter_context(running_redis(folder))
        server = stack.enter_context(
            running_server(folder, UNDERTONE_BROKER_URL=broker.url, UNDERTONE_JOB_FILES=MANY)
        )
        for _ in range(n_workers):
            stack.enter_context(running_worker(folder, UNDERTONE_BROKER_URL=broker.url))
        yield lambda clips: _until_done(server, clips)


@contextmanager
def _cores(folder: Path, n_workers: int) -> Iterator[Work]:
    yield lambda clips: _until_heard(Cores(n_workers), folder, clips)


@contextmanager
def _dask(folder: Path, n_workers: int) -> Iterator[Work]:
    with running_cluster(folder, n_workers) as cluster:
        engine = Cluster(cluster.address)
        yield lambda clips: _until_heard(engine, folder, clips)
        engine.close()


def _until_done(server: Server, clips: dict[str, bytes]) -> None:
    job_id = send(server, clips)
    while not call(f"{server.url}/jobs/{job_id}")["finished_at"]:
        time.sleep(LOOK_EVERY_S)


def _until_heard(engine: Engine, folder: Path, clips: dict[str, bytes]) -> None:
    archive = folder / f"archive {len(clips)}"
    archive.mkdir(exist_ok=True)
    for name, data in clips.items():
        (archive / name).write_bytes(data)
    hearing = Hearing(Folder(str(archive)), EmotionRecognizer, "encoder", 7, 10**9, 3600.0)
    rows = [row for part in engine.rows(hearing, hearing.archive.names()) for row in part]
    assert len(rows) == len(clips)


def _cpu_s() -> float:
    """Return the seconds of CPU used so far by this process and its descendants."""
    return usage(psutil.Process().pid).cpu_s


if __name__ == "__main__":
    main()
