"""Speaker-independent protocols: which speakers are tested in which fold, all others trained on."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from undertone.errors import UndertoneError

PROTOCOLS = Path(__file__).with_name("protocols.json")
# Digits of a speaker's number in the corpus's file names.
_DIGITS = {"ravdess": 2, "crema_d": 4}


class ProtocolError(UndertoneError):
    """There is no such protocol, or the speakers at hand do not allow it."""

    code = "protocol-unusable"


@dataclass(frozen=True)
class Fold:
    """Speakers of one test fold; everybody else is trained on."""

    test_speakers: frozenset[str]


@dataclass(frozen=True)
class Protocol:
    """A named way to measure on one corpus."""

    name: str
    corpus: str
    folds: tuple[Fold, ...]


def load_protocol(name: str, path: Path = PROTOCOLS) -> Protocol:
    """A protocol of the field, from a ``protocols.json``.

    Raises
    ------
    ProtocolError
        The file or the protocol is not there.
    """
    try:
        protocols: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProtocolError(f"The protocols cannot be read: {error}") from error
    if name not in protocols:
        raise ProtocolError(f"There is no protocol {name!r}; known: {', '.join(protocols)}.")
    protocol = protocols[name]
    corpus = protocol["corpus"]
    tests = protocol["folds"] if "folds" in protocol else [protocol["test"]]
    return Protocol(
        name,
        corpus,
        tuple(
            Fold(frozenset(f"{corpus}-{speaker:0{_DIGITS[corpus]}d}" for speaker in test))
            for test in tests
        ),
    )


def k_fold(corpus: str, speakers: Iterable[str], n_folds: int, seed: int = 0) -> Protocol:
    """Speakers drawn into `n_folds` groups of (nearly) equal number, each tested once.

    Raises
    ------
    ProtocolError
        There are fewer speakers than folds.
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
