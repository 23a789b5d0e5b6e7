"""What answers hold: every field with its type, range and meaning.

The views build their answers from these classes, and the OpenAPI document describes them.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
Confidence = Annotated[
    Share, Field(description="Calibrated probability that the named emotion is the right one.")
]
Probabilities = Annotated[
    dict[str, Share], Field(description="Probability of each emotion; they sum to 1.")
]
Uncertain = Annotated[
    bool,
    Field(description="Whether the confidence is so low that the named emotion is only a guess."),
]
Id = Annotated[str, Field(description="Of the stored analysis; `/results/<id>` shows it.")]
Picture = Annotated[str, Field(description="PNG as bare base64.")]


class ErrorAnswer(BaseModel):
    """What every error looks like."""

    error: Annotated[str, Field(description="What is wrong and what to do, for people.")]
    code: Annotated[str, Field(description="Stable name of the error, for programs.")]
    status: Annotated[int, Field(description="The HTTP status again.", ge=400, le=599)]


class Sentiment(BaseModel):
    """How pleasant the emotions heard are, from the valence of each."""

    label: Literal["negative", "neutral", "positive"]
    score: Annotated[
        float,
        Field(ge=-1, le=1, description="Expected valence; neutral within 0.2 of zero."),
    ]


class PredictionAnswer(BaseModel):
    """What is heard in one stretch."""

    label: str
    confidence: Confidence
    probabilities: Probabilities
    model: str
    uncertain: Uncertain
    sentiment: Sentiment


class SegmentAnswer(BaseModel):
    """A window of a recording."""

    start_s: Annotated[float, Field(ge=0)]
    end_s: Annotated[float, Field(ge=0)]
    prediction: PredictionAnswer


class RecordingAnswer(BaseModel):
    """What every answer about a recording holds beside its own fields."""

    filename: Annotated[str, Field(description="The recording's name, made fit to show.")]
    duration_s: Annotated[float, Field(ge=0, description="Length of the recording in seconds.")]


class OneModelAnswer(RecordingAnswer):
    """What every answer of one model holds beside its own fields."""

    id: Id
    model: Annotated[str, Field(description="Name of the model that answered.")]
    uncertain: Uncertain
    sentiment: Sentiment


class UploadAnswer(OneModelAnswer):
    """Of `/upload`."""

    predicted_emotion: str
    confidence: Confidence
    probabilities: Probabilities
    segments: Annotated[
        list[SegmentAnswer],
        Field(description="Overlapping windows of a long recording; none of a short one."),
    ]
    chart_url: Annotated[
        str, Field(description="Bars and pie of the probabilities: PNG as a data URL.")
    ]


class PredictAnswer(OneModelAnswer):
    """Of `/predict` and `/record`."""

    emotion: str
    confidence: Confidence
    probabilities: Probabilities
    audio_file: Annotated[str, Field(description="The recording's name.")]
    visualization: Annotated[
        str,
        Field(
            description="Path of a PNG with waveform, spectrogram and MFCC, under `/` and under "
            "`/static/`."
        ),
    ]


class ApiPredictAnswer(OneModelAnswer):
    """Of `/api/predict`."""

    emotion: str
    confidence: Confidence
    probabilities: Probabilities


class AnalyzeAnswer(OneModelAnswer):
    """Of `/analyze`: percent, and adjectives as names."""

    success: Literal[True] = True
    emotion: str
    confidence: Annotated[Percent, Field(description="Calibrated, in percent.")]
    emotion_probs: Annotated[
        dict[str, Percent], Field(description="In percent by emotion; they sum to 100.")
    ]
    emotion_plot: Picture
    waveform_plot: Picture
    spectrogram_plot: Picture
    audio_path: Annotated[
        str | None, Field(description="Where the recording is played back; null: it was not kept.")
    ]


class ClassifyAnswer(OneModelAnswer):
    """Of `/classify_audio`."""

    audio_emotion: str
    confidence: Confidence
    model_used: Literal["SVM", "CNN"]


class ClassifyBothAnswer(RecordingAnswer):
    """Of `/classify_audio_both`: what each of the two says of the same recording."""

    svm_id: Id
    svm_emotion: str
    svm_confidence: Confidence
    svm_uncertain: Uncertain
    svm_sentiment: Sentiment
    cnn_id: Id
    cnn_emotion: str
    cnn_confidence: Confidence
    cnn_uncertain: Uncertain
    cnn_sentiment: Sentiment


class ModelAnswer(BaseModel):
    """A model as its description has it."""

    model_config = ConfigDict(extra="allow")

    name: str
    model_type: Annotated[str, Field(description="Family: encoder, ensemble or cnn.")]
    classes: Annotated[list[str], Field(description="Emotions in the order of its outputs.")]
    n_features: Annotated[int, Field(ge=1)]
    feature_type: Annotated[str, Field(description="What turns sound into features.")]
    scaler: str
    trained_on: Annotated[list[str], Field(description="Names of the corpora.")]
    scores: Annotated[
        dict[str, Any],
        Field(description="Measured on speakers it never heard, by protocol and emotions."),
    ]
    uncertain_below: Annotated[
        dict[str, Share],
        Field(description="Confidence under which an answer is a guess, by number of emotions."),
    ]


class ModelsAnswer(ModelAnswer):
    """The default model, and all of them."""

    models: list[ModelAnswer]


class HealthAnswer(BaseModel):
    """Whether recordings can be analysed now."""

    status: Literal["ok", "unavailable"]
    models: Annotated[list[str], Field(description="Names of the models that are loaded.")]
    store: Annotated[str, Field(description="`ok`, or why the history cannot be written.")]
