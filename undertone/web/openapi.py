"""The OpenAPI document: one `spec` that reads requests, builds answers and describes both.

The rule: a view says what it takes and gives once, with ``spec.validate``; that is what is checked.
Pages for people are left out: they promise nothing to programs.
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

# What may come of any request, and what of all but those that are open to everybody.
OF_ALL = (WrongHost, TooSlow, EncodingRefused, RequestTooLarge)
OF_GUARDED = (KeyNeeded, RoleRefused, TooManyRequests)

NO_CONTENT = "204"


def _refuse(
    _request: Any, _response: Any, error: Exception | None, _instance: Any, _adapter: Any
) -> None:
    """Raise in the house's shape what the library would answer in its own."""
    if isinstance(error, ValidationError):
        raise refusal(error)


def refusal(error: ValidationError) -> BadRequest:
    """What a client is told whose request does not fit its model."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))[:80] or "The body"
    return BadRequest(f"{field} cannot be used: {first['msg'].lower()}.")


class _Plugin(FlaskPlugin):
    """spectree's own, but a response that a view has made itself goes out as it is."""

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
    """What a call may answer: one thing when all is well, and errors of the house's shape.

    Parameters
    ----------
    good : type of BaseModel, str or None
        The JSON, or the media type of what is no JSON, or nothing at all.
    *errors : type of UndertoneError
        What can go wrong, beside what may come of any request.
    guarded : bool
        Whether it needs a key where keys are needed.
    **more : type of BaseModel
        Other answers by status, as ``HTTP_503``.
    status : int
        When all is well.
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
        """The document's ``responses``: each error with the codes it may have."""
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
    """The OpenAPI document of an application whose views are all registered."""
    ways: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}]
    with app.app_context():
        return {**spec.spec, "security": ways if needs_key else []}
