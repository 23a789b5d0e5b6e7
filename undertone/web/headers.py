"""Response headers: content security policy, CORS and cache control."""

import re

from flask import Flask, Response, request
from flask_cors import CORS

# Nothing loads from other sites and no inline script runs. data: is for the base64 charts, and
# blob: for playback of a recording still held by the browser.
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

# Endpoints without any user data. Responses of all others may contain a result or its name, so no
# proxy or browser may cache them. The pages with a recorder are listed, because on the way back to
# an uncached page a browser forgets an unsent take.
CACHEABLE_ENDPOINTS = {"static", "models.picture", "index", "live.page"}


def secure(app: Flask, origins: tuple[str, ...]) -> None:
    """Add security, cache and CORS headers to every response.

    Parameters
    ----------
    app : Flask
    origins : tuple of str
        Origins allowed to call the API (CORS), without credentials.
    """

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint not in CACHEABLE_ENDPOINTS or response.status_code >= 400:
            response.headers["Cache-Control"] = "private, no-store"
        return response

    if origins:
        # As patterns, because flask-cors would treat the brackets of IPv6 as one.
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
