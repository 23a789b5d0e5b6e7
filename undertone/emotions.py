"""What the interface knows of each emotion: colour, words, valence, and which sets there are.

Which emotions a model tells apart, and in which order, is the model's own matter
(``model.json``); this table only says how to show one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from undertone.messages import translatable as _

if TYPE_CHECKING:  # a command line that only says what it can do needs no numpy
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Emotion:
    """How one emotion is shown.

    Attributes
    ----------
    name : str
        The name that models and the API use.
    title : str
        The name as it is shown, in English.
    colour : str
        ``#rrggbb`` on white and on the light page, with a contrast of 3:1 or more.
    colour_on_dark : str
        The same on the dark page and on the panel. Both sets stay distinguishable with the common
        colour-vision deficiencies (after Okabe & Ito 2008, with grey for neutral and olive for
        calm).
    meaning : str
        One sentence on what is typically heard, for a non-expert.
    valence : float
        How pleasant the emotion is, from -1 to 1. Russell, "A circumplex model of affect",
        J. Pers. Soc. Psychol. 39 (1980), read off its figure 2 and rounded to 0.1; calm,
        neutral and disgust, which are not in it, are set to 0.5, 0 and -0.6.
    """

    name: str
    title: str
    colour: str
    colour_on_dark: str
    meaning: str
    valence: float


EMOTIONS: Mapping[str, Emotion] = {
    emotion.name: emotion
    for emotion in (
        Emotion(
            "angry",
            _("Angry"),
            "#A63C00",
            "#D55E00",
            _("Loud, tense and hard-edged, often fast."),
            -0.7,
        ),
        Emotion(
            "disgust",
            _("Disgust"),
            "#008A58",
            "#009E73",
            _("Drawn out and low, as if pushing something away."),
            -0.6,
        ),
        Emotion(
            "fear",
            _("Fear"),
            "#C4559A",
            "#CC79A7",
            _("High, breathy and unsteady, often fast."),
            -0.6,
        ),
        Emotion(
            "happy",
            _("Happy"),
            "#A37F00",
            "#E69F00",
            _("Bright and lively, with a pitch that moves a lot."),
            0.9,
        ),
        Emotion(
            "neutral",
            _("Neutral"),
            "#686868",
            "#7A7A7A",
            _("Even in pitch, loudness and pace."),
            0.0,
        ),
        Emotion(
            "sad",
            _("Sad"),
            "#003E74",
            "#0072B2",
            _("Quiet, slow and falling, with little energy."),
            -0.8,
        ),
        Emotion(
            "surprise",
            _("Surprise"),
            "#1A85DB",
            "#56B4E9",
            _("A sudden high pitch that rises steeply."),
            0.2,
        ),
        Emotion("calm", _("Calm"), "#414400", "#8A8A00", _("Soft, slow and relaxed."), 0.5),
    )
}

# Those in which no feeling stands out.
EVEN = frozenset({"neutral", "calm"})

# What clients of other systems call an emotion, where it is not the name used here (RAVDESS's own).
ADJECTIVES: Mapping[str, str] = {"fear": "fearful", "surprise": "surprised"}

# Emotion sets that can be read from a larger one: what is merged into what, and what is left out.
_MERGE = {"calm": "neutral"}
_LEFT_OUT = {8: frozenset[str](), 7: frozenset({"calm"}), 6: frozenset({"calm", "surprise"})}
LABEL_SETS = tuple(_LEFT_OUT)
DEFAULT_LABEL_SET = 7


def merging(labels: Sequence[str], kept: Collection[str]) -> "tuple[tuple[str, ...], Floats]":
    """How some emotions are told as fewer: calm, if it is not kept, as neutral; others not at all.

    Parameters
    ----------
    labels : sequence of str
        What a model tells apart.
    kept : collection of str
        What is asked for; what is not in `labels` is not answered with.

    Returns
    -------
    names : tuple of str
        In the order of `labels`.
    shares : array [len(labels), len(names)]
        1 where a label is told as a name, else 0.
    """
    import numpy as np

    names = tuple(label for label in labels if label in kept)
    told = [label if label in names else _MERGE.get(label, "") for label in labels]
    return names, np.array([[float(name == as_what) for name in names] for as_what in told])


def read_as(
    probabilities: "Floats", labels: Sequence[str], kept: Collection[str]
) -> "tuple[tuple[str, ...], Floats]":
    """Names, and probabilities [n, len(names)], of some emotions, read from those over more.

    Calm, if it is not kept, is added to neutral; other emotions that are not kept are dropped, and
    the rest is scaled to sum to 1.
    """
    names, shares = merging(labels, kept)
    known = probabilities @ shares
    return names, known / known.sum(axis=1, keepdims=True)


def label_set(labels: Sequence[str], n_labels: int) -> frozenset[str]:
    """What remains of `labels` in one of the interface's sets of emotions.

    Parameters
    ----------
    n_labels : {8, 7, 6}
        7 is without calm, 6 without calm and surprise.
    """
    return frozenset(labels) - _LEFT_OUT[n_labels]


def in_set(emotion: str, n_labels: int) -> str | None:
    """An emotion as one of the sets of emotions has it; None where it has none like it."""
    if emotion not in _LEFT_OUT[n_labels]:
        return emotion
    return _MERGE.get(emotion)
