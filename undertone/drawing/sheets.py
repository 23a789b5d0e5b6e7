"""Drawing surfaces for charts, and PNGs drawn by matplotlib and Pillow.

Axes, ticks and layout engines would cost more than the marks of a chart. Charts therefore place
every mark themselves, in CSS pixels from the lower left corner. Pillow draws text and images, and
rendered words are cached: twenty words took more than half of the 32 ms of CPU for one chart.
Reports draw the same charts as vectors on `report_parts.PdfSheet`.
"""

import io
import os
import struct
import zlib
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from matplotlib.artist import Artist

INK = "#161b26"
QUIET = "#525a69"
LINE = "#d3d8d4"

FONTS = Path(__file__).parent / "fonts"
TEXT_PX = 16  # just readable on a phone, at half the size of the picture
PIXELS = 2  # device pixels in a CSS pixel, for high-resolution screens

# x, y, width and height.
Box = tuple[float, float, float, float]


class Sheet(Protocol):
    """Drawing surface; all lengths are in CSS pixels from the lower left corner."""

    def boxes(self, boxes: Sequence[Box], colours: Sequence[str]) -> None:
        """Draw filled rectangles, one colour for each."""

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

    def image(self, box: Box, pixels: NDArray[np.uint8]) -> None:
        """Draw pixels [shape=(rows, columns, 3)] stretched into a box, the first row at the top."""


class PngSheet:
    """A `Sheet` rendered as PNG, on a matplotlib Figure of its own because pyplot's are shared.

    Parameters
    ----------
    width, height : int
        Size in CSS pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.transforms import Affine2D

        dpi = 100 * PIXELS
        self._figure = Figure(figsize=(width / 100, height / 100), dpi=dpi)
        self._canvas = FigureCanvasAgg(self._figure)
        self._to_device = Affine2D().scale(PIXELS)
        self._height = height
        self._images: list[tuple[tuple[int, int], Image.Image]] = []
        self._texts: list[tuple[tuple[int, int], Image.Image, str]] = []

    def boxes(self, boxes: Sequence[Box], colours: Sequence[str]) -> None:
        """Draw filled rectangles."""
        from matplotlib.collections import PolyCollection

        corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in boxes]
        self._add(PolyCollection(corners, facecolors=colours, linewidths=0))

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
        from matplotlib.patches import Wedge

        inner, outer = radii
        for start, end, colour in zip(degrees[:-1], degrees[1:], colours, strict=True):
            width = outer - inner
            self._add(Wedge(centre, outer, 90 - end, 90 - start, width=width, fc=colour, lw=0))

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
        written, right, down = _written(text, bold, anchor)
        place = round(PIXELS * x) + right, round(PIXELS * (self._height - y)) + down
        self._texts.append((place, written, colour))

    def image(self, box: Box, pixels: NDArray[np.uint8]) -> None:
        """Draw pixels [shape=(rows, columns, 3)] stretched into a box, the first row at the top."""
        x, y, width, height = (round(PIXELS * length) for length in box)
        stretched = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
        self._images.append(((x, PIXELS * self._height - y - height), stretched))

    def png(self) -> bytes:
        """Return the drawing as PNG."""
        self._canvas.draw()  # type: ignore[no-untyped-call]
        buffer = self._canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        picture = Image.fromarray(np.asarray(buffer)).convert("RGB")
        # Figures are reference cycles: their pixels would stay in memory until a garbage
        # collection.
        del buffer, self._canvas.renderer
        for place, image in self._images:
            picture.paste(image, place)
        draw = ImageDraw.Draw(picture)
        for place, written, colour in self._texts:
            draw.bitmap(place, written, colour)
        return encode_png(np.asarray(picture))

    def _add(self, artist: "Artist") -> None:
        artist.set_transform(self._to_device)
        self._figure.add_artist(artist)


def prepare(cache_dir: Path) -> None:
    """Make matplotlib keep its list of fonts in `cache_dir` instead of the home folder."""
    # matplotlib reads the variable at its first import: by the first chart, or by `warm_up`.
    os.environ.setdefault("MPLCONFIGDIR", str(cache_dir))


def warm_up() -> None:
    """Import and load everything for the first chart, which takes a second, ahead of requests."""
    PngSheet(1, 1).png()


def font_file(bold: bool = False) -> Path:
    """Return the file of the page's typeface."""
    return FONTS / f"BricolageGrotesque-{'SemiBold' if bold else 'Regular'}.ttf"


@cache
def _font(bold: bool) -> ImageFont.FreeTypeFont:
    # The basic layout engine: not every Pillow has the other one, and pictures should be the same.
    layout = ImageFont.Layout.BASIC
    return ImageFont.truetype(font_file(bold), PIXELS * TEXT_PX, layout_engine=layout)


@lru_cache(maxsize=1000)
def text_width(text: str, bold: bool = False) -> float:
    """Return the width of a line of text on any sheet, in CSS pixels."""
    return _font(bold).getlength(text) / PIXELS


@lru_cache(maxsize=1000)
def _written(text: str, bold: bool, anchor: str) -> tuple[Image.Image, int, int]:
    """Render a line of text; return its mask and its offset right of and below the anchor."""
    place = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
    left, top, right, bottom = map(round, _font(bold).getbbox(text, anchor=place))
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=_font(bold), anchor=place)
    return mask, left, top


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode pixels [shape=(height, width, 3), dtype=uint8] as PNG.

    Pillow tries five filters on each row. On charts the difference to the row above is the best of
    them. Level 1 compresses it nearly as well as the default, in a quarter of the time.
    """
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, -1)
    filtered = np.empty((height, 1 + 3 * width), np.uint8)
    filtered[:, 0] = 2  # filter type "up"
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 1)), (b"IEND", b""))
    png = io.BytesIO()
    png.write(b"\x89PNG\r\n\x1a\n")
    for name, body in chunks:
        png.write(struct.pack(">I", len(body)) + name + body)
        png.write(struct.pack(">I", zlib.crc32(name + body)))
    return png.getvalue()
