"""An S3 server of the tests' own, in a process of its own."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_LIMIT_S = 60


@dataclass(frozen=True)
class S3Server:
    """A running server with a bucket, and the environment variables by which others find it."""

    environ: dict[str, str]
    bucket: str = "undertone"

    @property
    def endpoint(self) -> str:
        """Its address."""
        return self.environ["AWS_ENDPOINT_URL"]


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """A started server until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = S3Server(
        {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    )
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _make_bucket(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _make_bucket(server: S3Server) -> None:
    deadline_s = time.monotonic() + START_LIMIT_S
    made = urllib.request.Request(f"{server.endpoint}/{server.bucket}", method="PUT")
    while True:
        try:
            with urllib.request.urlopen(made, timeout=10):
                return
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)
