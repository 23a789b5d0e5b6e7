"""Output formats of the command line: a table, JSON lines or CSV."""

import csv
import io
import json
import unicodedata
from typing import Any, Protocol

from undertone.cli.many import Outcome
from undertone.emotions import EMOTIONS
from undertone.prediction import Analysis, Prediction, Segment, percent


class Output(Protocol):
    """Output format made of whole lines; `head` comes before all others."""

    head: str

    def text(self, outcome: Outcome) -> str:
        """Return the lines for one outcome."""


class Table:
    """Aligned columns for people; errors are not part of it."""

    head = f"{'emotion':<9} {'sure':>6}  {'':<5}  {'length':>8}  recording\n"

    def __init__(self, with_timeline: bool) -> None:
        self._with_timeline = with_timeline

    def text(self, outcome: Outcome) -> str:
        """Return one line, and an indented line for each window."""
        analysis = outcome.analysis
        if analysis is None:
            return ""
        length = clock(analysis.duration_s)
        lines = [f"{_heard(analysis.prediction)}  {length:>8}  {printable(outcome.path)}"]
        for window in windows(analysis) if self._with_timeline else ():
            times = f"{clock(window.start_s)} to {clock(window.end_s)}"
            lines.append(f"  {_heard(window.prediction)}  {times}")
        return "".join(line + "\n" for line in lines)


class JsonLines:
    """One JSON object a line, in ASCII."""

    head = ""

    def __init__(self, with_timeline: bool) -> None:
        self._with_timeline = with_timeline

    def text(self, outcome: Outcome) -> str:
        """Return one line of JSON."""
        return json.dumps({"path": outcome.path, **self._fields(outcome)}) + "\n"

    def _fields(self, outcome: Outcome) -> dict[str, Any]:
        analysis = outcome.analysis
        if analysis is None:
            assert outcome.error
            return outcome.error.to_dict()
        fields = {
            **_prediction_fields(analysis.prediction),
            "model": analysis.prediction.model,
            "model_id": analysis.model_id,
            "duration_s": analysis.duration_s,
            "speech_s": analysis.speech_s,
            "profile": analysis.profile,
            "id": analysis.id,
            "created_at": analysis.created_at.isoformat(),
        }
        if self._with_timeline:
            fields["segments"] = [
                {
                    "start_s": window.start_s,
                    "end_s": window.end_s,
                    **_prediction_fields(window.prediction),
                }
                for window in windows(analysis)
            ]
        if outcome.report:
            fields["report"] = str(outcome.report)
        return fields


class Csv:
    """CSV for spreadsheets and data frames, always with the same columns.

    With a timeline, the row of a recording (part ``whole``) is followed by the rows of its windows
    (part ``window``).
    """

    columns = (
        *("path", "part", "start_s", "end_s", "speech_s"),
        *("emotion", "confidence", "uncertain", "sentiment", "sentiment_score"),
        *(f"p_{name}" for name in EMOTIONS),
        *("model", "model_id", "id", "error", "code"),
    )

    def __init__(self, with_timeline: bool) -> None:
        self._with_timeline = with_timeline
        self.head = _csv([{name: name for name in self.columns}], self.columns)

    def text(self, outcome: Outcome) -> str:
        """Return one or more rows of CSV."""
        return _csv(self._rows(outcome), self.columns)

    def _rows(self, outcome: Outcome) -> list[dict[str, Any]]:
        analysis, path = outcome.analysis, _harmless(outcome.path)
        if analysis is None:
            assert outcome.error
            told = outcome.error.to_dict()
            return [{"path": path, "error": _harmless(told["error"]), "code": told["code"]}]
        whole = Segment(0.0, analysis.duration_s, analysis.prediction)
        parts = [("whole", whole)]
        if self._with_timeline:
            parts += [("window", window) for window in windows(analysis)]
        rows = [
            {
                "path": path,
                "part": part,
                "start_s": stretch.start_s,
                "end_s": stretch.end_s,
                "emotion": stretch.prediction.label,
                "confidence": stretch.prediction.confidence,
                "uncertain": str(stretch.prediction.uncertain).lower(),
                "sentiment": stretch.prediction.sentiment["label"],
                "sentiment_score": stretch.prediction.sentiment["score"],
                **{f"p_{name}": p for name, p in stretch.prediction.probabilities.items()},
                "model": stretch.prediction.model,
                "model_id": analysis.model_id,
                "id": analysis.id,
            }
            for part, stretch in parts
        ]
        rows[0]["speech_s"] = analysis.speech_s
        return rows


def windows(analysis: Analysis) -> tuple[Segment, ...]:
    """Return the windows of a recording; a short recording is one window."""
    whole = Segment(0.0, analysis.duration_s, analysis.prediction)
    return analysis.segments or (whole,)


def clock(duration_s: float) -> str:
    """Format a duration: tenths of a second under a minute, hours only if there are any.

    Examples
    --------
    >>> clock(2.04), clock(75.0), clock(3661.0)
    ('2.0 s', '1:15', '1:01:01')
    """
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(int(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def printable(text: str) -> str:
    r"""Escape control characters, so that a text is safe to print to a terminal.

    Examples
    --------
    >>> print(printable("clip\x1b[2J.wav"))
    clip\x1b[2J.wav
    """
    unsafe = {"Cc", "Cs", "Zl", "Zp"}  # joiners and direction marks (Cf) are safe
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in unsafe else c for c in text)


def _heard(prediction: Prediction) -> str:
    guess = "guess" if prediction.uncertain else ""
    return f"{prediction.label:<9} {percent(prediction.confidence):>6}  {guess:<5}"


def _prediction_fields(prediction: Prediction) -> dict[str, Any]:
    return {
        "emotion": prediction.label,
        "confidence": prediction.confidence,
        "uncertain": prediction.uncertain,
        "probabilities": prediction.probabilities,
        "sentiment": prediction.sentiment,
    }


def _csv(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writerows(rows)
    return text.getvalue()


def _harmless(cell: Any) -> str:
    """Return a cell's text, quoted if a spreadsheet would take it for a formula."""
    text = printable(str(cell))
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
