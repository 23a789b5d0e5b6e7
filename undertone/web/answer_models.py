"""Response models: every field with its type, range and meaning.

The views build their responses from these classes, and the OpenAPI document describes them.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from undertone.emotions import EMOTIONS

Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
Seconds = Annotated[float, Field(ge=0, examples=[3.2])]
Emotion = Annotated[str, Field(description="The most probable emotion.", examples=["happy"])]
Adjective = Annotated[
    str,
    Field(
        description="The most probable emotion: angry, calm, disgust, fearful, happy, neutral, sad "
        "or surprised.",
        examples=["happy"],
    ),
]
Confidence = Annotated[
    Share,
    Field(
        description="Calibrated probability that the named emotion is the right one.",
        examples=[0.74],
    ),
]
Probabilities = Annotated[
    dict[str, Share],
    Field(
        description="Probability of each emotion; they sum to 1.",
        examples=[
            {"angry": 0.05, "disgust": 0.01, "fear": 0.03, "happy": 0.74, "neutral": 0.04,
             "sad": 0.02, "surprise": 0.11}
        ],
    ),
]  # fmt: skip
Percentages = Annotated[
    dict[str, Percent],
    Field(
        description="In percent by emotion; they sum to 100.",
        examples=[
            {"angry": 5.0, "calm": 1.0, "disgust": 1.0, "fearful": 3.0, "happy": 74.0,
             "neutral": 3.0, "sad": 2.0, "surprised": 11.0}
        ],
    ),
]  # fmt: skip
Uncertain = Annotated[
    bool,
    Field(description="Whether the confidence is so low that the named emotion is only a guess."),
]
Id = Annotated[
    str,
    Field(
        description="Of the stored analysis; `/results/<id>` shows it.",
        examples=["8Yc1fQ0ZrW2mKpL4vXsT7g"],
    ),
]
Filename = Annotated[
    str, Field(description="The recording's name, made fit to show.", examples=["clip.wav"])
]
Model = Annotated[str, Field(description="Name of the model that answered.", examples=["encoder"])]
Picture = Annotated[str, Field(description="PNG as bare base64.", examples=["iVBORw0KGgo..."])]


class ErrorAnswer(BaseModel):
    """Error response, the same for all errors."""

    error: Annotated[str, Field(description="What is wrong and what to do, for people.")]
    code: Annotated[str, Field(description="Name of the error, for programs; it stays the same.")]
    status: Annotated[int, Field(description="The HTTP status again.", ge=400, le=599)]


class Sentiment(BaseModel):
    """Sentiment: mean valence of the recognised emotions."""

    label: Annotated[Literal["negative", "neutral", "positive"], Field(examples=["positive"])]
    score: Annotated[
        float,
        Field(
            ge=-1,
            le=1,
            description="Mean valence by probability; neutral within 0.2 of zero. Valences: "
            + ", ".join(f"{emotion.name} {emotion.valence:g}" for emotion in EMOTIONS.values())
            + ".",
            examples=[0.58],
        ),
    ]


class PredictionAnswer(BaseModel):
    """Prediction for one stretch of audio."""

    label: Emotion
    confidence: Confidence
    probabilities: Probabilities
    model: Model
    uncertain: Uncertain
    sentiment: Sentiment


class SegmentAnswer(BaseModel):
    """A window of a recording."""

    start_s: Annotated[Seconds, Field(examples=[3.0])]
    end_s: Annotated[Seconds, Field(examples=[9.0])]
    prediction: PredictionAnswer


Segments = Annotated[
    list[SegmentAnswer],
    Field(description="Overlapping windows of a long recording; none of a short one."),
]


class StepAnswer(BaseModel):
    """A step of a timeline."""

    start_s: Annotated[Seconds, Field(examples=[4.5])]
    end_s: Annotated[Seconds, Field(examples=[7.5])]
    speech_s: Annotated[Seconds, Field(description="Speech in it.", examples=[2.7])]
    probabilities: Probabilities


class PassageAnswer(BaseModel):
    """Neighbouring steps with the same emotion."""

    start_s: Annotated[Seconds, Field(examples=[0.2])]
    end_s: Annotated[Seconds, Field(examples=[31.5])]
    emotion: Emotion
    confidence: Confidence
    uncertain: Annotated[
        bool, Field(description="Whether most of its windows are a guess or say otherwise.")
    ]


class MomentAnswer(BaseModel):
    """Moment of the highest probability of an emotion."""

    at_s: Annotated[Seconds, Field(description="Where to listen from.", examples=[13.5])]
    emotion: Emotion
    probability: Confidence


class TimelineAnswer(BaseModel):
    """Course of the emotion during speech, smoothed over the windows."""

    steps: list[StepAnswer]
    passages: list[PassageAnswer]
    shares: Annotated[
        dict[str, Share],
        Field(
            description="Part of the speech that each emotion has, the largest first.",
            examples=[{"neutral": 0.8, "happy": 0.2}],
        ),
    ]
    moments: Annotated[
        list[MomentAnswer], Field(description="At most five, the strongest first; none is neutral.")
    ]


Timeline = Annotated[
    TimelineAnswer | None, Field(description="Of a long recording; null of a short one.")
]


class RecordingAnswer(BaseModel):
    """Common fields of all responses about a recording."""

    filename: Filename
    duration_s: Annotated[Seconds, Field(description="Length of the recording.")]


class OneModelAnswer(RecordingAnswer):
    """Common fields of all responses from one model."""

    id: Id
    model: Model
    uncertain: Uncertain
    sentiment: Sentiment


class UploadAnswer(OneModelAnswer):
    """Response of `/upload`."""

    predicted_emotion: Emotion
    confidence: Confidence
    probabilities: Probabilities
    segments: Segments
    timeline: Timeline
    chart_url: Annotated[
        str,
        Field(
            description="Bars and pie of the probabilities: PNG as a data URL.",
            examples=["data:image/png;base64,iVBORw0KGgo..."],
        ),
    ]


class PredictAnswer(OneModelAnswer):
    """Response of `/predict` and `/record`."""

    emotion: Emotion
    confidence: Confidence
    probabilities: Probabilities
    audio_file: Annotated[str, Field(description="The same as `filename`.", examples=["clip.wav"])]
    visualization: Annotated[
        str,
        Field(
            description="Path of a PNG with waveform, spectrogram and MFCC, under `/` and under "
            "`/static/`.",
            examples=["visualizations/8Yc1fQ0ZrW2mKpL4vXsT7g.png"],
        ),
    ]


class ApiPredictAnswer(OneModelAnswer):
    """Response of `/api/predict`."""

    emotion: Emotion
    confidence: Confidence
    probabilities: Probabilities


class AnalyzeAnswer(OneModelAnswer):
    """Response of `/analyze`, with percentages and adjectives as emotion names."""

    success: Literal[True]
    emotion: Adjective
    confidence: Annotated[Percent, Field(description="Calibrated, in percent.", examples=[74.0])]
    emotion_probs: Percentages
    emotion_plot: Picture
    waveform_plot: Picture
    spectrogram_plot: Picture
    audio_path: Annotated[
        str | None,
        Field(
            description="Where the recording is played back; null: it was not kept.",
            examples=[None],
        ),
    ]


class ClassifyAnswer(OneModelAnswer):
    """Response of `/classify_audio`."""

    audio_emotion: Adjective
    confidence: Confidence
    model_used: Literal["SVM", "CNN"]


class ClassifyBothAnswer(RecordingAnswer):
    """Response of `/classify_audio_both`: predictions of both models for the same recording."""

    svm_id: Id
    svm_emotion: Adjective
    svm_confidence: Confidence
    svm_uncertain: Uncertain
    svm_sentiment: Sentiment
    cnn_id: Id
    cnn_emotion: Adjective
    cnn_confidence: Confidence
    cnn_uncertain: Uncertain
    cnn_sentiment: Sentiment


class SpectrogramAnswer(BaseModel):
    """Level of the mel bands over time."""

    levels: Annotated[
        str,
        Field(
            description="A byte for each, row by row from the lowest band, in base64 of zlib: 0 is "
            "80 dB under the loudest, 255 the loudest.",
            examples=["eNpjYGBg..."],
        ),
    ]
    n_mels: Annotated[int, Field(description="Number of rows.", examples=[80])]
    n_frames: Annotated[int, Field(description="Number of columns.", examples=[320])]
    frame_s: Annotated[float, Field(description="Seconds for a column.", examples=[0.01])]


class AnalysisAnswer(BaseModel):
    """Response of `/results/<id>`: all stored data about a recording."""

    id: Id
    created_at: Annotated[
        datetime, Field(description="In UTC.", examples=["2026-11-21T14:30:25.104523+00:00"])
    ]
    filename: Filename
    duration_s: Annotated[Seconds, Field(description="Length of the recording.")]
    speech_s: Annotated[
        Seconds, Field(description="Of the part in which somebody speaks.", examples=[2.6])
    ]
    prediction: PredictionAnswer
    segments: Segments
    envelope: Annotated[
        list[Share],
        Field(
            description="Peaks of the waveform in equal steps, of the loudest.",
            examples=[[0.1, 0.84, 1.0, 0.3]],
        ),
    ]
    model_id: Annotated[
        str,
        Field(
            description="Version of the model; empty in old analyses.", examples=["b41f61eddd74"]
        ),
    ]
    profile: Annotated[
        dict[str, float],
        Field(description="What was measured of the voice, by name with unit.", examples=[{}]),
    ]
    spectrogram: Annotated[SpectrogramAnswer | None, Field(description="Null in old analyses.")]
    speech: Annotated[
        list[Annotated[list[Seconds], Field(min_length=2, max_length=2)]],
        Field(description="From when to when somebody speaks.", examples=[[[0.2, 2.8]]]),
    ]
    timeline: Timeline
