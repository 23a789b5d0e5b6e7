"""History: page, JSON, exports, deletion, and playback of stored recordings."""

from collections.abc import Iterator
from pathlib import Path

from flask import (
    Blueprint,
    Response,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from undertone.errors import AnalysisNotFound, BadRequest, CrossSite, RecordingNotKept, StoreError
from undertone.recording_bytes import RecordingBytes
from undertone.sound.audio_kinds import HEAD_BYTES, extension, media_type
from undertone.store.exports import as_csv, begun
from undertone.web.downloads import download, name_download
from undertone.web.history_models import (
    DeletedAnswer,
    HistoryAnswer,
    HistoryEntry,
    HistoryQuery,
    Wanted,
    WantedGone,
    WholeHistoryAnswer,
)
from undertone.web.openapi import Answers, spec
from undertone.web.request import analyzer, given, read_form, recording_url, wants_html

bp = Blueprint("history", __name__)


@bp.get("/history")
@spec.validate(
    query=HistoryQuery,
    resp=Answers(HistoryAnswer, BadRequest, StoreError),
    tags=["History"],
    operation_id="history",
)
def show() -> HistoryAnswer | Response:
    """List analyses, the newest first."""
    query: HistoryQuery = given().query
    history = analyzer().history
    page = history.page(query.filter, query.limit, **query.place)

    older = url_for(".show", **query.at(before=page.older)) if page.older else None
    newer = url_for(".show", **query.at(after=page.newer)) if page.newer else None
    if not wants_html():
        entries = [HistoryEntry.of(entry, recording_url) for entry in page.entries]
        return HistoryAnswer(history=entries, total=page.total, next=older, previous=newer)
    return make_response(
        render_template(
            "history.html",
            page=page,
            query=query,
            older=older,
            newer=newer,
            models=history.models(),
            trend=[] if query.place else history.trend(query.filter),
        )
    )


@bp.get("/history.csv")
@spec.validate(
    query=Wanted,
    resp=Answers("text/csv", BadRequest, StoreError),
    tags=["History"],
    operation_id="history_csv",
)
def export_csv() -> Response:
    """Export all selected analyses as a CSV table."""
    entries = begun(analyzer().history.entries(given().query.filter))
    return download(as_csv(entries), "text/csv", "undertone-history.csv")


@bp.get("/history.json")
@spec.validate(
    query=Wanted,
    resp=Answers(WholeHistoryAnswer, BadRequest, StoreError),
    tags=["History"],
    operation_id="history_json",
)
def export_json() -> Response:
    """Export all selected analyses as JSON."""
    entries = begun(analyzer().history.entries(given().query.filter))

    def lines() -> Iterator[str]:
        comma = '{"history": [\n'
        for entry in entries:
            yield comma + HistoryEntry.of(entry, recording_url).model_dump_json()
            comma = ",\n"
        yield "\n]}\n" if comma == ",\n" else '{"history": []}\n'

    return download(lines(), "application/json", "undertone-history.json")


@bp.delete("/history")
@spec.validate(
    query=WantedGone,
    resp=Answers(DeletedAnswer, BadRequest, CrossSite, StoreError),
    tags=["History"],
    operation_id="delete_history",
)
def delete_all() -> DeletedAnswer:
    """Delete all selected analyses for good, with any stored recordings."""
    return DeletedAnswer(deleted=analyzer().history.delete_all(given().query.filter))


@bp.delete("/results/<analysis_id>")
@spec.validate(
    resp=Answers(DeletedAnswer, AnalysisNotFound, CrossSite, StoreError),
    tags=["History"],
    operation_id="delete_result",
)
def delete_result(analysis_id: str) -> DeletedAnswer:
    """Delete an analysis for good, with its recording if stored."""
    analyzer().history.delete(analysis_id)
    return DeletedAnswer(deleted=1)


@bp.post("/history/delete")
def delete_all_form() -> BaseResponse:
    """Delete the analyses selected in the form, then show the rest of the history."""
    wanted = read_form(WantedGone)
    analyzer().history.delete_all(wanted.filter)
    return redirect(url_for(".show"), 303)


@bp.post("/results/<analysis_id>/delete")
def delete_result_form(analysis_id: str) -> BaseResponse:
    """Delete an analysis, then show the same page of the list again."""
    query = read_form(HistoryQuery)
    analyzer().history.delete(analysis_id)
    return redirect(url_for(".show", **query.at(**query.place)), 303)


@bp.get("/recordings/<analysis_id>")
@spec.validate(
    resp=Answers("audio/*", AnalysisNotFound, RecordingNotKept, StoreError),
    tags=["History"],
    operation_id="recording",
)
def recording(analysis_id: str) -> Response:
    """Play back the recording of an analysis, if it is stored."""
    analysis = analyzer().history.get(analysis_id)
    source = analyzer().recordings.source(analysis_id)
    try:
        if source is None:
            raise FileNotFoundError
        head = _head(source)
        # The extension in the name may be wrong.
        stem = analysis.filename.rpartition(".")[0] or analysis.filename
        if isinstance(source, Path):
            response = send_file(source, media_type(head), conditional=True)
        else:
            response = _send_open(source, media_type(head))
    except FileNotFoundError:
        raise RecordingNotKept(
            "This recording is not kept, or not any more; only what was heard in it is."
        ) from None
    name_download(response, f"{stem}.{extension(head)}", "inline")
    return response


def _head(source: Path | RecordingBytes) -> bytes:
    """Return the first bytes of a recording, enough to recognise its format."""
    if isinstance(source, RecordingBytes):
        return source.head(HEAD_BYTES)
    with source.open("rb") as file:
        return file.read(HEAD_BYTES)


def _send_open(source: RecordingBytes, kind: str) -> Response:
    """Send a recording, or the requested range of it, and close it afterwards."""
    # Flask sets the length for paths only, and range requests need it.
    response = send_file(source.open(), kind, conditional=False)
    response.direct_passthrough = False  # otherwise close is never called
    response.call_on_close(source.close)
    response.content_length = len(source)
    response.make_conditional(request, accept_ranges=True, complete_length=len(source))
    return response
