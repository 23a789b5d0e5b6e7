"""PDF report of an analysis."""

import io
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from undertone.drawing import charts
from undertone.drawing.charts import Picture
from undertone.drawing.profile_words import Finding, describe
from undertone.drawing.report_parts import Answer, Chart, Name, NumberedCanvas, Rule, ScaleBar
from undertone.drawing.scripts import BOLD, REGULAR, clean
from undertone.drawing.sheets import INK, LINE, QUIET
from undertone.drawing.time_charts import draw_mfcc, draw_spectrogram, draw_timeline, draw_waveform
from undertone.drawing.words import ENGLISH, Words
from undertone.emotions import EMOTIONS
from undertone.prediction import Analysis, Prediction, Segment, percent
from undertone.recognition.model_store import ModelInfo

MARGIN = 48.0
WIDTH = A4[0] - 2 * MARGIN - 12  # reportlab's frames have 6 points of padding on either side

TEXT = ParagraphStyle(
    "text", fontName=REGULAR, fontSize=9.5, leading=14, textColor=HexColor(INK), spaceAfter=5
)
SMALL = ParagraphStyle("small", TEXT, fontSize=8, leading=11.5, textColor=HexColor(QUIET))
HEADING = ParagraphStyle(
    "heading", TEXT, fontName=BOLD, fontSize=14, leading=19, spaceBefore=16, spaceAfter=6
)
CAUTION = ParagraphStyle(
    "caution", TEXT, backColor=HexColor("#f2f4f1"), borderPadding=(7, 10, 7, 10),
    leftIndent=10, rightIndent=10, spaceBefore=10, spaceAfter=14,
)  # fmt: skip

# Lower than on the web page, so that all four fit on one sheet of paper.
OVER_TIME = (
    Picture(640, 270, ((draw_timeline, (70, 32, 558, 174)),)),
    Picture(640, 200, ((draw_waveform, (70, 32, 558, 104)),)),
    Picture(640, 260, ((draw_spectrogram, (70, 32, 558, 192)),)),
    Picture(640, 200, ((draw_mfcc, (70, 32, 558, 132)),)),
)
MAX_SINGLE_WINDOWS = 60


def report(analysis: Analysis, info: ModelInfo | None, words: Words = ENGLISH) -> bytes:
    """Return a PDF with the answer and its caution, charts, voice, and accuracy of the model.

    Parameters
    ----------
    analysis : Analysis
    info : ModelInfo, optional
        Model of the analysis. Its accuracy is left out without it, or if the installed model has
        another id.
    words : Words, optional
        Language of the report.
    """
    _ = words.translate
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=44, bottomMargin=56,
        title=_("Emotion in the voice: %(name)s", name=clean(analysis.filename)),
        author="Undertone", subject=_("Speech emotion recognition"), creator="Undertone",
        lang=words.language, pageCompression=1,
    )  # fmt: skip
    parts = [
        *_opening(analysis, words),
        *_answer(analysis, words),
        *_over_time(analysis, words),
        *_voice(describe(analysis.profile, words), words),
        *_model(analysis, info, words),
        *_windows(analysis, words),
    ]
    footer = f"Undertone · {analysis.id}"
    document.build(parts, canvasmaker=partial(_canvas, footer, words))
    return buffer.getvalue()


def _canvas(footer: str, words: Words, *args: Any, **kwargs: Any) -> NumberedCanvas:
    canvas = NumberedCanvas(*args, **kwargs)
    canvas.footer, canvas.words = footer, words
    return canvas


def _opening(analysis: Analysis, words: Words) -> Iterator[Flowable]:
    _ = words.translate
    yield Paragraph(_("Undertone · report on a recording"), SMALL)
    yield Name(analysis.filename, 17)
    yield Spacer(0, 4)
    facts = (
        (_("Length"), _length(analysis.duration_s, words)),
        (_("Speech in it"), _length(analysis.speech_s, words)),
        (_("Analysed"), f"{words.moment(analysis.created_at)} UTC"),
        (_("Analysis"), analysis.id),
    )
    rows = [
        [Paragraph(name, SMALL) for name, _value in facts],
        [Paragraph(value, TEXT) for _name, value in facts],
    ]
    yield Table(
        rows,
        colWidths=[75, 75, 155, WIDTH - 305],
        style=[*FLUSH, ("TOPPADDING", (0, 1), (-1, 1), 0)],
    )
    yield Rule(WIDTH)


