import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.samples import ANALYSIS, PREDICTION
from undertone.cli.many import Outcome
from undertone.cli.outputs import Csv, JsonLines, Output, Table
from undertone.errors import NotAudio

HEARD = Outcome("dir/clip.wav", ANALYSIS)
SHORT = Outcome("short.wav", replace(ANALYSIS, segments=(), duration_s=1.25))
FAILED = Outcome("words.wav", error=NotAudio("It is no sound."))


def lines(output: Output, *outcomes: Outcome) -> list[str]:
    return (output.head + "".join(map(output.text, outcomes))).splitlines()


def rows(output: Csv, *outcomes: Outcome) -> list[dict[str, str]]:
    text = output.head + "".join(map(output.text, outcomes))
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_table_is_aligned_and_says_what_is_a_guess() -> None:
    guess = replace(PREDICTION, label="surprise", confidence=0.999, uncertain=True)
    long = Outcome("long.wav", replace(ANALYSIS, prediction=guess, duration_s=3725.0))
    assert lines(Table(False), HEARD, long, FAILED) == [
        "emotion     sure           length  recording",
        "happy       75 %           12.5 s  dir/clip.wav",
        "surprise  > 99 %  guess   1:02:05  long.wav",
    ]


def test_the_table_with_a_timeline() -> None:
    assert lines(Table(True), HEARD, SHORT)[1:] == [
        "happy       75 %           12.5 s  dir/clip.wav",
        "  happy       75 %         0.0 s to 6.0 s",
        "  sad         75 %  guess  5.0 s to 12.5 s",
        "happy       75 %            1.2 s  short.wav",
        "  happy       75 %         0.0 s to 1.2 s",
    ]


def test_no_name_can_steer_a_terminal() -> None:
    shown = Table(False).text(Outcome("a\x1b[2J\n\udcff\u2028مرحبا.wav", ANALYSIS))
    assert shown.endswith(r"a\x1b[2J\n\udcff\u2028مرحبا.wav" + "\n")


def test_json_holds_the_analysis() -> None:
    [told] = map(json.loads, lines(JsonLines(False), HEARD))
    assert told == {
        "path": "dir/clip.wav",
        "emotion": "happy",
        "confidence": 0.75,
        "uncertain": False,
        "probabilities": {"sad": 0.25, "happy": 0.75},
        "sentiment": PREDICTION.sentiment,
        "model": "encoder",
        "model_id": "0123456789ab",
        "duration_s": 12.5,
        "speech_s": 9.0,
        "profile": {"pitch_hz": 123.4},
        "id": "abc",
        "created_at": "2025-11-21T12:30:00+00:00",
    }


def test_json_with_a_timeline_and_a_report() -> None:
    told = json.loads(JsonLines(True).text(replace(HEARD, report=Path("out/clip.pdf"))))
    assert told["report"] == "out/clip.pdf"
    assert [(part["start_s"], part["emotion"]) for part in told["segments"]] == [
        (0.0, "happy"),
        (5.0, "sad"),
    ]
    [part] = json.loads(JsonLines(True).text(SHORT))["segments"]
    assert (part["start_s"], part["end_s"], part["emotion"]) == (0.0, 1.25, "happy")


def test_json_of_an_error_has_its_shape() -> None:
    assert json.loads(JsonLines(True).text(FAILED)) == {
        "path": "words.wav",
        "error": "It is no sound.",
        "code": "not-audio",
        "status": 415,
    }


def test_csv() -> None:
    heard, failed = rows(Csv(False), HEARD, FAILED)
    assert tuple(heard) == Csv.columns
    assert heard["emotion"] == "happy"
    assert [float(heard[f"p_{name}"]) for name in ("sad", "happy")] == [0.25, 0.75]
    assert (heard["confidence"], heard["uncertain"]) == ("0.75", "false")
    assert heard["p_angry"] == heard["error"] == ""
    assert heard["sentiment"] == PREDICTION.sentiment["label"]
    assert float(heard["sentiment_score"]) == PREDICTION.sentiment["score"]
    assert (failed["path"], failed["code"], failed["emotion"]) == ("words.wav", "not-audio", "")


def test_csv_with_a_timeline_has_a_row_for_each_window() -> None:
    found = rows(Csv(True), HEARD, SHORT)
    assert [(row["path"], row["part"], row["start_s"], row["end_s"]) for row in found] == [
        ("dir/clip.wav", "whole", "0.0", "12.5"),
        ("dir/clip.wav", "window", "0.0", "6.0"),
        ("dir/clip.wav", "window", "5.0", "12.5"),
        ("short.wav", "whole", "0.0", "1.25"),
        ("short.wav", "window", "0.0", "1.25"),
    ]
    assert [row["emotion"] for row in found[:3]] == ["happy", "happy", "sad"]


@pytest.mark.parametrize("name", ["=1+1.wav", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1"])
def test_no_name_is_a_formula(name: str) -> None:
    [row] = rows(Csv(False), Outcome(name, ANALYSIS))
    assert not row["path"].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
