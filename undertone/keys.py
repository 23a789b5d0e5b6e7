"""API keys: made here and shown once; only their hashes are kept, in a file.

``python -m undertone.keys make NAME``, ``role NAME ROLE``, ``revoke NAME`` and ``list`` read and
change the file named by ``UNDERTONE_API_KEYS_FILE``. A running server sees the change with the
next request.
"""

import argparse
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from dataclasses import replace as with_changes
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from limits import parse_many

from undertone.errors import KeysUnusable, OutputUnwritable, SettingsError, UndertoneError
from undertone.settings import Settings, variable
from undertone.standard_output import prepare_streams, writing_output

PREFIX = "undertone_"  # lets scanners for leaked secrets recognise a key
MAX_NAME_CHARS = 60
_ID = re.compile(r"[0-9a-f]{16,64}")
_HASH = re.compile(r"[0-9a-f]{64}")


class Role(StrEnum):
    """Permissions of a key."""

    ADMIN = "admin"  # everything, including the results and jobs of all keys
    USER = "user"  # everything but /metrics; only its own results and jobs
    METRICS = "metrics"  # /metrics only


@dataclass(frozen=True)
class Key:
    """Stored data of a key.

    Attributes
    ----------
    name : str
        Name of the key's user; shown in logs.
    sha256 : str
        Hash of the key. The key holds 256 random bits, so a fast hash is safe from guessing.
    created_at : str
        Date and time of creation, in UTC.
    limit : str
        Rate limit such as ``60 per minute``; empty for the general limit.
    role : Role
        Permissions of the key.
    id : str
        Owner id for results of the key. It is made with the key and never reused. So a later key
        of the same name does not see the results of this one.
    """

    name: str
    sha256: str
    created_at: str
    limit: str = ""
    role: Role = Role.USER
    id: str = ""

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Key":
        """Parse an entry of the file.

        Entries of earlier versions have neither role nor id. Their role is ``user``, so such a key
        never sees results of others. Their id is derived from the hash, so it is the same in every
        process.

        Raises
        ------
        TypeError, ValueError
            The entry does not describe a key.
        """
        key = cls(**document)
        key_id = key.id or hashlib.sha256(b"owner " + key.sha256.encode()).hexdigest()[:32]
        if not (_ID.fullmatch(key_id) and _HASH.fullmatch(key.sha256)):
            raise ValueError("the id or the hash of a key is not hexadecimal")
        return with_changes(key, role=Role(key.role), id=key_id)


class KeyRing:
    """Keys in a file, read again after each change.

    Parameters
    ----------
    path : Path
        File of the keys.

    Raises
    ------
    KeysUnusable
        The file is missing or holds no keys. It is raised on use, so no request is accepted by
        mistake.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[tuple[int, ...], tuple[Key, ...]] = ((), ())

    def find(self, secret: str) -> Key | None:
        """Return the key of a secret, if any; the comparison leaks no timing information."""
        digest = _hash(secret)
        found = None
        for key in self.keys():
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def keys(self) -> tuple[Key, ...]:
        """Return all keys, the oldest first."""
        try:
            status = self.path.stat()  # follows a link to its target, as in Kubernetes
            version = (
                status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino,
                status.st_dev,
            )  # fmt: skip
            if version != self._read[0]:
                documents = json.loads(self.path.read_text(encoding="utf-8"))
                self._read = version, tuple(Key.from_dict(document) for document in documents)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise KeysUnusable(
                f"The file of API keys cannot be read ({type(error).__name__}); whoever runs this "
                "server makes one with `python -m undertone.keys make NAME`."
            ) from error
        return self._read[1]

    def make(self, name: str, limit: str = "", role: Role = Role.USER) -> str:
        """Make a key and return its secret; only the hash is stored.

        Parameters
        ----------
        name : str
            Name of the key's user.
        limit : str, optional
            Rate limit such as ``60 per minute``.
        role : Role, optional
            Permissions of the key.

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
        key = Key(name, _hash(secret), now, limit, role, secrets.token_hex(16))
        self._write((*kept, key))
        return secret

    def set_role(self, name: str, role: Role) -> None:
        """Change the role of a key; the secret and the results of the key stay the same.

        Raises
        ------
        SettingsError
            There is no key of this name.
        """
        keys = self.keys()
        if all(key.name != name for key in keys):
            raise SettingsError(f"There is no key named {name!r}.")
        self._write(tuple(with_changes(k, role=role) if k.name == name else k for k in keys))

    def revoke(self, name: str) -> None:
        """Revoke a key, effective with the next request.

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
        """Replace the file atomically, so no server reads half of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([asdict(key) for key in keys], indent=2, ensure_ascii=False)
        beside = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            self._set_access(file.fileno())
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def _set_access(self, descriptor: int) -> None:
        """Give a new file the owner and mode of the file it replaces.

        A server in a container runs as another user than the command, and must still read the
        file. The first file gets the owner of its folder and mode 600. Only root may change the
        owner. For other users the new file stays theirs, and only the mode is kept.
        """
        if self.path.exists():
            model = self.path.stat()
            mode = stat.S_IMODE(model.st_mode)
        else:
            model = self.path.parent.stat()
            mode = 0o600
        with suppress(PermissionError):
            os.fchown(descriptor, model.st_uid, model.st_gid)
        os.fchmod(descriptor, mode)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def main(arguments: list[str], environ: dict[str, str]) -> None:
    """Run the command line: make, revoke or list keys, or change a role."""
    prepare_streams()
    parser = argparse.ArgumentParser(prog="python -m undertone.keys", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="make a key and print it: it is not kept")
    make.add_argument("name", help="who it is for")
    make.add_argument("--limit", default="", help="such as '60 per minute'")
    roles = [role.value for role in Role]
    make.add_argument(
        "--role", choices=roles, default=Role.USER.value,
        help="user: sees what it made itself (the default); admin: sees everything; "
        "metrics: may read /metrics and nothing else",
    )  # fmt: skip
    role = commands.add_parser("role", help="change the role of a key; the key stays the same")
    role.add_argument("name")
    role.add_argument("role", choices=roles)
    revoke = commands.add_parser("revoke", help="let a key be good for nothing")
    revoke.add_argument("name")
    commands.add_parser("list", help="names, dates, limits and roles")
    options = parser.parse_args(arguments)
    path = Settings.from_env(environ).api_keys_file
    if path is None:
        name = variable("api_keys_file")
        raise SettingsError(f"{name} is not set: it names the file that keeps the keys' hashes.")
    ring = KeyRing(path)
    if options.command == "make":
        secret = ring.make(options.name, options.limit, Role(options.role))
        try:
            with writing_output():
                print(secret)
        except (OutputUnwritable, BrokenPipeError):
            ring.revoke(options.name)  # the secret was never shown
            raise
    elif options.command == "role":
        ring.set_role(options.name, Role(options.role))
    elif options.command == "revoke":
        ring.revoke(options.name)
    else:
        with writing_output():
            for key in ring.keys():
                print(f"{key.name}\t{key.created_at}\t{key.limit}\t{key.role}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:], dict(os.environ))
    except UndertoneError as stop:
        sys.exit(stop.message)
    except BrokenPipeError:
        sys.exit(1)