def _answer(analysis: Analysis, words: Words) -> Iterator[Flowable]:
    _ = words.translate
    prediction = analysis.prediction
    label, share = words.emotion(prediction.label), percent(prediction.confidence)
    is_guess = prediction.uncertain
    kicker = _("This is a guess. Closest to") if is_guess else _("Heard in this voice")
    yield Spacer(0, 14)
    yield Answer(label, share, kicker, EMOTIONS[prediction.label].colour, WIDTH)
    yield Spacer(0, 8)
    if is_guess:
        yield Paragraph(
            _("No emotion stands out enough for an answer. A longer, clearer recording of one "
              "person may help; so may the thought that the voice carries none of these, or "
              "several."), TEXT,
        )  # fmt: skip
    else:
        yield Paragraph(
            _("%(share)s is calibrated: of recordings of acted speech answered with as much "
              "confidence, about this share are answered rightly. With everyday speech it is "
              "less.", share=escape(share)), TEXT,
        )  # fmt: skip
    tone = prediction.sentiment
    yield Paragraph(
        _("Overall tone: %(tone)s (%(score)s, from −1 to +1).", tone=_(str(tone["label"])),
          score=words.number(float(tone["score"]), 2, signed=True)), TEXT,
    )  # fmt: skip
    heading = _("How to take this.")
    caution = _(
        "The model has learnt from actors who played emotions, and people do not always sound the "
        "way they feel. It goes by the sound alone, not by the words, and is often wrong. It is "
        "not for decisions about people: not for a job, at school, in medicine, or anywhere an "
        "answer has consequences."
    )
    yield Paragraph(f"<b>{heading}</b> {caution}", CAUTION)
    ranked = prediction.ranked
    rows = [[_("Emotion"), _("Probability")]]
    rows += [[words.emotion(name), _tenths(p, words)] for name, p in ranked]
    colours = [
        ("LINEBEFORE", (0, row), (0, row), 5, HexColor(EMOTIONS[name].colour))
        for row, (name, _p) in enumerate(ranked, 1)
    ]
    # The table is as wide as its longest words; in some languages those are the headings.
    table = Table(rows, style=[*GRID, *colours], hAlign="LEFT")
    width, _height = table.wrap(0, 0)
    chart = Chart(charts.PICTURES["bars"], analysis, words, WIDTH - width - 30)
    yield Paragraph(_("All it considered"), HEADING)
    yield Table([[chart, table]], colWidths=[WIDTH - width, width], style=FLUSH, hAlign="LEFT")


def _over_time(analysis: Analysis, words: Words) -> Iterator[Flowable]:
    pictures = OVER_TIME if analysis.spectrogram else OVER_TIME[:2]
    drawn = [Chart(picture, analysis, words, 0.92 * WIDTH) for picture in pictures]
    yield CondPageBreak(sum(chart.height for chart in drawn) + 40)
    yield Paragraph(words.translate("Through the recording"), HEADING)
    yield from drawn


def _voice(findings: Sequence[Finding], words: Words) -> Iterator[Flowable]:
    if not findings:
        return
    _ = words.translate
    title = Paragraph(_("The voice"), HEADING)
    rows = [
        Table(
            [[
                [Paragraph(finding.name, SMALL), Paragraph(f"<b>{finding.value}</b>", TEXT)],
                [Paragraph(finding.sentence, TEXT), ScaleBar(finding, WIDTH - 150)],
            ]],
            colWidths=[110, WIDTH - 110], hAlign="LEFT",
            style=[*FLUSH, ("VALIGN", (0, 0), (-1, -1), "TOP")],
        )
        for finding in findings
    ]  # fmt: skip
    yield KeepTogether([title, rows[0]])
    yield from rows[1:]
    told: dict[str, list[str]] = {}
    for finding in findings:
        if finding.source:
            told.setdefault(finding.source, []).append(finding.name)
    sources = "; ".join(f"{', '.join(names)}: {source}" for source, names in told.items())
    if sources:
        yield Spacer(0, 4)
        yield Paragraph(
            _("Where the usual ranges are from: %(sources)s.", sources=escape(sources)), SMALL
        )


