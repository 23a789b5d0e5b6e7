"""Keys are made once, found by what they are, and good for nothing once revoked."""

import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from undertone.errors import KeysUnusable, SettingsError
from undertone.keys import PREFIX, Key, KeyRing, Role, main
from undertone.settings import ROOT


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys.json")


def test_a_key_is_found_and_another_is_not(ring: KeyRing) -> None:
    eva, jan = ring.make("Eva"), ring.make("Jan", "5 per minute")
    assert ring.find(eva).name == "Eva"
    assert ring.find(jan).limit == "5 per minute"
    assert eva.startswith(PREFIX)
    assert len(eva) > 40
    for other in ("", eva[:-1], eva + "x", eva.upper(), "\ud800", "ключ"):
        assert ring.find(other) is None


def test_only_hashes_are_kept_and_only_the_owner_may_read(ring: KeyRing) -> None:
    secret = ring.make("Eva")
    assert secret.removeprefix(PREFIX) not in ring.path.read_text()
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
    assert list(ring.path.parent.iterdir()) == [ring.path]


def test_a_revoked_key_is_nobodys_at_once(ring: KeyRing) -> None:
    eva, jan = ring.make("Eva"), ring.make("Jan")
    other = KeyRing(ring.path)
    assert other.find(eva)
    ring.revoke("Eva")
    assert other.find(eva) is None
    assert other.find(jan)


def test_a_name_is_used_once_and_revoked_once(ring: KeyRing) -> None:
    ring.make("Eva")
    with pytest.raises(SettingsError, match="already"):
        ring.make("Eva")
    ring.revoke("Eva")
    with pytest.raises(SettingsError, match="no key named 'Eva'"):
        ring.revoke("Eva")


@pytest.mark.parametrize("name", ["", " ", " Eva", "E\nva", "x" * 61])
def test_names_that_cannot_be_used(ring: KeyRing, name: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        ring.make(name)


def test_a_limit_that_is_none(ring: KeyRing) -> None:
    with pytest.raises(SettingsError, match="no limit"):
        ring.make("Eva", "often")
    assert not ring.path.exists()


ENTRY = Key("Eva", "0" * 64, "2025-11-21T12:00:00+00:00").__dict__
DAMAGED = [
    {**ENTRY, "role": "owner"}, {**ENTRY, "role": ""}, {**ENTRY, "role": None},
    {**ENTRY, "id": "nobody"}, {**ENTRY, "id": "Eva"}, {**ENTRY, "id": 5},
    {**ENTRY, "sha256": ""}, {**ENTRY, "sha256": None}, {**ENTRY, "more": 1}, [], "Eva", None,
]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '[{"name": "Eva"}]', "{}x", *(json.dumps([d]) for d in DAMAGED)]
)
def test_a_damaged_file_lets_nobody_in(ring: KeyRing, text: str) -> None:
    secret = ring.make("Eva")
    assert ring.find(secret)
    ring.path.write_text(text)
    with pytest.raises(KeysUnusable):
        ring.find(secret)


def test_a_file_that_is_gone_lets_nobody_in(ring: KeyRing) -> None:
    secret = ring.make("Eva")
    ring.path.unlink()
    with pytest.raises(KeysUnusable, match="undertone.keys make"):
        ring.find(secret)


def test_the_command(ring: KeyRing, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"UNDERTONE_API_KEYS_FILE": str(ring.path)}
    main(["make", "Eva", "--limit", "5 per minute"], environ)
    secret = capsys.readouterr().out.strip()
    assert ring.find(secret).limit == "5 per minute"
    main(["list"], environ)
    listed = capsys.readouterr().out
    assert listed.startswith("Eva\t20")
    assert listed.endswith("\t5 per minute\tuser\n")
    assert secret not in listed
    main(["revoke", "Eva"], environ)
    assert ring.find(secret) is None


def test_the_command_needs_to_know_the_file() -> None:
    with pytest.raises(SettingsError, match="UNDERTONE_API_KEYS_FILE"):
        main(["list"], {})


@pytest.mark.parametrize("role", ["admin", "user", "metrics"])
def test_roles(ring: KeyRing, role: str, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"UNDERTONE_API_KEYS_FILE": str(ring.path)}
    main(["make", "Eva", "--role", role], environ)
    secret = capsys.readouterr().out.strip()
    main(["list"], environ)
    assert capsys.readouterr().out.endswith(f"\t\t{role}\n")
    before = ring.find(secret)
    assert before.role == role
    main(["role", "Eva", "admin"], environ)
    after = ring.find(secret)
    assert (after.role, after.id, after.created_at) == (Role.ADMIN, before.id, before.created_at)
    with pytest.raises(SettingsError, match="no key named 'Jan'"):
        main(["role", "Jan", "admin"], environ)


