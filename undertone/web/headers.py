"""Headers of every answer: what pages may load, who may call the API, what may be cached."""

import re

from flask import Flask, Response, request
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

# Endpoints that show nobody's recording. All others may hold a result or its name, so no cache on
# the way, and none of a browser, may keep their answers. The pages with a recorder are listed
# because a browser forgets an unsent take when it goes back to a page that it may not keep.
CACHEABLE_ENDPOINTS = {"static", "models.picture", "index", "live.page"}


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
        if request.endpoint not in CACHEABLE_ENDPOINTS or response.status_code >= 400:
            response.headers["Cache-Control"] = "private, no-store"
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