def _model(analysis: Analysis, info: ModelInfo | None, words: Words) -> Iterator[Flowable]:
    _ = words.translate
    name = _("“%(name)s”", name=escape(analysis.prediction.model))
    if analysis.model_id:
        name = _("%(model)s, version %(version)s", model=name, version=analysis.model_id)
    parts: list[Flowable] = [Paragraph(_("The model"), HEADING)]
    if info is None or info.id != analysis.model_id:
        parts.append(Paragraph(
            _("The answer is of the model %(model)s, which is not the one installed today; its "
              "measured accuracy is therefore not given here.", model=name), TEXT,
        ))  # fmt: skip
        yield KeepTogether(parts)
        return
    parts.append(Paragraph(
        _("The answer is of the model %(model)s, trained on acted speech (%(corpora)s). Its "
          "accuracy was measured on speakers it had never heard. UAR is the mean of the shares of "
          "each emotion that are recognised; the interval holds it with 95 %% certainty over "
          "speakers.", model=name, corpora=escape(", ".join(info.trained_on))), TEXT,
    ))  # fmt: skip
    rows = [[_("Test"), _("Speakers"), "UAR", _("95 %% interval") % {}, _("Accuracy")]]
    for test, score in info.scores.items():
        low, high = (_tenths(share, words) for share in score["uar_interval_95"])
        rows.append([
            words.test(test), str(score["n_speakers"]), _tenths(score["uar"], words),
            _("%(low)s to %(high)s", low=low, high=high), _tenths(score["accuracy"], words),
        ])  # fmt: skip
    if len(rows) > 1:
        widths = [190.0, 65.0, 65.0, 100.0, WIDTH - 420]
        parts.append(Table(rows, colWidths=widths, style=GRID, hAlign="LEFT"))
    yield KeepTogether(parts)


def _windows(analysis: Analysis, words: Words) -> Iterator[Flowable]:
    if not analysis.segments:
        return
    _ = words.translate
    is_long = len(analysis.segments) > MAX_SINGLE_WINDOWS
    last = _("Windows") if is_long else _("Next")
    rows, colours = [[_("From"), _("To"), _("Heard"), _("Probability"), last]], []
    for row, run in enumerate(_runs(analysis.segments, is_long), 1):
        label, name = run[0].prediction.label, words.emotion(run[0].prediction.label)
        share = sum(segment.prediction.confidence for segment in run) / len(run)
        if all(segment.prediction.uncertain for segment in run):
            name += " " + _("(a guess)")
        rows.append([
            _clock(run[0].start_s), _clock(run[-1].end_s), name,
            percent(share), str(len(run)) if is_long else _second(run[0].prediction, words),
        ])  # fmt: skip
        colours.append(("LINEBEFORE", (2, row), (2, row), 5, HexColor(EMOTIONS[label].colour)))
    yield CondPageBreak(140)
    yield Paragraph(_("Window by window"), HEADING)
    how = [_("Neighbouring windows overlap.")]
    if is_long:
        how.insert(0, _("Each line is a run of windows with the same answer and their mean."))
    yield Paragraph(" ".join(how), TEXT)
    widths = [50, 50, 165, 95, WIDTH - 360]
    yield Table(rows, colWidths=widths, repeatRows=1, style=[*GRID, *colours], hAlign="LEFT")


def _runs(segments: Sequence[Segment], merged: bool) -> Iterator[list[Segment]]:
    """Yield windows one by one, or in runs with the same answer if `merged`."""
    if not merged:
        yield from ([segment] for segment in segments)
        return
    for _label, run in groupby(segments, lambda segment: segment.prediction.label):
        yield list(run)


def _second(heard: Prediction, words: Words) -> str:
    """Return the second most probable emotion with its probability."""
    (name, share) = heard.ranked[1]
    return f"{words.emotion(name)}, {percent(share)}"


FLUSH = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 6),
    ("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
]  # fmt: skip
GRID = [
    ("FONT", (0, 0), (-1, -1), REGULAR, 9), ("FONT", (0, 0), (-1, 0), REGULAR, 8),
    ("TEXTCOLOR", (0, 0), (-1, -1), HexColor(INK)), ("TEXTCOLOR", (0, 0), (-1, 0), HexColor(QUIET)),
    ("LINEBELOW", (0, 0), (-1, -1), 0.5, HexColor(LINE)), ("LEFTPADDING", (0, 0), (-1, -1), 8),
    ("TOPPADDING", (0, 0), (-1, -1), 3.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 4.5),
]  # fmt: skip


def _tenths(share: float, words: Words) -> str:
    return f"{words.number(100 * share, 1)} %"


def _length(seconds: float, words: Words) -> str:
    return f"{words.number(seconds, 1)} s" if seconds < 60 else f"{_clock(seconds)} min"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
