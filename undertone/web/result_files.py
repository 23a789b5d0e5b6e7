"""Endpoints for one result as a file: complete JSON, or a CSV table by time."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify

from undertone.emotions import EMOTIONS
from undertone.errors import AnalysisNotFound, StoreError
from undertone.prediction import Analysis, Prediction
from undertone.recognition.timeline import timeline, with_timeline
from undertone.web.answer_models import AnalysisAnswer
from undertone.web.downloads import export_name, name_download
from undertone.web.openapi import Answers, spec
from undertone.web.request import analyzer

bp = Blueprint("result_files", __name__)

COLUMNS = (
    "part", "start_s", "end_s", "emotion", "confidence", "uncertain",
    *(f"p_{name}" for name in EMOTIONS),
)  # fmt: skip


@bp.get("/results/<analysis_id>.json")
@spec.validate(
    resp=Answers(AnalysisAnswer, AnalysisNotFound, StoreError),
    tags=["Results"],
    operation_id="result_json",
)
def as_json(analysis_id: str) -> Response:
    """Return all stored data of an analysis as a JSON file."""
    analysis = analyzer().history.get(analysis_id)
    response = jsonify(with_timeline(analysis))
    name_download(response, export_name(analysis.filename, "json"))
    return response


@bp.get("/results/<analysis_id>.csv")
@spec.validate(
    resp=Answers("text/csv", AnalysisNotFound, StoreError),
    tags=["Results"],
    operation_id="result_csv",
)
def as_csv(analysis_id: str) -> Response:
    """Return a CSV table of the whole recording, its passages and its windows."""
    analysis = analyzer().history.get(analysis_id)
    file = io.StringIO()
    file.write("\ufeff")  # byte order mark: spreadsheets need it to recognize UTF-8
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows(_rows(analysis))
    response = Response(file.getvalue(), content_type="text/csv; charset=utf-8")
    name_download(response, export_name(analysis.filename, "csv"))
    return response


def _rows(analysis: Analysis) -> Iterator[list[Any]]:
    yield _row("recording", 0.0, analysis.duration_s, analysis.prediction)
    line = timeline(analysis)
    for passage in line.passages if line else ():
        times = (round(passage.start_s, 3), round(passage.end_s, 3))
        told = (passage.emotion, round(passage.confidence, 4), str(passage.uncertain).lower())
        yield ["passage", *times, *told]
    for window in analysis.segments:
        yield _row("window", window.start_s, window.end_s, window.prediction)


def _row(part: str, start_s: float, end_s: float, heard: Prediction) -> list[Any]:
    shares = [
        round(heard.probabilities[n], 4) if n in heard.probabilities else "" for n in EMOTIONS
    ]
    told = (heard.label, round(heard.confidence, 4), str(heard.uncertain).lower())
    return [part, round(start_s, 3), round(end_s, 3), *told, *shares]
