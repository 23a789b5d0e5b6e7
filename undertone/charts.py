"""Pictures of an analysis: matplotlib Figures, never pyplot, which keeps and shares state."""

import base64
import io
from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from undertone.emotions import EMOTIONS
from undertone.prediction import Prediction

_INK = "#1d2433"
_FAINT = "#d7dbe3"
_DPI = 100


def draw_bars(axes: Axes, prediction: Prediction) -> None:
    """Probabilities as horizontal bars, the most probable on top, each with its number."""
    ranked = prediction.ranked[::-1]
    names = [name for name, _ in ranked]
    percents = [100 * p for _, p in ranked]
    bars = axes.barh(names, percents, color=[EMOTIONS[name].colour for name in names], height=0.66)
    axes.bar_label(bars, [f"{percent:.0f} %" for percent in percents], padding=4, color=_INK)
    axes.set_xlim(0, 112)
    axes.set_xticks([])
    axes.tick_params(length=0, colors=_INK)
    for side in axes.spines.values():
        side.set_visible(False)


def draw_pie(axes: Axes, prediction: Prediction) -> None:
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
    summary = f"{prediction.label}\n{prediction.confidence:.0%}"
    axes.text(0, 0, summary, ha="center", va="center", color=_INK)


def bar_chart(prediction: Prediction) -> bytes:
    """PNG of the probabilities as bars, 560 x 340 pixels."""
    return _png(5.6, 3.4, prediction, draw_bars)


def pie_chart(prediction: Prediction) -> bytes:
    """PNG of the probabilities as a ring, 400 x 340 pixels."""
    return _png(4.0, 3.4, prediction, draw_pie)


def bars_and_pie(prediction: Prediction) -> bytes:
    """PNG of both beside each other, 960 x 340 pixels."""
    return _png(9.6, 3.4, prediction, draw_bars, draw_pie)


def data_url(png: bytes) -> str:
    """A picture as a URL that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _png(
    width_in: float,
    height_in: float,
    prediction: Prediction,
    *draw: Callable[[Axes, Prediction], None],
) -> bytes:
    figure = Figure(figsize=(width_in, height_in), dpi=_DPI, layout="constrained")
    for index, draw_one in enumerate(draw):
        draw_one(figure.add_subplot(1, len(draw), index + 1), prediction)
    buffer = io.BytesIO()
    # Level 1 compresses nearly as well as the default on flat colours, in a fraction of the time.
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})
    return buffer.getvalue()
