import numpy as np
import pytest

from undertone.emotions import EMOTIONS, label_set, merging, read_as
from undertone.prediction import Prediction

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


def test_colours_are_all_different() -> None:
    assert len({emotion.colour for emotion in EMOTIONS.values()}) == len(EMOTIONS)


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
