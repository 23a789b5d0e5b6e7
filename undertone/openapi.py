"""The OpenAPI document: one `spec` that reads requests, builds answers and describes both.

The rule: a view says what it takes and gives once, with ``spec.validate``; that is what is checked.
"""

from http import HTTPStatus
from itertools import groupby
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
    description="Which emotion a voice carries, and how sure that is.",
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
        What can go wrong; those of the same status are described together.
    **more : type of BaseModel
        Other answers by status, as ``HTTP_503``.
    """

    def __init__(
        self,
        good: type[BaseModel] | str,
        *errors: type[UndertoneError],
        **more: type[BaseModel],
    ) -> None:
        def status(error: type[UndertoneError]) -> int:
            return error.status

        described = {
            f"HTTP_{number}": (ErrorAnswer, " ".join(map(_line, group)))
            for number, group in groupby(sorted(errors, key=status), status)
        }
        self._media_type = good if isinstance(good, str) else ""
        model = None if isinstance(good, str) else good
        super().__init__(HTTP_200=(model, HTTPStatus.OK.phrase), **described, **more)

    def generate_spec(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The document's ``responses``, with the media type of what is no JSON."""
        responses: dict[str, Any] = super().generate_spec(*args, **kwargs)
        if self._media_type:
            responses["200"]["content"] = {self._media_type: {}}
        return responses


def _line(error: type[UndertoneError]) -> str:
    return f"`{error.code}`: {(error.__doc__ or '').splitlines()[0]}"
