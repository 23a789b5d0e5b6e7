"""Speaker-independent protocols: the test speakers of each fold. All others are trained on."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from undertone.errors import UndertoneError
from undertone.recognition.model_store import LEFT_OUT
from undertone.training.utterances import Utterances

DEFAULT_FOLDS = 5
PROTOCOLS = Path(__file__).with_name("protocols.json")
# Digits of a speaker's number in the corpus's file names.
_DIGITS = {"ravdess": 2, "crema_d": 4}


class ProtocolError(UndertoneError):
    """There is no such protocol, or it cannot be used with the given speakers."""

    code = "protocol-unusable"


@dataclass(frozen=True)
class Fold:
    """One fold: its test speakers and its calibration speakers. All others are trained on."""

    test_speakers: frozenset[str]
    calibration_speakers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Protocol:
    """A named evaluation protocol for one corpus.

    Attributes
    ----------
    name, corpus : str
    folds : tuple of Fold
    common_emotions : bool
        If true, clips with emotions unknown to all training corpora are left out. Otherwise they
        are an error.
    """

    name: str
    corpus: str
    folds: tuple[Fold, ...]
    common_emotions: bool = False


def load_protocol(name: str, path: Path = PROTOCOLS) -> Protocol:
    """Load a protocol of the field from a ``protocols.json``.

    Raises
    ------
    ProtocolError
        The file cannot be read, or the protocol is not in it.
    """
    try:
        protocols: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProtocolError(f"The protocols cannot be read: {error}") from error
    if name not in protocols:
        raise ProtocolError(f"There is no protocol {name!r}; known: {', '.join(protocols)}.")
    protocol = protocols[name]
    corpus = protocol["corpus"]

    def speakers(numbers: list[int]) -> frozenset[str]:
        return frozenset(f"{corpus}-{number:0{_DIGITS[corpus]}d}" for number in numbers)

    tests = protocol["folds"] if "folds" in protocol else [protocol["test"]]
    chosen_on = speakers(protocol.get("valid", []))
    return Protocol(name, corpus, tuple(Fold(speakers(test), chosen_on) for test in tests))


def leave_out(
    corpus: str, speakers: Iterable[str], others: Iterable[str], seed: int = 0
) -> Protocol:
    """Build a protocol with one corpus left out: test on it, train on all others.

    A tenth of the other corpora's speakers is not trained on, but used for calibration.

    Parameters
    ----------
    corpus : str
        The corpus to test on.
    speakers : iterable of str
        Speakers of that corpus.
    others : iterable of str
        Speakers of the other corpora, ``<corpus>-<id>``. A tenth of each corpus with at least five
        speakers is drawn for calibration. Names in `speakers` are ignored here.
    seed : int
        Seed of the draw.

    Raises
    ------
    ProtocolError
        There is nothing to train on.
    """
    tested = frozenset(speakers)
    rng = np.random.default_rng(seed)
    drawn: list[str] = []
    by_corpus: dict[str, list[str]] = {}
    for speaker in sorted(set(others) - tested):
        by_corpus.setdefault(speaker.rpartition("-")[0], []).append(speaker)
    if not by_corpus:
        raise ProtocolError(f"Leaving {corpus} out leaves nothing to train on.")
    for everybody in by_corpus.values():
        if len(everybody) >= 5:
            drawn += map(str, rng.choice(everybody, round(0.1 * len(everybody) + 0.5), False))
    fold = Fold(tested, frozenset(drawn))
    return Protocol(LEFT_OUT + corpus, corpus, (fold,), common_emotions=True)


def given_split(corpus: str, speakers: Sequence[str], splits: Sequence[str]) -> Protocol:
    """Build a protocol from the split in a corpus table: test on speakers marked ``test``.

    Parameters
    ----------
    corpus : str
    speakers : sequence of str
        Speaker of each clip of the corpus.
    splits : sequence of str
        ``"train"``, ``"test"`` or empty, for each clip.

    Raises
    ------
    ProtocolError
        A speaker is in both parts, or one part is empty.
    """
    by_part: dict[str, set[str]] = {"train": set(), "test": set()}
    for speaker, split in zip(speakers, splits, strict=True):
        if split:
            by_part[split].add(speaker)
    if both := sorted(by_part["train"] & by_part["test"]):
        raise ProtocolError(
            f"{len(both)} speakers are in training and in test ({', '.join(both[:5])}): that "
            "measures how well voices are remembered, not emotions recognised."
        )
    if not all(by_part.values()):
        raise ProtocolError(f"{corpus} has no clips marked train or none marked test.")
    return Protocol(f"{corpus}, given split", corpus, (Fold(frozenset(by_part["test"])),))


def k_fold(corpus: str, speakers: Iterable[str], n_folds: int, seed: int = 0) -> Protocol:
    """Draw the speakers into `n_folds` groups of (nearly) equal size, each tested once.

    Parameters
    ----------
    corpus : str
    speakers : iterable of str
    n_folds : int
        At least 2.
    seed : int
        Seed of the draw.

    Raises
    ------
    ProtocolError
        There are fewer speakers than folds, or fewer than two folds.
    """
    everybody = sorted(set(speakers))
    if not 2 <= n_folds <= len(everybody):
        raise ProtocolError(
            f"{len(everybody)} speakers cannot be drawn into {n_folds} groups; at least 2 groups "
            "of 1 speaker are needed."
        )
    drawn = np.random.default_rng(seed).permutation(everybody)
    folds = tuple(Fold(frozenset(map(str, part))) for part in np.array_split(drawn, n_folds))
    return Protocol(f"{corpus}, {n_folds} folds by speaker", corpus, folds)


def protocols_for(names: Sequence[str] | None, utterances: Utterances) -> list[Protocol]:
    """Build the named protocols for the speakers in `utterances`.

    Parameters
    ----------
    names : sequence of str, optional
        Each is a name in ``protocols.json``; ``leave-one-corpus-out``; ``kfold-N`` for N folds by
        speaker of the first corpus; or ``split`` for the split in the table of the first corpus.
        Default: ``ravdess-emobox`` if RAVDESS is there, otherwise five folds by speaker of the
        first corpus.
    utterances : Utterances

    Raises
    ------
    ProtocolError
        There is no such protocol, or it cannot be used with these speakers.
    """
    own = utterances.subset(utterances.corpora == utterances.corpora[0])
    corpus = own.clips[0].corpus
    usual = "ravdess-emobox" if "ravdess" in utterances.corpora else f"kfold-{DEFAULT_FOLDS}"
    found = []
    for name in names or [usual]:
        if count := re.fullmatch(r"kfold-(\d+)", name):
            found.append(k_fold(corpus, own.speakers, int(count[1])))
        elif name == "split":
            splits = [clip.split for clip in own.clips]
            found.append(given_split(corpus, [clip.speaker for clip in own.clips], splits))
        elif name == "leave-one-corpus-out":
            # Speech and song of RAVDESS have the same speakers, so they are left out together.
            for left_out in sorted(set(map(str, utterances.corpora)) - {"ravdess_song"}):
                mine = utterances.speakers[utterances.corpora == left_out]
                found.append(leave_out(left_out, mine, utterances.speakers))
        else:
            found.append(load_protocol(name))
    return found
