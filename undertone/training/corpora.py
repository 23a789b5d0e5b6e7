"""Load corpora of emotional speech and custom recordings as lists of clips."""

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from undertone.errors import UndertoneError
from undertone.training.corpus_names import CORPORA, FIRST_VOTE_ON_VIDEO, SYNONYMS, VOTES

_AUDIO_SUFFIXES = {".wav", ".flac", ".opus", ".ogg", ".mp3", ".m4a", ".aac", ".aiff", ".webm"}
# This clip is silent. CREMA-D also has three pairs of identical audio with two different labels.
# They are kept as published.
_EXCLUDED = {"1076_MTI_SAD_XX"}


class CorpusError(UndertoneError):
    """A corpus is not at the given path, holds no clip, or holds an unusable clip."""

    code = "corpus-unusable"


@dataclass(frozen=True)
class Clip:
    """One labelled utterance.

    Attributes
    ----------
    path : Path
    emotion : str
        The emotion requested from the speaker.
    speaker : str
        Unique over all corpora: ``<corpus>-<id>``.
    corpus : str
    sex : str
        ``"female"``, ``"male"`` or empty if unknown.
    intensity : str
        ``"normal"``, ``"strong"``, or the corpus's own term. Empty if not stated.
    split : str
        ``"train"`` or ``"test"`` if given in a custom table, otherwise empty.
    heard : tuple of (emotion, share)
        Listeners' votes on the voice alone, if the corpus has them. Used only for training.
    """

    path: Path
    emotion: str
    speaker: str
    corpus: str
    sex: str = ""
    intensity: str = ""
    split: str = ""
    heard: tuple[tuple[str, float], ...] = ()


def load_corpus(name: str, path: Path) -> list[Clip]:
    """Return all clips of a corpus under a folder, in the order of their paths.

    Parameters
    ----------
    name : str
        A key of `CORPORA`, ``"csv"`` or ``"folders"``. ``"csv"`` is a table with the columns path,
        emotion, speaker and optionally split (train or test). Its paths are relative to the table.
        ``"folders"`` is for ``<emotion>/<speaker>/<file>`` or ``<emotion>/<speaker>_<anything>``.
    path : Path
        The folder, searched with all its subfolders. For ``"csv"``, the table.

    Raises
    ------
    CorpusError
        The corpus or the path does not exist, there is no clip in it, a table lacks a column, or a
        custom clip is invalid: unknown emotion, no speaker, no such file or unknown split.
    """
    loaders: dict[str, Callable[[Path], list[Clip]]] = {
        "csv": _from_table,
        "folders": _from_folders,
    }
    if name not in {*CORPORA, *loaders}:
        known = ", ".join([*CORPORA, *loaders])
        raise CorpusError(f"There is no corpus named {name!r}; known: {known}.")
    if not path.exists():
        raise CorpusError(f"{name}: there is nothing at {path}.")
    clips = loaders[name](path) if name in loaders else _from_official_names(name, path)
    if not clips:
        raise CorpusError(f"{name}: no clip is in {path}.")
    return clips


def _recordings(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _AUDIO_SUFFIXES]


def _from_official_names(name: str, folder: Path) -> list[Clip]:
    corpus = CORPORA[name]
    clips = []
    for path in _recordings(folder):
        match = corpus.pattern.search(f"{path.parent.name}/{path.stem}")
        meaning = corpus.read(match) if match and path.stem not in _EXCLUDED else None
        if meaning:
            emotion, speaker, sex, intensity = meaning
            speaker = f"{corpus.owner}-{speaker}"
            clips.append(Clip(path, emotion, speaker, name, sex, intensity))
    return _with_votes(clips, folder) if name == "crema_d" else clips


def _with_votes(clips: list[Clip], folder: Path) -> list[Clip]:
    """Add the listeners' votes to clips of CREMA-D, if the folder has ``tabulatedVotes.csv``."""
    votes: dict[str, Counter[str]] = {}
    for table in sorted(folder.rglob("tabulatedVotes.csv"))[:1]:
        with table.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if int(row[""]) < FIRST_VOTE_ON_VIDEO:
                    counts = {emotion: int(row[letter]) for letter, emotion in VOTES.items()}
                    votes.setdefault(row["fileName"], Counter()).update(counts)
    return [
        replace(clip, heard=tuple((emotion, n / counts.total()) for emotion, n in counts.items()))
        if (counts := votes.get(clip.path.stem, Counter())).total()
        else clip
        for clip in clips
    ]


def _from_table(table: Path) -> list[Clip]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if missing := {"path", "emotion", "speaker"} - set(rows.fieldnames or ()):
            raise CorpusError(f"{table} has no column {' and no '.join(sorted(missing))}.")
        return [
            _own(
                table.parent / row["path"],
                row["emotion"],
                row["speaker"],
                f"{table}, line {n}",
                (row.get("split") or "").strip().lower(),
            )
            for n, row in enumerate(rows, start=2)
        ]


def _from_folders(folder: Path) -> list[Clip]:
    clips = []
    for path in _recordings(folder):
        emotion, *between = path.relative_to(folder).parts[:-1] or ("",)
        speaker = between[0] if between else path.stem.partition("_")[0]
        clips.append(_own(path, emotion, speaker, str(path)))
    return clips


def _own(path: Path, emotion: str, speaker: str, where: str, split: str = "") -> Clip:
    """Return a checked custom clip; error messages name its place in the source."""
    known = SYNONYMS.get((emotion or "").strip().lower())
    if not known:
        raise CorpusError(
            f"{where}: the emotion {emotion!r} is not known; known: {', '.join(SYNONYMS)}."
        )
    if not (speaker or "").strip():
        raise CorpusError(
            f"{where}: no speaker; without it nobody can tell whether a test is on new voices."
        )
    if not path.is_file():
        raise CorpusError(f"{where}: there is no file {path}.")
    if split not in ("", "train", "test"):
        raise CorpusError(f"{where}: the split {split!r} is neither train nor test.")
    return Clip(path, known, f"own-{speaker.strip()}", "own", split=split)


def corpus_table(clips: list[Clip]) -> dict[str, dict[str, int]]:
    """Return the number of clips, speakers and emotions by corpus."""
    table = {}
    for name in sorted({clip.corpus for clip in clips}):
        own = [clip for clip in clips if clip.corpus == name]
        table[name] = {
            "clips": len(own),
            "speakers": len({clip.speaker for clip in own}),
            "emotions": len(Counter(clip.emotion for clip in own)),
        }
    return table
