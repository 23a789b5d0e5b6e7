"""Keys are made once, found by what they are, and good for nothing once revoked."""

import stat
from pathlib import Path

import pytest

from undertone.errors import KeysUnusable, SettingsError
from undertone.keys import PREFIX, KeyRing, main


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


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"name": "Eva"}]', "{}x"])
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
    assert secret not in listed
    main(["revoke", "Eva"], environ)
    assert ring.find(secret) is None


def test_the_command_needs_to_know_the_file() -> None:
    with pytest.raises(SettingsError, match="UNDERTONE_API_KEYS_FILE"):
        main(["list"], {})
