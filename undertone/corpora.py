"""Corpora of emotional speech: where their clips are and what their file names mean.

Every corpus is recognised by its official file names, whatever the audio's file extension and
however deep its folders. Emotions are given in the names that Undertone uses.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from undertone.errors import UndertoneError

_AUDIO_SUFFIXES = {".wav", ".flac", ".opus", ".ogg", ".mp3", ".m4a", ".aac", ".aiff"}
# Silent throughout. (CREMA-D also has three pairs of the same audio under two labels; they stay,
# as published.)
_EXCLUDED = {"1076_MTI_SAD_XX"}


class CorpusError(UndertoneError):
    """A corpus is not where it was said to be, or holds no clip."""

    code = "corpus-unusable"


@dataclass(frozen=True)
class Clip:
    """One labelled utterance.

    Attributes
    ----------
    path : Path
    emotion : str
        As the speaker was asked to play it.
    speaker : str
        Unique over all corpora: ``<corpus>-<id>``.
    corpus : str
    sex : str
        ``"female"``, ``"male"`` or empty where not known.
    intensity : str
        ``"normal"``, ``"strong"``, or the corpus's own word; empty where not stated.
    """

    path: Path
    emotion: str
    speaker: str
    corpus: str
    sex: str = ""
    intensity: str = ""


@dataclass(frozen=True)
class Corpus:
    """How one corpus names its files.

    `pattern` matches a stem; `read` turns the match into emotion, speaker, sex, intensity.
    """

    name: str
    title: str
    licence: str
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], tuple[str, str, str, str]]


_RAVDESS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad",
    "05": "angry", "06": "fear", "07": "disgust", "08": "surprise",
}  # fmt: skip
_CREMA_D = {
    "ANG": "angry", "DIS": "disgust", "FEA": "fear",
    "HAP": "happy", "NEU": "neutral", "SAD": "sad",
}  # fmt: skip
_TESS = {
    "angry": "angry", "disgust": "disgust", "fear": "fear", "happy": "happy",
    "neutral": "neutral", "ps": "surprise", "sad": "sad",
}  # fmt: skip
_NEMO = {
    "anger": "angry", "fear": "fear", "happiness": "happy",
    "neutral": "neutral", "sadness": "sad", "surprised": "surprise", "surprise": "surprise",
}  # fmt: skip
# Women of CREMA-D (VideoDemographics.csv); the other actors from 1001 to 1091 are men.
_CREMA_D_WOMEN = {
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025,
    1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060,
    1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
}  # fmt: skip


def _ravdess(m: re.Match[str]) -> tuple[str, str, str, str]:
    sex = "male" if int(m["actor"]) % 2 else "female"
    return _RAVDESS[m["emotion"]], m["actor"], sex, {"01": "normal", "02": "strong"}[m["level"]]


def _crema_d(m: re.Match[str]) -> tuple[str, str, str, str]:
    sex = "female" if int(m["actor"]) in _CREMA_D_WOMEN else "male"
    return _CREMA_D[m["emotion"]], m["actor"], sex, m["level"].lower().replace("xx", "")


CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            "ravdess", "RAVDESS, speech", "CC BY-NC-SA 4.0",
            re.compile(
                r"0[123]-01-(?P<emotion>0[1-8])-(?P<level>0[12])-\d\d-\d\d-(?P<actor>\d\d)"
            ),
            _ravdess,
        ),
        Corpus(
            "ravdess_song", "RAVDESS, song", "CC BY-NC-SA 4.0",
            re.compile(
                r"0[123]-02-(?P<emotion>0[1-8])-(?P<level>0[12])-\d\d-\d\d-(?P<actor>\d\d)"
            ),
            _ravdess,
        ),
        Corpus(
            "crema_d", "CREMA-D", "ODbL 1.0 and DbCL 1.0",
            re.compile(r"(?P<actor>1\d{3})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_(?P<level>[A-Z]+)"),
            _crema_d,
        ),
        Corpus(
            "tess", "TESS", "CC BY-NC-ND 4.0",
            re.compile(r"(?P<speaker>OAF?|YAF)_[a-z]+_(?P<emotion>[a-z]+)", re.IGNORECASE),
            lambda m: (_TESS[m["emotion"].lower()], m["speaker"][:2].upper(), "female", ""),
        ),
        Corpus(
            "nemo", "nEMO", "CC BY-NC-SA 4.0",
            re.compile(r"(?P<speaker>[A-Z]{2,3}\d*)_(?P<emotion>[a-z]+)_(?P<sentence>\d+)"),
            lambda m: (_NEMO[m["emotion"]], m["speaker"], "", ""),
        ),
    )
}  # fmt: skip


def load_corpus(name: str, folder: Path) -> list[Clip]:
    """All clips of a corpus under a folder, in the order of their paths.

    The one silent clip of CREMA-D is left out.

    Parameters
    ----------
    name : str
        A key of `CORPORA`.
    folder : Path
        Searched with all its subfolders.

    Raises
    ------
    CorpusError
        There is no such corpus, no such folder, or no clip of it in there.
    """
    if name not in CORPORA:
        raise CorpusError(f"There is no corpus named {name!r}; known: {', '.join(CORPORA)}.")
    if not folder.is_dir():
        raise CorpusError(f"{name}: there is no folder {folder}.")
    corpus = CORPORA[name]
    clips = []
    for path in sorted(folder.rglob("*")):
        match = corpus.pattern.fullmatch(path.stem)
        if match and path.suffix.lower() in _AUDIO_SUFFIXES and path.stem not in _EXCLUDED:
            emotion, speaker, sex, intensity = corpus.read(match)
            # The singers of RAVDESS are its speakers: they must not end up on both sides.
            owner = "ravdess" if name == "ravdess_song" else name
            clips.append(Clip(path, emotion, f"{owner}-{speaker}", name, sex, intensity))
    if not clips:
        raise CorpusError(
            f"{name}: no clip under {folder} has a name like {corpus.pattern.pattern}"
        )
    return clips
