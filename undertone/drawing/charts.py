"""Kinds of pictures of an analysis, and charts of its probabilities."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from undertone.drawing.sheets import TEXT_PX, Box, PngSheet, Sheet, text_width
from undertone.drawing.svg_sheet import SvgSheet, Theme
from undertone.drawing.time_charts import draw_mfcc, draw_spectrogram, draw_timeline, draw_waveform
from undertone.drawing.words import ENGLISH, Words
from undertone.emotions import EMOTIONS
from undertone.errors import UnknownPicture
from undertone.prediction import Analysis, percent

# Increase it with every change to a drawing: browsers then fetch their cached pictures anew.
DRAWING_VERSION = 4

Draw = Callable[[Sheet, Box, Analysis, Words], None]
ROOM_PX = 81  # on either side of a ring, for names
GAP_PX = 9  # between a ring and its names


@dataclass(frozen=True)
class Picture:
    """One kind of picture.

    Attributes
    ----------
    width, height : int
        Displayed size in CSS pixels.
    parts : tuple of (function, Box)
        Drawing functions and their boxes.
    """

    width: int
    height: int
    parts: tuple[tuple[Draw, Box], ...]

    def draw(self, sheet: Sheet, analysis: Analysis, words: Words) -> None:
        """Draw all parts.

        Parameters
        ----------
        sheet : Sheet
        analysis : Analysis
        words : Words
            Language of the labels.
        """
        for draw, box in self.parts:
            draw(sheet, box, analysis, words)


def draw_bars(sheet: Sheet, box: Box, analysis: Analysis, words: Words) -> None:
    """Draw probabilities as horizontal bars with numbers, the most probable on top.

    Parameters
    ----------
    sheet : Sheet
    box : Box
        Area of the bars in CSS pixels; names are drawn to its left.
    analysis : Analysis
    words : Words
        Language of the names.
    """
    left, bottom, width, height = box
    ranked = analysis.prediction.ranked
    names = [words.emotion(name) for name, _ in ranked]
    # Longer names in some languages shorten the bars.
    wider = max(0.0, max(map(text_width, names)) + 14 - left)
    left, width = left + wider, width - wider
    step = height / len(ranked)
    middles = [bottom + height - (place + 0.5) * step for place in range(len(ranked))]
    bars = [
        (left, middle - step / 3, max(1.0, p * (width - 52)), step / 1.5)
        for middle, (_, p) in zip(middles, ranked, strict=True)
    ]
    sheet.boxes(bars, [EMOTIONS[name].colour for name, _ in ranked])
    for middle, bar, name, (_, p) in zip(middles, bars, names, ranked, strict=True):
        sheet.text(left - 9, middle - 5.5, name, anchor="end")
        sheet.text(left + bar[2] + 8, middle - 5.5, percent(p))


def draw_ring(sheet: Sheet, box: Box, analysis: Analysis, words: Words) -> None:
    """Draw probabilities as slices of a ring; names only from 6 % on, to stay readable.

    Parameters
    ----------
    sheet : Sheet
    box : Box
        Area of the ring in CSS pixels; names are drawn around it.
    analysis : Analysis
    words : Words
        Language of the names.
    """
    left, bottom, width, height = box
    ranked = analysis.prediction.ranked
    edges = 360 * np.cumsum([0.0, *(p for _, p in ranked)])
    middles = np.radians((edges[:-1] + edges[1:]) / 2)
    named = [
        (words.emotion(name), float(np.sin(middle)), float(np.cos(middle)))
        for middle, (name, p) in zip(middles, ranked, strict=True)
        if p >= 0.06
    ]
    x, radius = _between_names(left, width, [(name, across) for name, across, _ in named])
    y = bottom + height / 2
    label, share = words.emotion(ranked[0][0]), percent(ranked[0][1])
    inner = min(max(0.58 * radius, text_width(label, bold=True) / 2 + 8), 0.85 * radius)
    colours = [EMOTIONS[name].colour for name, _ in ranked]
    sheet.slices((x, y), (inner, radius), edges.tolist(), colours)
    for name, across, up in named:
        anchor = "start" if across > 0.1 else "end" if across < -0.1 else "middle"
        place = (x + (radius + GAP_PX) * across, y + (radius + 12) * up - 5.5)
        sheet.text(*place, name, anchor=anchor)
    if text_width(label, bold=True) > 2 * inner - 8:  # too long; it is also beside the ring
        sheet.text(x, y - 0.35 * TEXT_PX, share, anchor="middle", bold=True)
        return
    sheet.text(x, y + 0.15 * TEXT_PX, label, anchor="middle", bold=True)
    sheet.text(x, y - 1.1 * TEXT_PX, share, anchor="middle")


def _between_names(
    left: float, width: float, names: Sequence[tuple[str, float]]
) -> tuple[float, float]:
    """Fit a ring between the names at its sides: long names move it aside or shrink it.

    Parameters
    ----------
    left, width : float
        Place of the ring without names, in CSS pixels.
    names : sequence of (name, across)
        Names and their horizontal places, from -1 at the left to 1 at the right.

    Returns
    -------
    x, radius : float
        Horizontal middle and radius of the ring, in CSS pixels.
    """
    sides: dict[bool, list[tuple[float, float]]] = {True: [(1, -GAP_PX)], False: [(1, -GAP_PX)]}
    for name, across in names:
        if abs(across) > 0.1:
            sides[across > 0].append((abs(across), text_width(name)))
    room = width + 2 * ROOM_PX
    fitting = [
        (room - its_width - other_width) / (its_part + other_part) - GAP_PX
        for its_part, its_width in sides[True]
        for other_part, other_width in sides[False]
    ]
    radius = min(width / 2, *fitting)
    least, most = (
        max(part * (radius + GAP_PX) + its_width for part, its_width in sides[is_right])
        for is_right in (False, True)
    )
    x = max(left - ROOM_PX + least, min(left + width / 2, left + width + ROOM_PX - most))
    return x, radius


PICTURES: Mapping[str, Picture] = {
    "bars": Picture(560, 340, ((draw_bars, (90, 6, 462, 328)),)),
    "pie": Picture(400, 340, ((draw_ring, (85, 50, 230, 240)),)),
    "bars-and-pie": Picture(
        960, 340, ((draw_bars, (90, 6, 462, 328)), (draw_ring, (645, 50, 230, 240)))
    ),
    "timeline": Picture(640, 328, ((draw_timeline, (70, 32, 558, 232)),)),
    "waveform": Picture(640, 288, ((draw_waveform, (70, 32, 558, 192)),)),
    "spectrogram": Picture(640, 360, ((draw_spectrogram, (70, 32, 558, 292)),)),
    "mfcc": Picture(640, 300, ((draw_mfcc, (70, 32, 558, 232)),)),
    "overview": Picture(
        640,
        888,
        (
            (draw_waveform, (70, 652, 558, 172)),
            (draw_spectrogram, (70, 304, 558, 270)),
            (draw_mfcc, (70, 32, 558, 194)),
        ),
    ),
}


# Charts of the page, narrow enough for text 14 CSS pixels high on a phone.
PAGE_PICTURES: Mapping[str, Picture] = {
    "bars": Picture(290, 272, ((draw_bars, (84, 6, 204, 260)),)),
    "pie": Picture(290, 272, ((draw_ring, (ROOM_PX + 4, 50, 120, 172)),)),
    "spectrogram": Picture(290, 300, ((draw_spectrogram, (66, 32, 220, 216)),)),
    "mfcc": Picture(290, 300, ((draw_mfcc, (66, 32, 220, 216)),)),
}


def page_picture(analysis: Analysis, kind: str, theme: Theme, words: Words = ENGLISH) -> bytes:
    """Draw a chart for the page as SVG.

    Parameters
    ----------
    analysis : Analysis
    kind : str
        One of `PAGE_PICTURES`.
    theme : Theme
        Colours of the page around it.
    words : Words, optional
        Language of the chart.

    Raises
    ------
    UnknownPicture
        There is no such kind.
    PictureUnavailable
        The analysis is too old to hold the data of the picture.
    """
    described = describe(kind, PAGE_PICTURES)
    sheet = SvgSheet(described.width, described.height, theme)
    described.draw(sheet, analysis, words)
    return sheet.svg()


def picture(analysis: Analysis, kind: str, words: Words = ENGLISH) -> bytes:
    """Draw a picture of an analysis as PNG, at twice the resolution of its displayed size.

    Parameters
    ----------
    analysis : Analysis
    kind : str
        One of `PICTURES`.
    words : Words, optional
        Language of the picture.

    Raises
    ------
    UnknownPicture
        There is no such kind.
    PictureUnavailable
        The analysis is too old to hold the data of the picture.
    """
    described = describe(kind)
    sheet = PngSheet(described.width, described.height)
    described.draw(sheet, analysis, words)
    return sheet.png()


def describe(kind: str, pictures: Mapping[str, Picture] = PICTURES) -> Picture:
    """Return the description of a kind of picture.

    Raises
    ------
    UnknownPicture
        There is no such kind.
    """
    try:
        return pictures[kind]
    except KeyError:
        known = ", ".join(pictures)
        raise UnknownPicture(f"There is no picture {kind[:40]!r}; there are {known}.") from None


def data_url(picture: bytes, mimetype: str = "image/png") -> str:
    """Return a picture as a ``data:`` URL."""
    return f"data:{mimetype};base64," + base64.b64encode(picture).decode("ascii")
