"""Typed settings, read once from the environment; invalid ones are refused by name."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from undertone.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
LONGEST_STAY = timedelta(days=36_500)
T = TypeVar("T")
PREFIX = "UNDERTONE_"
# Read elsewhere: by the client, and by the tests.
_OTHER_NAMES = {"UNDERTONE_API_KEY", "UNDERTONE_CHROMIUM"}
# Kubernetes sets variables with the addresses of services named undertone-* in every pod.
_SERVICE_LINK = re.compile(r".*_SERVICE_(HOST|PORT)(_\w+)?|.*_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?")
_HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*\.?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("text that is not empty")
    return value.strip()


def _host(value: str) -> str:
    """Parse an IPv4 or IPv6 address, with or without brackets, or a host name."""
    host = value.strip()
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if bare != host or not _HOST_NAME.fullmatch(host):
            raise ValueError(
                "an address such as 127.0.0.1, 0.0.0.0 or ::1, or a host name; the port is "
                f"{PREFIX}PORT"
            ) from None
    return host


def _path(value: str) -> Path:
    return Path(_text(value)).expanduser().resolve()


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(part.strip().lower() for part in value.split(",") if part.strip())
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError(
            "origins with commas between them, each such as https://example.org or "
            "http://localhost:3000, without a path; '*' is not taken"
        )
    return origins


def _optional_path(value: str) -> Path | None:
    return _path(value) if value.strip() else None


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _limit(value: str) -> str:
    from limits import parse_many  # only the server needs it

    try:
        parse_many(value) if value.strip() else None
    except ValueError:
        raise ValueError(
            "limits such as '60 per minute' or '10 per second; 500 per hour'"
        ) from None
    return value.strip()


def _storage(value: str) -> str:
    if urlsplit(value.strip()).scheme not in ("memory", "redis", "rediss"):
        raise ValueError("memory:// or a URL of Redis, such as redis://host:6379/0")
    return value.strip()


def _folder_or_url(value: str) -> str:
    """Parse a folder's path or a URL; drop slashes at its end, keep an empty value."""
    text = value.strip().rstrip("/")
    return text if "://" in text or not text else str(_path(text))


def _one_of(*known: str) -> Callable[[str], str]:
    """Return a parser for one of these words."""

    def parse(value: str) -> str:
        if value.strip().lower() not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return value.strip().lower()

    return parse


def _boolean(value: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False, "": False}
    if value.strip().lower() not in known:
        raise ValueError("one of true, false, 1, 0, yes, no, on, off")
    return known[value.strip().lower()]


def _broker(value: str) -> str:
    url = value.strip()
    if url and not re.match(r"(rediss?|amqps?)://[^/]", url):
        raise ValueError("a URL such as redis://host:6379/0 or amqp://user:password@host")
    return url


def _secret(value: str) -> str:
    """Parse a text of 16 characters or more, ``whsec_`` and base64, or an empty value."""
    secret = value.strip()
    if secret.startswith("whsec_"):
        try:
            base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            raise ValueError("base64 after whsec_") from None
    if secret and len(secret) < 16:
        raise ValueError("at least 16 characters, or nothing")
    return secret


def _number(kind: Callable[[str], T], least: float, most: float) -> Callable[[str], T]:
    """Return a parser of `kind` (int or float) for values from `least` to `most`."""
    what = "a whole number" if kind is int else "a number"

    def parse(value: str) -> T:
        wanted = f"{what} from {least:g} to {most:g}"
        try:
            number: Any = kind(value)
        except ValueError:
            raise ValueError(wanted) from None
        if not least <= number <= most:
            raise ValueError(wanted)
        return number  # type: ignore[no-any-return]

    return parse


def _duration(value: str) -> timedelta:
    """Parse a time such as ``30m``, ``12h``, ``7d``, ``8w``, or ``0``."""
    parts = re.fullmatch(r"(\d{1,7})([mhdw])", value.strip().lower(), re.ASCII)
    if not parts and value.strip() != "0":
        raise ValueError("0, or a whole number with m, h, d or w such as 12h or 7d")
    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    duration = timedelta(**{units[parts[2]]: int(parts[1])}) if parts else timedelta(0)
    if duration > LONGEST_STAY:
        raise ValueError(f"at most {LONGEST_STAY.days}d")
    return duration


