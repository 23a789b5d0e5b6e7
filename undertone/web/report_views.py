"""Endpoint for PDF reports."""

import io

from flask import Blueprint, Response, send_file

from undertone.errors import AnalysisNotFound, BadRequest, StoreError
from undertone.prediction import Analysis
from undertone.web.downloads import export_name, name_download
from undertone.web.languages import asked_words
from undertone.web.openapi import Answers, spec
from undertone.web.request import analyzer
from undertone.web.request_models import LanguageChoice

bp = Blueprint("reports", __name__)


@bp.get("/download-report/<filename>")
@spec.validate(
    query=LanguageChoice,
    resp=Answers("application/pdf", BadRequest, AnalysisNotFound, StoreError),
    path_parameter_descriptions={"filename": "The recording's name, or an analysis's id."},
    tags=["Results"],
    operation_id="report",
)
def download(filename: str) -> Response:
    """Return a PDF report on the analysis with this id, or the newest with this file name."""
    from undertone.drawing.report import report  # slow to import; would delay the start

    analysis = _find(filename)
    recognizer = analyzer().recognizers.get(analysis.prediction.model)
    words = asked_words()
    response = send_file(
        io.BytesIO(report(analysis, recognizer.info if recognizer else None, words)),
        "application/pdf",
    )
    name_download(response, export_name(analysis.filename, "pdf"))
    response.content_language.add(words.language)
    return response


def _find(filename: str) -> Analysis:
    history = analyzer().history
    try:
        return history.get(filename)
    except AnalysisNotFound:
        return history.newest_named(filename)