@pytest.mark.parametrize("arguments", [["make", "Eva", "--role", "root"], ["role", "Eva", "x"]])
def test_a_role_that_is_none(
    ring: KeyRing, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    ring.make("Eva")
    with pytest.raises(SystemExit):
        main(arguments, {"UNDERTONE_API_KEYS_FILE": str(ring.path)})
    assert "admin" in capsys.readouterr().err


def test_ids_are_never_used_twice(ring: KeyRing) -> None:
    found = set()
    for _ in range(20):
        secret = ring.make("Eva")
        key = ring.find(secret)
        assert re.fullmatch("[0-9a-f]{32}", key.id)
        assert secret[:8] not in key.id
        found.add(key.id)
        ring.revoke("Eva")
    assert len(found) == 20


def test_a_file_of_an_earlier_version(ring: KeyRing) -> None:
    secrets = {name: ring.make(name) for name in ("Eva", "Jan")}
    entries = json.loads(ring.path.read_text())
    for entry in entries:
        del entry["role"], entry["id"]
    ring.path.write_text(json.dumps(entries))
    first = {name: KeyRing(ring.path).find(secret) for name, secret in secrets.items()}
    assert {key.role for key in first.values()} == {Role.USER}
    assert first["Eva"].id != first["Jan"].id
    assert "" not in {key.id for key in first.values()}
    # The same in every process, and after the file has been written anew.
    ring.make("Ola", role=Role.ADMIN)
    assert {name: ring.find(secret) for name, secret in secrets.items()} == first


def test_a_mounted_secret_of_kubernetes_that_is_replaced(tmp_path: Path) -> None:
    """The file is a link through a link to a folder, which is put in place of another at once."""

    def put(version: str) -> KeyRing:
        written = KeyRing(tmp_path / version / "keys.json")
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        return written

    made = KeyRing(tmp_path / "..one" / "keys.json")
    eva, jan = made.make("Eva"), made.make("Jan")
    put("..one")
    (tmp_path / "keys.json").symlink_to("..data/keys.json")
    ring = KeyRing(tmp_path / "keys.json")
    assert ring.find(eva)
    assert ring.find(jan)
    for number in range(5):  # each as long as the one before, and written in the same moment
        version = f"..{number}"
        shutil.copytree(tmp_path / "..one", tmp_path / version)
        entries = json.loads((tmp_path / version / "keys.json").read_text())
        gone = entries[number % 2]
        gone["sha256"] = "0" * 64
        (tmp_path / version / "keys.json").write_text(json.dumps(entries, indent=2) + "\n")
        os.utime(tmp_path / version / "keys.json", ns=(0, 0))
        put(version)
        assert [bool(ring.find(secret)) for secret in (eva, jan)] == [
            number % 2 == 1,
            number % 2 == 0,
        ]


(USER,) = re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text(), re.M)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as another user")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, as those of tests cannot be."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_the_containers_user(attempt: Callable[[], object]) -> bool:
    """Whether it succeeds as the user of the image, without any right of root's."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(int(USER))
            os.setuid(int(USER))
            attempt()
        except BaseException:  # noqa: BLE001 it must not go on as a second run of the tests
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


@as_root
def test_the_containers_user_reads_what_root_makes(open_folder: Path) -> None:
    """As docs/deploy.md has it: the folder belongs to that user, so the files in it do."""
    folder = open_folder / "keys"
    folder.mkdir(mode=0o700)
    os.chown(folder, int(USER), int(USER))
    ring = KeyRing(folder / "keys.json")
    secret = ring.make("Eva")
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: ring.make("Jan"),
        lambda: ring.set_role("Jan", Role.ADMIN),
        lambda: ring.revoke("Jan"),
    ]
    for change in changes:
        change()
        assert as_the_containers_user(lambda: KeyRing(ring.path).find(secret).name)
        assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
        assert ring.path.stat().st_uid == int(USER)
    # In another folder of root's, that user reads nothing: the folder is what counts.
    other = KeyRing(open_folder / "other" / "keys.json")
    other.make("Eva")
    assert not as_the_containers_user(other.keys)


@as_root
def test_the_containers_user_makes_keys_itself(open_folder: Path) -> None:
    """As the service `keys` of compose.yaml does."""
    folder = open_folder / "keys"
    folder.mkdir(mode=0o700)
    os.chown(folder, int(USER), int(USER))
    ring = KeyRing(folder / "keys.json")
    assert as_the_containers_user(lambda: ring.make("Eva"))
    assert as_the_containers_user(lambda: ring.make("Jan", role=Role.ADMIN))
    assert [key.name for key in ring.keys()] == ["Eva", "Jan"]
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o440])
def test_who_could_read_the_file_can_read_the_one_that_replaces_it(
    ring: KeyRing, mode: int
) -> None:
    ring.make("Eva")
    ring.path.chmod(mode)
    for change in (lambda: ring.make("Jan"), lambda: ring.revoke("Jan")):
        change()
        assert stat.S_IMODE(ring.path.stat().st_mode) == mode
