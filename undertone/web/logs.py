"""Logging: one line for each request, as plain text or JSON.

A line never holds a file name, a result, a key or an address. So a path is logged as its URL
pattern only, and a client as the name of its key only. The formatters process the lines of all
libraries. They leave out the arguments of other libraries' lines and the messages of exceptions.
"""

import json
import logging
import os
import re
import secrets
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from flask import Flask, Response, g, has_request_context, request

logger = logging.getLogger("undertone")
_SANE_ID = re.compile(r"[\w.:/+=-]{1,64}", re.ASCII)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
# Lines of the server about its own start and end keep their arguments.
_OURS = ("undertone", "gunicorn.error", "celery")
_in_request: ContextVar[bool] = ContextVar("in_request", default=False)
WITHHELD = "(text withheld)"


def follow_requests(app: Flask) -> None:
    """Give each request an id, sent back as ``X-Request-ID``, and log each response."""

    @app.before_request
    def begin() -> None:
        g.started_s = time.perf_counter()
        sent = request.headers.get("X-Request-ID", "")
        g.request_id = sent if _SANE_ID.fullmatch(sent) else secrets.token_hex(8)

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Request-ID"] = request_id()
        key = g.get("key")
        fields = {
            "method": request.method if request.method in _METHODS else "other",
            "route": request.url_rule.rule if request.url_rule else None,
            "status": response.status_code,
            "code": g.get("error_code"),
            "duration_ms": round(1000 * (time.perf_counter() - g.started_s), 1),
            "bytes": request.content_length or 0,
            "key": key.name if key else None,
        }
        logger.info(
            "%(method)s %(route)s %(status)s in %(duration_ms)s ms",
            fields,
            extra={"fields": fields},
        )
        return response


def request_id() -> str:
    """Return the id of the current request; empty outside of a request."""
    return str(g.get("request_id", "")) if has_request_context() else ""


def configuration(log_format: str, debug: bool) -> dict[str, Any]:
    """Return a `logging.config.dictConfig`: everything to the standard error, in one format."""
    formatter = {"plain": "undertone.web.logs.PlainLines", "json": "undertone.web.logs.JsonLines"}
    through = {"handlers": [], "propagate": True, "level": "DEBUG" if debug else "INFO"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"undertone": {"()": formatter[log_format]}},
        "handlers": {"undertone": {"class": "logging.StreamHandler", "formatter": "undertone"}},
        "root": {"handlers": ["undertone"], "level": "WARNING"},
        "loggers": {"undertone": through, "gunicorn.error": through, "celery": through},
    }


@contextmanager
def during_request() -> Iterator[None]:
    """Mark the lines logged in a block as part of a client's request, parsed or not."""
    token = _in_request.set(True)
    try:
        yield
    finally:
        _in_request.reset(token)


def take_over_standard_error(show_messages: bool = False) -> None:
    """Log warnings and uncaught errors instead of letting Python print them.

    Parameters
    ----------
    show_messages : bool
        End tracebacks with the message of the exception, for debugging.
    """
    _Lines.shows_messages = show_messages
    logging.raiseExceptions = False  # else it prints the arguments of a malformed line

    def in_thread(error: threading.ExceptHookArgs) -> None:
        if error.exc_type is not SystemExit:
            found = (error.exc_type, error.exc_value or error.exc_type(), error.exc_traceback)
            logger.error("a thread ended by an error", exc_info=found)

    def unraisable(error: Any) -> None:
        found = (error.exc_type, error.exc_value or error.exc_type(), error.exc_traceback)
        logger.error("an error that cannot be raised", exc_info=found)

    def warn(_text: Any, category: Any, filename: str, lineno: int, *_: Any, **__: Any) -> None:
        logger.warning("%s at %s:%d", category.__name__, filename, lineno)

    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
    warnings.showwarning = warn  # type: ignore[assignment]


class _Lines(logging.Formatter):
    """Base class of both formats: withholds texts of unknown content."""

    shows_messages = False

    def message(self, record: logging.LogRecord) -> str:
        """Return the text of a record; without arguments for records of other libraries."""
        name = record.name
        if name == "undertone" or (name.startswith(_OURS) and not _in_request.get()):
            return record.getMessage()
        if record.args:
            return str(record.msg)
        # The text was formatted before it came here, perhaps with parts of a request.
        return WITHHELD if _in_request.get() or not isinstance(record.msg, str) else record.msg

    def formatException(  # noqa: N802
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """Return a traceback with error types only; messages may hold anything."""
        if self.shows_messages or ei[1] is None:
            return super().formatException(ei)
        return "".join(_traceback(ei[1], set())).rstrip("\n")


def _traceback(error: BaseException, seen: set[int]) -> Iterator[str]:
    """Yield the lines of a traceback without messages, causes first."""
    seen.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and id(earlier) not in seen:
        yield from _traceback(earlier, seen)
        yield "\nwhich led to:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    kind = type(error)
    yield f"{kind.__module__}.{kind.__qualname__}{_harmless(error)}\n"


def _harmless(error: BaseException) -> str:
    """Return the system's name of an error, such as a full disk; empty for other errors."""
    if isinstance(error, OSError) and error.errno is not None:
        return f": [Errno {error.errno}] {os.strerror(error.errno)}"
    return ""


class PlainLines(_Lines):
    """Plain format: time, level, request id, message, and the traceback of an error."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(request)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as text."""
        text = self.message(record)
        shown = logging.makeLogRecord(
            {**record.__dict__, "msg": text, "args": (), "exc_text": None}
        )
        found = request_id()
        shown.request = f"[{found}] " if found else ""
        shown.stack_info = None
        return super().format(shown)


class JsonLines(_Lines):
    """One JSON object per line: ``time``, ``level``, ``logger``, ``message``, and if known
    ``request_id``, ``method``, ``route``, ``status``, ``code``, ``duration_ms``, ``bytes``,
    ``key`` and ``error`` (a traceback).
    """  # noqa: D205

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message(record),
            "request_id": request_id() or None,
            **getattr(record, "fields", {}),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        known = {name: value for name, value in document.items() if value is not None}
        return json.dumps(known, ensure_ascii=False)
