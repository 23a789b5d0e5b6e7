"""OpenAPI: one `spec` for parsing requests, checking responses and describing both.

Each view declares its request and responses once, with ``spec.validate``. The same declaration is
checked at run time. HTML pages are left out of the document: they are no stable interface for
programs.
"""

from typing import Any

import flask
from pydantic import BaseModel, ValidationError
from spectree import Response, SpecTree
from spectree.models import InType, SecureType, SecurityScheme, SecuritySchemeData
from spectree.plugins.flask_plugin import FlaskPlugin

from undertone import __version__
from undertone.errors import (
    BadRequest,
    KeyNeeded,
    RoleRefused,
    TooManyRequests,
    TooSlow,
    UndertoneError,
    WrongHost,
)
from undertone.web.answer_models import ErrorAnswer
from undertone.web.body_errors import EncodingRefused, RequestTooLarge

# Errors of any request, and errors of requests to endpoints with access control.
OF_ALL = (WrongHost, TooSlow, EncodingRefused, RequestTooLarge)
OF_GUARDED = (KeyNeeded, RoleRefused, TooManyRequests)

NO_CONTENT = "204"


def _refuse(
    _request: Any, _response: Any, error: Exception | None, _instance: Any, _adapter: Any
) -> None:
    """Raise a validation error in Undertone's own format instead of spectree's."""
    if isinstance(error, ValidationError):
        raise refusal(error)


def refusal(error: ValidationError) -> BadRequest:
    """Return the error for a request with values unfit for its model."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))[:80] or "The body"
    return BadRequest(f"{field} cannot be used: {first['msg'].lower()}.")


class _Plugin(FlaskPlugin):
    """spectree's Flask plugin, but a view's own `flask.Response` is sent unchecked."""

    def parse_path(self, route: Any, path_parameter_descriptions: Any) -> tuple[str, list[Any]]:
        an_id = "As answers have it in `id`."
        told = {"analysis_id": an_id, "job_id": an_id, **(path_parameter_descriptions or {})}
        parsed: tuple[str, list[Any]] = super().parse_path(route, told)
        return parsed

    def validate_response(self, resp: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if isinstance(resp, flask.Response):
            return resp, None
        answer: tuple[Any, Any] = super().validate_response(resp, *args, **kwargs)
        return answer


spec = SpecTree(
    backend=_Plugin,
    before=_refuse,
    validation_error_status=BadRequest.status,
    validation_error_model=ErrorAnswer,
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _parent, child: child,
    title="Undertone",
    description="Which emotion a voice carries, and how sure that is. Every error is "
    '`{"error": "<sentence>", "code": "<name>", "status": <int>}` with that HTTP status.',
    version=__version__,
    security_schemes=[
        SecurityScheme("bearer", SecuritySchemeData(SecureType.HTTP, scheme="bearer")),
        SecurityScheme(
            "header",
            SecuritySchemeData(SecureType.API_KEY, name="X-API-Key", field_in=InType.HEADER),
        ),
    ],
    mode="strict",
    annotations=False,
)


class Answers(Response):
    """Possible responses of a call: one for success, and errors in Undertone's format.

    Parameters
    ----------
    good : type of BaseModel, str or None
        Model of a JSON response, or media type of another response, or None for an empty one.
    *errors : type of UndertoneError
        Errors of this call, in addition to those of any request.
    guarded : bool
        True if the call needs an API key on servers with keys.
    **more : type of BaseModel
        Models of other responses by status, as ``HTTP_503``.
    status : int
        Status of success.
    """

    def __init__(
        self,
        good: type[BaseModel] | str | None,
        *errors: type[UndertoneError],
        guarded: bool = True,
        status: int = 200,
        **more: type[BaseModel],
    ) -> None:
        self._media_type = good if isinstance(good, str) else "application/json"
        self._status = str(status)
        model = None if isinstance(good, str) else good
        self._errors = (*errors, *OF_ALL, *(OF_GUARDED if guarded else ()))
        described: dict[str, Any] = {f"HTTP_{error.status}": ErrorAnswer for error in self._errors}
        described[f"HTTP_{status}"] = (model, "All is well.")
        super().__init__(**described, **more)

    def generate_spec(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the ``responses`` of the document, each error status with its possible codes."""
        responses: dict[str, Any] = super().generate_spec(*args, **kwargs)
        if self._status != NO_CONTENT:
            responses[self._status].setdefault("content", {self._media_type: {}})
        for error in self._errors:
            (content,) = responses[str(error.status)]["content"].values()
            if "$ref" in content["schema"]:
                codes: dict[str, Any] = {"oneOf": []}
                narrowed = {"code": codes, "status": {"const": error.status}}
                content["schema"] = {"allOf": [content["schema"], {"properties": narrowed}]}
            content["schema"]["allOf"][1]["properties"]["code"]["oneOf"].append(
                {"const": error.code, "description": (error.__doc__ or "").splitlines()[0]}
            )
        return responses


def document(app: flask.Flask, needs_key: bool) -> dict[str, Any]:
    """Return the OpenAPI document of an application; all views must be registered."""
    ways: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}]
    with app.app_context():
        return {**spec.spec, "security": ways if needs_key else []}
