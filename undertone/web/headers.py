"""What browsers are told with every answer: what pages may load, and which may call the API."""

import re

from flask import Flask, Response
from flask_cors import CORS

# Nothing is loaded from elsewhere and nothing inline runs; data: is for the base64 charts,
# blob: for playing back the recording that the browser itself still holds.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
        "img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def secure(app: Flask, origins: tuple[str, ...]) -> None:
    """Say so with every answer.

    Parameters
    ----------
    app : Flask
    origins : tuple of str
        Whose pages may call the API (CORS); there are no credentials to be sent along.
    """

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    if origins:
        # As patterns, because flask-cors would take the brackets of IPv6 for some.
        exactly = [re.compile(re.escape(origin) + r"\Z", re.IGNORECASE) for origin in origins]
        CORS(
            app,
            origins=exactly,
            methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["Content-Type", "Authorization", "X-API-Key", "X-Request-ID"],
            expose_headers=["Content-Disposition", "Retry-After", "X-Request-ID"],
            always_send=False,
            max_age=600,
        )
