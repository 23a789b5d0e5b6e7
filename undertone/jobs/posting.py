"""HTTP POST to a URL given by a client, protected against requests to internal networks.

The host name is resolved once, every address it resolves to must be allowed, and the connection
goes to one of exactly these addresses. Redirects are not followed, and there is a deadline.
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
DEADLINE_S = 20.0  # for the whole exchange, however slow the receiver


class Undelivered(Exception):
    """Failed delivery, with the reason. `is_final` is True if a retry would be useless."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


def check_url(url: str, allow_private: bool) -> None:
    """Return if a POST to the URL would be allowed.

    Parameters
    ----------
    url : str
    allow_private : bool
        True if addresses of this machine and of internal networks are allowed.

    Raises
    ------
    WebhookRefused
        The URL is invalid, its host cannot be found, or its address is not allowed.
    """
    try:
        _addresses(_parts(url), allow_private)
    except OSError as error:
        raise WebhookRefused(f"The webhook's host cannot be found: {error}.") from error


def post(url: str, body: bytes, headers: Mapping[str, str], allow_private: bool) -> None:
    """Send a POST request. Return if the response status is 200 to 299.

    Parameters
    ----------
    url : str
    body : bytes
    headers : mapping of str to str
    allow_private : bool
        As for `check_url`.

    Raises
    ------
    Undelivered
        There was no response, it had another status, or the URL was refused.
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
    """Resolve the host. Return its addresses as (IP address, port)."""
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a name not allowed in DNS
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
    """Send a POST to an address, under its host name. Return the response status."""
    host = str(parts.hostname)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, parts.port)
    connection.auto_open = 0  # it would resolve the name once more
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
