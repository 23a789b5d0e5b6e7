"""Models of requests: the same classes parse, check and document them.

Unusable values are refused with an UndertoneError; its message says how to correct the request.
Unknown fields are ignored.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, NamedTuple, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError
from werkzeug.datastructures import FileStorage

from undertone.emotions import LABEL_SETS
from undertone.errors import BadRequest, MissingFile, UnknownLabels
from undertone.recording_bytes import RecordingBytes
from undertone.sound.audio_kinds import extension
from undertone.spool import Spool
from undertone.web.languages import languages


def _label_set(value: Any) -> int | None:
    if value in (None, ""):
        return None
    if str(value) not in map(str, LABEL_SETS):
        known = ", ".join(map(str, LABEL_SETS))
        raise UnknownLabels(f"labels={str(value)[:20]!r} is not one of {known}.")
    return int(value)


def _language(value: Any) -> str:
    if value not in languages():
        raise BadRequest(f"lang={str(value)[:20]!r} is not one of {', '.join(languages())}.")
    return str(value)


def _text_with_recording(value: Any) -> FileStorage:
    if isinstance(value, FileStorage):
        return value
    raise PydanticCustomError("string_type", "Input should be a valid string")


def no_default(schema: dict[str, Any]) -> None:
    """Remove a placeholder default from the schema: the real default depends on the server."""
    schema.pop("default", None)


LabelSet = Annotated[
    int | None,
    BeforeValidator(_label_set),
    WithJsonSchema({"type": "integer", "enum": list(LABEL_SETS)}),
    Field(
        description="How many emotions to choose from: 8, 7 (calm counts as neutral) or 6 "
        "(without surprise too).",
        json_schema_extra=no_default,
    ),
]
ModelName = Annotated[
    str,
    Field(
        description="Name of the model that answers, one of those in `/models/info`.",
        json_schema_extra=no_default,
    ),
]
Language = Annotated[
    str,
    BeforeValidator(_language),
    WithJsonSchema({"type": "string", "enum": list(languages())}),
    Field(description="Language of what is drawn and written for people."),
]
UploadedFile = Annotated[
    FileStorage,
    WithJsonSchema({"type": "string", "format": "binary"}),
    Field(description="The recording, of any usual kind: it is known by its bytes."),
]


RecordingText = Annotated[
    FileStorage,
    BeforeValidator(_text_with_recording),
    WithJsonSchema({"type": "string"}),
    Field(
        description="The recording as a data URL of any type, or its bare base64: it is known "
        "by its bytes.",
        examples=["data:audio/wav;base64,UklGRiQ..."],
    ),
]


class LabelChoice(BaseModel):
    """Optional choice of a set of emotions."""

    labels: LabelSet = None


class Choice(LabelChoice):
    """Optional choice of a model and a set of emotions."""

    model: ModelName = ""


class LanguageChoice(BaseModel):
    """Choice of a language; see `languages.asked_words`."""

    lang: Language = "en"


class ChartChoice(Choice, LanguageChoice):
    """Choice of model, emotions and language for a call with charts in its response."""


class Recording(NamedTuple):
    """A recording as received: its bytes and its file name (may be empty)."""

    content: RecordingBytes
    filename: str


class Recorded(LabelChoice):
    """Request body with a recording; `how_to_send` is a hint for requests without one."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    how_to_send: ClassVar[str]

    @classmethod
    def missing(cls) -> MissingFile:
        """Return the error for a request without a recording."""
        return MissingFile(f"No recording came with the request: {cls.how_to_send}")

    @property
    def own_models(self) -> tuple[str, ...]:
        """Names of the fixed models of this call; empty if the client may choose."""
        return ()

    @property
    def recording(self) -> Recording:
        """The recording in the request body."""
        raise NotImplementedError


class _Multipart(Recorded):
    field: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _one_file(cls, fields: dict[str, Any]) -> dict[str, Any]:
        file = fields.get(cls.field)
        if isinstance(file, list):
            raise BadRequest(f"The field '{cls.field}' came {len(file)} times; send one recording.")
        # Browsers send an empty file input as a part without a name and without bytes.
        if not isinstance(file, FileStorage) or not (file.filename or file.stream.read(1)):
            raise cls.missing()
        file.stream.seek(0)
        return fields

    @property
    def recording(self) -> Recording:
        file: FileStorage = getattr(self, self.field)
        return Recording(cast(Spool, file.stream).content(), file.filename or "")


class FileForm(_Multipart, Choice):
    """Form with a recording in the field ``file``."""

    field = "file"
    how_to_send = "send it as multipart/form-data in the field 'file'."

    file: UploadedFile


class AudioForm(_Multipart):
    """Form with a recording in the field ``audio``, for the models ensemble and cnn."""

    field = "audio"
    how_to_send = "send it as multipart/form-data in the field 'audio'."

    audio: UploadedFile

    @property
    def own_models(self) -> tuple[str, ...]:
        """Both names, in the order of the response."""
        return ("ensemble", "cnn")


class ModelTypeForm(AudioForm):
    """Form with a recording in the field ``audio`` and a choice of one of the two models."""

    model_type: Annotated[
        str,
        Field(
            description="`cnn` is answered by the model cnn; `svm`, and anything else, by the "
            "model ensemble.",
            examples=["svm"],
        ),
    ] = "svm"

    @property
    def own_models(self) -> tuple[str, ...]:
        """Name of the model for the given type."""
        return ("cnn",) if self.model_type == "cnn" else ("ensemble",)


class AudioJson(Recorded, Choice):
    """JSON with a recording in base64."""

    how_to_send = (
        'send JSON as application/json: {"audio": "data:audio/wav;base64,..."}; the bare base64 '
        "will do too."
    )

    audio: RecordingText

    @model_validator(mode="before")
    @classmethod
    def _has_audio(cls, fields: Any) -> Any:
        audio = fields.get("audio") if isinstance(fields, dict) else None
        if not audio and not isinstance(audio, FileStorage):  # falsy without a name
            raise cls.missing()
        return fields

    @property
    def recording(self) -> Recording:
        """The recording, named after its audio format and its time of arrival (UTC)."""
        content = cast(Spool, self.audio.stream).content()
        name = f"recording_{datetime.now(UTC):%Y%m%d_%H%M%S}.{extension(content)}"
        return Recording(content, name)
