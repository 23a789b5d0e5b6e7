"""The OpenAPI document: one `spec` that reads requests, builds answers and describes both.

The rule: a view says what it takes and gives once, with ``spec.validate``; that is what is checked.
Pages for people are left out: they promise nothing to programs.
"""

from typing import Any

import flask
from pydantic import BaseModel, ValidationError
from spectree import Response, SpecTree
from spectree.plugins.flask_plugin import FlaskPlugin

from undertone import __version__
from undertone.answer_models import ErrorAnswer
from undertone.errors import BadRequest, UndertoneError


def _refuse(
    _request: Any, _response: Any, error: Exception | None, _instance: Any, _adapter: Any
) -> None:
    """Raise in the house's shape what the library would answer in its own."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "The body"
        raise BadRequest(f"{field} cannot be used: {first['msg'].lower()}.")


class _Plugin(FlaskPlugin):
    """spectree's own, but a response that a view has made itself goes out as it is."""

    def parse_path(self, route: Any, path_parameter_descriptions: Any) -> tuple[str, list[Any]]:
        told = {"analysis_id": "As answers have it in `id`.", **(path_parameter_descriptions or {})}
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
    mode="strict",
    annotations=False,
)


class Answers(Response):
    """What a call may answer: one thing when all is well, and errors of the house's shape.

    Parameters
    ----------
    good : type of BaseModel, or str
        The JSON, or the media type of what is no JSON.
    *errors : type of UndertoneError
        What can go wrong.
    **more : type of BaseModel
        Other answers by status, as ``HTTP_503``.
    """

    def __init__(
        self,
        good: type[BaseModel] | str,
        *errors: type[UndertoneError],
        **more: type[BaseModel],
    ) -> None:
        self._media_type = good if isinstance(good, str) else "application/json"
        model = None if isinstance(good, str) else good
        self._errors = errors
        described = {f"HTTP_{error.status}": ErrorAnswer for error in errors}
        super().__init__(HTTP_200=(model, "All is well."), **described, **more)

    def generate_spec(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The document's ``responses``: each error with the codes it may have."""
        responses: dict[str, Any] = super().generate_spec(*args, **kwargs)
        if BadRequest.status not in {error.status for error in self._errors}:
            del responses[str(BadRequest.status)]  # the library takes it that there always is one
        responses["200"].setdefault("content", {self._media_type: {}})
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


def document(app: flask.Flask) -> dict[str, Any]:
    """The OpenAPI document of an application whose views are all registered."""
    with app.app_context():
        written: dict[str, Any] = spec.spec
        return written
