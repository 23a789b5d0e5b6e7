"""Pictures under their own URLs."""

from flask import Blueprint, Response, request

from undertone.drawing.charts import DRAWING_VERSION, PICTURES, describe
from undertone.errors import (
    AnalysisNotFound,
    BadRequest,
    PictureUnavailable,
    StoreError,
    UnknownPicture,
)
from undertone.web.languages import asked_words
from undertone.web.openapi import Answers, spec
from undertone.web.request import analyzer, picture
from undertone.web.request_models import LanguageChoice

bp = Blueprint("pictures", __name__)

ERRORS = (BadRequest, AnalysisNotFound, UnknownPicture, PictureUnavailable, StoreError)


@bp.get("/results/<analysis_id>/pictures/<kind>.png")
@spec.validate(
    query=LanguageChoice,
    resp=Answers("image/png", *ERRORS),
    path_parameter_descriptions={"kind": f"One of {', '.join(PICTURES)}."},
    tags=["Results"],
    operation_id="picture",
)
def show(analysis_id: str, kind: str) -> Response:
    """A picture of a stored analysis; not drawn for a client that still has it."""
    describe(kind)
    analysis = analyzer().history.get(analysis_id)
    # An analysis never changes, and a new drawing version has another tag.
    tag = f"{analysis.id}-{kind}-{asked_words().language}-{DRAWING_VERSION}"
    if request.if_none_match.contains_weak(tag):
        response = Response(status=304)
    else:
        response = Response(picture(analysis, kind), mimetype="image/png")
    response.set_etag(tag)
    return response


@bp.get("/visualizations/<analysis_id>.png")
@bp.get("/static/visualizations/<analysis_id>.png")
@spec.validate(
    query=LanguageChoice,
    resp=Answers("image/png", *ERRORS),
    tags=["Results"],
    operation_id="visualization",
)
def visualization(analysis_id: str) -> Response:
    """Waveform, spectrogram and MFCC of a stored analysis, where `/predict` says they are."""
    shown: Response = show(analysis_id, "overview")
    return shown
