"""Request and response models of the history."""

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from undertone.emotions import EMOTIONS
from undertone.errors import BadRequest
from undertone.store.listing import CURSOR, Cursor, Entry, Filter
from undertone.web.answer_models import Confidence, Id, Probabilities, Sentiment, Uncertain
from undertone.web.request_models import no_default

MAX_LIMIT = 500


def _day(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value or None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise BadRequest(f"{value[:40]!r} is no day; write it as 2026-11-21.") from None


def _emotions(value: Any) -> list[str]:
    names = [name for name in (value if isinstance(value, list) else [value]) if name]
    for name in names:
        if name not in EMOTIONS:
            raise BadRequest(f"emotion={name[:40]!r} is none of {', '.join(EMOTIONS)}.")
    return names


def _unless_empty(value: Any) -> Any:
    return None if value == "" else value


def _cursor(value: str) -> str:
    if value:
        Cursor.parse(value)
    return value


Day = Annotated[
    date | None, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})
]
Emotion = Annotated[str, WithJsonSchema({"type": "string", "enum": list(EMOTIONS)})]
Place = Annotated[
    str,
    AfterValidator(_cursor),
    WithJsonSchema({"type": "string", "pattern": CURSOR.pattern}),
    Field(
        description="A place in the list, as `next` and `previous` of an answer have it.",
        json_schema_extra=no_default,
    ),
]


class Wanted(BaseModel):
    """Filter for analyses; empty fields do not restrict it."""

    search: Annotated[
        str,
        Field(max_length=200, description="Part of the file name; upper and lower case are equal."),
    ] = ""
    emotion: Annotated[
        list[Emotion],
        BeforeValidator(_emotions),
        Field(description="One of these was heard; give it several times for several."),
    ] = []
    model: Annotated[str, Field(max_length=200, description="Name of the model that answered.")] = (
        ""
    )
    uncertain: Annotated[
        bool | None,
        BeforeValidator(_unless_empty),
        WithJsonSchema({"type": "boolean"}),
        Field(
            description="`true`: guesses only; `false`: none of them.", json_schema_extra=no_default
        ),
    ] = None
    since: Annotated[
        Day, Field(alias="from", description="First day, in UTC.", json_schema_extra=no_default)
    ] = None
    until: Annotated[
        Day, Field(alias="to", description="Last day, in UTC.", json_schema_extra=no_default)
    ] = None

    @model_validator(mode="after")
    def _in_order(self) -> "Wanted":
        if self.since and self.until and self.since > self.until:
            raise BadRequest(f"from={self.since} is after to={self.until}; exchange them.")
        return self

    @property
    def filter(self) -> Filter:
        """The filter in the form for the store."""
        return Filter(
            self.search, tuple(self.emotion), self.model, self.uncertain, self.since, self.until
        )

    @property
    def chosen(self) -> dict[str, Any]:
        """The non-empty fields, as query parameters."""
        fields = Wanted.model_dump(
            self, by_alias=True, mode="json", include=set(Wanted.model_fields)
        )
        if self.uncertain is not None:
            fields["uncertain"] = str(self.uncertain).lower()
        return {name: value for name, value in fields.items() if value}


class WantedGone(Wanted):
    """Filter for analyses to delete; unknown fields are errors, so a typo cannot delete more."""

    model_config = ConfigDict(extra="forbid")


class HistoryQuery(Wanted):
    """Filter for analyses, and the requested page of the list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Longest length of the list.")] = 50
    before: Place = ""
    after: Place = ""

    @model_validator(mode="after")
    def _one_place(self) -> "HistoryQuery":
        if self.before and self.after:
            raise BadRequest("before and after cannot be used together; give one of them.")
        return self

    @property
    def place(self) -> dict[str, Cursor]:
        """Position of the page, as keyword arguments for `History.page`."""
        places = {"before": self.before, "after": self.after}
        return {name: Cursor.parse(text) for name, text in places.items() if text}

    def at(self, **place: Cursor | None) -> dict[str, Any]:
        """Return query parameters for another page with the same filter."""
        fields = self.chosen | {name: str(cursor) for name, cursor in place.items()}
        if self.limit != HistoryQuery.model_fields["limit"].default:
            fields["limit"] = str(self.limit)
        return fields


class HistoryEntry(BaseModel):
    """Analysis in a list."""

    id: Id
    timestamp: Annotated[
        str,
        Field(description="When it was analysed, in UTC.", examples=["2026-11-21 14:30:25"]),
    ]
    created_at: datetime
    filename: str
    predicted_emotion: str
    confidence: Confidence
    uncertain: Uncertain
    top_3_probabilities: Annotated[
        str,
        Field(
            description="JSON in a text.", examples=['{"happy": 0.85, "calm": 0.1, "sad": 0.03}']
        ),
    ]
    probabilities: Probabilities
    sentiment: Sentiment
    model: Annotated[str, Field(description="Name of the model that answered.")]
    model_id: Annotated[str, Field(description="Its version; empty in old analyses.")]
    duration_s: Annotated[float, Field(ge=0, description="Length of the recording in seconds.")]
    recording: Annotated[
        str | None, Field(description="Where the recording is played back; null: it is not kept.")
    ]

    @classmethod
    def of(cls, entry: Entry, recording_url: Callable[[str], str | None]) -> "HistoryEntry":
        """Build the response from an entry of the store."""
        prediction = entry.prediction
        return cls(
            id=entry.id,
            timestamp=f"{entry.created_at:%Y-%m-%d %H:%M:%S}",
            created_at=entry.created_at,
            filename=entry.filename,
            predicted_emotion=prediction.label,
            confidence=prediction.confidence,
            uncertain=prediction.uncertain,
            top_3_probabilities=json.dumps(dict(prediction.ranked[:3])),
            probabilities=prediction.probabilities,
            sentiment=Sentiment.model_validate(prediction.sentiment),
            model=prediction.model,
            model_id=entry.model_id,
            duration_s=entry.duration_s,
            recording=recording_url(entry.id),
        )


class HistoryAnswer(BaseModel):
    """Page of the list, the newest analysis first."""

    history: list[HistoryEntry]
    total: Annotated[int, Field(ge=0, description="How many are wanted in all.")]
    next: Annotated[str | None, Field(description="Address of the page with older ones.")]
    previous: Annotated[str | None, Field(description="Address of the page with newer ones.")]


class WholeHistoryAnswer(BaseModel):
    """All selected analyses, the newest first."""

    history: list[HistoryEntry]


class DeletedAnswer(BaseModel):
    """Number of deleted analyses."""

    deleted: Annotated[int, Field(ge=0, description="How many analyses.")]
