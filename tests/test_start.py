"""Wrong settings, folders and databases stop the start with a sentence; so does a wrong output."""

import os
import random
import socket
import stat
import subprocess
import sys
import urllib.request
from dataclasses import fields
from pathlib import Path

import pytest

from tests import sounds
from tests.conftest import multipart, wav
from tests.live import running_server
from undertone.errors import SettingsError, StoreError
from undertone.settings import ROOT, Settings, variable
from undertone.store.data_folder import prepare_data_folder
from undertone.store.history import History, check_database

NAMES = [variable(setting.name) for setting in fields(Settings)]
OURS = [name for name in NAMES if name.startswith("UNDERTONE_")]


def misspelt(name: str, chance: random.Random) -> str:
    """The name with one letter left out, doubled or swapped with the next."""
    at = chance.randrange(len("UNDERTONE_"), len(name) - 1)
    return chance.choice(
        [
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
            name[:at] + name[at + 1] + name[at] + name[at + 2 :],
        ]
    )


@pytest.mark.parametrize("name", OURS)
def test_a_misspelt_setting_stops_the_start_with_the_nearest_name(name: str) -> None:
    chance = random.Random(name)
    wrong = {misspelt(name, chance) for _ in range(20)} - set(NAMES)
    assert wrong
    for each in wrong:
        with pytest.raises(SettingsError) as refused:
            Settings.from_env({each: "1"})
        assert each in refused.value.message
        assert name in refused.value.message or len(name) < 17  # short names have close neighbours


def test_the_singular_of_the_key_file_does_not_open_the_server() -> None:
    with pytest.raises(SettingsError, match="UNDERTONE_API_KEYS_FILE"):
        Settings.from_env({"UNDERTONE_API_KEY_FILE": "keys.json"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UNDERTONE_API_KEY", "secret"),
        ("UNDERTONE_SERVICE_HOST", "10.0.0.1"),
        ("UNDERTONE_WEB_SERVICE_PORT_HTTP", "80"),
        ("UNDERTONE_WEB_PORT", "tcp://10.0.0.1:80"),
        ("UNDERTONE_WEB_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("UNDERTONES", "1"),
    ],
)
def test_names_that_are_read_elsewhere_are_left_alone(name: str, value: str) -> None:
    Settings.from_env({name: value})


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("::1", "[::1]:5000"),
        ("[::1]", "[::1]:5000"),
        ("0:0:0:0:0:0:0:0", "[::]:5000"),
        ("127.0.0.1", "127.0.0.1:5000"),
        ("localhost", "localhost:5000"),
        ("a.example.org", "a.example.org:5000"),
    ],
)
def test_an_ipv6_address_is_bound_in_brackets(host: str, address: str) -> None:
    assert Settings.from_env({"UNDERTONE_HOST": host}).bind_address == address


@pytest.mark.parametrize("host", ["::1::", "1.2.3.4:80", "http://here", "a b", "-a", "[a]", "é"])
def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="UNDERTONE_HOST"):
        Settings.from_env({"UNDERTONE_HOST": host})


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
def test_a_server_on_the_loopback_of_ipv6(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as free:
        try:
            free.bind(("::1", 0))
        except OSError:
            pytest.skip("there is no ::1 here")
        port = free.getsockname()[1]
    with running_server(tmp_path, port, UNDERTONE_HOST="::1") as server:
        with urllib.request.urlopen(f"{server.url}/health") as answer:
            assert answer.status == 200


def start(**settings: str) -> str:
    """Start a server that cannot, and return its last words."""
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT, env={**os.environ, "UNDERTONE_PORT": "0", **settings},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Undertone cannot start: ")
    return done.stderr


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    assert str(path) in start(UNDERTONE_DATA_DIR=str(path))
    with pytest.raises(SettingsError, match="Not a directory"):
        prepare_data_folder(path / "below")


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "undertone.sqlite3"
    path.write_bytes(b"this is no database " * 1000)
    said = start(UNDERTONE_DATA_DIR=str(tmp_path))
    assert str(path) in said
    assert "not a database" in said


@pytest.mark.parametrize("page", range(2, 10))
def test_a_damaged_page_is_found(tmp_path: Path, page: int) -> None:
    path = tmp_path / "history.sqlite3"
    History(f"sqlite:///{path}").close()
    content = bytearray(path.read_bytes())
    content[4096 * page : 4096 * (page + 1)] = random.Random(page).randbytes(4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"history\.sqlite3"):
        check_database(f"sqlite:///{path}")


def test_a_read_only_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    check_database(f"sqlite:///{path}")
    with pytest.raises(StoreError, match=r"history\.sqlite3.*readonly"):
        check_database(f"sqlite:///file:{path}?mode=ro&uri=true")


def test_the_password_of_the_database_is_not_printed() -> None:
    said = start(DATABASE_URL="postgresql://eva:secret-word@127.0.0.1:1/history")
    assert "127.0.0.1" in said
    assert "secret-word" not in said


def test_all_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    older, new = tmp_path / "data", tmp_path / "new" / "data"
    older.mkdir()
    (older / "undertone.sqlite3").touch(0o644)
    for folder in (older, new):
        with running_server(folder, log=tmp_path / "log", UNDERTONE_KEEP_AUDIO="1h") as server:
            body = wav(sounds.voice(2.0))
            data, kind = multipart(body)
            request = urllib.request.Request(f"{server.url}/upload", data, {"Content-Type": kind})
            with urllib.request.urlopen(request) as answer:
                assert answer.status == 200
        written = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.name for path in written} >= {"undertone.sqlite3"}
        for path in folder.rglob("*"):
            expected = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) & ~expected == 0, path
    assert stat.S_IMODE(new.stat().st_mode) == 0o700


PROGRAMS = {
    "table": ["-m", "undertone", "CLIP"],
    "json": ["-m", "undertone", "CLIP", "--json"],
    "csv": ["-m", "undertone", "CLIP", "--csv", "--timeline"],
    "features": ["feature_extractor.py", "CLIP"],
    "keys": ["-m", "undertone.keys", "make", "Eva"],
}


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("output", [">/dev/full", ">&-"])
def test_an_output_that_cannot_be_written(kind: str, output: str, tmp_path: Path) -> None:
    clip, keys = tmp_path / "clip.wav", tmp_path / "keys.json"
    clip.write_bytes(wav(sounds.voice(2.0)))
    command = [sys.executable, *(str(clip) if a == "CLIP" else a for a in PROGRAMS[kind])]
    done = subprocess.run(
        ["sh", "-c", f'"$@" {output}', "sh", *command],
        cwd=ROOT, env={**os.environ, "UNDERTONE_API_KEYS_FILE": str(keys)},
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "The output cannot be written" in done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert not keys.exists() or keys.read_text().strip() == "[]"  # a key that nobody has seen


def test_errors_do_not_land_in_the_output(tmp_path: Path) -> None:
    clip = tmp_path / "no.wav"
    clip.write_bytes(b"nothing")
    command = [sys.executable, "-m", "undertone", str(clip), "--csv"]
    done = subprocess.run(
        ["sh", "-c", '"$@" 2>&-', "sh", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) <= 2
