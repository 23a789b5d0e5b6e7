"""Who may do what: which hosts and pages are ours, whose key this is, how often one may ask.

The rule: all that is asked of a request before any view sees it stands here. What is open to
everybody are the files of the pages, which hold nothing of anybody's, and the health of the server.
"""

import ipaddress
import re
import time
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.middleware.proxy_fix import ProxyFix

from undertone.errors import (
    CrossSite,
    KeyNeeded,
    RoleRefused,
    SettingsError,
    TooManyRequests,
    WrongHost,
)
from undertone.keys import Key, KeyRing, Role
from undertone.settings import Settings, variable
from undertone.store.history import History
from undertone.store.scope import EVERYTHING, NOTHING, Scope

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Segments of unreserved characters (RFC 3986), none of which is "." or "..".
_PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+", re.ASCII)
OPEN_ENDPOINTS = {"static", "server.health", "server.live", "server.ready"}
METRICS_ENDPOINT = "metrics.show"  # counts of all keys together, so not for those of users
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def guard(app: Flask, settings: Settings) -> None:
    """Ask of every request: the right host, not too often, and a key where keys are needed.

    Raises
    ------
    KeysUnusable
        There is no file of keys where the settings say.
    """
    hosts = trusted_hosts(settings)
    ring = KeyRing(settings.api_keys_file) if settings.api_keys_file else None
    app.extensions["undertone.keys"] = ring
    if ring:
        ring.keys()
    if settings.proxies:
        n = settings.proxies
        checked = _checked_prefix(app.wsgi_app)
        app.wsgi_app = ProxyFix(checked, x_for=n, x_proto=n, x_host=n, x_prefix=n)  # type: ignore[method-assign]

    @app.before_request
    def check_host() -> None:
        host = request.environ.get("HTTP_HOST", "")
        if hosts and not _is_among(host, hosts):
            raise WrongHost(
                "This server does not answer to the name it was called by. "
                f"Whoever runs it sets {variable('trusted_hosts')}."
            )

    @app.before_request
    def refuse_cross_site() -> None:
        _refuse_cross_site(settings.cors_origins)

    @app.before_request
    def find_key() -> None:
        found = map(ring.find, _secrets()) if ring and not _is_open() else ()
        g.key = next(filter(None, found), None)
        g.scope = _scope_of(g.key) if ring else EVERYTHING

    if ring or settings.rate_limit:
        _limit_rates(app, settings)

    @app.before_request
    def need_key() -> None:
        if ring and g.key is None and not _is_open():
            raise KeyNeeded(
                "A key is needed here, sent as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'; "
                "a browser asks for it as the password. Whoever runs this server has keys."
            )

    @app.before_request
    def check_role() -> None:
        if g.key and not _is_open():
            _check_role(g.key.role, request.endpoint)


def scope() -> Scope:
    """Return what the current request may see and change, and who owns what it makes.

    Without keys that is everything. With keys it is nothing until one has been found.
    """
    found: Scope = g.get("scope", NOTHING)
    return found


def client() -> str:
    """Whose request this is: the key's id, or the address where no keys are needed."""
    key: Key | None = g.get("key")
    return f"key {key.id}" if key else f"address {request.remote_addr}"


def check_still_allowed() -> None:
    """Return if the current request's key is still good, or none is needed.

    Raises
    ------
    KeyNeeded
        It has been revoked since.
    RoleRefused
        Its role has been changed to one that may not do this.
    KeysUnusable
        The file of keys cannot be read.
    """
    ring: KeyRing | None = current_app.extensions["undertone.keys"]
    if ring is None:
        return
    found = next((known for known in ring.keys() if known.sha256 == g.key.sha256), None)
    if found is None:
        raise KeyNeeded("This key has been revoked. Whoever runs this server has others.")
    _check_role(found.role, request.endpoint)


