"""Parts of a PDF report besides paragraphs: names in any script, vector charts, scales."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from undertone.drawing.charts import Picture
from undertone.drawing.profile_words import Finding
from undertone.drawing.scripts import BOLD, REGULAR, draw_line, split_lines
from undertone.drawing.sheets import INK, LINE, QUIET, TEXT_PX, Box
from undertone.drawing.words import ENGLISH, Words
from undertone.prediction import Analysis

MAX_NAME_LINES = 4


class PdfSheet:
    """A `sheets.Sheet` on a PDF page: charts stay sharp and their words can be copied.

    Parameters
    ----------
    canvas : Canvas
        Its origin is the sheet's lower left corner.
    scale : float
        Points in a CSS pixel.
    """

    def __init__(self, canvas: Canvas, scale: float) -> None:
        self._canvas = canvas
        canvas.scale(scale, scale)

    def boxes(self, boxes: Sequence[Box], colours: Sequence[str]) -> None:
        """Draw filled rectangles."""
        for (x, y, width, height), colour in zip(boxes, colours, strict=True):
            self._canvas.setFillColor(HexColor(colour))
            self._canvas.rect(x, y, width, height, stroke=0, fill=1)

    def slices(self, centre: tuple[float, float], radii: tuple[float, float],
               degrees: Sequence[float], colours: Sequence[str]) -> None:  # fmt: skip
        """Draw slices of a ring, clockwise.

        Parameters
        ----------
        centre : tuple of float
            x and y of the centre.
        radii : tuple of float
            Inner and outer radius.
        degrees : sequence of float
            Edges of the slices, clockwise from the top; one more than colours.
        colours : sequence of str
        """
        x, y = centre
        inner, outer = radii
        for start, end, colour in zip(degrees[:-1], degrees[1:], colours, strict=True):
            self._canvas.setFillColor(HexColor(colour))
            disc = (x - outer, y - outer, x + outer, y + outer)
            if end - start > 359.9:
                self._canvas.circle(x, y, outer, stroke=0, fill=1)
            elif end - start > 0.1:
                self._canvas.wedge(*disc, 90 - end, end - start, stroke=0, fill=1)
        self._canvas.setFillColor(HexColor("#ffffff"))
        self._canvas.circle(x, y, inner, stroke=0, fill=1)

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False,
             colour: str = INK) -> None:  # fmt: skip
        """Draw a line of text.

        Parameters
        ----------
        x : float
            Start, middle or end of the line, as `anchor` says.
        y : float
            Baseline.
        text : str
        anchor : {"start", "middle", "end"}
        bold : bool
        colour : str
        """
        self._canvas.setFillColor(HexColor(colour))
        self._canvas.setFont(BOLD if bold else REGULAR, TEXT_PX)
        draw = {"start": "drawString", "middle": "drawCentredString", "end": "drawRightString"}
        getattr(self._canvas, draw[anchor])(x, y, text)

    def image(self, box: Box, pixels: NDArray[np.uint8]) -> None:
        """Draw pixels [shape=(rows, columns, 3)] stretched into a box, the first row at the top."""
        self._canvas.drawImage(ImageReader(Image.fromarray(pixels)), *box)


class Chart(Flowable):  # type: ignore[misc]
    """Chart as a flowable, drawn as vectors.

    Parameters
    ----------
    picture : Picture
    analysis : Analysis
    words : Words
    width : float
        Width in points.
    """

    def __init__(self, picture: Picture, analysis: Analysis, words: Words, width: float) -> None:
        super().__init__()
        self._picture, self._analysis, self._words = picture, analysis, words
        self.width, self.height = width, width * picture.height / picture.width

    def draw(self) -> None:
        """Draw at the current place."""
        sheet = PdfSheet(self.canv, self.width / self._picture.width)
        self._picture.draw(sheet, self._analysis, self._words)


class Name(Flowable):  # type: ignore[misc]
    """File name in any script, on up to four lines."""

    def __init__(self, text: str, size: float) -> None:
        super().__init__()
        self._text, self._size = text, size
        self._lines: list[str] = []

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        """Split the name into lines; return their width and height in points."""
        self._lines = split_lines(self._text, self._size, width)
        if len(self._lines) > MAX_NAME_LINES:
            self._lines = self._lines[:MAX_NAME_LINES]
            self._lines[-1] = self._lines[-1][:-1] + "…"
        return width, 1.35 * self._size * len(self._lines)

    def draw(self) -> None:
        """Draw at the current place."""
        self.canv.setFillColor(HexColor(INK))
        for number, line in enumerate(reversed(self._lines)):
            draw_line(self.canv, 0, (0.35 + 1.35 * number) * self._size, line, self._size)


class Answer(Flowable):  # type: ignore[misc]
    """Emotion and confidence, beside a bar in the emotion's colour."""

    def __init__(self, label: str, number: str, kicker: str, colour: str, width: float) -> None:
        super().__init__()
        self._words = label, number, kicker
        self._colour = colour
        self.width, self.height = width, 66.0

    def draw(self) -> None:
        """Draw at the current place."""
        label, number, kicker = self._words
        self.canv.setFillColor(HexColor(self._colour))
        self.canv.roundRect(0, 0, 8, self.height, 3, stroke=0, fill=1)
        self._line(22, 49, kicker, REGULAR, 10.5, QUIET)
        self._line(22, 13, label, BOLD, 34, INK)
        width = pdfmetrics.stringWidth(label, BOLD, 34)
        self._line(22 + width + 14, 13, number, REGULAR, 17, INK)

    def _line(self, x: float, y: float, text: str, font: str, size: float, colour: str) -> None:
        self.canv.setFillColor(HexColor(colour))
        self.canv.setFont(font, size)
        self.canv.drawString(x, y, text)


