"""Posting to an address that a client gave: to the outside only, and only where it was looked up.

The rule: a name is looked up once, every address it stands for must be allowed, and the connection
goes to just that address. Nothing that answers can send the request elsewhere or keep it for long.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from undertone.errors import WebhookRefused
from undertone.jobs.public_addresses import is_public

MAX_URL_CHARS = 2000
CONNECT_S = 5.0
DEADLINE_S = 20.0  # for all of it, however slowly the other side speaks


class Undelivered(Exception):
    """Why it did not arrive; `is_final` when there is no use in trying again."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


def check_url(url: str, allow_private: bool) -> None:
    """Return if something could be posted there.

    Parameters
    ----------
    url : str
    allow_private : bool
        Whether addresses of this machine and of inner networks are allowed.

    Raises
    ------
    WebhookRefused
        It is none, cannot be found, or is not allowed.
    """
    try:
        _addresses(_parts(url), allow_private)
    except OSError as error:
        raise WebhookRefused(f"The webhook's host cannot be found: {error}.") from error


def post(url: str, body: bytes, headers: Mapping[str, str], allow_private: bool) -> None:
    """Post and return when it was answered with a status from 200 to 299.

    Raises
    ------
    Undelivered
        It was not.
    """
    try:
        parts = _parts(url)
        address = _addresses(parts, allow_private)[0]
        status = _exchange(parts, address, body, headers)
    except WebhookRefused as error:
        raise Undelivered(error.message, is_final=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise Undelivered(f"No answer: {error or type(error).__name__}.") from error
    if 300 <= status < 400:
        raise Undelivered(f"Answered with {status}; other addresses are not followed.")
    if not 200 <= status < 300:
        raise Undelivered(f"Answered with {status}.", is_final=status == http.HTTPStatus.GONE)


def _parts(url: str) -> SplitResult:
    if len(url) > MAX_URL_CHARS or not url.isascii() or not url.isprintable() or " " in url:
        raise WebhookRefused(
            f"The webhook takes a URL of at most {MAX_URL_CHARS} ASCII characters without spaces."
        )
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or parts.username is not None:
        raise WebhookRefused(
            "The webhook takes a URL such as https://example.org/hook, without a user name."
        )
    return parts


def _addresses(parts: SplitResult, allow_private: bool) -> list[tuple[str, int]]:
    """Where the host is, each as (IP address, port)."""
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a name that the domain name system does not allow
        raise OSError(str(error)) from error
    addresses = [(str(place[0]), int(place[1])) for *_, place in found]
    if not allow_private:
        for address, _ in addresses:
            if not is_public(ipaddress.ip_address(address.split("%")[0])):
                raise WebhookRefused(
                    f"The webhook's host {host[:100]!r} is in an inner network, this machine "
                    "itself or a reserved range; only public addresses are allowed here."
                )
    return addresses


def _exchange(
    parts: SplitResult, address: tuple[str, int], body: bytes, headers: Mapping[str, str]
) -> int:
    """Post to an address under the name of its host; the status of the answer."""
    host = str(parts.hostname)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, parts.port)
    connection.auto_open = 0  # it would look the name up once more
    with socket.create_connection(address, CONNECT_S) as plain, plain.dup() as wire:
        hang_up = threading.Timer(DEADLINE_S, _hang_up, [wire])
        hang_up.start()
        try:
            connection.sock = plain
            if parts.scheme == "https":
                context = ssl.create_default_context()
                connection.sock = context.wrap_socket(plain, server_hostname=host)
            connection.request("POST", target, body, dict(headers))
            return connection.getresponse().status
        finally:
            hang_up.cancel()
            connection.close()


def _hang_up(wire: socket.socket) -> None:
    with suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
