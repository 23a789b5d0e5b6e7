"""Pictures of an analysis: matplotlib Figures, never pyplot, which keeps and shares state."""

import base64
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from undertone.emotions import EMOTIONS
from undertone.prediction import Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#1d2433"
# Twice the pixels of the size that is shown, for sharp screens.
_DPI = 200

# Left, bottom, width and height as shares of the figure.
Rectangle = tuple[float, float, float, float]


def prepare(cache_dir: Path) -> None:
    """Load matplotlib, which keeps its list of fonts in `cache_dir` instead of the home folder."""
    os.environ.setdefault("MPLCONFIGDIR", str(cache_dir))
    import matplotlib.figure  # noqa: F401  it reads the variable when it is first imported


def draw_bars(axes: "Axes", prediction: Prediction) -> None:
    """Probabilities as horizontal bars, the most probable on top, each with its number."""
    ranked = prediction.ranked[::-1]
    names = [name for name, _ in ranked]
    shares = [p for _, p in ranked]
    bars = axes.barh(names, shares, color=[EMOTIONS[name].colour for name in names], height=0.66)
    axes.bar_label(bars, [_percent(share) for share in shares], padding=4, color=_INK)
    axes.set_xlim(0, 1.14)
    axes.set_xticks([])
    axes.tick_params(length=0, colors=_INK)
    for side in axes.spines.values():
        side.set_visible(False)


def draw_pie(axes: "Axes", prediction: Prediction) -> None:
    """Probabilities as shares of a ring; slices under 6 % carry no name, to stay readable."""
    ranked = prediction.ranked
    axes.pie(
        [p for _, p in ranked],
        labels=[name if p >= 0.06 else "" for name, p in ranked],
        colors=[EMOTIONS[name].colour for name, _ in ranked],
        startangle=90,
        counterclock=False,
        wedgeprops={"width": 0.42, "edgecolor": "white", "linewidth": 1.5},
        textprops={"color": _INK},
    )
    summary = f"{prediction.label}\n{_percent(prediction.confidence)}"
    axes.text(0, 0, summary, ha="center", va="center", color=_INK)


def bar_chart(prediction: Prediction) -> bytes:
    """PNG of the probabilities as bars, to be shown at 560 x 340."""
    return _png((5.6, 3.4), prediction, bars=(0.16, 0.02, 0.83, 0.96))


def pie_chart(prediction: Prediction) -> bytes:
    """PNG of the probabilities as a ring, to be shown at 400 x 340."""
    return _png((4.0, 3.4), prediction, pie=(0.18, 0.08, 0.64, 0.84))


def bars_and_pie(prediction: Prediction) -> bytes:
    """PNG of both beside each other, to be shown at 960 x 340."""
    return _png((9.6, 3.4), prediction, bars=(0.09, 0.02, 0.49, 0.96), pie=(0.66, 0.08, 0.28, 0.84))


def data_url(png: bytes) -> str:
    """A picture as a URL that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _png(
    size_in: tuple[float, float],
    prediction: Prediction,
    bars: Rectangle | None = None,
    pie: Rectangle | None = None,
) -> bytes:
    from matplotlib.figure import Figure

    # Fixed places: the layout engines cost more than all the drawing.
    figure = Figure(figsize=size_in, dpi=_DPI)
    if bars:
        draw_bars(figure.add_axes(bars), prediction)
    if pie:
        draw_pie(figure.add_axes(pie), prediction)
    buffer = io.BytesIO()
    # Level 1 compresses nearly as well as the default on flat colours, in a fraction of the time.
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})
    return buffer.getvalue()


def _percent(probability: float) -> str:
    """As the page says it: nothing is certain, nothing impossible."""
    if probability > 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.005 else f"{100 * probability:.0f} %"
