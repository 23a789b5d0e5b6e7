"""Errors for problems within the user's control.

Domain code raises these and knows nothing of HTTP beyond the class attributes. Only the
application turns them into a response, always of the shape
``{"error": <message>, "code": <code>, "status": <status>}``.
A message has one or two sentences: the input received, the input needed, the next step.
"""

from collections.abc import Iterator
from typing import Any


class UndertoneError(Exception):
    """Root of all errors with a message for the user.

    Attributes
    ----------
    status : int
        HTTP status of the response.
    code : str
        Stable kebab-case name for programs.
    retry_after_s : int, optional
        Seconds to wait before a retry.
    message : str
        Helpful sentence for people.
    """

    status = 500
    code = "internal-error"
    retry_after_s: int | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def to_dict(self) -> dict[str, str | int]:
        """Return the body of the JSON response."""
        return {"error": self.message, "code": self.code, "status": self.status}

    @staticmethod
    def from_dict(document: dict[str, Any]) -> "UndertoneError":
        """Invert `to_dict`: return an error of the class with this code, if there is one."""
        known = {kind.code: kind for kind in _tree(UndertoneError)}
        error = known.get(document["code"], UndertoneError)(str(document["error"]))
        error.code, error.status = str(document["code"]), int(document["status"])
        return error


def _tree(kind: type[UndertoneError]) -> Iterator[type[UndertoneError]]:
    for child in kind.__subclasses__():
        yield from _tree(child)
    yield kind


class SettingsError(UndertoneError):
    """A setting has an invalid value; the program does not start."""

    code = "bad-setting"


class PartMissing(UndertoneError):
    """A library needed for the task is not installed."""

    code = "part-missing"


class KeysUnusable(UndertoneError):
    """The file of API keys cannot be read, so all requests are refused."""

    status = 503
    code = "keys-unusable"


class KeyNeeded(UndertoneError):
    """The request has no API key, or an unknown one."""

    status = 401
    code = "key-needed"


class RoleRefused(UndertoneError):
    """The role of the API key does not allow this part of the server."""

    status = 403
    code = "role-refused"


class TooManyRequests(UndertoneError):
    """One client exceeded its rate limit."""

    status = 429
    code = "too-many-requests"


class Busy(UndertoneError):
    """The server is at its limit of concurrent work."""

    status = 503
    code = "busy"
    retry_after_s = 2


class TooSlow(UndertoneError):
    """The request took too long to arrive."""

    status = 408
    code = "too-slow"


class BadRequest(UndertoneError):
    """The request lacks something or has an invalid value."""

    status = 400
    code = "bad-request"


class MissingFile(BadRequest):
    """The request has no recording."""

    code = "missing-file"


class NotJson(BadRequest):
    """The request body is not valid JSON."""

    code = "not-json"


class NotBase64(BadRequest):
    """The recording is not valid base64."""

    code = "not-base64"


class WrongHost(BadRequest):
    """The host name of the request is not trusted."""

    code = "wrong-host"


class UnknownModel(BadRequest):
    """The requested model is not installed."""

    code = "unknown-model"


class UnknownLabels(BadRequest):
    """The model cannot give the requested set of emotions."""

    code = "unknown-labels"


class AnalysisNotFound(UndertoneError):
    """No stored analysis has this id."""

    status = 404
    code = "analysis-not-found"


class UnknownPicture(UndertoneError):
    """The requested kind of picture does not exist."""

    status = 404
    code = "unknown-picture"


class PictureUnavailable(UndertoneError):
    """The analysis lacks the data for this picture."""

    status = 404
    code = "picture-unavailable"


class UpgradeRequired(UndertoneError):
    """The address accepts only WebSocket connections."""

    status = 426
    code = "upgrade-required"


class ForeignOrigin(UndertoneError):
    """A page of another site tried to open a WebSocket."""

    status = 403
    code = "foreign-origin"


