"""What charts are drawn on: a few marks in fixed places, which become a PNG.

Axes, ticks and layout engines would cost more than all that is drawn; so charts place every mark
themselves, in CSS pixels from the lower left corner. And there are only four kinds of marks, so
they are drawn right here, in numpy and Pillow: matplotlib's Figures took 32 ms of CPU for the chart
of an answer instead of 3, and a second of the start. A report draws the same charts as vectors on
a `Sheet` of its own.
"""

import io
import os
import struct
import zlib
from collections.abc import Sequence
from functools import cache, lru_cache
from math import ceil, floor
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

INK = "#161b26"
QUIET = "#525a69"
LINE = "#d3d8d4"

FONTS = Path(__file__).parent / "fonts"
TEXT_PX = 16  # on a phone, where pictures are shown at half their size, just readable
PIXELS = 2  # for each CSS pixel, for sharp screens
FULL = 15  # shades of a colour: how much of a pixel is covered, in fifteenths
N_ANGLES = 4096  # that a ring is coloured by: under half a pixel each

# x, y, width and height.
Box = tuple[float, float, float, float]
Rgb = tuple[int, int, int]


class Sheet(Protocol):
    """Somewhere to draw; all lengths in CSS pixels, from the lower left corner."""

    def boxes(self, boxes: Sequence[Box], colours: Sequence[str]) -> None:
        """Filled rectangles."""

    def slices(self, centre: tuple[float, float], radii: tuple[float, float],
               degrees: Sequence[float], colours: Sequence[str]) -> None:  # fmt: skip
        """Slices of a ring, clockwise; `degrees` are their edges, one more than colours."""

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False,
             colour: str = INK) -> None:  # fmt: skip
        """A line of text; `y` is its baseline, `x` its start, middle or end."""

    def image(self, box: Box, pixels: NDArray[np.uint8]) -> None:
        """Colours [shape=(rows, columns, 3)], the first row at the top, stretched into a box."""


class PngSheet:
    """A sheet that becomes a PNG.

    Marks lie on white paper, beside each other: where one covers a pixel in part, it goes over
    into white. So a few shades of each colour are all that is needed, and a byte for each pixel.

    Parameters
    ----------
    width, height : int
    """

    def __init__(self, width: int, height: int) -> None:
        self._marks = np.zeros((PIXELS * height, PIXELS * width), np.uint8)  # in `_palette`
        self._palette: list[Rgb] = [(255, 255, 255)]
        self._palest: dict[str, int] = {}
        self._images: list[tuple[tuple[slice, slice], NDArray[np.uint8]]] = []

    def boxes(self, boxes: Sequence[Box], colours: Sequence[str]) -> None:
        """Filled rectangles; above and below, they end with a pixel."""
        n_rows = len(self._marks)
        for (x, y, width, height), colour in zip(boxes, colours, strict=True):
            rows = self._marks[n_rows - round(PIXELS * (y + height)) : n_rows - round(PIXELS * y)]
            start, end, palest = PIXELS * x, PIXELS * (x + width), self._shades(colour)
            left, right = ceil(start), floor(end)
            rows[:, left:right] = palest + FULL - 1
            for column, share in ((left - 1, left - start), (right, end - right)):
                if level := round(FULL * share):
                    rows[:, column] = palest + level - 1

    def slices(self, centre: tuple[float, float], radii: tuple[float, float],
               degrees: Sequence[float], colours: Sequence[str]) -> None:  # fmt: skip
        """Slices of a ring, clockwise; `degrees` are their edges, one more than colours."""
        inner, outer = (round(PIXELS * radius) for radius in radii)
        ring = _ring(inner, outer)
        palest = np.array([self._shades(colour) for colour in colours], np.uint8)
        middles = (np.arange(N_ANGLES) + 0.5) * 360 / N_ANGLES
        wheel = palest[np.searchsorted(degrees[1:-1], middles)]  # a colour for each angle
        x, y = round(PIXELS * centre[0]), len(self._marks) - round(PIXELS * centre[1])
        square = self._marks[y - outer : y + outer, x - outer : x + outer]
        square[ring.rows, ring.columns] = wheel[ring.angles] + ring.levels

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False,
             colour: str = INK) -> None:  # fmt: skip
        """A line of text; `y` is its baseline, `x` its start, middle or end."""
        written = _written(text, bold)
        start = PIXELS * x - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * written.width
        left, top = round(start) + written.left, len(self._marks) - round(PIXELS * y) + written.top
        levels = written.levels[max(0, -top) :, max(0, -left) :]  # of what is on the sheet
        left, top = max(0, left), max(0, top)
        under = self._marks[top : top + levels.shape[0], left : left + levels.shape[1]]
        levels = levels[: under.shape[0], : under.shape[1]]
        np.copyto(under, self._shades(colour) + levels - 1, where=levels > 0)

    def image(self, box: Box, pixels: NDArray[np.uint8]) -> None:
        """Colours [shape=(rows, columns, 3)], the first row at the top, stretched into a box."""
        x, y, width, height = (round(PIXELS * length) for length in box)
        stretched = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
        top = len(self._marks) - y - height
        place = slice(top, top + height), slice(x, x + width)
        self._images.append((place, np.asarray(stretched)))

    def png(self) -> bytes:
        """All that was drawn."""
        palette = np.array(self._palette, np.uint8)
        if not self._images:
            return encode_png(self._marks, palette)
        pixels = np.full((*self._marks.shape, 3), 255, np.uint8)
        marked = np.flatnonzero(self._marks)
        pixels.reshape(-1, 3)[marked] = palette[self._marks.ravel()[marked]]
        for place, image in self._images:
            pixels[place] = image
        return encode_png(pixels)

    def _shades(self, colour: str) -> int:
        """Number of a colour's palest shade; the others follow."""
        if colour not in self._palest:
            self._palest[colour] = len(self._palette)
            rgb = np.frombuffer(bytes.fromhex(colour.removeprefix("#")), np.uint8)
            steps = np.arange(1, FULL + 1)[:, np.newaxis] / FULL
            self._palette += np.rint(255 + steps * (rgb - 255.0)).astype(int).tolist()
        return self._palest[colour]