def _stay(value: str) -> timedelta | None:
    """Parse a time as in `_duration`, at least an hour, or ``forever``."""
    if value.strip().lower() == "forever":
        return None
    try:
        duration = _duration(value)
    except ValueError as error:
        raise ValueError(f"forever, or from 1h: {error}") from None
    if duration < timedelta(hours=1):
        raise ValueError("forever, or a time from 1h, because results are shown from the history")
    return duration


def _setting(
    default: Any, parse: Callable[[str], Any], meaning: str, name: str = "", older: str = ""
) -> Any:
    """Define a dataclass field with its parser, meaning and environment variable.

    `name` replaces ``UNDERTONE_<FIELD>`` if another name is customary. `older` is a former name,
    used if the current one is not set.
    """
    metadata = {"parse": parse, "meaning": meaning, "name": name, "older": older}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """All settings; a field's environment variable is ``UNDERTONE_<FIELD>`` if none is stated."""

    host: str = _setting("127.0.0.1", _host, "address to listen on")
    port: int = _setting(5000, _number(int, 0, 65535), "port to listen on; 0 takes a free one")
    processes: int = _setting(
        1, _number(int, 1, 64), "web processes, each with its own models, threads, live sessions "
        "and memory",
    )  # fmt: skip
    drain_s: float = _setting(
        0.0, _number(float, 0, 300), "seconds from SIGTERM until no more is taken, while "
        "`/health/ready` says 503 so that a load balancer goes elsewhere",
    )  # fmt: skip
    threads: int = _setting(4, _number(int, 1, 256), "recordings analysed at the same time")
    waiting: int = _setting(
        32, _number(int, 0, 1000), "recordings that wait for that; more are refused for now (503)"
    )
    decoders: int = _setting(
        2, _number(int, 0, 64), "processes that decode, apart from the server; 0: it does itself"
    )
    uploads_mb: float = _setting(
        256.0, _number(float, 1, 100_000), "memory for all that is being received, in MiB; of a "
        "larger file than 1 MiB, most goes to the disk",
    )  # fmt: skip
    uploads_disk_mb: float = _setting(
        4096.0, _number(float, 1, 10_000_000), "disk space for all that is being received, in "
        "MiB; at least two of the largest files, or one job",
    )  # fmt: skip
    data_dir: Path = _setting(
        ROOT / "data",
        _path,
        "the only folder written to at run time: history and, where they are kept, recordings",
    )
    live_sessions: int = _setting(
        4, _number(int, 0, 256), "live sessions at the same time, beside the requests"
    )
    model: str = _setting("encoder", _text, "model that answers when none is asked for")
    max_upload_mb: float = _setting(
        320.0,
        _number(float, 0.001, 10_000),
        "largest file accepted, in MiB; 30 minutes of CD stereo are 303",
    )
    max_duration_s: float = _setting(
        1800.0, _number(float, 1, 86_400), "longest recording accepted, in seconds"
    )
    cors_origins: tuple[str, ...] = _setting(
        (), _origins, "origins whose pages may call the API, with commas between them; empty: none"
    )
    patience_s: float = _setting(
        30.0, _number(float, 0.1, 3600), "seconds a client has to say what it wants, and more as "
        "its recording comes",
    )  # fmt: skip
    api_keys_file: Path | None = _setting(
        None, _optional_path, "file of API keys, made by `python -m undertone.keys make NAME`; "
        "empty: no key is needed",
    )  # fmt: skip
    rate_limit: str = _setting(
        "", _limit, "requests from each key, or address, such as `60 per minute`; empty: no limit"
    )
    rate_limit_storage: str = _setting(
        "memory://", _storage, "where they are counted, such as `redis://host:6379/0`"
    )
    trusted_hosts: tuple[str, ...] = _setting(
        (), _list, "names the server answers to, with commas between them, `.example.org` for all "
        "under it; empty: those of loopback when it listens there, else all",
    )  # fmt: skip
    proxies: int = _setting(
        0, _number(int, 0, 9), "reverse proxies in front, whose X-Forwarded headers are believed"
    )
    log_format: str = _setting(
        "plain", _one_of("plain", "json"), "`plain` lines or `json`, one object a line"
    )
    job_threads: int = _setting(
        1, _number(int, 0, 64), "recordings of jobs worked on at the same time; 0: none here"
    )
    broker_url: str = _setting(
        "", _broker, "broker that tells workers of jobs, such as `redis://host:6379/0`; empty: "
        "the server does them itself",
    )  # fmt: skip
    job_files: int = _setting(100, _number(int, 1, 10_000), "recordings in one job")
    job_mb: float = _setting(
        2000.0, _number(float, 0.001, 100_000), "size of one job's recordings together, in MiB"
    )
    job_queue_files: int = _setting(
        1000, _number(int, 1, 10_000_000), "recordings that wait before no more jobs are taken"
    )
    job_queue_mb: float = _setting(
        5000.0, _number(float, 0.001, 10_000_000), "size of all that wait together, in MiB"
    )
    job_attempts: int = _setting(
        3, _number(int, 1, 100), "how often a recording may end the program that analyses it"
    )
    job_lease_s: float = _setting(
        30.0, _number(float, 2, 3600), "silence after which a job's recording is begun anew"
    )
    webhook_secret: str = _setting(
        "", _secret, "key that webhooks of jobs are signed with; empty: there are none"
    )
    webhook_private: bool = _setting(
        False, _boolean, "whether webhooks may go to this machine and to inner networks"
    )
    keep_audio: timedelta = _setting(
        timedelta(0),
        _duration,
        "how long recordings stay, such as `12h` or `7d`; `0`: none is kept",
    )
    keep_history: timedelta | None = _setting(
        None, _stay, "how long results stay, such as `30d` or `8w`; `forever`: until somebody "
        "deletes them",
    )  # fmt: skip
    audio_url: str = _setting(
        "", _folder_or_url, "where recordings wait for their turn or are kept, for several "
        "machines: a folder, or a URL such as `s3://bucket/undertone`; empty: the data folder",
    )  # fmt: skip
    debug: bool = _setting(
        False, _boolean, "reload on changes and log more; never on a public address",
        older="FLASK_DEBUG",
    )  # fmt: skip
    database_url: str = _setting(
        "", str, "where the history is, such as `postgresql://user:password@host/database`; "
        "empty: SQLite in the data folder", name="DATABASE_URL",
    )  # fmt: skip

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables; unset ones keep their defaults.

        Raises
        ------
        SettingsError
            A value is invalid, or a name with the prefix ``UNDERTONE_`` is no setting. The message
            names the variable, its value and the valid values, or the nearest setting.
        """
        _refuse_unknown(environ)
        values: dict[str, Any] = {}
        for setting in fields(cls):
            for name in (variable(setting.name), setting.metadata["older"]):
                if name and name in environ:
                    values[setting.name] = _parsed(name, environ[name], setting.metadata["parse"])
                    break
        if "max_upload_mb" not in values and "MAX_CONTENT_LENGTH" in environ:
            parse = _number(int, 1024, 10_000 * MIB)
            size = _parsed("MAX_CONTENT_LENGTH", environ["MAX_CONTENT_LENGTH"], parse)
            values["max_upload_mb"] = size / MIB
        return cls(**values)

    @property
    def max_upload_bytes(self) -> int:
        """Largest file accepted, in bytes."""
        return int(self.max_upload_mb * MIB)

    @property
    def max_job_bytes(self) -> int:
        """Largest total size of one job's recordings, in bytes."""
        return int(self.job_mb * MIB)

    @property
    def audio_is_shared(self) -> bool:
        """True if recordings are in a remote store, not in a folder."""
        return "://" in self.audio_url

    @property
    def audio_dir(self) -> Path:
        """Folder of the recordings, unless they are in a remote store."""
        return Path(self.audio_url) if self.audio_url else self.data_dir

    @property
    def bind_address(self) -> str:
        """Address and port in gunicorn's format, with an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the history."""
        return self.database_url or f"sqlite:///{self.data_dir / 'undertone.sqlite3'}"


def variable(field_name: str) -> str:
    """Return the name of the environment variable of a field of `Settings`."""
    named = {setting.name: setting.metadata["name"] for setting in fields(Settings)}
    return named[field_name] or f"UNDERTONE_{field_name.upper()}"


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    """Refuse unknown variables with our prefix; otherwise a misspelt one would be ignored."""
    known = {variable(setting.name) for setting in fields(Settings)}
    for name, value in environ.items():
        is_ours = name.upper().startswith(PREFIX) and name not in known | _OTHER_NAMES
        is_link = _SERVICE_LINK.fullmatch(name) or re.match(r"(tcp|udp|sctp)://", value)
        if not is_ours or is_link:
            continue
        near = get_close_matches(name.upper(), sorted(known), 1, cutoff=0.0)[0]
        raise SettingsError(
            f"{name} is not a setting. The nearest one is {near}; docs/settings.md lists all."
        )


def _parsed(name: str, value: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(value)
    except ValueError as error:
        raise SettingsError(f"{name}={value!r} cannot be used: it takes {error}.") from None
