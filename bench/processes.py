"""CPU time and memory of a server with all its processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil


class Usage(NamedTuple):
    """Seconds of CPU used so far, and present memory in MB."""

    cpu_s: float
    memory_mb: float


def usage(pid: int) -> Usage:
    """Return the usage of a process and its descendants; shared memory counts once (on Linux)."""
    parent = psutil.Process(pid)
    cpu_s, n_bytes = 0.0, 0
    for process in (parent, *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            cpu_s += sum(process.cpu_times()[:4])  # its own, and its ended children's
            memory = process.memory_full_info()
            n_bytes += getattr(memory, "pss", memory.rss)
    return Usage(cpu_s, n_bytes / 1e6)


@contextmanager
def running_reference(folder: Path) -> Iterator[tuple[str, int]]:
    """Run `bench.reference` until the end of the block; yield its URL and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bench.reference", str(port)]
    environ = {**os.environ, "MPLCONFIGDIR": str(folder), "TMPDIR": str(folder)}
    with (folder / "reference.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.kill()
        process.wait()
