"""The calls about jobs, for programs and as pages."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from flask import (
    Blueprint,
    current_app,
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
    QueueFull,
    StoreError,
    TooManyFiles,
    UnknownLabels,
    UnknownModel,
    WebhookRefused,
)
from undertone.jobs.desk import Desk
from undertone.jobs.files import Draft
from undertone.jobs.job import Job
from undertone.jobs.models import JobAnswer, JobForm, JobsAnswer, JobsQuery
from undertone.listing import Cursor
from undertone.openapi import Answers, spec
from undertone.request_models import Choice
from undertone.settings import MIB
from undertone.web import InMemoryRequest, analyzer, given, too_large, wants_html

View = Callable[..., Any]
# Room for the form's other fields.
FIELDS_BYTES = 64 * 1024
bp = Blueprint("jobs", __name__)


def desk() -> Desk:
    """The application's desk."""
    found: Desk = current_app.extensions["undertone.jobs"]
    return found


def _into_files(view: View) -> View:
    """Let the recordings of a request go to where jobs' wait, before the view reads any of it."""

    @wraps(view)
    def receiving(**arguments: Any) -> Any:
        settings = current_app.config["SETTINGS"]
        draft = desk().draft()
        try:
            incoming = cast(InMemoryRequest, request)
            incoming.open_upload = draft.open
            incoming.max_content_length = int(settings.job_mb * MIB) + FIELDS_BYTES
            incoming.max_form_memory_size = FIELDS_BYTES
            incoming.max_form_parts = settings.job_files + 100
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
        JobAnswer, BadRequest, MissingFile, UnknownModel, UnknownLabels, WebhookRefused,
        TooManyFiles, JobTooLarge, QueueFull, StoreError, status=202,
    ),
    tags=["Jobs"],
    operation_id="add_job",
)  # fmt: skip
def add(draft: Draft) -> Response:
    """Take one recording or many, to be analysed in the background."""
    form, query = given().form, given().query
    if form is None:  # it came as another type
        raise JobForm.missing()
    settings = current_app.config["SETTINGS"]
    job = desk().submit(
        draft,
        [(file.filename or "recording", file.stream) for file in form.file],
        analyzer().choose(query.model or form.model),
        query.labels or form.labels or DEFAULT_LABEL_SET,
        form.webhook,
        too_large(settings.max_upload_bytes),
    )
    if wants_html():
        return redirect(url_for("jobs.show", job_id=job.id), 303)
    response = _answer(job)
    response.status_code = 202
    response.headers["Location"] = url_for("jobs.show", job_id=job.id)
    return response


@bp.get("/jobs")
@spec.validate(
    query=JobsQuery,
    resp=Answers(JobsAnswer, BadRequest, StoreError),
    tags=["Jobs"],
    operation_id="list_jobs",
)
def listed() -> Response:
    """All jobs, the newest first."""
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
    """How far a job is, and what is known of its recordings so far."""
    job = desk().look(job_id)
    if wants_html():
        return make_response(render_template("job.html", job=job))
    return _answer(job)


@bp.post("/jobs/<job_id>/cancel")
@spec.validate(
    resp=Answers(JobAnswer, JobNotFound, StoreError), tags=["Jobs"], operation_id="cancel_job"
)
def cancel(job_id: str) -> Response:
    """End what is unfinished; results that are there stay."""
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
    """Cancel a job and delete it; its results stay in the history."""
    desk().delete(job_id)
    return current_app.response_class(status=204)


def _answer(job: Job) -> Response:
    response = jsonify(job.to_dict())
    response.headers["Cache-Control"] = "no-store"
    return response
