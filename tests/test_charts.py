import base64
import io
import sys

import matplotlib.image
import numpy as np
import pytest

from undertone import charts
from undertone.emotions import EMOTIONS
from undertone.prediction import Prediction

SHARES = {"sad": 0.5, "angry": 0.3, "happy": 0.15, "calm": 0.048, "fear": 0.002}
PREDICTION = Prediction("sad", 0.5, SHARES, "encoder", False)


def pixels(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png), format="png")


@pytest.mark.parametrize(
    ("draw", "width"), [("bar_chart", 1120), ("pie_chart", 800), ("bars_and_pie", 1920)]
)
def test_sizes(draw: str, width: int) -> None:
    assert pixels(getattr(charts, draw)(PREDICTION)).shape[:2] == (680, width)


def area(picture: np.ndarray, emotion: str) -> int:
    colour = EMOTIONS[emotion].colour
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int((np.abs(picture[..., :3] - wanted).max(axis=2) < 0.01).sum())


@pytest.mark.parametrize("draw", ["bar_chart", "pie_chart"])
def test_areas_are_in_proportion_to_the_probabilities(draw: str) -> None:
    picture = pixels(getattr(charts, draw)(PREDICTION))
    ratio = area(picture, "sad") / area(picture, "angry")
    assert ratio == pytest.approx(0.5 / 0.3, rel=0.05)


def test_the_same_prediction_gives_the_same_picture() -> None:
    assert charts.bars_and_pie(PREDICTION) == charts.bars_and_pie(PREDICTION)


def test_data_url() -> None:
    assert base64.b64decode(charts.data_url(b"x").removeprefix("data:image/png;base64,")) == b"x"


def test_pyplot_stays_out() -> None:
    charts.bar_chart(PREDICTION)
    assert "matplotlib.pyplot" not in sys.modules or "seaborn" in sys.modules
