"""The JSON endpoints: a thin table of calls over one analysis; models and health."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, get_type_hints

from flask import Blueprint
from pydantic import BaseModel

from undertone import shapes
from undertone.answer_models import HealthAnswer, ModelsAnswer
from undertone.emotions import DEFAULT_LABEL_SET
from undertone.errors import (
    AudioError,
    BadRequest,
    Busy,
    CrossSite,
    DecoderDied,
    EmptyFile,
    FileTooLarge,
    MissingFile,
    ModelNotInstalled,
    NoSpeech,
    NotAudio,
    NotBase64,
    NotJson,
    RecordingSilent,
    RecordingTooLong,
    RecordingTooShort,
    StoreError,
    UndertoneError,
    UnknownLabels,
    UnknownModel,
)
from undertone.openapi import Answers, spec
from undertone.request_models import (
    AudioForm,
    AudioJson,
    Choice,
    FileForm,
    LabelChoice,
    ModelTypeForm,
    Recorded,
)
from undertone.web import analyse, analyzer, given

bp = Blueprint("api", __name__)


@dataclass(frozen=True)
class Call:
    """One way to have a recording analysed.

    Attributes
    ----------
    path : str
    body : type of Recorded
        Where in the request the recording is.
    shape : callable
        Analyses (as many as the body asks models) to the answer.
    n_labels : {7, 8, 6}
        Set of emotions where none is asked for.
    """

    path: str
    body: type[Recorded]
    shape: Callable[..., BaseModel]
    n_labels: int = DEFAULT_LABEL_SET

    def view(self) -> BaseModel:
        """Answer the current request."""
        query = given().query
        body = given().form or given().json
        if body is None:  # it came as another type than this call takes
            raise self.body.missing()
        return self.shape(*analyse(body, query, self.n_labels))


CALLS = (
    Call("/upload", FileForm, shapes.upload),
    Call("/predict", FileForm, shapes.predict),
    Call("/api/predict", FileForm, shapes.api_predict),
    Call("/record", AudioJson, shapes.predict),
    Call("/analyze", FileForm, shapes.analyze, n_labels=8),
    Call("/classify_audio", ModelTypeForm, shapes.classify_audio, n_labels=8),
    Call("/classify_audio_both", AudioForm, shapes.classify_audio_both, n_labels=8),
)

RECORDING_ERRORS: tuple[type[UndertoneError], ...] = (
    BadRequest,
    CrossSite,
    MissingFile,
    UnknownLabels,
    FileTooLarge,
    RecordingTooLong,
    NotAudio,
    AudioError,
    EmptyFile,
    RecordingTooShort,
    RecordingSilent,
    NoSpeech,
    StoreError,
    DecoderDied,
    Busy,
)


def _add(call: Call) -> None:
    """Register a call's view, described by its shape and its body."""

    def view() -> BaseModel:
        return call.view()

    name = call.path.strip("/").replace("/", "_")
    view.__doc__ = call.shape.__doc__
    as_json = issubclass(call.body, AudioJson)
    may_choose = issubclass(call.body, Choice)
    described = spec.validate(
        query=Choice if may_choose else LabelChoice,
        json=call.body if as_json else None,
        form=None if as_json else call.body,
        resp=Answers(
            get_type_hints(call.shape)["return"],
            *RECORDING_ERRORS,
            *((NotJson, NotBase64) if as_json else ()),
            *((UnknownModel,) if may_choose else (ModelNotInstalled,)),
        ),
        tags=["Recordings"],
        operation_id=name,
    )
    bp.add_url_rule(call.path, name, described(view), methods=["POST"])


for _call in CALLS:
    _add(_call)


@bp.get("/models/info")
@spec.validate(resp=Answers(ModelsAnswer), tags=["Server"], operation_id="models")
def models_info() -> ModelsAnswer:
    """The default model, and a list of all."""
    recognizers: dict[str, Any] = dict(analyzer().recognizers)
    infos = {name: _describe(recognizer.info) for name, recognizer in recognizers.items()}
    default = infos[analyzer().default_model]
    return ModelsAnswer.model_validate({**default, "models": list(infos.values())})


@bp.get("/health")
@spec.validate(
    resp=Answers(HealthAnswer, guarded=False, HTTP_503=HealthAnswer),
    tags=["Server"],
    security=[],
    operation_id="health",
)
def health() -> tuple[HealthAnswer, int]:
    """Whether recordings can be analysed now: models loaded, history writable."""
    try:
        analyzer().history.check_writable()
        store = "ok"
    except StoreError as error:
        store = error.message
    healthy = store == "ok" and bool(analyzer().recognizers)
    return HealthAnswer(
        status="ok" if healthy else "unavailable",
        models=sorted(analyzer().recognizers),
        store=store,
    ), (200 if healthy else 503)


def _describe(info: Any) -> dict[str, Any]:
    """A model in the words of the wire contract, and all that its description holds."""
    return {
        **asdict(info),
        "model_type": info.family,
        "classes": list(info.labels),
        "n_features": info.extractor["n_features"],
        "feature_type": info.extractor["id"],
        "scaler": info.extractor["scaler"],
    }
