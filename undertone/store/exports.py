"""Lists of analyses as files, written piece by piece however long they are."""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeVar

from undertone.emotions import EMOTIONS
from undertone.prediction import Analysis
from undertone.store.listing import Entry

COLUMNS = (
    "id", "created_at", "filename", "emotion", "confidence", "uncertain", "sentiment",
    "sentiment_score", "duration_s", "model", "model_id", *(f"p_{name}" for name in EMOTIONS),
)  # fmt: skip
T = TypeVar("T")
PIECE_CHARS = 64 * 1024
# Spreadsheets run a cell that begins like this, in full width too, as a formula.
_FORMULA = tuple("=+-@\t\r＝＋－＠")


class Line:
    """A file whose `write` gives the line back."""

    def write(self, line: str) -> str:
        """The line itself."""
        return line


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """The list as a table; with the mark by which spreadsheets know UTF-8."""
    writer = csv.writer(Line())
    yield "\ufeff" + writer.writerow(COLUMNS)
    for entry in entries:
        yield writer.writerow(cells(entry))


def cells(entry: Entry | Analysis) -> list[object]:
    """One line of the table, in the order of `COLUMNS`."""
    prediction, sentiment = entry.prediction, entry.prediction.sentiment
    return [
        entry.id,
        entry.created_at.isoformat(),
        harmless(entry.filename),
        prediction.label,
        prediction.confidence,
        str(prediction.uncertain).lower(),
        sentiment["label"],
        sentiment["score"],
        entry.duration_s,
        harmless(prediction.model),
        entry.model_id,
        *(prediction.probabilities.get(name, "") for name in EMOTIONS),
    ]


def harmless(text: str) -> str:
    """The text as no spreadsheet runs it: with an apostrophe before what begins like a formula.

    Examples
    --------
    >>> harmless("=1+2.wav"), harmless("1+2.wav")
    ("'=1+2.wav", '1+2.wav')
    """
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def begun(parts: Iterable[T]) -> Iterable[T]:
    """The same, the first already there, so that a store that fails is not half an answer."""
    iterator = iter(parts)
    return chain([first] if (first := next(iterator, None)) is not None else [], iterator)


def in_pieces(lines: Iterable[str]) -> Iterator[str]:
    """The same text in pieces that are worth sending."""
    piece: list[str] = []
    n_chars = 0
    for line in lines:
        piece.append(line)
        n_chars += len(line)
        if n_chars >= PIECE_CHARS:
            yield "".join(piece)
            piece, n_chars = [], 0
    yield "".join(piece)
