"""Endpoints about the server: installed models and health probes."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from flask import Blueprint, current_app
from pydantic import BaseModel, ConfigDict, Field

from undertone.web.answer_models import Share
from undertone.web.openapi import Answers, spec
from undertone.web.readiness import OK, Findings, Readiness
from undertone.web.request import analyzer

bp = Blueprint("server", __name__)


class ModelAnswer(BaseModel):
    """Description of a model."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, Field(examples=["encoder"])]
    model_type: Annotated[
        str, Field(description="Its family: encoder, ensemble or cnn.", examples=["encoder"])
    ]
    classes: Annotated[
        list[str],
        Field(description="Emotions in the order of its outputs.", examples=[["angry", "calm"]]),
    ]
    n_features: Annotated[int, Field(ge=1, examples=[6144])]
    feature_type: Annotated[
        str,
        Field(description="What turns sound into features.", examples=["whisper-base-3-twice"]),
    ]
    scaler: Annotated[str, Field(examples=["standard, folded into the head"])]
    trained_on: Annotated[
        list[str], Field(description="Names of the corpora.", examples=[["crema_d", "ravdess"]])
    ]
    scores: Annotated[
        dict[str, Any],
        Field(
            description="What was measured on speakers it never heard, by protocol.",
            examples=[{"ravdess-emobox, 7 emotions": {"uar": 0.77, "accuracy": 0.777}}],
        ),
    ]
    uncertain_below: Annotated[
        dict[str, Share],
        Field(
            description="Confidence under which an answer is a guess, by number of emotions.",
            examples=[{"8": 0.52, "7": 0.53, "6": 0.5}],
        ),
    ]


class ModelsAnswer(ModelAnswer):
    """Description of the default model, and a list of all models."""

    models: list[ModelAnswer]


class HealthAnswer(BaseModel):
    """Readiness of the server to analyse recordings."""

    status: Literal["ok", "unavailable"]
    models: Annotated[
        list[str],
        Field(description="Names of the models that are loaded.", examples=[["encoder"]]),
    ]
    store: Annotated[
        str, Field(description="`ok`, or why the history cannot be written.", examples=["ok"])
    ]
    decoders: Annotated[
        str, Field(description="`ok`, or why files cannot be decoded.", examples=["ok"])
    ]
    stopping: Annotated[bool, Field(description="Whether this server is about to end.")]


class LiveAnswer(BaseModel):
    """Response of the liveness probe."""

    status: Literal["ok"]


@bp.get("/models/info")
@spec.validate(resp=Answers(ModelsAnswer), tags=["Server"], operation_id="models")
def models_info() -> ModelsAnswer:
    """Return the default model and a list of all models."""
    recognizers: dict[str, Any] = dict(analyzer().recognizers)
    infos = {name: _describe(recognizer.info) for name, recognizer in recognizers.items()}
    default = infos[analyzer().default_model]
    return ModelsAnswer.model_validate({**default, "models": list(infos.values())})


@bp.get("/health/live")
@spec.validate(
    resp=Answers(LiveAnswer, guarded=False), tags=["Server"], security=[], operation_id="live"
)
def live() -> LiveAnswer:
    """Liveness probe: responds as long as the process runs; restart the process if it fails."""
    return LiveAnswer(status="ok")


@bp.get("/health/ready")
@spec.validate(
    resp=Answers(HealthAnswer, guarded=False, HTTP_503=HealthAnswer),
    tags=["Server"],
    security=[],
    operation_id="ready",
)
def ready() -> tuple[HealthAnswer, int]:
    """Readiness probe: the same response as `/health`."""
    return _health()


@bp.get("/health")
@spec.validate(
    resp=Answers(HealthAnswer, guarded=False, HTTP_503=HealthAnswer),
    tags=["Server"],
    security=[],
    operation_id="health",
)
def health() -> tuple[HealthAnswer, int]:
    """Report health: 503 unless models, history and decoders work and no stop is pending."""
    return _health()


def _health() -> tuple[HealthAnswer, int]:
    readiness: Readiness = current_app.extensions["undertone.readiness"]
    findings = readiness.find()
    is_stopping = current_app.extensions["undertone.stopping"].is_set()
    healthy = findings == Findings(OK, OK) and bool(analyzer().recognizers) and not is_stopping
    return HealthAnswer(
        status="ok" if healthy else "unavailable",
        models=sorted(analyzer().recognizers),
        store=findings.store,
        decoders=findings.decoders,
        stopping=is_stopping,
    ), (200 if healthy else 503)


def _describe(info: Any) -> dict[str, Any]:
    """Return a model's full description, with the API's names for its main fields."""
    return {
        **asdict(info),
        "model_type": info.family,
        "classes": list(info.labels),
        "n_features": info.extractor["n_features"],
        "feature_type": info.extractor["id"],
        "scaler": info.extractor["scaler"],
    }
