"""Endpoints for pictures of stored analyses."""

from flask import Blueprint, Response, request

from undertone.drawing import charts
from undertone.drawing.charts import DRAWING_VERSION, PAGE_PICTURES, PICTURES, describe
from undertone.drawing.svg_sheet import THEMES
from undertone.errors import (
    AnalysisNotFound,
    BadRequest,
    PictureUnavailable,
    StoreError,
    UnknownPicture,
)
from undertone.web.languages import asked_words
from undertone.web.openapi import Answers, spec
from undertone.web.request import analyzer, page_svg, picture
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
    """Return a picture of a stored analysis, or 304 if the client's copy is current."""
    describe(kind)
    analysis = analyzer().history.get(analysis_id)
    # An analysis never changes. A new version of the drawing code changes the tag.
    tag = f"{analysis.id}-{kind}-{asked_words().language}-{DRAWING_VERSION}"
    if request.if_none_match.contains_weak(tag):
        response = Response(status=304)
    else:
        response = Response(picture(analysis, kind), mimetype="image/png")
    response.set_etag(tag)
    return response


@bp.get("/results/<analysis_id>/pictures/<kind>-<theme>.svg")
@spec.validate(
    query=LanguageChoice,
    resp=Answers("image/svg+xml", *ERRORS),
    path_parameter_descriptions={
        "kind": f"One of {', '.join(PAGE_PICTURES)}.",
        "theme": f"One of {', '.join(THEMES)}.",
    },
    tags=["Results"],
    operation_id="page_picture",
)
def page_picture(analysis_id: str, kind: str, theme: str) -> Response:
    """Return a chart of the result page as SVG, in the light or dark theme."""
    charts.describe(kind, PAGE_PICTURES)
    if theme not in THEMES:
        raise UnknownPicture(f"There is no theme {theme[:40]!r}; there are {', '.join(THEMES)}.")
    svg = page_svg(analyzer().history.get(analysis_id), kind, theme, asked_words())
    return Response(svg, mimetype="image/svg+xml")


@bp.get("/visualizations/<analysis_id>.png")
@bp.get("/static/visualizations/<analysis_id>.png")
@spec.validate(
    query=LanguageChoice,
    resp=Answers("image/png", *ERRORS),
    tags=["Results"],
    operation_id="visualization",
)
def visualization(analysis_id: str) -> Response:
    """Return waveform, spectrogram and MFCC of a stored analysis, at the path from `/predict`."""
    shown: Response = show(analysis_id, "overview")
    return shown
