"""A PostgreSQL server of the tests' own: private, on a Unix socket, gone afterwards."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

START_LIMIT_S = 60


def find_programs() -> Path | None:
    """The folder of initdb and postgres; None where PostgreSQL is not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: -float(p.parent.name))
    on_path = [
        Path(found).resolve().parent for name in ("initdb",) if (found := shutil.which(name))
    ]
    return next((folder for folder in [*debian, *on_path] if (folder / "postgres").exists()), None)


class PostgresServer:
    """A cluster in a folder of its own.

    It lies under /tmp and not in pytest's folder: the path of a socket may have 107 characters,
    and PostgreSQL, which refuses to be run by root, could not enter a folder of root's.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._n_databases = 0
        self._process: subprocess.Popen[bytes] | None = None
        options = ["--auth=trust", "--username=undertone", "--encoding=UTF8", "--no-locale"]
        self._run("initdb", "-D", "data", *options, "--no-sync")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", "data", "-k", self._folder, "-F",
                 "-c", "listen_addresses="],
                cwd=self._folder, stdout=log, stderr=log, **self._user,
            )  # fmt: skip
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                return self.execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """End it at once, connections and all."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=START_LIMIT_S)

    def new_database(self) -> str:
        """The URL of a fresh database."""
        self._n_databases += 1
        name = f"test{self._n_databases}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql://undertone@/{name}?host={self._folder}"

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        with self.connect("postgres") as connection:
            connection.execute(statement)

    def connect(self, database: str) -> psycopg.Connection:
        """A connection of one's own, without transactions."""
        return psycopg.connect(
            host=str(self._folder), user="undertone", dbname=database, autocommit=True
        )

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._folder, check=True, stdout=subprocess.DEVNULL, **self._user,
        )  # fmt: skip


@contextmanager
def running_postgres(programs: Path) -> Iterator[PostgresServer]:
    """A started server until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        server = PostgresServer(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
