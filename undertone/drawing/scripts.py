"""Lines of text in any script for PDFs: shaped, ordered, with a box for missing glyphs.

matplotlib does the layout: it joins Arabic letters, orders right-to-left text and falls back from
font to font. It draws outlines. The same text is therefore put over them invisibly, to be copied.
"""

import codecs
import re
import unicodedata
from functools import cache
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from undertone.drawing.sheets import FONTS, font_file

REGULAR, BOLD = "Undertone", "Undertone-Bold"
INVISIBLE = 3  # PDF's text rendering mode
_KINDS = {"L": "L", "R": "R", "AL": "R", "EN": "E", "AN": "E"}  # bidirectional classes


# Registered at import, under Python's import lock: two fonts of one name in a document would
# garble it.
pdfmetrics.registerFont(TTFont(REGULAR, font_file()))
pdfmetrics.registerFont(TTFont(BOLD, font_file(bold=True)))
pdfmetrics.registerFontFamily(REGULAR, REGULAR, BOLD, REGULAR, BOLD)
_loading = Lock()  # the other fonts are loaded on demand


def draw_line(canvas: Canvas, x: float, y: float, text: str, size: float) -> None:
    """Draw a line of text.

    Parameters
    ----------
    canvas : Canvas
    x, y : float
        Start of the baseline, in points.
    text : str
        Text as returned by `clean`.
    size : float
        Font size in points.
    """
    if set(text) <= _characters(REGULAR):
        canvas.setFont(REGULAR, size)
        canvas.drawString(x, y, text)
        return
    outline = _outline(text, size)
    _draw_outline(canvas, x, y, outline)
    _overlay(canvas, x, y, text, size, float(outline.get_extents().x1))


def clean(text: str) -> str:
    """Normalise a text (NFC) and remove control and format characters."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(c for c in composed if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def split_lines(text: str, size: float, width: float) -> list[str]:
    """Split a text into lines, broken at any character because names have few spaces.

    Parameters
    ----------
    text : str
    size : float
        Font size in points.
    width : float
        Width of a line in points.
    """
    lines, left = [""], width
    for character in clean(text):
        needed = _advance(character, size)
        if needed > left and needed:
            lines.append("")
            left = width
        lines[-1] += character
        left -= needed
    return [line for line in lines if line]


def _advance(character: str, size: float) -> float:
    """Return the width of a single character: at least its width within a line."""
    if unicodedata.category(character) in ("Mn", "Mc", "Me"):
        return 0.0
    font = REGULAR if character in _characters(REGULAR) else _font_of(character)
    return float(pdfmetrics.stringWidth(character, font, size)) if font else 1.3 * size


def _outline(text: str, size: float) -> Any:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    # matplotlib would take the text between two dollar signs for a formula.
    text = text.replace("$", r"\$")
    return TextPath((0, 0), text, size=size, prop=FontProperties(family=_families()))


def _draw_outline(canvas: Canvas, x: float, y: float, outline: Any) -> None:
    path = canvas.beginPath()
    last = (x, y)
    for points, code in outline.iter_segments(simplify=False):
        moved = [float(v) + (x, y)[i % 2] for i, v in enumerate(points)]
        if code == outline.MOVETO:
            path.moveTo(*moved)
        elif code == outline.LINETO:
            path.lineTo(*moved)
        elif code == outline.CURVE3:  # quadratic, as in TrueType; PDF has cubic ones only
            (x0, y0), (x1, y1, x2, y2) = last, moved
            ends = (x0 + 2 * x1) / 3, (y0 + 2 * y1) / 3, (x2 + 2 * x1) / 3, (y2 + 2 * y1) / 3
            path.curveTo(*ends, x2, y2)
        elif code == outline.CURVE4:
            path.curveTo(*moved)
        else:
            path.close()
        last = (moved[-2], moved[-1])
    canvas.drawPath(path, stroke=0, fill=1)


def _overlay(canvas: Canvas, x: float, y: float, text: str, size: float, width: float) -> None:
    """Draw invisible text for copying, in visual order as in any PDF.

    Readers with support for ``ActualText`` copy the exact characters. Others copy the characters
    found in a font.
    """
    runs = [(font, "".join(run)) for font, run in groupby(_seen_order(text), _font_of) if font]
    natural = sum(pdfmetrics.stringWidth(run, font, size) for font, run in runs)
    line = canvas.beginText(x, y)
    line.setTextRenderMode(INVISIBLE)
    if natural:
        line.setHorizScale(100 * width / natural)
    for font, run in runs:
        line.setFont(font, size)
        line.textOut(run)
    exact = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
    canvas.addLiteral(f"/Span <</ActualText <{exact.hex()}>>> BDC")
    canvas.drawText(line)
    canvas.addLiteral("EMC")


def _seen_order(text: str) -> str:
    """Return the text in visual order, left to right; marks stay behind their letters.

    This follows the main rules of Unicode's annex 9, without nesting.
    """
    clusters: list[str] = []
    kinds = ""
    for character in text:
        if clusters and unicodedata.combining(character):
            clusters[-1] += character
            continue
        kind = _KINDS.get(unicodedata.bidirectional(character), "N")
        # Digits take the direction of Latin letters before them.
        kinds += "L" if kind == "E" and kinds.replace("N", "")[-1:] == "L" else kind
        clusters.append(character)
    if kinds.replace("N", "").replace("E", "").startswith("R"):
        clusters, kinds = clusters[::-1], kinds[::-1]
        turned = re.finditer(r"L([LN]*L)?|E+", kinds)
    else:
        turned = re.finditer(r"R([RNE]*R)?", kinds)
    for match in turned:
        here = slice(*match.span())
        clusters[here] = clusters[here][::-1]
    return "".join(clusters)


def _families() -> list[str]:
    """Register all fonts with matplotlib; return their names in the order of fallback."""
    with _loading:
        return _load_families()


@cache
def _load_families() -> list[str]:
    from matplotlib.font_manager import FontProperties, fontManager

    files = [font_file(), *_script_files()]
    for file in files:
        fontManager.addfont(file)
    return [FontProperties(fname=file).get_name() for file in files] + ["DejaVu Sans"]


@cache
def _script_files() -> tuple[Path, ...]:
    return tuple(sorted(FONTS.glob("scripts/*.ttf")))


def _overlay_fonts() -> list[str]:
    """Register the same fonts with reportlab and return their names."""
    with _loading:
        return _load_overlay_fonts()


@cache
def _load_overlay_fonts() -> list[str]:
    from matplotlib import get_data_path

    names = [REGULAR]
    for file in (*_script_files(), Path(get_data_path()) / "fonts/ttf/DejaVuSans.ttf"):
        pdfmetrics.registerFont(TTFont(file.stem, file))
        names.append(file.stem)
    return names


def _font_of(character: str) -> str | None:
    """Return the first font with a glyph for a character, or None.

    None also stands for characters beyond U+FFFF: reportlab cannot tell their fonts.
    """
    if ord(character) > 0xFFFF:  # these damage reportlab's map from glyphs to characters
        return None
    return next((name for name in _overlay_fonts() if character in _characters(name)), None)


@cache
def _characters(font: str) -> frozenset[str]:
    return frozenset(map(chr, pdfmetrics.getFont(font).face.charToGlyph))
