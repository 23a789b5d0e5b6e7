"""What is logged, and how: one line for each request, plain or as JSON.

The rule: a line never holds a file name, anything heard, a key or an address. So of a path only its
pattern is told, of a client only the name of its key.
"""

import json
import logging
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, has_request_context, request

logger = logging.getLogger("undertone")
_SANE_ID = re.compile(r"[\w.:/+=-]{1,64}", re.ASCII)


def follow_requests(app: Flask) -> None:
    """Give each request an id, which the answer tells, and log it when it has been answered."""

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
            "method": request.method,
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
    """Id of the current request; empty where there is none."""
    return str(g.get("request_id", "")) if has_request_context() else ""


def configuration(log_format: str, debug: bool) -> dict[str, Any]:
    """For `logging.config.dictConfig`: everything to the standard error, in one format."""
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


class PlainLines(logging.Formatter):
    """Time, level, id of the request, message; and the traceback of an error."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(request)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        found = request_id()
        record.request = f"[{found}] " if found else ""
        return super().format(record)


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and what there is of
    ``request_id``, ``method``, ``route``, ``status``, ``code``, ``duration_ms``, ``bytes``,
    ``key`` and ``error`` (a traceback).
    """  # noqa: D205

    def format(self, record: logging.LogRecord) -> str:
        """One record as JSON."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id() or None,
            **getattr(record, "fields", {}),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        known = {name: value for name, value in document.items() if value is not None}
        return json.dumps(known, ensure_ascii=False)
