"""Soak test: responses under load must equal those to the same clip alone.

``make soak`` takes four minutes, ``make soak SECONDS=60`` one. It exits with 1 if a response was
wrong or lost, if it was an error without ``Retry-After``, or if memory keeps growing.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.load import Client
from bench.processes import usage
from tests import sounds
from tests.conftest import wav
from tests.live import running_server
from undertone.web.serving import TRIM_EVERY_S

AT_ONCE = (1, 4, 16, 64)
ROUNDS = 3  # of all concurrencies, to show growth of memory
PATHS = ("/upload", "/predict", "/api/predict")
# Fields that depend on the clip alone; the others differ with each request.
SAME = ("predicted_emotion", "emotion", "confidence", "probabilities", "chart_url", "duration_s",
        "segments", "timeline", "uncertain", "sentiment")  # fmt: skip


@dataclass
class Outcome:
    """Results of the requests at one concurrency.

    Attributes
    ----------
    n_right, n_refused : int
        Numbers of correct responses and of refusals (503) with ``Retry-After``.
    wrong : list of str
        Problems of all other responses.
    latencies_s, refused_s : list of float
        Latencies of correct responses and of refusals, in seconds.
    """

    n_right: int = 0
    n_refused: int = 0
    wrong: list[str] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)


class Soak:
    """Soak test with clips and their expected responses.

    Parameters
    ----------
    url : str
    clips : sequence of bytes
    """

    def __init__(self, url: str, clips: Sequence[bytes]) -> None:
        self._client = Client(url)
        self._clips = clips
        self._alone = {
            (path, number): self._expected(path, number)
            for path in PATHS
            for number in range(len(clips))
        }

    def run(self, n_at_once: int, seconds: float) -> Outcome:
        """Send requests from `n_at_once` threads for a number of seconds."""
        outcome = Outcome()
        until_s = time.monotonic() + seconds
        turns = itertools.count()

        def work() -> None:
            while time.monotonic() < until_s:
                self._one(next(turns), outcome)

        with ThreadPoolExecutor(n_at_once) as pool:
            for future in [pool.submit(work) for _ in range(n_at_once)]:
                future.result()
        return outcome

    def _one(self, turn: int, outcome: Outcome) -> None:
        path, number = PATHS[turn % len(PATHS)], turn // 3 % len(self._clips)
        # Half of the requests have the same file name.
        name = "clip.wav" if turn % 2 else f"clip {turn}.wav"
        began_s = time.perf_counter()
        try:
            response = self._client.send(path, self._clips[number], name)
        except Exception as error:
            outcome.wrong.append(f"{path}: lost, {error!r}")
            return
        took_s = time.perf_counter() - began_s
        if response.status == 503 and int(response.headers.get("Retry-After", 0)) > 0:
            outcome.n_refused += 1
            outcome.refused_s.append(took_s)
            time.sleep(0.2)  # shorter than Retry-After, to keep up the load
        elif response.status != 200:
            outcome.wrong.append(f"{path}: {response.status}, {response.data[:200]!r}")
        elif problem := self._compare(response.json(), path, number, name):
            outcome.wrong.append(f"{path}: {problem}")
        else:
            outcome.n_right += 1
            outcome.latencies_s.append(took_s)

    def _compare(self, answer: Any, path: str, number: int, name: str) -> str:
        if answer["filename"] != name:
            return f"the name {answer['filename']!r} instead of {name!r}"
        differing = [k for k, v in self._alone[path, number].items() if answer.get(k) != v]
        return f"{', '.join(differing)} of clip {number} differ" if differing else ""

    def _expected(self, path: str, number: int) -> dict[str, Any]:
        answer = json.loads(self._client.send(path, self._clips[number]).data)
        return {name: answer[name] for name in SAME if name in answer}


def different_clips() -> list[bytes]:
    """Return voices of different pitch and length, one of them long enough for a timeline."""
    lengths_s = (1.0, 1.7, 2.5, 3.0, 4.0, 8.0)
    return [wav(sounds.voice(s, 90 + 25 * k, seed=k)) for k, s in enumerate(lengths_s)]


def levels_off(memory_mb: Sequence[float]) -> bool:
    """True if the last measurement at rest is at most 10 % and 20 MB over the earlier ones."""
    return memory_mb[-1] <= 1.1 * max(memory_mb[:-1]) + 20


def main() -> int:
    """Run the soak test, print the results and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=240.0, help="in all")
    seconds = parser.parse_args().seconds
    n_wrong, at_rest_mb = 0, []
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        soak = Soak(server.url, different_clips())
        print("| at once | right | refused | wrong | p50 ms | p95 ms | refused in ms | MB |")
        print("|" + 8 * " --- |")
        for n_at_once in ROUNDS * AT_ONCE:
            outcome = soak.run(n_at_once, seconds / ROUNDS / len(AT_ONCE))
            memory_mb = usage(server.process.pid).memory_mb
            p50, p95 = 1000 * np.percentile(outcome.latencies_s or [np.nan], [50, 95])
            refused = 1000 * float(np.median(outcome.refused_s or [np.nan]))
            print(
                f"| {n_at_once} | {outcome.n_right} | {outcome.n_refused} | {len(outcome.wrong)} "
                f"| {p50:.0f} | {p95:.0f} | {refused:.0f} | {memory_mb:.0f} |",
                flush=True,
            )
            n_wrong += len(outcome.wrong)
            for problem in outcome.wrong[:5]:
                print(problem, file=sys.stderr)
            if n_at_once == AT_ONCE[-1]:
                time.sleep(TRIM_EVERY_S + 2)
                at_rest_mb.append(usage(server.process.pid).memory_mb)
    print("At rest after each round, in MB:", ", ".join(f"{mb:.0f}" for mb in at_rest_mb))
    if not levels_off(at_rest_mb):
        print("Memory went on growing.", file=sys.stderr)
        return 1
    return int(n_wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
