"""Job endpoints for programs, and the job page for browsers."""

from collections.abc import Callable, Sequence
from functools import wraps
from shutil import copyfileobj
from typing import Any, cast

from flask import (
    Blueprint,
    current_app,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from undertone.emotions import DEFAULT_LABEL_SET
from undertone.errors import (
    BadRequest,
    JobNotFound,
    JobTooLarge,
    MissingFile,
    NoResults,
    QueueFull,
    StoreError,
    TooManyFiles,
    UnknownLabels,
    UnknownModel,
    WebhookRefused,
)
from undertone.jobs import results
from undertone.jobs.desk import Desk
from undertone.jobs.job import Job
from undertone.recording_bytes import CHUNK_BYTES
from undertone.spool import DiskFull
from undertone.store.exports import begun
from undertone.store.listing import Cursor
from undertone.store.waiting import Draft, Upload
from undertone.web import access
from undertone.web.body_errors import CutOff, FormDamaged
from undertone.web.downloads import download, download_bytes
from undertone.web.form_body import FIELDS_BYTES, FormLimits
from undertone.web.job_models import JobAnswer, JobForm, JobResults, JobsAnswer, JobsQuery
from undertone.web.openapi import Answers, spec
from undertone.web.request import (
    RecordingRequest,
    analyzer,
    given,
    too_large,
    wants_html,
)
from undertone.web.request_models import Choice

View = Callable[..., Any]
# Allowance for the headers of one recording in the form.
PART_BYTES = 1024
bp = Blueprint("jobs", __name__)


def desk() -> Desk:
    """Return the application's desk, limited to the jobs visible to this request."""
    found: Desk = current_app.extensions["undertone.jobs"]
    return found.within(access.scope())


def _into_files(view: View) -> View:
    """Direct uploads to the folder of waiting jobs before the view reads the request body."""

    @wraps(view)
    def receiving(**arguments: Any) -> Any:
        settings = current_app.config["SETTINGS"]
        draft = desk().draft(g.body.move_to_disk)
        try:
            incoming = cast(RecordingRequest, request)
            incoming.open_upload = draft.open
            incoming.form_limits = FormLimits(
                parts=settings.job_files + 100,
                fields_bytes=FIELDS_BYTES + PART_BYTES * settings.job_files,
            )
            incoming.max_content_length = settings.max_job_bytes + incoming.form_limits.fields_bytes
            return view(draft=draft, **arguments)
        except RequestEntityTooLarge:
            draft.discard()
            raise JobTooLarge(
                f"The recordings are larger than {settings.job_mb:g} MiB together, or too many; "
                "send them as several jobs."
            ) from None
        except BaseException:
            draft.discard()
            raise

    return receiving


@bp.post("/jobs")
@_into_files
@spec.validate(
    query=Choice,
    form=JobForm,
    resp=Answers(
        JobAnswer, BadRequest, CutOff, FormDamaged, MissingFile, UnknownModel, UnknownLabels,
        WebhookRefused, TooManyFiles, JobTooLarge, QueueFull, StoreError, DiskFull,
        status=202,
    ),
    tags=["Jobs"],
    operation_id="add_job",
)  # fmt: skip
def add(draft: Draft) -> Response:
    """Accept one or more recordings and analyse them in the background."""
    form, query = given().form, given().query
    if form is None:  # the request body has another media type
        raise JobForm.missing()
    uploads = [(file.filename or "recording", file.stream) for file in form.file]
    job = _submit(draft, uploads, query, form, form.webhook)
    if wants_html():
        return redirect(url_for("jobs.show", job_id=job.id), 303)
    response = _answer(job)
    response.status_code = 202
    response.headers["Location"] = url_for("jobs.show", job_id=job.id)
    return response


def add_chosen() -> Job | None:
    """Submit the page's form as a job if it holds several files; for browsers without JavaScript.

    A file over the limit becomes a failed item. The other files are analysed.

    Returns
    -------
    Job or None
        None unless several files were chosen.

    Raises
    ------
    UndertoneError
        As for `add`.
    """
    settings = current_app.config["SETTINGS"]
    # Several files together may exceed the limit of a single file. `analyse` checks a single one.
    request.max_content_length = FIELDS_BYTES + max(
        settings.max_job_bytes, settings.max_upload_bytes
    )
    try:
        files = [file for file in request.files.getlist("file") if file.filename]
    except RequestEntityTooLarge:
        return None  # the caller treats it as one recording and reports the limit
    if len(files) < 2:
        return None
    draft = desk().draft()
    try:
        uploads = []
        for file in files:
            upload = draft.open()
            copyfileobj(file.stream, upload, CHUNK_BYTES)
            uploads.append((str(file.filename), upload))
        query, form = (Choice.model_validate(d.to_dict()) for d in (request.args, request.form))
        return _submit(draft, uploads, query, form)
    except BaseException:
        draft.discard()
        raise


def _submit(
    draft: Draft,
    uploads: Sequence[tuple[str, Upload]],
    query: Choice,
    form: Choice,
    webhook: str = "",
) -> Job:
    return desk().submit(
        draft,
        uploads,
        analyzer().choose(query.model or form.model),
        query.labels or form.labels or DEFAULT_LABEL_SET,
        webhook,
        too_large(current_app.config["SETTINGS"].max_upload_bytes),
    )


@bp.get("/jobs")
@spec.validate(
    query=JobsQuery,
    resp=Answers(JobsAnswer, BadRequest, StoreError),
    tags=["Jobs"],
    operation_id="list_jobs",
)
def listed() -> Response:
    """List jobs, newest first; a client with an API key sees only its own."""
    query = given().query
    page = desk().jobs.page(query.limit, Cursor.parse(query.before) if query.before else None)
    return jsonify(
        {
            "jobs": [job.summary() for job in page.jobs],
            "total": page.total,
            "next": str(page.older) if page.older else None,
        }
    )


@bp.get("/jobs/<job_id>")
@spec.validate(
    resp=Answers(JobAnswer, JobNotFound, StoreError), tags=["Jobs"], operation_id="show_job"
)
def show(job_id: str) -> Response:
    """Return the progress of a job and the present state of its recordings."""
    job = desk().look(job_id)
    if wants_html():
        return make_response(render_template("job.html", job=job))
    return _answer(job)


@bp.get("/jobs/<job_id>/results.json")
@spec.validate(
    resp=Answers(JobResults, JobNotFound, StoreError), tags=["Jobs"], operation_id="job_json"
)
def results_json(job_id: str) -> Response:
    """Return the job with the results of its recordings so far."""
    lines = results.as_json(desk().look(job_id), analyzer().history)
    return download(begun(lines), "application/json", "undertone-job.json")


@bp.get("/jobs/<job_id>/results.csv")
@spec.validate(
    resp=Answers("text/csv", JobNotFound, StoreError), tags=["Jobs"], operation_id="job_csv"
)
def results_csv(job_id: str) -> Response:
    """Return a table with one row for each recording of the job."""
    lines = results.as_csv(desk().look(job_id), analyzer().history)
    return download(begun(lines), "text/csv", "undertone-job.csv")


@bp.get("/jobs/<job_id>/reports.zip")
@spec.validate(
    resp=Answers("application/zip", JobNotFound, NoResults, StoreError),
    tags=["Jobs"],
    operation_id="job_reports",
)
def reports(job_id: str) -> Response:
    """Return an archive with a PDF report on each recording analysed so far."""
    parts = results.as_zip(desk().look(job_id), analyzer().history, analyzer().recognizers)
    return download_bytes(begun(parts), "application/zip", "undertone-reports.zip")


@bp.post("/jobs/<job_id>/cancel")
@spec.validate(
    resp=Answers(JobAnswer, JobNotFound, StoreError), tags=["Jobs"], operation_id="cancel_job"
)
def cancel(job_id: str) -> Response:
    """Cancel the unfinished recordings of a job; existing results are kept."""
    job = desk().cancel(job_id)
    if wants_html():
        return redirect(url_for("jobs.show", job_id=job.id), 303)
    return _answer(job)


@bp.delete("/jobs/<job_id>")
@spec.validate(
    resp=Answers(None, JobNotFound, StoreError, status=204),
    tags=["Jobs"],
    operation_id="delete_job",
)
def delete(job_id: str) -> Response:
    """Cancel and delete a job; its results stay in the history."""
    desk().delete(job_id)
    return current_app.response_class(status=204)


def _answer(job: Job) -> Response:
    return jsonify(job.to_dict())
