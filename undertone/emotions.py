"""Table of emotions for the interface: colours, words, valence, and the emotion sets.

Each model defines its own emotions and their order (``model.json``). This table only defines their
display.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from undertone.messages import translatable as _

if TYPE_CHECKING:  # the help of the command line needs no numpy
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Emotion:
    """Display properties of one emotion.

    Attributes
    ----------
    name : str
        Name used by models and the API.
    title : str
        Displayed name, in English.
    colour : str
        ``#rrggbb`` on white and on the light page, with a contrast of 3:1 or more.
    colour_on_dark : str
        The same on the dark page and on the panel. Both sets stay distinguishable with the common
        colour-vision deficiencies (after Okabe & Ito 2008, with grey for neutral and olive for
        calm).
    meaning : str
        One sentence on the typical sound, for a non-expert.
    valence : float
        Pleasantness of the emotion, from -1 to 1. Russell, "A circumplex model of affect",
        J. Pers. Soc. Psychol. 39 (1980), read off its figure 2 and rounded to 0.1. Calm, neutral
        and disgust are not in it; they are set to 0.5, 0 and -0.6.
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

# Emotions without a distinct feeling.
EVEN = frozenset({"neutral", "calm"})

# Other names of emotions, used by clients of other systems. The names used here are RAVDESS's.
ADJECTIVES: Mapping[str, str] = {"fear": "fearful", "surprise": "surprised"}

# Smaller emotion sets derived from a larger one: emotions merged into others, emotions left out.
_MERGE = {"calm": "neutral"}
_LEFT_OUT = {8: frozenset[str](), 7: frozenset({"calm"}), 6: frozenset({"calm", "surprise"})}
LABEL_SETS = tuple(_LEFT_OUT)
DEFAULT_LABEL_SET = 7


def merging(labels: Sequence[str], kept: Collection[str]) -> "tuple[tuple[str, ...], Floats]":
    """Map emotions to a smaller set: calm, if not kept, becomes neutral; others are dropped.

    Parameters
    ----------
    labels : sequence of str
        Emotions of a model.
    kept : collection of str
        Requested emotions. The ones not in `labels` are ignored.

    Returns
    -------
    names : tuple of str
        Kept emotions in the order of `labels`.
    shares : np.ndarray [shape=(len(labels), len(names)), dtype=float64]
        1 if the label maps to the name, else 0.
    """
    import numpy as np

    names = tuple(label for label in labels if label in kept)
    told = [label if label in names else _MERGE.get(label, "") for label in labels]
    return names, np.array([[float(name == as_what) for name in names] for as_what in told])


def read_as(
    probabilities: "Floats", labels: Sequence[str], kept: Collection[str]
) -> "tuple[tuple[str, ...], Floats]":
    """Reduce probabilities to a smaller set of emotions.

    Calm, if not kept, is added to neutral. Other emotions not kept are dropped. The rest is scaled
    to sum to 1.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n, len(labels)), dtype=float64]
        Probabilities of all emotions of a model.
    labels : sequence of str
        Emotions of the model.
    kept : collection of str
        Requested emotions.

    Returns
    -------
    names : tuple of str
        Kept emotions in the order of `labels`.
    probabilities : np.ndarray [shape=(n, len(names)), dtype=float64]
        Each row sums to 1.
    """
    names, shares = merging(labels, kept)
    known = probabilities @ shares
    return names, known / known.sum(axis=1, keepdims=True)


def label_set(labels: Sequence[str], n_labels: int) -> frozenset[str]:
    """Return the part of `labels` included in one of the interface's sets of emotions.

    Parameters
    ----------
    labels : sequence of str
        Emotions of a model.
    n_labels : {8, 7, 6}
        Size of the set: 7 is without calm, 6 without calm and surprise.
    """
    return frozenset(labels) - _LEFT_OUT[n_labels]


def in_set(emotion: str, n_labels: int) -> str | None:
    """Return the equivalent of an emotion in one of the sets of emotions; None if it has none."""
    if emotion not in _LEFT_OUT[n_labels]:
        return emotion
    return _MERGE.get(emotion)
