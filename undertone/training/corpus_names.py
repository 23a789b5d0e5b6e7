"""Parse the official file names of each corpus of emotional speech.

A pattern is matched against the end of ``<folder>/<stem>``. The file extension and the depth of
the folders do not matter. Emotions are returned under Undertone's names.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Meaning(NamedTuple):
    """Labels parsed from a file name.

    Parameters
    ----------
    emotion : str
        Undertone's name of the emotion.
    speaker : str
        Id within the corpus.
    sex, intensity : str
        Empty if not given by the file name.
    """

    emotion: str
    speaker: str
    sex: str = ""
    intensity: str = ""


@dataclass(frozen=True)
class Corpus:
    """File naming scheme of one corpus.

    Parameters
    ----------
    name : str
        Key in `CORPORA`.
    title : str
        Full name of the corpus.
    licence : str
    owner : str
        Corpus with the same speakers. It is the corpus itself, except for the songs of RAVDESS.
    pattern : re.Pattern
        Pattern for the end of ``<folder>/<stem>``.
    read : callable
        Converts a match of `pattern` to its meaning, or to None if the emotion is not one of
        Undertone's.
    """

    name: str
    title: str
    licence: str
    owner: str
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Meaning | None]


# Common English names of the emotions.
SYNONYMS: Mapping[str, str] = {
    **dict.fromkeys(("angry", "anger"), "angry"),
    **dict.fromkeys(("calm", "calmness"), "calm"),
    **dict.fromkeys(("disgust", "disgusted"), "disgust"),
    **dict.fromkeys(("fear", "fearful", "afraid", "anxiety"), "fear"),
    **dict.fromkeys(("happy", "happiness", "joy"), "happy"),
    **dict.fromkeys(("neutral",), "neutral"),
    **dict.fromkeys(("sad", "sadness"), "sad"),
    **dict.fromkeys(("surprise", "surprised", "ps", "pleasant_surprise"), "surprise"),
}

_RAVDESS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad",
    "05": "angry", "06": "fear", "07": "disgust", "08": "surprise",
}  # fmt: skip
_CREMA_D = {
    "ANG": "angry", "DIS": "disgust", "FEA": "fear",
    "HAP": "happy", "NEU": "neutral", "SAD": "sad",
}  # fmt: skip
# Columns of CREMA-D's table of votes. Row numbers encode the presentation: from 100000 voice
# alone, from 200000 face alone, from 300000 both.
VOTES = {code[0]: emotion for code, emotion in _CREMA_D.items()}
FIRST_VOTE_ON_VIDEO = 200_000
_SAVEE = {
    "a": "angry", "d": "disgust", "f": "fear", "h": "happy",
    "n": "neutral", "sa": "sad", "su": "surprise",
}  # fmt: skip
# W(ut), E(kel), A(ngst), F(reude), T(rauer), N(eutral). L(angeweile), boredom, is not supported.
_EMODB = {
    "W": "angry", "E": "disgust", "A": "fear", "F": "happy", "N": "neutral", "T": "sad",
}  # fmt: skip
_EMOVO = {
    "rab": "angry", "dis": "disgust", "pau": "fear", "gio": "happy",
    "neu": "neutral", "tri": "sad", "sor": "surprise",
}  # fmt: skip
# Women of CREMA-D (VideoDemographics.csv); the other actors from 1001 to 1091 are men.
_CREMA_D_WOMEN = {
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025,
    1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060,
    1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
}  # fmt: skip
_EMODB_WOMEN = {"08", "09", "13", "14", "16"}
_NEMO_WOMEN = {"EB0", "IC0", "KD0", "MK0"}


def _sex(is_woman: bool) -> str:
    return "female" if is_woman else "male"


def _ravdess(m: re.Match[str]) -> Meaning:
    intensity = {"01": "normal", "02": "strong"}[m["level"]]
    is_woman = int(m["actor"]) % 2 == 0
    return Meaning(_RAVDESS[m["emotion"]], m["actor"], _sex(is_woman), intensity)


def _crema_d(m: re.Match[str]) -> Meaning:
    sex = _sex(int(m["actor"]) in _CREMA_D_WOMEN)
    return Meaning(_CREMA_D[m["emotion"]], m["actor"], sex, m["level"].lower().replace("xx", ""))


def _tess(m: re.Match[str]) -> Meaning | None:
    emotion = SYNONYMS.get(m["emotion"].lower())
    return Meaning(emotion, m["speaker"][:2].upper(), "female") if emotion else None


def _emodb(m: re.Match[str]) -> Meaning | None:
    emotion = _EMODB.get(m["emotion"])
    return Meaning(emotion, m["speaker"], _sex(m["speaker"] in _EMODB_WOMEN)) if emotion else None


def _nemo(m: re.Match[str]) -> Meaning | None:
    emotion = SYNONYMS.get(m["emotion"])
    return Meaning(emotion, m["speaker"], _sex(m["speaker"] in _NEMO_WOMEN)) if emotion else None


def _emovo(m: re.Match[str]) -> Meaning:
    return Meaning(_EMOVO[m["emotion"]], m["speaker"], _sex(m["speaker"].startswith("f")))


def _savee(m: re.Match[str]) -> Meaning:
    return Meaning(_SAVEE[m["emotion"]], m["speaker"], "male")


_RAVDESS_NAME = r"0[123]-{channel}-(?P<emotion>0[1-8])-(?P<level>0[12])-\d\d-\d\d-(?P<actor>\d\d)$"

CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus("ravdess", "RAVDESS (speech)", "CC BY-NC-SA 4.0", "ravdess",
               re.compile(_RAVDESS_NAME.format(channel="01")), _ravdess),
        # The singers of RAVDESS are also its speakers. Training and test must not share them.
        Corpus("ravdess_song", "RAVDESS (song)", "CC BY-NC-SA 4.0", "ravdess",
               re.compile(_RAVDESS_NAME.format(channel="02")), _ravdess),
        Corpus("crema_d", "CREMA-D", "ODbL 1.0 and DbCL 1.0", "crema_d",
               re.compile(r"(?P<actor>1\d{3})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_(?P<level>[A-Z]+)$"),
               _crema_d),
        Corpus("tess", "TESS", "CC BY-NC-ND 4.0", "tess",
               re.compile(r"(?P<speaker>OAF?|YAF)_[a-z]+_(?P<emotion>[a-z]+)$", re.IGNORECASE),
               _tess),
        Corpus("savee", "SAVEE", "free for research, on request", "savee",
               re.compile(r"(?P<speaker>DC|JE|JK|KL)[/_](?P<emotion>s[au]|[adfhn])\d\d$"), _savee),
        Corpus("emodb", "Berlin EmoDB", "CC0 1.0", "emodb",
               re.compile(r"(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[WLEAFTN])[a-f]?$"), _emodb),
        Corpus("nemo", "nEMO", "CC BY-NC-SA 4.0", "nemo",
               re.compile(r"(?P<speaker>[A-Z]{2}\d)_(?P<emotion>[a-z]+)_\d+$"), _nemo),
        Corpus("emovo", "EMOVO", "free for research", "emovo",
               re.compile(r"(?P<emotion>rab|dis|pau|gio|neu|tri|sor)-(?P<speaker>[fm]\d)-[a-z]+\d*$"),
               _emovo),
    )
}  # fmt: skip
