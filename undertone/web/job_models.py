"""Models of the requests about jobs and of their responses."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from werkzeug.datastructures import FileStorage

from undertone.errors import MissingFile
from undertone.jobs.job import State
from undertone.web.answer_models import AnalysisAnswer, ErrorAnswer, Share, Uncertain
from undertone.web.request_models import Choice, UploadedFile


class JobForm(Choice):
    """Form with one or more recordings in the field ``file``."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    file: Annotated[list[UploadedFile], Field(description="The recordings.")]
    webhook: Annotated[
        str, Field(description="URL that is told when the job is over, if webhooks are set up.")
    ] = ""

    @classmethod
    def missing(cls) -> MissingFile:
        """Return the error for a request without a recording."""
        return MissingFile(
            "No recording came with the request: send one or many as multipart/form-data in the "
            "field 'file'."
        )

    @model_validator(mode="before")
    @classmethod
    def _some_files(cls, fields: dict[str, Any]) -> dict[str, Any]:
        found = fields.get("file")
        files = found if isinstance(found, list) else [found]
        # Browsers send an empty file input as a part without a name and without bytes.
        wanted = [
            file
            for file in files
            if isinstance(file, FileStorage) and (file.filename or file.stream.read(1))
        ]
        if not wanted:
            raise cls.missing()
        return {**fields, "file": wanted}


class ItemAnswer(BaseModel):
    """One recording of a job."""

    number: Annotated[int, Field(ge=1, description="Its place in the job.")]
    filename: Annotated[str, Field(description="The recording's name, made fit to show.")]
    state: State
    progress: Share
    attempts: Annotated[int, Field(ge=0, description="How often its analysis was begun.")]
    analysis_id: Annotated[
        str | None, Field(description="When it is done; `/results/<analysis_id>` shows it.")
    ]
    emotion: str | None
    confidence: Share | None
    uncertain: Uncertain | None
    error: Annotated[ErrorAnswer | None, Field(description="When it failed: why.")]


class WebhookAnswer(BaseModel):
    """Webhook of a job and the state of its delivery."""

    url: str
    state: Annotated[str, Field(description="waiting, due, delivered or given up.")]
    attempts: Annotated[int, Field(ge=0)]
    problem: Annotated[str | None, Field(description="Why the last attempt failed.")]


class JobSummary(BaseModel):
    """A job without its recordings."""

    id: str
    state: State
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    model: Annotated[str, Field(description="Name of the model that answers.")]
    labels: Annotated[int, Field(description="How many emotions are told apart.")]
    progress: Annotated[Share, Field(description="Mean of the recordings'.")]
    counts: Annotated[dict[State, int], Field(description="Recordings in each state.")]
    webhook: WebhookAnswer | None


class JobAnswer(JobSummary):
    """A job and the present state of each of its recordings."""

    items: list[ItemAnswer]


class ItemResult(ItemAnswer):
    """One recording of a job with its complete result."""

    result: Annotated[
        AnalysisAnswer | None, Field(description="As `/results/<analysis_id>` says it.")
    ]


class JobResults(JobSummary):
    """A job with the results of its recordings so far."""

    items: list[ItemResult]


class JobsAnswer(BaseModel):
    """One page of the list of jobs, newest first."""

    jobs: list[JobSummary]
    total: Annotated[int, Field(ge=0, description="How many there are in all.")]
    next: Annotated[
        str | None, Field(description="Give it as `before` for those that follow; null at the end.")
    ]


class JobsQuery(BaseModel):
    """Paging of the list of jobs."""

    limit: Annotated[int, Field(ge=1, le=200, description="How many at most.")] = 20
    before: Annotated[str, Field(description="`next` of another answer.")] = ""
