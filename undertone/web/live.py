"""Live analysis: a WebSocket for streamed speech, answered with emotions as it is spoken.

docs/live.md describes the protocol. Nothing of a session is stored, and its memory does not grow
with its length.
"""

import json
import logging
from contextlib import suppress
from time import monotonic
from typing import Literal, NoReturn
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for
from pydantic import BaseModel, ValidationError
from werkzeug.wrappers import Response as BaseResponse

from undertone.emotions import DEFAULT_LABEL_SET, EMOTIONS, in_set
from undertone.errors import (
    BadRequest,
    Busy,
    ForeignOrigin,
    ServerStopping,
    TooManyLiveSessions,
    UndertoneError,
    UpgradeRequired,
)
from undertone.recognition.ear import STEP_S, WINDOW_S, Ear, SampleFormat
from undertone.web.access import check_still_allowed, client
from undertone.web.capacity import Turns
from undertone.web.live_sessions import LiveSessions, Pace, Place
from undertone.web.request import analyzer, wants_html, wished_model
from undertone.web.request_models import LabelSet
from undertone.web.websocket import Closed, WebSocket

logger = logging.getLogger("undertone")
bp = Blueprint("live", __name__)

HELLO_LIMIT_S = 10.0
IDLE_LIMIT_S = 60.0
CHECK_KEY_S = 1.0
TURN_S = 1.0  # longest time until a session notices that it has to end
# Upper limit of the sound taken in between two answers. Without it, a client with an endless
# backlog would never get an answer.
CATCH_UP_S = 60.0
BUSY_LIMIT_S = 30.0  # longest wait for a turn; then the client should come back later
CLOSE_CODES = {TooManyLiveSessions: 1013, Busy: 1013, ServerStopping: 1001}  # others: 1008


class Hello(BaseModel):
    """First message of a client: sample rate, sample format, model and set of emotions."""

    type: Literal["hello"]
    rate: int = 16_000
    format: SampleFormat = "int16"
    model: str | None = None
    labels: LabelSet = None


class _Carried(Response):
    """Return value of a view after its connection has carried a WebSocket."""

    def __call__(self, *_: object) -> NoReturn:
        raise StopIteration  # gunicorn: close the connection, write nothing


@bp.get("/listen")
def page() -> str:
    """Show the page for live analysis."""
    return render_template(
        "live.html",
        emotions=[name for name in EMOTIONS if in_set(name, DEFAULT_LABEL_SET) == name],
        models=list(analyzer().recognizers),
        model=wished_model(),
    )


@bp.get("/live")
def explain() -> BaseResponse:
    """Explain the endpoint to programs; redirect browsers to the page for live analysis."""
    if wants_html():
        return redirect(url_for(".page"), 303)
    raise UpgradeRequired("This address is for WebSockets; see docs/live.md.")


@bp.get("/live", websocket=True)
def live() -> Response:
    """Serve a live session over a WebSocket."""
    _check_origin()
    with suppress(Closed):
        _converse(WebSocket(request.environ))
    return _Carried(status=101)


def _converse(socket: WebSocket) -> None:
    """Run a session if a place is free; close with the reason in an error message."""
    sessions: LiveSessions = current_app.extensions["undertone.live"]
    try:
        with sessions.one(client()) as place:
            _listen(socket, sessions, place)
    except Closed:
        socket.close(1000, "")
    except UndertoneError as error:
        _end(socket, error, CLOSE_CODES.get(type(error), 1008))
    except Exception as error:
        logger.error("a live session", exc_info=error)
        _end(socket, UndertoneError("Something went wrong here; please begin again."), 1011)


def _listen(socket: WebSocket, sessions: LiveSessions, place: Place) -> None:
    """Receive sound and send answers until the client closes the connection."""
    turns: Turns = current_app.extensions["undertone.turns"]
    ear = _greet(socket)
    pace = Pace(IDLE_LIMIT_S)
    had_turn_at_s = checked_at_s = monotonic()
    while not sessions.is_stopping():
        place.check()
        if monotonic() - checked_at_s > CHECK_KEY_S:
            check_still_allowed()
            checked_at_s = monotonic()
        is_due = ear.unanswered_s >= STEP_S
        if not is_due:
            had_turn_at_s = monotonic()
        began_s, before_s = monotonic(), ear.unanswered_s
        message = socket.receive(0.0 if is_due else TURN_S)
        waited_s = monotonic() - began_s
        if isinstance(message, str):
            raise BadRequest("After the hello only sound is taken, in binary messages.")
        if message:
            ear.add(message)
        pace.note(waited_s, ear.unanswered_s - before_s)
        if is_due and (message is None or ear.unanswered_s > CATCH_UP_S):
            try:
                with turns.taken(TURN_S):
                    answer = ear.answer()
            except Busy:  # sound goes on meanwhile; the next answer covers the newest
                if monotonic() - had_turn_at_s > BUSY_LIMIT_S:
                    raise
            else:
                had_turn_at_s = monotonic()
                socket.send(json.dumps(answer))
        socket.keep_alive()
    raise ServerStopping("The server is being stopped; connect again in a little while.")


def _greet(socket: WebSocket) -> Ear:
    """Receive the hello, send ``ready``, and return an `Ear` for the announced format."""
    message, until_s = None, monotonic() + HELLO_LIMIT_S
    while message is None and monotonic() < until_s:
        message = socket.receive(TURN_S)
    hello = _read(message)
    recognizer = analyzer().recognizer(hello.model)
    n_labels = hello.labels or DEFAULT_LABEL_SET
    check_still_allowed()
    ear = Ear(recognizer, n_labels, hello.rate, hello.format)
    ready = {
        "type": "ready",
        **hello.model_dump(exclude={"type"}),
        "model": recognizer.info.name,
        "labels": n_labels,
        "window_s": WINDOW_S,
        "step_s": STEP_S,
    }
    socket.send(json.dumps(ready))
    return ear


def _read(message: str | bytes | None) -> Hello:
    if not isinstance(message, str):
        raise BadRequest('Begin with a text message: {"type": "hello", "rate": 16000}.')
    try:
        return Hello.model_validate_json(message)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "The first message"
        raise BadRequest(f"{field} cannot be used: {first['msg'].lower()}.") from None


def _end(socket: WebSocket, error: UndertoneError, code: int) -> None:
    """Send the error and close the connection."""
    with suppress(Closed):
        socket.send(json.dumps({"type": "error", **error.to_dict()}))
        socket.close(code, error.code)


def _check_origin() -> None:
    """Refuse pages of other origins, except listed ones; browsers always send ``Origin``."""
    origin = request.headers.get("Origin")
    listed = {known.lower() for known in current_app.config["SETTINGS"].cors_origins}
    if origin is None or origin.lower() in listed or urlsplit(origin).netloc == request.host:
        return
    raise ForeignOrigin(
        f"A page of {origin[:80]!r} may not speak to this server; UNDERTONE_CORS_ORIGINS lists "
        "those that may."
    )
