"""API keys: made here and shown once; what is kept is their hashes, in a file.

``python -m undertone.keys make NAME``, ``revoke NAME`` and ``list`` change the file that
``UNDERTONE_API_KEYS_FILE`` names; a running server sees the change with the next request.
"""

import argparse
import hashlib
import hmac
import json
import os
import secrets
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from limits import parse_many

from undertone.errors import KeysUnusable, OutputUnwritable, SettingsError, UndertoneError
from undertone.settings import Settings, variable
from undertone.standard_output import prepare_streams, writing_output

PREFIX = "undertone_"  # so that a scanner of leaked secrets can know one
MAX_NAME_CHARS = 60


@dataclass(frozen=True)
class Key:
    """What is kept of a key.

    Attributes
    ----------
    name : str
        Who it was made for; it is what logs say.
    sha256 : str
        Of the key. It holds 256 random bits, which nobody can guess a hash for, fast as it is.
    created_at : str
        Date and time in UTC.
    limit : str
        How often it may be used, such as ``60 per minute``; empty: as often as others.
    """

    name: str
    sha256: str
    created_at: str
    limit: str = ""


class KeyRing:
    """The keys in a file, read again when it has changed.

    Parameters
    ----------
    path : Path

    Raises
    ------
    KeysUnusable
        Whenever the file is not there or does not hold keys: nobody is let in by mistake.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[tuple[int, ...], tuple[Key, ...]] = ((), ())

    def find(self, secret: str) -> Key | None:
        """The key this is, if any; the time it takes tells nothing of the hashes."""
        digest = _hash(secret)
        found = None
        for key in self.keys():
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def keys(self) -> tuple[Key, ...]:
        """All keys, in the order in which they were made."""
        try:
            status = self.path.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if version != self._read[0]:
                documents = json.loads(self.path.read_text(encoding="utf-8"))
                self._read = version, tuple(Key(**document) for document in documents)
        except (OSError, ValueError, TypeError) as error:
            raise KeysUnusable(
                f"The file of API keys cannot be read ({type(error).__name__}); whoever runs this "
                "server makes one with `python -m undertone.keys make NAME`."
            ) from error
        return self._read[1]

    def make(self, name: str, limit: str = "") -> str:
        """A new key, which is nowhere to be found again.

        Raises
        ------
        SettingsError
            There is a key of this name, or the name or the limit cannot be used.
        """
        if not (name.isprintable() and 0 < len(name.strip()) == len(name) <= MAX_NAME_CHARS):
            raise SettingsError(f"A name of 1 to {MAX_NAME_CHARS} letters is needed.")
        try:
            parse_many(limit or "1 per second")
        except ValueError:
            raise SettingsError(f"{limit!r} is no limit such as '60 per minute'.") from None
        kept = self.keys() if self.path.exists() else ()
        if any(key.name == name for key in kept):
            raise SettingsError(f"There is a key named {name!r} already; revoke it first.")
        secret = PREFIX + secrets.token_urlsafe(32)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._write((*kept, Key(name, _hash(secret), now, limit)))
        return secret

    def revoke(self, name: str) -> None:
        """Let a key be good for nothing from now on.

        Raises
        ------
        SettingsError
            There is no key of this name.
        """
        left = tuple(key for key in self.keys() if key.name != name)
        if len(left) == len(self.keys()):
            raise SettingsError(f"There is no key named {name!r}.")
        self._write(left)

    def _write(self, keys: tuple[Key, ...]) -> None:
        """Replace the file in one step, so that no server reads half of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([vars(key) for key in keys], indent=2, ensure_ascii=False)
        beside = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def main(arguments: list[str], environ: dict[str, str]) -> None:
    """Make, revoke or list keys, as the command line says."""
    prepare_streams()
    parser = argparse.ArgumentParser(prog="python -m undertone.keys", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="make a key and print it: it is not kept")
    make.add_argument("name", help="who it is for")
    make.add_argument("--limit", default="", help="such as '60 per minute'")
    revoke = commands.add_parser("revoke", help="let a key be good for nothing")
    revoke.add_argument("name")
    commands.add_parser("list", help="names, dates and limits")
    options = parser.parse_args(arguments)
    path = Settings.from_env(environ).api_keys_file
    if path is None:
        name = variable("api_keys_file")
        raise SettingsError(f"{name} is not set: it names the file that keeps the keys' hashes.")
    ring = KeyRing(path)
    if options.command == "make":
        secret = ring.make(options.name, options.limit)
        try:
            with writing_output():
                print(secret)
        except (OutputUnwritable, BrokenPipeError):
            ring.revoke(options.name)  # nobody has seen it
            raise
    elif options.command == "revoke":
        ring.revoke(options.name)
    else:
        with writing_output():
            for key in ring.keys():
                print(f"{key.name}\t{key.created_at}\t{key.limit}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:], dict(os.environ))
    except UndertoneError as stop:
        sys.exit(stop.message)
    except BrokenPipeError:
        sys.exit(1)
