"""Error responses to requests rejected before they reach the application.

They have the same format as all other errors. gunicorn would answer with its own HTML page and log
the unparsed input, API keys included.
"""

import json
import logging
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from gunicorn import SERVER
from gunicorn.http import errors

from undertone.errors import BadRequest, UndertoneError
from undertone.web.headers import SECURITY_HEADERS

logger = logging.getLogger("undertone")

# The first matching class counts. Any other error is an error of the server itself.
REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.LimitRequestLine, 414, "The address is longer than this server takes."),
    (errors.LimitRequestHeaders, 431, "The request's headers are larger than this server takes."),
    (errors.UnsupportedTransferCoding, 501, "This transfer coding is unknown; send chunked."),
    (errors.ExpectationFailed, 417, "Only the expectation 100-continue can be met."),
    (errors.InvalidHTTPVersion, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here."),
    (errors.ForbiddenProxyRequest, 403, "The PROXY protocol is not taken from this address."),
    (errors.InvalidResponseHeader, 500, ""),
    (errors.InvalidResponseHeaderName, 500, ""),
    (errors.InvalidRequestMethod, 400, "The request's method cannot be used."),
    (errors.InvalidRequestLine, 400, "The first line of the request cannot be read."),
    (errors.InvalidHeaderName, 400, "The name of a header cannot be used."),
    (errors.ObsoleteFolding, 400, "A header may not go on in a second line."),
    (errors.InvalidHeader, 400, "A header cannot be read."),
    (errors.ParseException, 400, "The request cannot be read."),
)


def refuse(client: Any, error: BaseException) -> None:
    """Send an error response. The caller must close the connection afterwards.

    Parameters
    ----------
    client : socket.socket
    error : Exception
        An error of the parser, an UndertoneError, or any other.
    """
    told = _in_our_shape(error)
    if told.status >= 500 and not isinstance(error, errors.ParseException):
        logger.error("unknown error outside the application", exc_info=error)
    fields = {"status": told.status, "code": told.code}
    logger.info("unreadable request: %(status)s %(code)s", fields, extra={"fields": fields})
    body = json.dumps(told.to_dict()).encode()
    headers = {
        "Server": SERVER,
        "Date": formatdate(usegmt=True),
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **SECURITY_HEADERS,
    }
    head = f"HTTP/1.1 {told.status} {HTTPStatus(told.status).phrase}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in headers.items()
    )
    with suppress(OSError):
        client.settimeout(1.0)  # fits into the kernel's buffer unless the client reads nothing
        client.sendall(head.encode() + b"\r\n" + body)


def oversized(head: bytes) -> Any:
    """Return the parser's error for a request head over the size limit."""
    first, end, _ = head.partition(b"\r\n")
    if not end:
        return errors.LimitRequestLine(len(first))
    return errors.LimitRequestHeaders("too large")


def _in_our_shape(error: BaseException) -> UndertoneError:
    if isinstance(error, UndertoneError):
        return error
    for kind, status, message in REFUSALS:
        if isinstance(error, kind) and status != 500:
            told = BadRequest(message)
            told.status = status
            if status != 400:
                told.code = HTTPStatus(status).phrase.lower().replace(" ", "-")
            return told
    return UndertoneError("Something went wrong here. Please try again.")
