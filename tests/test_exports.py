import csv
import io
from datetime import UTC, datetime

import pytest

from tests.samples import analysis
from undertone.store.exports import COLUMNS, PIECE_CHARS, as_csv, harmless, in_pieces
from undertone.store.listing import Entry


def entry(**changes: object) -> Entry:
    heard = analysis(**changes)
    return Entry(
        heard.id, heard.created_at, heard.filename, heard.duration_s, heard.prediction,
        heard.model_id, (),
    )  # fmt: skip


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_it_works() -> None:
    text = "".join(as_csv([entry(created_at=datetime(2025, 11, 21, 14, 30, 25, tzinfo=UTC))]))
    assert text.startswith("\ufeffid,")  # by which spreadsheets know that it is UTF-8
    header, line = read(text)
    assert header == list(COLUMNS)
    assert dict(zip(header, line, strict=True)) == {
        "id": "id0000",
        "created_at": "2025-11-21T14:30:25+00:00",
        "filename": "clip0.wav",
        "emotion": "happy",
        "confidence": "0.75",
        "uncertain": "false",
        "sentiment": "positive",
        "sentiment_score": "0.475",
        "duration_s": "12.5",
        "model": "encoder",
        "model_id": "0123456789ab",
        "p_angry": "",
        "p_disgust": "",
        "p_fear": "",
        "p_happy": "0.75",
        "p_neutral": "",
        "p_sad": "0.25",
        "p_surprise": "",
        "p_calm": "",
    }


@pytest.mark.parametrize(
    "name", ['a,b".wav', "zwei\u2028Zeilen.wav", "żółw; مرحبا.wav", "'quoted'.wav", "-".join("abc")]
)
def test_names_survive(name: str) -> None:
    assert read("".join(as_csv([entry(filename=name)])))[1][2] == name


@pytest.mark.parametrize(
    "name",
    ["=cmd|'/c calc'!A1.wav", "+1.wav", "-1.wav", "@SUM(A1).wav", "  =1+1.wav", "＝1+1.wav",
     "\u00a0=1.wav"],
)  # fmt: skip
def test_no_name_is_run_as_a_formula(name: str) -> None:
    line = read("".join(as_csv([entry(filename=name, model=name)])))[1]
    assert line[2] == f"'{name}"
    assert line[COLUMNS.index("model")] == f"'{name}"
    assert harmless(name) == f"'{name}"


def test_nothing() -> None:
    assert read("".join(as_csv([]))) == [list(COLUMNS)]


def test_pieces_are_large_and_whole() -> None:
    lines = [f"line {n}\n" for n in range(20_000)]
    pieces = list(in_pieces(lines))
    assert "".join(pieces) == "".join(lines)
    assert len(pieces) == 1 + sum(map(len, lines)) // PIECE_CHARS
    assert "".join(in_pieces([])) == ""
