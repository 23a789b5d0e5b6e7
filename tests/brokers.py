"""A Redis server and workers of the tests' own, which can be killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT_S = 60


class RedisServer:
    """Redis on a port of its own; it keeps nothing, so that what it knew is gone with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [
            "--port",
            str(self._port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--daemonize",
            "no",
        ]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", *options], cwd=self._folder, stdout=log, stderr=log
            )
        deadline_s = time.monotonic() + START_LIMIT_S
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    if time.monotonic() > deadline_s:
                        raise
                    time.sleep(0.05)

    def kill(self) -> None:
        """End it without a word."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def is_installed() -> bool:
    """Whether there is a Redis to be started."""
    return shutil.which("redis-server") is not None


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """A started server until the block ends."""
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class Worker:
    """``python worker.py`` and its child processes."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        environ = {**os.environ, "UNDERTONE_DATA_DIR": str(data_dir), **settings}
        with (data_dir / "worker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "worker.py"],
                cwd=ROOT, env=environ, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """End all of it without a word."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def kill_a_child(self) -> None:
        """End one of the processes that work; Celery starts another one."""
        task = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        os.kill(int(task.read_text().split()[0]), signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, and wait for it; its exit status."""
        self._process.terminate()
        return self._process.wait(timeout=60)


@contextmanager
def running_worker(data_dir: Path, **settings: str) -> Iterator[Worker]:
    """A worker until the block ends."""
    worker = Worker(data_dir, **settings)
    try:
        yield worker
    finally:
        worker.kill()