def _checked_prefix(app: "WSGIApplication") -> "WSGIApplication":
    """Ignore a prefix of the proxy's that is no plain path: ``//evil.example`` is a host."""

    def checked(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        prefix = environ.get("SCRIPT_NAME", "").removesuffix("/")
        environ["SCRIPT_NAME"] = prefix if _PREFIX.fullmatch(prefix) else ""
        return app(environ, start)

    return checked


def challenges() -> list[str]:
    """What a 401 asks for: a browser shows a dialogue for the second."""
    return [str(WWWAuthenticate(kind, {"realm": "Undertone"})) for kind in ("bearer", "basic")]


def too_many_requests(app: Flask) -> TooManyRequests:
    """The error for who has just been found to ask too often."""
    (limiter,) = app.extensions["limiter"]
    breached = limiter.current_limit
    wait_s = max(1, int(breached.reset_at - time.time()))
    error = TooManyRequests(
        f"More than {breached.limit} requests came from you. Please go on in {wait_s} s."
    )
    error.retry_after_s = wait_s
    return error


def trusted_hosts(settings: Settings) -> tuple[str, ...]:
    """Names the server answers to; none: to all.

    A page of somebody else's can have its own name point at this machine (DNS rebinding). So what
    listens on loopback only answers to the names of loopback.
    """
    if settings.trusted_hosts:
        return settings.trusted_hosts
    return (*LOOPBACK_NAMES, settings.host) if is_loopback(settings.host) else ()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach this address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_limits(settings: Settings) -> None:
    """Return if requests are counted where all processes see it.

    Raises
    ------
    SettingsError
        They are not, and there are several.
    """
    counted_apart = settings.rate_limit_storage.startswith("memory:")
    if settings.processes > 1 and settings.rate_limit and counted_apart:
        raise SettingsError(
            f"{variable('rate_limit')} with {variable('processes')}={settings.processes} needs "
            f"{variable('rate_limit_storage')}=redis://..., where all processes count."
        )


def open_to_all(settings: Settings) -> str:
    """What to warn of at the start; empty: nothing."""
    if is_loopback(settings.host) or settings.api_keys_file:
        return ""
    return (
        f"Undertone listens on {settings.host} without API keys: whoever reaches this address can "
        f"use it and see its history. Set {variable('api_keys_file')}, or listen on 127.0.0.1."
    )


def hidden_results(settings: Settings) -> str:
    """Return a warning where results belong to no key and no key is an admin's; else nothing.

    Raises
    ------
    KeysUnusable
        There is no file of keys where the settings say.
    StoreError
        The database cannot be read.
    """
    keys = KeyRing(settings.api_keys_file).keys() if settings.api_keys_file else ()
    if not keys or any(key.role is Role.ADMIN for key in keys):
        return ""
    with closing(History(settings.store_url)) as history:
        if not history.any_without_owner():
            return ""
    return (
        "The history has results that no key sees: they were made without a key or by an earlier "
        "version. A key of the role admin sees everything; make one with "
        "`python -m undertone.keys make NAME --role admin`, or turn one that is there into one "
        "with `python -m undertone.keys role NAME admin`."
    )


def _scope_of(key: Key | None) -> Scope:
    return Scope(key.id, is_all=key.role is Role.ADMIN) if key else NOTHING


def _check_role(role: Role, endpoint: str | None) -> None:
    """Return if a key of this role may use this part of the server at all.

    Raises
    ------
    RoleRefused
        It may not.
    """
    if role is Role.METRICS and endpoint != METRICS_ENDPOINT:
        raise RoleRefused("This key reads /metrics and nothing else; use a key of the role user.")
    if role is Role.USER and endpoint == METRICS_ENDPOINT:
        raise RoleRefused(
            "/metrics counts what all keys do, so it takes a key of the role metrics or admin. "
            "Whoever runs this server can give one: `python -m undertone.keys role NAME metrics`."
        )


def _refuse_cross_site(allowed: tuple[str, ...]) -> None:
    """Let no page change anything but our own and those of allowed origins (CSRF).

    Browsers say where a request comes from; programs say nothing, and are let through.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if origin and origin.lower() in allowed:
        return
    # Sec-Fetch-Site is not sent to plain http on other machines than one's own.
    ours = site in ("same-origin", "none") if site else _is_ours(origin)
    if not ours:
        raise CrossSite(
            "This came from another site's page, which may not send anything here. "
            "Open Undertone itself, or use a program."
        )


def _is_ours(origin: str | None) -> bool:
    return origin is None or urlsplit(origin).netloc == request.host


def _limit_rates(app: Flask, settings: Settings) -> None:
    """At most so many requests of each key, or of each address where there are no keys."""
    from flask_limiter import Limiter  # 0.1 s that a start without limits can do without

    def key() -> Key | None:
        found: Key | None = g.get("key")
        return found

    def limit() -> str:
        found = key()
        return (found.limit if found else "") or settings.rate_limit

    Limiter(
        client,
        app=app,
        application_limits=[limit],
        application_limits_exempt_when=lambda: _is_open() or not limit(),
        storage_uri=settings.rate_limit_storage,
        strategy="moving-window",
        in_memory_fallback_enabled=True,  # a Redis that is away: each process counts by itself
        key_prefix="undertone",
    )


def _is_open() -> bool:
    return request.endpoint in OPEN_ENDPOINTS or request.method == "OPTIONS"


def _secrets() -> tuple[str, ...]:
    """Every text of a request that may be an API key.

    ``Authorization`` may belong to a proxy in front, so a key beside it counts too.
    """
    sent = request.authorization
    return (
        (sent.token or sent.password or "") if sent else "",
        request.headers.get("X-API-Key", ""),
    )


def _is_among(host: str, names: tuple[str, ...]) -> bool:
    """Whether a Host header is one of the names; ``.example.org`` stands for all under it."""
    try:
        parts = urlsplit(f"//{host}")
        hostname, _ = parts.hostname or "", parts.port  # a port that is none is a ValueError
    except ValueError:
        return False
    return any(
        hostname == name.lower() or (name.startswith(".") and f".{hostname}".endswith(name.lower()))
        for name in names
    )