def prepare(cache_dir: Path) -> None:
    """Have matplotlib keep its list of fonts in `cache_dir` instead of the home folder.

    Only reports need it, for names in scripts that the page's typeface lacks; it is not loaded
    before.
    """
    os.environ.setdefault("MPLCONFIGDIR", str(cache_dir))


def font_file(bold: bool = False) -> Path:
    """The page's typeface."""
    return FONTS / f"BricolageGrotesque-{'SemiBold' if bold else 'Regular'}.ttf"


@cache
def _font(bold: bool) -> ImageFont.FreeTypeFont:
    size = round(PIXELS * TEXT_PX)
    return ImageFont.truetype(font_file(bold), size, layout_engine=ImageFont.Layout.BASIC)


class _Written(NamedTuple):
    """A line of text: how much of each pixel it covers, where that lies, and how wide it is."""

    levels: NDArray[np.uint8]
    left: int  # from the start of its baseline
    top: int
    width: float


@lru_cache(maxsize=512)
def _written(text: str, bold: bool) -> _Written:
    mask, (left, top) = _font(bold).getmask2(text, "L", anchor="ls")
    covered = np.array(mask, np.uint16).reshape(mask.size[::-1])
    levels = ((covered * FULL + 127) // 255).astype(np.uint8)
    return _Written(levels, left, top, _font(bold).getlength(text))


class _Ring(NamedTuple):
    """Pixels of a ring within its square: where, at which angle, how much of each it covers."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    angles: NDArray[np.intp]  # clockwise from the top, of `N_ANGLES`
    levels: NDArray[np.uint8]  # less 1


@cache
def _ring(inner: int, outer: int) -> _Ring:
    along = np.arange(-outer, outer) + 0.5
    across, down = np.meshgrid(along, along)
    distance = np.hypot(across, down)
    share = np.clip(outer + 0.5 - distance, 0, 1) * np.clip(distance - inner + 0.5, 0, 1)
    levels = np.rint(FULL * share).astype(np.uint8)
    rows, columns = np.nonzero(levels)
    turns = np.arctan2(across, -down)[rows, columns] / (2 * np.pi) % 1.0
    angles = np.minimum((turns * N_ANGLES).astype(np.intp), N_ANGLES - 1)
    return _Ring(rows, columns, angles, levels[rows, columns] - 1)


def encode_png(pixels: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None) -> bytes:
    """PNG of colours [shape=(height, width, 3)], or of numbers [height, width] in a palette.

    Pillow tries five filters on each row; on charts the difference to the row above is the best
    of them, and level 1 compresses it nearly as well as the default, in a quarter of the time.
    """
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 2  # filter type "up"
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    kind = 2 if palette is None else 3
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))]
    if palette is not None:
        chunks.append((b"PLTE", palette.tobytes()))
    chunks += [(b"IDAT", zlib.compress(filtered.data, 1)), (b"IEND", b"")]
    png = io.BytesIO()
    png.write(b"\x89PNG\r\n\x1a\n")
    for name, body in chunks:
        png.write(struct.pack(">I", len(body)) + name + body)
        png.write(struct.pack(">I", zlib.crc32(name + body)))
    return png.getvalue()
