"""Size limits for requests, checked before anything is parsed.

The rule: only endpoints for recordings accept a large body. A new endpoint accepts a small one
until it is listed here.
"""

from flask import Flask, request

from undertone.web.body_errors import RequestTooLarge
from undertone.web.form_body import FIELDS_BYTES, check_encoding

# Base64 is a third longer than its bytes, and line breaks and escapes in JSON add to it.
_BASE64_ROOM = 1.5
_RECORDING_BLUEPRINTS = {"api"}
_RECORDING_ENDPOINTS = {"result", "jobs.add"}


def limit_bodies(app: Flask) -> None:
    """Refuse requests larger than their endpoint needs."""

    @app.before_request
    def check() -> None:
        _check_headers()
        check_encoding(request.headers.get("Content-Encoding", ""), "The request")
        if not takes_recording():
            request.max_content_length = FIELDS_BYTES
            if (request.content_length or 0) > FIELDS_BYTES and request.endpoint:
                raise body_too_large()
        elif request.is_json and request.max_content_length:
            request.max_content_length = int(request.max_content_length * _BASE64_ROOM)


def takes_recording() -> bool:
    """True if the endpoint of the current request accepts a recording."""
    return request.blueprint in _RECORDING_BLUEPRINTS or request.endpoint in _RECORDING_ENDPOINTS


def body_too_large() -> RequestTooLarge:
    """Return the error for a large body at an endpoint without recordings."""
    return RequestTooLarge(
        f"At most {FIELDS_BYTES // 1024} kB are taken at this address, and no recording. "
        "/upload takes recordings."
    )


def _check_headers() -> None:
    """Limit the cost of parsing cookies, queries and lists of media types."""
    values = (value for name, value in request.environ.items() if name.startswith("HTTP_"))
    n_bytes = sum(map(len, values)) + len(request.environ.get("QUERY_STRING", ""))
    if n_bytes > FIELDS_BYTES:
        raise RequestTooLarge(
            f"The headers and the address are longer than {FIELDS_BYTES // 1024} kB together; "
            "delete the cookies of this site, or send fewer headers."
        )