class ScaleBar(Flowable):  # type: ignore[misc]
    """Scale with a measurement's value and its usual ranges."""

    def __init__(self, finding: Finding, width: float) -> None:
        super().__init__()
        self._finding = finding
        self.width, self.height = width, 30.0

    def draw(self) -> None:
        """Draw at the current place."""
        canvas: Any = self.canv
        canvas.setFillColor(HexColor("#eceeeb"))
        canvas.roundRect(0, 12, self.width, 7, 3.5, stroke=0, fill=1)
        for start, end, whose in self._finding.usual:
            canvas.setFillColor(HexColor("#aab3c1"))
            canvas.rect(start * self.width, 12, (end - start) * self.width, 7, stroke=0, fill=1)
            canvas.setFillColor(HexColor(QUIET))
            canvas.setFont(REGULAR, 7)
            canvas.drawCentredString((start + end) / 2 * self.width, 23, whose)
        canvas.setFillColor(HexColor(INK))
        canvas.circle(max(4.0, min(self.width - 4, self._finding.place * self.width)), 15.5, 4.5,
                      stroke=0, fill=1)  # fmt: skip
        canvas.setFillColor(HexColor(QUIET))
        canvas.setFont(REGULAR, 7)
        canvas.drawString(0, 2, self._finding.ends[0])
        canvas.drawRightString(self.width, 2, self._finding.ends[1])


class Rule(Flowable):  # type: ignore[misc]
    """Thin line across the page."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.width, self.height = width, 1.0

    def draw(self) -> None:
        """Draw at the current place."""
        self.canv.setStrokeColor(HexColor(LINE))
        self.canv.line(0, 0, self.width, 0)


class NumberedCanvas(Canvas):  # type: ignore[misc]
    """Canvas with "page n of N" on each page; pages are kept until their number is known."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pages: list[dict[str, Any]] = []
        self.footer = ""
        self.words = ENGLISH

    def showPage(self) -> None:  # noqa: N802  reportlab's name
        """Keep the page for later."""
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Number all pages and write them."""
        for number, page in enumerate(self._pages, 1):
            self.__dict__.update(page)
            self.setFont(REGULAR, 8)
            self.setFillColor(HexColor(QUIET))
            margin, width = 54, self._pagesize[0]
            self.drawString(margin, 28, self.footer)
            place = self.words.translate(
                "page %(number)s of %(total)s", number=number, total=len(self._pages)
            )
            self.drawRightString(width - margin, 28, place)
            super().showPage()
        super().save()
