"""A real server in a process of its own, and a real Chromium to look at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Playwright

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT_S = 60
CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Server:
    """A running Undertone."""

    url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it and wait for its end."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running_server(
    data_dir: Path,
    port: int = 0,
    cwd: Path = ROOT,
    only: Mapping[str, str] = os.environ,
    log: Path | None = None,
    **settings: str,
) -> Iterator[Server]:
    """``python app.py`` until the block ends.

    Parameters
    ----------
    data_dir : Path
        For its history, and for what it prints.
    port : int, optional
        A free one if not given.
    cwd : Path, optional
        Where the program is.
    only : mapping of str to str, optional
        The environment; this process's if not given.
    log : Path, optional
        For what it prints; ``server.log`` in the data folder if not given.
    **settings : str
        More environment variables.

    Raises
    ------
    RuntimeError
        It ended by itself or did not become healthy; the message holds what it printed.
    """
    if not port:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    environ = {
        **only,
        "UNDERTONE_HOST": "127.0.0.1",
        "UNDERTONE_PORT": str(port),
        "UNDERTONE_DATA_DIR": str(data_dir),
        **settings,
    }
    printed = log or data_dir / "server.log"
    with printed.open("wb") as file:
        command = [sys.executable, "app.py"]
        process = subprocess.Popen(command, cwd=cwd, env=environ, stdout=file, stderr=file)
    host = "[::1]" if environ["UNDERTONE_HOST"] == "::1" else "127.0.0.1"
    server = Server(f"http://{host}:{port}", process)
    try:
        _wait_until_healthy(server, printed)
        yield server
    except OSError as error:
        if (how := process.poll()) is None:
            raise
        raise RuntimeError(_ending(f"ended with {how}", printed)) from error
    finally:
        server.stop()


def _wait_until_healthy(server: Server, printed: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=2):
                return
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            pass
        time.sleep(0.1)
    how = server.process.poll()
    why = f"ended with {how}" if how is not None else f"was not healthy in {START_LIMIT_S} s"
    raise RuntimeError(_ending(why, printed))


def _ending(why: str, printed: Path) -> str:
    return f"The server {why}. It printed:\n{printed.read_text(errors='replace')}"


def find_chromium() -> str | None:
    """Path of an installed Chromium; None leaves it to Playwright's own."""
    candidates = (os.environ.get("UNDERTONE_CHROMIUM"), "chromium", "chromium-browser")
    for name in (*candidates, "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    return None


def launch_chromium(playwright: Playwright, *more_args: str) -> Browser:
    """A headless Chromium that talks to nobody but the pages it is sent to."""
    return playwright.chromium.launch(
        executable_path=find_chromium(), args=[*CHROMIUM_ARGS, *more_args]
    )
