"""Benchmark of Undertone and comparison with a plain application: ``make bench``.

The main figure is CPU time for each request, of the server and all its processes. Other load on
the machine changes it little, but delays every response.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.load import Client, Load, put_load
from bench.processes import running_reference, usage
from bench.stages import by_threads, stages
from tests import sounds
from tests.conftest import wav
from tests.live import running_server

PATHS = ("/upload", "/predict", "/api/predict")
AT_ONCE = (1, 4, 16)
CLIP_S = 4.0
LONG_MIN = (1, 10, 60)
START_LIMIT_S = 120.0


def main() -> None:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, help="a recording; synthesised voices if not given")
    parser.add_argument("--requests", type=int, default=48, help="at each concurrency")
    parser.add_argument("--without-reference", action="store_true")
    parser.add_argument("--without-long", action="store_true")
    options = parser.parse_args()
    clips = [wav(_sentence(number, CLIP_S)) for number in range(8)]
    if options.clip:
        clips = [options.clip.read_bytes()]
    load = " ".join(f"{each:.1f}" for each in psutil.getloadavg())
    print(f"{psutil.cpu_count()} cores, load {load}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = _measure_ours(folder, clips, options.requests, not options.without_long)
        if not options.without_reference:
            _compare(folder, clips, ours)
    _print_stages(clips[0])


def _sentence(number: int, duration_s: float) -> np.ndarray:
    """Return silence and 2.7 s of a voice, as in most clips of RAVDESS [shape=(n,)].

    Each number has another voice.
    """
    spoken = sounds.voice(2.7, 90 + 20 * (number % 7), seed=number)
    return np.concatenate([sounds.silence(duration_s - 2.7), spoken])


def _measure_ours(
    folder: Path, clips: Sequence[bytes], n_requests: int, with_long: bool
) -> dict[str, Load]:
    """Measure starts, requests and long recordings; return loads at concurrency 1 by path."""
    _print_starts(folder, clips[0])
    alone: dict[str, Load] = {}
    with running_server(folder, UNDERTONE_MAX_DURATION_S="3600") as server:
        pid = server.process.pid
        print("\n## Requests with a sentence in 4 s\n")
        _row("call", "at once", "CPU ms each", "p50 ms", "p95 ms", "answers/s", "MB before, after")
        _row(*7 * ["---"])
        for path in PATHS:
            put_load(server.url, pid, path, clips, 8, 4)  # warm-up, not counted
            for n_at_once in AT_ONCE:
                n = n_requests if n_at_once > 1 else n_requests // 2
                load = put_load(server.url, pid, path, clips, n, n_at_once)
                alone.setdefault(path, load)
                _print_load(path, n_at_once, load)
        if with_long:
            _print_long(server.url, pid)
    return alone


def _print_starts(folder: Path, clip: bytes) -> None:
    print("\n## From start to the first answer\n")
    _row("data folder", "seconds", "CPU s", "MB")
    _row(*4 * ["---"])
    for state in ("new", "used before"):
        began_s = time.perf_counter()
        with running_server(folder) as server:
            Client(server.url).seconds("/upload", clip)
            used = usage(server.process.pid)
            seconds = time.perf_counter() - began_s
            _row(state, f"{seconds:.2f}", f"{used.cpu_s:.2f}", f"{used.memory_mb:.0f}")


def _print_long(url: str, pid: int) -> None:
    print("\n## Long recordings, each with its timeline\n")
    _row("length", "file", "seconds", "CPU s", "CPU s/min", "MB after")
    _row(*6 * ["---"])
    minute = np.concatenate([_sentence(number, CLIP_S) for number in range(15)])
    for n_minutes in LONG_MIN:
        samples = np.tile(minute, n_minutes)
        data = sounds.with_soundfile(samples, sounds.SAMPLE_RATE, "OGG", "VORBIS")
        load = put_load(url, pid, "/api/predict", [data], 1, 1)
        _row(
            f"{n_minutes} min", f"ogg, {len(data) / 1e6:.1f} MB", f"{load.lasted_s:.2f}",
            f"{load.cpu_s:.2f}", f"{load.cpu_s / n_minutes:.3f}", f"{load.memory_mb[1]:.0f}",
        )  # fmt: skip


def _compare(folder: Path, clips: Sequence[bytes], ours: dict[str, Load]) -> None:
    print("\n## A plain application (librosa, scikit-learn, pyplot at 300 dpi), one at a time\n")
    _row("call", "CPU ms each", "p50 ms", "Undertone's CPU", "Undertone's p50")
    _row(*5 * ["---"])
    with running_reference(folder) as (url, pid):
        _wait_for(url, clips[0])
        for path in ("/upload", "/api/predict"):
            load = put_load(url, pid, path, clips, 12, 1)
            cheaper = load.cpu_ms_each / ours[path].cpu_ms_each
            sooner = load.latency_ms(50) / ours[path].latency_ms(50)
            _row(
                path, f"{load.cpu_ms_each:.0f}", f"{load.latency_ms(50):.0f}",
                f"1/{cheaper:.1f}", f"1/{sooner:.1f}",
            )  # fmt: skip


def _wait_for(url: str, clip: bytes) -> None:
    until_s = time.monotonic() + START_LIMIT_S
    while True:
        try:
            Client(url).seconds("/upload", clip)
            return
        except Exception:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.5)


def _print_stages(clip: bytes) -> None:
    took_ms = stages(clip)
    print("\n## Each step, on one thread\n")
    _row("step", "CPU ms")
    _row("---", "---")
    for name, ms in took_ms.items():
        _row(name, f"{ms:.1f}")
    print("\n## The encoder on one and on two threads\n")
    _row("threads", "CPU ms", "ms")
    _row(*3 * ["---"])
    for n_threads, (cpu_ms, wall_ms) in by_threads(clip).items():
        _row(n_threads, f"{cpu_ms:.1f}", f"{wall_ms:.1f}")


def _print_load(path: str, n_at_once: int, load: Load) -> None:
    _row(
        path, n_at_once, f"{load.cpu_ms_each:.1f}", f"{load.latency_ms(50):.0f}",
        f"{load.latency_ms(95):.0f}", f"{load.answers_per_s:.1f}",
        "{:.0f}, {:.0f}".format(*load.memory_mb),
    )  # fmt: skip


def _row(*cells: Any) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


if __name__ == "__main__":
    main()
