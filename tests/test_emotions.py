import re

import numpy as np
import pytest

from undertone.emotions import EMOTIONS, label_set, merging, read_as
from undertone.prediction import Prediction
from undertone.settings import ROOT

EIGHT = dict(zip(EMOTIONS, (0.05, 0.05, 0.1, 0.2, 0.1, 0.15, 0.1, 0.25), strict=True))


def read(probabilities: dict[str, float], n_labels: int) -> dict[str, float]:
    labels = tuple(probabilities)
    values = np.array([list(probabilities.values())])
    names, (row,) = read_as(values, labels, label_set(labels, n_labels))
    return dict(zip(names, row, strict=True))


def test_calm_joins_neutral_in_seven() -> None:
    seven = read(EIGHT, 7)
    assert seven["neutral"] == pytest.approx(0.35)
    assert "calm" not in seven
    assert sum(seven.values()) == pytest.approx(1)


def test_surprise_is_left_out_of_six_and_the_rest_scaled() -> None:
    six = read(EIGHT, 6)
    assert sorted(six) == ["angry", "disgust", "fear", "happy", "neutral", "sad"]
    assert sum(six.values()) == pytest.approx(1)
    assert six["neutral"] == pytest.approx(0.35 / 0.9)


def test_eight_is_what_the_model_said() -> None:
    assert read(EIGHT, 8) == pytest.approx(EIGHT)


def test_a_model_of_six_has_no_more_in_eight() -> None:
    assert label_set(("sad", "neutral"), 8) == {"sad", "neutral"}


def test_what_has_nowhere_to_go_is_dropped() -> None:
    names, shares = merging(("calm", "sad"), {"sad", "happy"})
    assert names == ("sad",)
    assert shares.tolist() == [[0.0], [1.0]]


def test_the_order_is_the_models_not_the_tables() -> None:
    reversed_order = dict(reversed(EIGHT.items()))
    assert list(read(reversed_order, 7)) == [name for name in reversed_order if name != "calm"]


def contrast(colour: str, background: str) -> float:
    """Contrast of WCAG 2.2, from 1 to 21."""
    levels = []
    for each in (colour, background):
        channels = np.array([int(each[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        levels.append(float(linear @ (0.2126, 0.7152, 0.0722)))
    return (max(levels) + 0.05) / (min(levels) + 0.05)


@pytest.mark.parametrize("name", EMOTIONS)
def test_every_colour_stands_out_from_the_pages(name: str) -> None:
    emotion = EMOTIONS[name]
    css = (ROOT / "static" / "base.css").read_text()
    light, dark = (re.findall(rf"--{ground}: (#\w{{6}})", css) for ground in ("paper", "card"))
    (paper, dark_paper), (card, dark_card) = light, dark
    panels = re.findall(r"--panel: (#\w{6})", css)
    for ground in (paper, card):
        assert contrast(emotion.colour, ground) >= 3
    for ground in (dark_paper, dark_card, *panels):
        assert contrast(emotion.colour_on_dark, ground) >= 3


def test_the_style_sheet_has_the_same_colours() -> None:
    css = (ROOT / "static" / "emotions.css").read_text()
    rules = re.findall(r"\.emotion-(\w+) { fill: (#\w+); }", css)
    emotions = EMOTIONS.values()
    expected = [(emotion.name, emotion.colour) for emotion in emotions]
    assert rules == expected + [(emotion.name, emotion.colour_on_dark) for emotion in emotions]


@pytest.mark.parametrize("field", ["colour", "colour_on_dark"])
def test_colours_are_all_different(field: str) -> None:
    assert len({getattr(emotion, field) for emotion in EMOTIONS.values()}) == len(EMOTIONS)


@pytest.mark.parametrize(
    ("probabilities", "word"),
    [
        ({"happy": 1.0, "sad": 0.0}, "positive"),
        ({"happy": 0.0, "sad": 1.0}, "negative"),
        ({"happy": 0.5, "sad": 0.5}, "neutral"),
    ],
)
def test_sentiment_is_the_expected_valence(probabilities: dict[str, float], word: str) -> None:
    sentiment = Prediction("happy", 1.0, probabilities, "m", False).sentiment
    expected = sum(p * EMOTIONS[name].valence for name, p in probabilities.items())
    assert sentiment == {"label": word, "score": pytest.approx(expected)}