class TooManyLiveSessions(UndertoneError):
    """The limit of live sessions is reached."""

    status = 503
    code = "too-many-live-sessions"


class LiveIdle(UndertoneError):
    """A live session received no sound for too long."""

    status = 408
    code = "live-idle"


class ServerStopping(UndertoneError):
    """The server is shutting down."""

    status = 503
    code = "server-stopping"


class FileUnusable(UndertoneError):
    """A file on this machine cannot be read or written."""

    status = 422
    code = "file-unusable"


class OutputUnwritable(UndertoneError):
    """The output of a command-line program cannot be written."""

    status = 507
    code = "output-unwritable"


class ClusterUnusable(UndertoneError):
    """A cluster does not respond, or has no workers."""

    code = "cluster-unusable"


class TableUnusable(UndertoneError):
    """A table of results cannot be read or written, or has other content."""

    code = "table-unusable"


class ServerUnreachable(UndertoneError):
    """Another Undertone server does not respond."""

    status = 504
    code = "server-unreachable"


class ServerAnswerUnusable(UndertoneError):
    """The response is not one of an Undertone server."""

    status = 502
    code = "server-answer-unusable"


class JobNotFound(UndertoneError):
    """No job has this id."""

    status = 404
    code = "job-not-found"


class NoResults(UndertoneError):
    """A job has no results, or none yet."""

    status = 404
    code = "no-results"


class TooManyFiles(UndertoneError):
    """The request has more recordings than allowed in a job."""

    status = 413
    code = "too-many-files"


class JobTooLarge(UndertoneError):
    """The recordings of a job exceed the allowed total size."""

    status = 413
    code = "job-too-large"


class QueueFull(UndertoneError):
    """The queue of recordings is full."""

    status = 503
    code = "queue-full"
    retry_after_s = 60


class WebhookRefused(BadRequest):
    """The webhook address of a job cannot be used."""

    code = "webhook-refused"


class Abandoned(UndertoneError):
    """An analysis was stopped early, because its result is no longer needed from here."""

    status = 409
    code = "abandoned"


class SetAside(UndertoneError):
    """A recording is not retried, because every program analysing it ended."""

    code = "set-aside"


class RecordingLost(UndertoneError):
    """The recording of a job is missing from its store."""

    code = "recording-lost"


class RecordingNotKept(UndertoneError):
    """The recording of an analysis is not kept, or no longer."""

    status = 404
    code = "recording-not-kept"


class CrossSite(UndertoneError):
    """A page of another site tried to change data."""

    status = 403
    code = "cross-site"


class AudioError(UndertoneError):
    """The recording cannot be analysed in its current form."""

    status = 422
    code = "audio-unusable"


class EmptyFile(AudioError):
    """The file holds no bytes."""

    code = "file-empty"


class NotAudio(AudioError):
    """The bytes are not a readable recording."""

    status = 415
    code = "not-audio"


class DecoderDied(AudioError):
    """The file crashed the decoder, or exceeded its limits of time or memory."""

    code = "decoder-died"


class FileTooLarge(AudioError):
    """The file has more bytes than allowed."""

    status = 413
    code = "file-too-large"


class RecordingTooLong(AudioError):
    """The recording lasts longer than allowed."""

    status = 413
    code = "recording-too-long"


class RecordingTooShort(AudioError):
    """The recording is too short to hear an emotion in."""

    code = "recording-too-short"


class RecordingSilent(AudioError):
    """The recording contains (nearly) only silence."""

    code = "recording-silent"


class NoSpeech(AudioError):
    """The recording contains sound but no speech."""

    code = "no-speech"


class ModelError(UndertoneError):
    """A model folder is missing, damaged or does not fit this version."""

    code = "model-unusable"


class ModelNotInstalled(UndertoneError):
    """The model for a call is not installed on this server."""

    status = 503
    code = "model-not-installed"


class StoreError(UndertoneError):
    """The history cannot be read or written at present."""

    status = 503
    code = "store-unavailable"
