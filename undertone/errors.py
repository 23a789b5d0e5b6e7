"""Everything that can go wrong in a way the user can do something about.

Domain code raises these and knows nothing of HTTP beyond the two class attributes; only the
application turns them into an answer, always of the shape
``{"error": <message>, "code": <code>, "status": <status>}``.
A message is one sentence or two: what arrived, what is needed, what to do.
"""

from collections.abc import Iterator
from typing import Any


class UndertoneError(Exception):
    """Root of all errors whose message may be shown to the user.

    Attributes
    ----------
    status : int
        HTTP status of the answer.
    code : str
        Stable kebab-case name for programs.
    retry_after_s : int, optional
        When it is worth while to ask again.
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
        """The body of the JSON answer."""
        return {"error": self.message, "code": self.code, "status": self.status}

    @staticmethod
    def from_dict(document: dict[str, Any]) -> "UndertoneError":
        """The inverse of `to_dict`: of the class with this code, where there is one."""
        known = {kind.code: kind for kind in _tree(UndertoneError)}
        error = known.get(document["code"], UndertoneError)(str(document["error"]))
        error.code, error.status = str(document["code"]), int(document["status"])
        return error


def _tree(kind: type[UndertoneError]) -> Iterator[type[UndertoneError]]:
    for child in kind.__subclasses__():
        yield from _tree(child)
    yield kind


class SettingsError(UndertoneError):
    """A setting has a value that cannot be used; the program does not start."""

    code = "bad-setting"


class PartMissing(UndertoneError):
    """What was asked for needs a library that is not installed."""

    code = "part-missing"


class KeysUnusable(UndertoneError):
    """The file of API keys cannot be read, so nobody can be let in."""

    status = 503
    code = "keys-unusable"


class KeyNeeded(UndertoneError):
    """No API key came with the request, or one that is not known."""

    status = 401
    code = "key-needed"


class RoleRefused(UndertoneError):
    """The API key is not for this part of the server."""

    status = 403
    code = "role-refused"


class TooManyRequests(UndertoneError):
    """More requests came from one client than it may send."""

    status = 429
    code = "too-many-requests"


class Busy(UndertoneError):
    """As much is being done here as can be done at a time."""

    status = 503
    code = "busy"
    retry_after_s = 2


class TooSlow(UndertoneError):
    """The request did not come in a time in which one can wait for it."""

    status = 408
    code = "too-slow"


class BadRequest(UndertoneError):
    """The request lacks something or holds a value that cannot be used."""

    status = 400
    code = "bad-request"


class MissingFile(BadRequest):
    """No recording came with the request."""

    code = "missing-file"


class NotJson(BadRequest):
    """The body is no JSON that can be read."""

    code = "not-json"


class NotBase64(BadRequest):
    """The recording is no base64."""

    code = "not-base64"


class WrongHost(BadRequest):
    """The server was called by a name that is not its own."""

    code = "wrong-host"


class UnknownModel(BadRequest):
    """A model was asked for that is not installed."""

    code = "unknown-model"


class UnknownLabels(BadRequest):
    """A set of emotions was asked for that the model cannot give."""

    code = "unknown-labels"


class AnalysisNotFound(UndertoneError):
    """No stored analysis has this id."""

    status = 404
    code = "analysis-not-found"


class UnknownPicture(UndertoneError):
    """A kind of picture was asked for that is not drawn here."""

    status = 404
    code = "unknown-picture"


class PictureUnavailable(UndertoneError):
    """The analysis does not hold what this picture is drawn from."""

    status = 404
    code = "picture-unavailable"


class UpgradeRequired(UndertoneError):
    """The address carries WebSockets only."""

    status = 426
    code = "upgrade-required"


class ForeignOrigin(UndertoneError):
    """A page of another site has opened a WebSocket."""

    status = 403
    code = "foreign-origin"


class TooManyLiveSessions(UndertoneError):
    """There are as many live sessions as there may be."""

    status = 503
    code = "too-many-live-sessions"


class LiveIdle(UndertoneError):
    """No sound has come in a live session for too long."""

    status = 408
    code = "live-idle"


class ServerStopping(UndertoneError):
    """The server is about to end."""

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
    """A cluster does not answer, or has no workers."""

    code = "cluster-unusable"


class TableUnusable(UndertoneError):
    """A table of results cannot be read or written, or is about something else."""

    code = "table-unusable"


class ServerUnreachable(UndertoneError):
    """There is no answer from another Undertone."""

    status = 504
    code = "server-unreachable"


class ServerAnswerUnusable(UndertoneError):
    """What answers does not answer as Undertone does."""

    status = 502
    code = "server-answer-unusable"


class JobNotFound(UndertoneError):
    """No job has this id."""

    status = 404
    code = "job-not-found"


class NoResults(UndertoneError):
    """Nothing was heard in a job's recordings, or not yet."""

    status = 404
    code = "no-results"


class TooManyFiles(UndertoneError):
    """More recordings came at once than a job may have."""

    status = 413
    code = "too-many-files"


class JobTooLarge(UndertoneError):
    """The recordings of a job have more bytes together than allowed."""

    status = 413
    code = "job-too-large"


class QueueFull(UndertoneError):
    """So many recordings wait that no more are taken for now."""

    status = 503
    code = "queue-full"
    retry_after_s = 60


class WebhookRefused(BadRequest):
    """The address to be told when a job is over cannot be used."""

    code = "webhook-refused"


class Abandoned(UndertoneError):
    """An analysis was ended on the way, because nobody wants its result from here any more."""

    status = 409
    code = "abandoned"


class SetAside(UndertoneError):
    """A recording is not tried again: whatever program analysed it ended."""

    code = "set-aside"


class RecordingLost(UndertoneError):
    """The recording of a job is not where it was put."""

    code = "recording-lost"


class RecordingNotKept(UndertoneError):
    """The recording of an analysis is not kept, or not any more."""

    status = 404
    code = "recording-not-kept"


class CrossSite(UndertoneError):
    """Another site's page tried to change something here."""

    status = 403
    code = "cross-site"


class AudioError(UndertoneError):
    """The recording cannot be analysed as it is."""

    status = 422
    code = "audio-unusable"


class EmptyFile(AudioError):
    """The file holds no bytes."""

    code = "file-empty"


class NotAudio(AudioError):
    """The bytes are not a recording that can be read."""

    status = 415
    code = "not-audio"


class DecoderDied(AudioError):
    """The file took the decoder down, or more time or memory than one may have."""

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
    """The recording holds (nearly) nothing but silence."""

    code = "recording-silent"


class NoSpeech(AudioError):
    """The recording holds sound but nobody speaks."""

    code = "no-speech"


class ModelError(UndertoneError):
    """A model folder is missing, damaged or does not fit this version."""

    code = "model-unusable"


class ModelNotInstalled(UndertoneError):
    """A call is answered by a model that is not installed here."""

    status = 503
    code = "model-not-installed"


class StoreError(UndertoneError):
    """The history cannot be read or written at present."""

    status = 503
    code = "store-unavailable"
