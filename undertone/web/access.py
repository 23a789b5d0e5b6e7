"""Access control: trusted hosts, same-origin checks, API keys and rate limits.

The rule: every check that runs before a view is in this module. Only the static files, without
any user data, and the health endpoints are open to everybody.
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

# Segments of unreserved characters (RFC 3986); none may be "." or "..".
_PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+", re.ASCII)
OPEN_ENDPOINTS = {"static", "server.health", "server.live", "server.ready"}
METRICS_ENDPOINT = "metrics.show"  # sums over all keys, so not for users
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def guard(app: Flask, settings: Settings) -> None:
    """Check each request: trusted host, same origin, rate limit, and API key and role if needed.

    Raises
    ------
    KeysUnusable
        The key file named in the settings is missing or holds no valid keys.
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
    """Return the scope of the current request: the visible data, and the owner of new data.

    Without keys the scope is everything. With keys it is nothing until a key has been found.
    """
    found: Scope = g.get("scope", NOTHING)
    return found


def client() -> str:
    """Return the client's identity: the key's id, or the address if no key was found."""
    key: Key | None = g.get("key")
    return f"key {key.id}" if key else f"address {request.remote_addr}"


def check_still_allowed() -> None:
    """Check the current request's key again, if keys are needed.

    Raises
    ------
    KeyNeeded
        The key has been revoked in the meantime.
    RoleRefused
        The key now has a role without access to this endpoint.
    KeysUnusable
        The key file cannot be read.
    """
    ring: KeyRing | None = current_app.extensions["undertone.keys"]
    if ring is None:
        return
    found = next((known for known in ring.keys() if known.sha256 == g.key.sha256), None)
    if found is None:
        raise KeyNeeded("This key has been revoked. Whoever runs this server has others.")
    _check_role(found.role, request.endpoint)


def _checked_prefix(app: "WSGIApplication") -> "WSGIApplication":
    """Drop a proxy's prefix unless it is a plain path: ``//evil.example`` would be a host."""

    def checked(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        prefix = environ.get("SCRIPT_NAME", "").removesuffix("/")
        environ["SCRIPT_NAME"] = prefix if _PREFIX.fullmatch(prefix) else ""
        return app(environ, start)

    return checked


def challenges() -> list[str]:
    """Return the challenges of a 401 response; browsers show a dialogue for the second one."""
    return [str(WWWAuthenticate(kind, {"realm": "Undertone"})) for kind in ("bearer", "basic")]


def too_many_requests(app: Flask) -> TooManyRequests:
    """Return the error for a client over its rate limit."""
    (limiter,) = app.extensions["limiter"]
    breached = limiter.current_limit
    wait_s = max(1, int(breached.reset_at - time.time()))
    error = TooManyRequests(
        f"More than {breached.limit} requests came from you. Please go on in {wait_s} s."
    )
    error.retry_after_s = wait_s
    return error


def trusted_hosts(settings: Settings) -> tuple[str, ...]:
    """Return the accepted host names; empty if all are accepted.

    A foreign page can point its own host name at this machine (DNS rebinding). A server on a
    loopback address therefore accepts only loopback names and its own.
    """
    if settings.trusted_hosts:
        return settings.trusted_hosts
    return (*LOOPBACK_NAMES, settings.host) if is_loopback(settings.host) else ()


def is_loopback(host: str) -> bool:
    """True if only this machine can reach the address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_limits(settings: Settings) -> None:
    """Check that all processes share one counter for the rate limit.

    Raises
    ------
    SettingsError
        There are several processes, and each would count by itself.
    """
    counted_apart = settings.rate_limit_storage.startswith("memory:")
    if settings.processes > 1 and settings.rate_limit and counted_apart:
        raise SettingsError(
            f"{variable('rate_limit')} with {variable('processes')}={settings.processes} needs "
            f"{variable('rate_limit_storage')}=redis://..., where all processes count."
        )


def open_to_all(settings: Settings) -> str:
    """Return a warning for a server without keys on a public address; empty if all is well."""
    if is_loopback(settings.host) or settings.api_keys_file:
        return ""
    return (
        f"Undertone listens on {settings.host} without API keys: whoever reaches this address can "
        f"use it and see its history. Set {variable('api_keys_file')}, or listen on 127.0.0.1."
    )


def hidden_results(settings: Settings) -> str:
    """Return a warning if some results have no owner and no key is an admin's; empty otherwise.

    Raises
    ------
    KeysUnusable
        The key file named in the settings is missing or holds no valid keys.
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
    """Check that keys of this role may use this endpoint.

    Raises
    ------
    RoleRefused
        The role has no access to the endpoint.
    """
    if role is Role.METRICS and endpoint != METRICS_ENDPOINT:
        raise RoleRefused("This key reads /metrics and nothing else; use a key of the role user.")
    if role is Role.USER and endpoint == METRICS_ENDPOINT:
        raise RoleRefused(
            "/metrics counts what all keys do, so it takes a key of the role metrics or admin. "
            "Whoever runs this server can give one: `python -m undertone.keys role NAME metrics`."
        )


def _refuse_cross_site(allowed: tuple[str, ...]) -> None:
    """Refuse changes from pages of foreign origins, except allowed ones (CSRF).

    Browsers name the origin of a request. Programs do not, so they are let through.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if origin and origin.lower() in allowed:
        return
    # Browsers send no Sec-Fetch-Site over plain http, except to their own machine.
    ours = site in ("same-origin", "none") if site else _is_ours(origin)
    if not ours:
        raise CrossSite(
            "This came from another site's page, which may not send anything here. "
            "Open Undertone itself, or use a program."
        )


def _is_ours(origin: str | None) -> bool:
    return origin is None or urlsplit(origin).netloc == request.host


def _limit_rates(app: Flask, settings: Settings) -> None:
    """Limit the request rate of each key, or of each address if there is no key."""
    from flask_limiter import Limiter  # takes 0.1 s; not needed without limits

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
        in_memory_fallback_enabled=True,  # without Redis each process counts by itself
        key_prefix="undertone",
    )


def _is_open() -> bool:
    return request.endpoint in OPEN_ENDPOINTS or request.method == "OPTIONS"


def _secrets() -> tuple[str, ...]:
    """Return all candidates for an API key in the current request.

    ``Authorization`` may belong to a proxy in front, so ``X-API-Key`` counts too.
    """
    sent = request.authorization
    return (
        (sent.token or sent.password or "") if sent else "",
        request.headers.get("X-API-Key", ""),
    )


def _is_among(host: str, names: tuple[str, ...]) -> bool:
    """True if a Host header matches one of the names; ``.example.org`` matches all subdomains."""
    try:
        parts = urlsplit(f"//{host}")
        hostname, _ = parts.hostname or "", parts.port  # an invalid port raises ValueError
    except ValueError:
        return False
    return any(
        hostname == name.lower() or (name.startswith(".") and f".{hostname}".endswith(name.lower()))
        for name in names
    )
