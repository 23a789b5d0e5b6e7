"""Charts as SVG, in the colours of the light or of the dark page."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from undertone.drawing.sheets import INK, LINE, QUIET, TEXT_PX, Box, font_file
from undertone.emotions import EMOTIONS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.font_manager import FontProperties

POINTS_PER_INCH = 72  # matplotlib's SVG has one unit a point: one CSS pixel here
_ANCHORS: Mapping[str, Literal["left", "center", "right"]] = {
    "start": "left",
    "middle": "center",
    "end": "right",
}


@dataclass(frozen=True)
class Theme:
    """Colours of a page.

    Attributes
    ----------
    name : str
    colours : mapping of str to str
        Maps the colours of charts on white to those of this theme.
    is_dark : bool
        True if images are drawn with inverse lightness, so that silence has the page's colour.
    """

    name: str
    colours: Mapping[str, str] = field(default_factory=dict)
    is_dark: bool = False


LIGHT = Theme("light")
DARK = Theme(
    "dark",
    {
        INK: "#eef0ed",
        QUIET: "#a6afbc",
        LINE: "#2c3340",
        **{emotion.colour: emotion.colour_on_dark for emotion in EMOTIONS.values()},
    },
    is_dark=True,
)
THEMES: Mapping[str, Theme] = {theme.name: theme for theme in (LIGHT, DARK)}


class SvgSheet:
    """A `sheets.Sheet` drawn by matplotlib as transparent SVG, with words as outlines.

    Parameters
    ----------
    width, height : int
        Size in CSS pixels.
    theme : Theme
    """

    def __init__(self, width: int, height: int, theme: Theme) -> None:
        from matplotlib import rcParams
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
        from matplotlib.transforms import IdentityTransform

        rcParams["svg.hashsalt"] = "undertone"  # fixed, so that the same chart has the same bytes
        size = (width / POINTS_PER_INCH, height / POINTS_PER_INCH)
        self._figure = Figure(figsize=size, dpi=POINTS_PER_INCH)
        self._figure.patch.set_visible(False)
        self._canvas = FigureCanvasSVG(self._figure)
        self._in_pixels = IdentityTransform()
        self._size = (width, height)
        self._theme = theme

    def boxes(self, boxes: Sequence[Box], colours: Sequence[str]) -> None:
        """Draw filled rectangles."""
        from matplotlib.collections import PolyCollection

        corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in boxes]
        self._add(PolyCollection(corners, facecolors=self._themed(colours), linewidths=0))

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
        for start, end, colour in zip(degrees, degrees[1:], self._themed(colours), strict=False):
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
        from matplotlib.text import Text

        (colour,) = self._themed([colour])
        self._add(
            Text(
                x, y, text, color=colour, fontproperties=_font(bold), parse_math=False,
                horizontalalignment=_ANCHORS[anchor], verticalalignment="baseline",
            )
        )  # fmt: skip

    def image(self, box: Box, pixels: NDArray[np.uint8]) -> None:
        """Draw pixels [shape=(rows, columns, 3)] stretched into a box, the first row at the top."""
        x, y, width, height = box
        whole_width, whole_height = self._size
        place = (x / whole_width, y / whole_height, width / whole_width, height / whole_height)
        axes = self._figure.add_axes(place)
        axes.set_axis_off()
        shown = _inverse(pixels) if self._theme.is_dark else pixels
        axes.imshow(shown, aspect="auto", interpolation="none")

    def svg(self) -> bytes:
        """Return the drawing as SVG."""
        drawn = io.BytesIO()
        metadata = {"Date": None, "Creator": None}
        self._canvas.print_svg(drawn, metadata=metadata)  # type: ignore[no-untyped-call]
        return drawn.getvalue()

    def _themed(self, colours: Sequence[str]) -> list[str]:
        return [self._theme.colours.get(colour, colour) for colour in colours]

    def _add(self, artist: "Artist") -> None:
        artist.set_transform(self._in_pixels)
        self._figure.add_artist(artist)


def _inverse(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Invert the lightness and keep the hue: 255 - max - min of the channels, plus each channel."""
    high, low = pixels.max(axis=2, keepdims=True), pixels.min(axis=2, keepdims=True)
    return np.asarray(255 - high.astype(np.int16) - low + pixels, np.uint8)


@cache
def _font(bold: bool) -> "FontProperties":
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=font_file(bold), size=TEXT_PX)
