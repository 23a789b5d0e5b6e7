"""SIGTERM in the first seconds ends the server cleanly, whatever it is loading at that moment."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from undertone.settings import ROOT

BEFORE_SIGNALS_ARE_SET_UP = -signal.SIGTERM
DELAYS_S = [0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 2.0, 2.5, 3.0]


def _end_early(folder: Path, delay_s: float, line: str) -> tuple[int, str]:
    """Exit status and output of a server that gets SIGTERM so long after it printed `line`."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environ = {**os.environ, "UNDERTONE_PORT": port, "UNDERTONE_DATA_DIR": str(folder / "data")}
    printed = folder / "log"
    with printed.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environ, stdout=log, stderr=log,
            preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
        )  # fmt: skip
    try:
        while line not in printed.read_text() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(delay_s)
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=120)
    finally:
        process.kill()
        process.wait()
    return status, printed.read_text()


def _broken(output: str) -> list[str]:
    words = ("SIGABRT", "SIGSEGV", "SIGKILL", "terminate called", "Fatal Python", "Traceback")
    return [word for word in words if word in output]


def test_while_the_worker_loads(tmp_path: Path) -> None:
    def run(number: int) -> tuple[float, int, list[str]]:
        delay_s = DELAYS_S[number]
        status, output = _end_early(tmp_path / str(number), delay_s, "Booting worker")
        return delay_s, status, _broken(output)

    with ThreadPoolExecutor(2) as pool:
        endings = list(pool.map(run, range(len(DELAYS_S))))
    assert [ending for ending in endings if ending[1:] != (0, [])] == []


def test_before_there_is_a_server(tmp_path: Path) -> None:
    for number, delay_s in enumerate((0.0, 0.1, 0.3, 0.6, 1.0)):
        status, output = _end_early(tmp_path / str(number), delay_s, "")
        assert status in (0, BEFORE_SIGNALS_ARE_SET_UP)
        assert not _broken(output)
