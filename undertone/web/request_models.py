"""What requests hold: the same classes read it, check it and describe it.

The rule: what cannot be used is refused with an UndertoneError that says what to send; fields
that nobody asks for are ignored.
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
    """Leave out of the description a default that stands for: whatever the server's is."""
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
    """The set of emotions asked for, if any."""

    labels: LabelSet = None


class Choice(LabelChoice):
    """The model asked for too, if any."""

    model: ModelName = ""


class LanguageChoice(BaseModel):
    """The language asked for; see `languages.asked_words`."""

    lang: Language = "en"


class ChartChoice(Choice, LanguageChoice):
    """The same of a call whose answer holds charts."""


class Recording(NamedTuple):
    """A recording as it came: its bytes, and the name it goes by (may be empty)."""

    content: RecordingBytes
    filename: str


class Recorded(LabelChoice):
    """A body with a recording in it; `how_to_send` is for who sent none."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    how_to_send: ClassVar[str]

    @classmethod
    def missing(cls) -> MissingFile:
        """The error for a request without a recording."""
        return MissingFile(f"No recording came with the request: {cls.how_to_send}")

    @property
    def own_models(self) -> tuple[str, ...]:
        """Names of the models that this call is answered by; none where the client may choose."""
        return ()

    @property
    def recording(self) -> Recording:
        """The recording in the body."""
        raise NotImplementedError


class _Multipart(Recorded):
    field: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _one_file(cls, fields: dict[str, Any]) -> dict[str, Any]:
        file = fields.get(cls.field)
        if isinstance(file, list):
            raise BadRequest(f"The field '{cls.field}' came {len(file)} times; send one recording.")
        # A file input left empty comes without a name and without bytes.
        if not isinstance(file, FileStorage) or not (file.filename or file.stream.read(1)):
            raise cls.missing()
        file.stream.seek(0)
        return fields

    @property
    def recording(self) -> Recording:
        file: FileStorage = getattr(self, self.field)
        return Recording(cast(Spool, file.stream).content(), file.filename or "")


class FileForm(_Multipart, Choice):
    """A form with a recording in the field ``file``."""

    field = "file"
    how_to_send = "send it as multipart/form-data in the field 'file'."

    file: UploadedFile


class AudioForm(_Multipart):
    """A form with a recording in the field ``audio``, for both models of the usual kinds."""

    field = "audio"
    how_to_send = "send it as multipart/form-data in the field 'audio'."

    audio: UploadedFile

    @property
    def own_models(self) -> tuple[str, ...]:
        """Both, in the order in which the answer names them."""
        return ("ensemble", "cnn")


class ModelTypeForm(AudioForm):
    """A form with a recording in the field ``audio``, and which of the two is to answer."""

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
        """The one that the type stands for."""
        return ("cnn",) if self.model_type == "cnn" else ("ensemble",)


class AudioJson(Recorded, Choice):
    """JSON with a recording in it."""

    how_to_send = (
        'send JSON as application/json: {"audio": "data:audio/wav;base64,..."}; the bare base64 '
        "will do too."
    )

    audio: RecordingText

    @model_validator(mode="before")
    @classmethod
    def _has_audio(cls, fields: Any) -> Any:
        audio = fields.get("audio") if isinstance(fields, dict) else None
        if not audio and not isinstance(audio, FileStorage):  # which is false without a name
            raise cls.missing()
        return fields

    @property
    def recording(self) -> Recording:
        """The recording, named after its kind and the time of its coming (UTC)."""
        content = cast(Spool, self.audio.stream).content()
        name = f"recording_{datetime.now(UTC):%Y%m%d_%H%M%S}.{extension(content)}"
        return Recording(content, name)
