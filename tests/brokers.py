"""Redis, RabbitMQ and workers of the tests' own, which can be killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kombu import Connection
from kombu.exceptions import OperationalError

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT_S = 60
# In Debian's package; what is on the path there is for its service.
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class BrokerServer:
    """A server on a port of its own, with what it has to say in a log.

    Attributes
    ----------
    url : str
    """

    def __init__(self, folder: Path, url: str, command: list[str], **environ: str) -> None:
        self.url = url
        self._folder = folder
        self._command = command
        self._environ = {**os.environ, **environ}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environ, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline_s = time.monotonic() + START_LIMIT_S
        with Connection(self.url, connect_timeout=1) as connection:
            while True:
                try:
                    connection.ensure_connection(max_retries=0)
                    return
                except OperationalError:
                    if time.monotonic() > deadline_s:
                        raise
                    time.sleep(0.05)

    def kill(self) -> None:
        """End it without a word."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def is_installed() -> bool:
    """Whether there is a Redis to be started."""
    return shutil.which("redis-server") is not None


def rabbitmq_is_installed() -> bool:
    """Whether there is a RabbitMQ to be started."""
    return RABBITMQ.exists()


@contextmanager
def running_redis(folder: Path) -> Iterator[BrokerServer]:
    """Redis until the block ends; it keeps nothing, so that what it knew is gone with it."""
    port = str(_free_port())
    options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]
    server = BrokerServer(folder, f"redis://127.0.0.1:{port}/0", ["redis-server", *options])
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def running_rabbitmq(folder: Path) -> Iterator[BrokerServer]:
    """RabbitMQ until the block ends; what it has taken it knows when it is started again."""
    port, names_port = str(_free_port()), str(_free_port())
    # Erlang's server of names, which would otherwise be started in the background, and stay.
    names = subprocess.Popen(["epmd", "-address", "127.0.0.1", "-port", names_port])
    server = BrokerServer(
        folder,
        f"amqp://guest:guest@127.0.0.1:{port}",
        [str(RABBITMQ)],
        HOME=str(folder),
        ERL_EPMD_ADDRESS="127.0.0.1",
        ERL_EPMD_PORT=names_port,
        RABBITMQ_CONF_ENV_FILE=os.devnull,
        RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "plugins"),
        RABBITMQ_GENERATED_CONFIG_DIR=str(folder),
        RABBITMQ_LOG_BASE=str(folder / "log"),
        RABBITMQ_MNESIA_BASE=str(folder / "kept"),
        RABBITMQ_PID_FILE=str(folder / "pid"),
        RABBITMQ_NODENAME="undertone@localhost",
        RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
        RABBITMQ_NODE_PORT=port,
        RABBITMQ_DIST_PORT=str(_free_port()),
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()
        names.kill()
        names.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Worker:
    """A worker and its child processes."""

    def __init__(self, data_dir: Path, command: Sequence[str], **settings: str) -> None:
        environ = {**os.environ, "UNDERTONE_DATA_DIR": str(data_dir), **settings}
        with (data_dir / "worker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command],
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
def running_worker(
    data_dir: Path, command: Sequence[str] = ("worker.py",), **settings: str
) -> Iterator[Worker]:
    """``python worker.py`` until the block ends."""
    worker = Worker(data_dir, command, **settings)
    try:
        yield worker
    finally:
        worker.kill()
