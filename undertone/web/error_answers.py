"""Error responses in one format, for own errors, library errors and unexpected exceptions."""

import logging

from flask import Flask, Response, g, jsonify, render_template, request
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.exceptions import TooManyRequests as LimitExceeded

from undertone.errors import BadRequest, KeyNeeded, UndertoneError
from undertone.web import access, logs
from undertone.web.body_errors import CutOff
from undertone.web.body_limits import body_too_large, takes_recording
from undertone.web.error_words import all_error_words, error_details, error_words
from undertone.web.request import too_large, wants_html

logger = logging.getLogger("undertone")


def answer_errors(app: Flask) -> None:
    """Register error handlers; they answer with JSON, or with a page for a browser."""
    app.jinja_env.globals |= {
        "error_words": error_words,
        "error_details": error_details,
        "error_words_by_code": all_error_words,
    }

    def answer(error: UndertoneError) -> Response:
        g.error_code = error.code
        html = wants_html()
        body = render_template("error.html", error=error) if html else jsonify(error.to_dict())
        response = app.make_response((body, error.status))
        if error.retry_after_s is not None:
            response.headers["Retry-After"] = str(error.retry_after_s)
        if isinstance(error, KeyNeeded):
            for challenge in access.challenges():
                response.headers.add("WWW-Authenticate", challenge)
        return response

    @app.errorhandler(UndertoneError)
    def known(error: UndertoneError) -> Response:
        if error.status >= 500 and error.retry_after_s is None:
            logger.error("%s", error.code, exc_info=error)
        return answer(error)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        response = answer(_from_http(app, error))
        # Such as Allow with 405. Headers about Flask's own body do not fit this response.
        for name, value in error.get_headers():
            if name not in ("Content-Type", "Content-Length"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unknown(error: Exception) -> Response:
        # The message may contain paths or data, so it is only logged. The client gets the
        # request id.
        logger.error("unknown error", exc_info=error)
        return answer(
            UndertoneError(
                "Something went wrong here, not with your recording "
                f"(error {logs.request_id()}). Please try again."
            )
        )


def _from_http(app: Flask, error: HTTPException) -> UndertoneError:
    """Convert an error of a library to an `UndertoneError`."""
    if isinstance(error, RequestEntityTooLarge):
        if not takes_recording():
            return body_too_large()
        return too_large(app.config["SETTINGS"].max_upload_bytes)
    if isinstance(error, ClientDisconnected):
        return CutOff("The request ended before all of it had come. Send it again.")
    if isinstance(error, LimitExceeded):
        return access.too_many_requests(app)
    messages = {
        404: "There is nothing at this address.",
        405: f"{request.method} is not possible at this address.",
    }
    status = error.code or 500
    told = BadRequest(messages.get(status, error.description or error.name))
    told.status = status
    told.code = error.name.lower().replace(" ", "-").replace("'", "")
    return told
