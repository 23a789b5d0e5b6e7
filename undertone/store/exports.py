"""Export of lists of analyses, streamed in pieces whatever their length."""

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
# Spreadsheets run a cell with this first character, full-width forms included, as a formula.
_FORMULA = tuple("=+-@\t\r＝＋－＠")


class Line:
    """File-like object for `csv.writer`. Its `write` returns the line."""

    def write(self, line: str) -> str:
        """Return the line itself."""
        return line


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the list as CSV, line by line. It starts with a BOM, for spreadsheets."""
    writer = csv.writer(Line())
    yield "\ufeff" + writer.writerow(COLUMNS)
    for entry in entries:
        yield writer.writerow(cells(entry))


def cells(entry: Entry | Analysis) -> list[object]:
    """Return the cells of one line, in the order of `COLUMNS`."""
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
    """Prefix text like a formula with an apostrophe, so no spreadsheet runs it.

    Examples
    --------
    >>> harmless("=1+2.wav"), harmless("1+2.wav")
    ("'=1+2.wav", '1+2.wav')
    """
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def begun(parts: Iterable[T]) -> Iterable[T]:
    """Fetch the first part early, so a failing store does not cut off a started response."""
    iterator = iter(parts)
    return chain([first] if (first := next(iterator, None)) is not None else [], iterator)


def in_pieces(lines: Iterable[str]) -> Iterator[str]:
    """Join lines to pieces of at least `PIECE_CHARS` characters; the last may be shorter."""
    piece: list[str] = []
    n_chars = 0
    for line in lines:
        piece.append(line)
        n_chars += len(line)
        if n_chars >= PIECE_CHARS:
            yield "".join(piece)
            piece, n_chars = [], 0
    yield "".join(piece)
