"""JSON endpoints for recordings: a table of calls over one analysis function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_type_hints

from flask import Blueprint, current_app
from pydantic import BaseModel

from undertone.emotions import DEFAULT_LABEL_SET
from undertone.errors import (
    AudioError,
    BadRequest,
    Busy,
    CrossSite,
    DecoderDied,
    EmptyFile,
    FileTooLarge,
    MissingFile,
    ModelNotInstalled,
    NoSpeech,
    NotAudio,
    NotBase64,
    NotJson,
    RecordingSilent,
    RecordingTooLong,
    RecordingTooShort,
    StoreError,
    UndertoneError,
    UnknownLabels,
    UnknownModel,
)
from undertone.spool import DiskFull
from undertone.web import shapes
from undertone.web.body_errors import CutOff, FormDamaged
from undertone.web.capacity import Turns
from undertone.web.openapi import Answers, spec
from undertone.web.request import analyse, given
from undertone.web.request_models import (
    AudioForm,
    AudioJson,
    ChartChoice,
    Choice,
    FileForm,
    LabelChoice,
    ModelTypeForm,
    Recorded,
)

bp = Blueprint("api", __name__)


@bp.before_request
def refuse_early() -> None:
    """Refuse a request before its recording is read if the queue is full."""
    turns: Turns = current_app.extensions["undertone.turns"]
    turns.check()


@dataclass(frozen=True)
class Call:
    """Endpoint for the analysis of a recording.

    Attributes
    ----------
    path : str
    body : type of Recorded
        Model of the request body, with the place of the recording.
    shape : callable
        Function from the analyses, one for each requested model, to the response.
    n_labels : {7, 8, 6}
        Default set of emotions.
    query : type of LabelChoice
        Model of the query parameters.
    """

    path: str
    body: type[Recorded]
    shape: Callable[..., BaseModel]
    n_labels: int = DEFAULT_LABEL_SET
    query: type[LabelChoice] = Choice

    def view(self) -> BaseModel:
        """Answer the current request."""
        query = given().query
        body = given().form or given().json
        if body is None:  # the body has a media type not accepted by this call
            raise self.body.missing()
        return self.shape(*analyse(body, query, self.n_labels))


CALLS = (
    Call("/upload", FileForm, shapes.upload, query=ChartChoice),
    Call("/predict", FileForm, shapes.predict),
    Call("/api/predict", FileForm, shapes.api_predict),
    Call("/record", AudioJson, shapes.predict),
    Call("/analyze", FileForm, shapes.analyze, n_labels=8, query=ChartChoice),
    Call("/classify_audio", ModelTypeForm, shapes.classify_audio, n_labels=8, query=LabelChoice),
    Call(
        "/classify_audio_both",
        AudioForm,
        shapes.classify_audio_both,
        n_labels=8,
        query=LabelChoice,
    ),
)

RECORDING_ERRORS: tuple[type[UndertoneError], ...] = (
    BadRequest,
    CrossSite,
    CutOff,
    MissingFile,
    UnknownLabels,
    FileTooLarge,
    RecordingTooLong,
    NotAudio,
    AudioError,
    EmptyFile,
    RecordingTooShort,
    RecordingSilent,
    NoSpeech,
    StoreError,
    DiskFull,
    DecoderDied,
    Busy,
)


def _add(call: Call) -> None:
    """Register the view of a call; its shape and its body describe it in OpenAPI."""

    def view() -> BaseModel:
        return call.view()

    name = call.path.strip("/").replace("/", "_")
    view.__doc__ = call.shape.__doc__
    as_json = issubclass(call.body, AudioJson)
    may_choose = issubclass(call.body, Choice)
    described = spec.validate(
        query=call.query,
        json=call.body if as_json else None,
        form=None if as_json else call.body,
        resp=Answers(
            get_type_hints(call.shape)["return"],
            *RECORDING_ERRORS,
            *((NotJson, NotBase64) if as_json else (FormDamaged,)),
            *((UnknownModel,) if may_choose else (ModelNotInstalled,)),
        ),
        tags=["Recordings"],
        operation_id=name,
    )
    bp.add_url_rule(call.path, name, described(view), methods=["POST"])


for _call in CALLS:
    _add(_call)
