"""Explanations of a model's description, for people choosing a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertone.emotions import DEFAULT_LABEL_SET
from undertone.messages import translatable as _
from undertone.recognition.model_store import LEFT_OUT, ModelInfo

FAMILIES: Mapping[str, str] = {
    "encoder": _(
        "A neural network that has listened to many hours of speech (the first layers of OpenAI's "
        "Whisper), and a small layer over it that has learnt to tell emotions apart. The most "
        "accurate kind."
    ),
    "ensemble": _(
        "Several hundred numbers about pitch, loudness, pace and timbre, judged by a random forest "
        "and a support vector machine together: the field's classical way, and the easiest to "
        "look into."
    ),
    "cnn": _(
        "A small neural network that looks at the spectrogram as at a picture and was trained from "
        "nothing, without any other speech."
    ),
}

# Test speakers of each protocol. Protocol names in `ModelInfo.scores` begin with one of the keys.
PROTOCOLS: Mapping[str, str] = {
    "ravdess-emobox": _(
        "RAVDESS in six parts by actor, as the EmoBox benchmark cuts it: each part is answered by "
        "a model that has never heard its actors."
    ),
    "ravdess-luna": _(
        "RAVDESS in five parts by actor, as Luna-Jiménez et al. cut it: each part is answered by a "
        "model that has never heard its actors."
    ),
    "cremad-si": _(
        "CREMA-D with 19 of its 91 actors set aside: they are answered by a model that has never "
        "heard them."
    ),
    LEFT_OUT: _(
        "Each collection of recordings is answered by a model trained on all the others: other "
        "actors, other rooms, partly another language."
    ),
}
OTHER_PROTOCOL = _(
    "Recordings are answered by a model that has never heard the people who speak in them."
)

# Captions, by the beginning of a picture's file name.
PICTURES: Mapping[str, str] = {
    "confusion": _("Which emotions are taken for which: rows are what was played."),
    "reliability": _("Whether answers are right as often as they are sure: on the line they are."),
    "risk": _("How many answers are wrong when only the surest are given."),
    "history": _("How the training went."),
}


@dataclass(frozen=True)
class CorpusWords:
    """Name and licence of a collection of recordings."""

    title: str
    licence: str


# A copy of `training.corpus_names.CORPORA`: the server must not import it. A test compares them.
CORPORA: Mapping[str, CorpusWords] = {
    "ravdess": CorpusWords(_("RAVDESS (speech)"), "CC BY-NC-SA 4.0"),
    "ravdess_song": CorpusWords(_("RAVDESS (song)"), "CC BY-NC-SA 4.0"),
    "crema_d": CorpusWords("CREMA-D", _("ODbL 1.0 and DbCL 1.0")),
    "tess": CorpusWords("TESS", "CC BY-NC-ND 4.0"),
    "savee": CorpusWords("SAVEE", _("free for research, on request")),
    "emodb": CorpusWords("Berlin EmoDB", "CC0 1.0"),
    "nemo": CorpusWords("nEMO", "CC BY-NC-SA 4.0"),
    "emovo": CorpusWords("EMOVO", _("free for research")),
}
OWN = CorpusWords(_("Own recordings"), _("as their owner says"))


@dataclass(frozen=True)
class Measured:
    """Scores of one evaluation protocol, ready for display.

    Attributes
    ----------
    title : str
        Name of the protocol as in ``model.json``.
    protocol : str
        Description of the test speakers, in a sentence.
    scores : dict
        The measured figures.
    labels : tuple of str
        Emotions in the order of the confusion matrix, n of them.
    confusion : tuple of tuple of float [shape=(n, n)]
        Confusion matrix: rows of true emotions, columns of predictions, as shares of each row.
    more_pictures : tuple of str
        File names of the pictures of this protocol, except the confusion matrix.
    """

    title: str
    protocol: str
    scores: dict[str, Any]
    labels: tuple[str, ...]
    confusion: tuple[tuple[float, ...], ...]
    more_pictures: tuple[str, ...]


def measured(info: ModelInfo, folder: Path) -> tuple[Measured, ...]:
    """Return the scores of a model by protocol, in the order of its description."""
    return tuple(
        Measured(
            title=title,
            protocol=next(
                (text for name, text in PROTOCOLS.items() if title.startswith(name)),
                OTHER_PROTOCOL,
            ),
            scores=scores,
            labels=tuple(scores["recall"]),
            confusion=tuple(
                tuple(n / max(1, sum(row)) for n in row) for row in scores["confusion"]
            ),
            more_pictures=tuple(
                name
                for name in pictures(folder)
                if _slug(title) in name and not name.startswith("confusion")
            ),
        )
        for title, scores in info.scores.items()
    )


def headline(figures: Sequence[Measured]) -> Measured | None:
    """Return the scores to show first: for the default set of emotions, if there are any."""
    of_usual = (each for each in figures if len(each.labels) == DEFAULT_LABEL_SET)
    return next(of_usual, figures[0] if figures else None)


def overall_pictures(info: ModelInfo, folder: Path) -> list[str]:
    """Return the file names of pictures not tied to one protocol."""
    slugs = [_slug(title) for title in info.scores]
    return [name for name in pictures(folder) if not any(slug in name for slug in slugs)]


def pictures(folder: Path) -> list[str]:
    """Return the file names of a model's pictures, the only files served from its folder."""
    return sorted(path.name for path in folder.glob("*.png"))


def corpus(name: str) -> CorpusWords:
    """Return the title and licence of a training corpus."""
    return CORPORA.get(name, OWN)


def is_non_commercial(info: ModelInfo) -> bool:
    """True if the licence of a training corpus forbids commercial use of derived works."""
    return any("NC" in corpus(name).licence for name in info.trained_on)


def size_mb(info: ModelInfo, folder: Path) -> float:
    """Return the size of a model's files in MB (10^6 bytes)."""
    return sum((folder / name).stat().st_size for name in info.files) / 1e6


def caption(file_name: str) -> str:
    """Return the caption of a model's picture."""
    found = (text for start, text in PICTURES.items() if file_name.startswith(start))
    return next(found, Path(file_name).stem)


def _slug(title: str) -> str:
    """Return a protocol's name as `training.model_card` writes it in file names."""
    return title.replace(", ", "-").replace(" ", "-")
