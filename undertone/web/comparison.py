"""Page with two recordings side by side."""

from flask import Blueprint, render_template, request

from undertone.drawing.profile_words import describe
from undertone.errors import BadRequest
from undertone.recognition.timeline import timeline
from undertone.web.languages import page_words
from undertone.web.request import analyzer, recording_url

bp = Blueprint("comparison", __name__)


@bp.get("/compare")
def show() -> str:
    """Show the two results given by the ``id`` query parameters."""
    ids = request.args.getlist("id")
    if len(ids) != 2:
        raise BadRequest(f"Two recordings can be compared, not {len(ids)}; tick two of them.")
    pair = [analyzer().history.get(each) for each in ids]
    words = page_words()
    findings = [{found.name: found for found in describe(each.profile, words)} for each in pair]
    return render_template(
        "compare.html",
        pair=pair,
        lines=[timeline(each) for each in pair],
        recordings=[recording_url(each.id) for each in pair],
        names=list({name: None for each in pair for name in each.prediction.probabilities}),
        findings=findings,
        measures=[name for name in findings[0] if name in findings[1]],
    )
