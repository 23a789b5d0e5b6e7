"""A Dask cluster of the tests' own: a scheduler and workers, which can be killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from undertone.settings import ROOT


class Cluster:
    """A scheduler and workers, each a process."""

    def __init__(self, folder: Path, n_workers: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._log = (folder / "dask.log").open("wb")
        environ = {
            **os.environ, "PYTHONPATH": str(ROOT), "DASK_TEMPORARY_DIRECTORY": str(folder),
            "DASK_DISTRIBUTED__DASHBOARD__ENABLED": "False",
        }  # fmt: skip

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
                cwd=folder, env=environ, stdout=self._log, stderr=self._log,
                start_new_session=True,
            )  # fmt: skip

        scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port),
                          "--no-dashboard", "--no-show")  # fmt: skip
        worker = ("dask_worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard")
        self.workers = [start(*worker) for _ in range(n_workers)]
        self._all = [scheduler, *self.workers]

    def kill_a_worker(self) -> None:
        """End one of them without a word."""
        os.killpg(self.workers[0].pid, signal.SIGKILL)
        self.workers[0].wait()

    def stop(self) -> None:
        """End all."""
        for process in self._all:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._log.close()


@contextmanager
def running_cluster(folder: Path, n_workers: int = 2) -> Iterator[Cluster]:
    """A cluster until the block ends."""
    cluster = Cluster(folder, n_workers)
    try:
        yield cluster
    finally:
        cluster.stop()
