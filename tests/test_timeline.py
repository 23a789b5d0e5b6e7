"""Windows with known probabilities, and timelines whose values can be worked out by hand."""

import itertools
import json
import math
from dataclasses import replace

import pytest

from tests.samples import ANALYSIS
from undertone.prediction import Prediction, Segment
from undertone.recognition.timeline import HOLD_S, from_windows, smooth, timeline

LABELS = ("angry", "neutral", "sad")


def window(start_s: float, emotion: str, share: float = 0.8, *, uncertain: bool = False) -> Segment:
    """Six seconds; the other emotions have equal parts of the rest."""
    rest = (1 - share) / (len(LABELS) - 1)
    probabilities = {name: share if name == emotion else rest for name in LABELS}
    label = max(probabilities, key=lambda name: probabilities[name])
    return Segment(
        start_s,
        start_s + 6.0,
        Prediction(label, probabilities[label], probabilities, "encoder", uncertain),
    )


def windows(*emotions: str, share: float = 0.8) -> list[Segment]:
    return [window(3.0 * index, emotion, share) for index, emotion in enumerate(emotions)]


def test_smoothing_is_bayes_rule_over_all_paths() -> None:
    """Compared with the sum over every sequence of emotions."""
    heard = [window(0, "angry"), window(3, "sad", 0.5), window(6, "angry", 0.6), window(15, "sad")]
    n = len(LABELS)

    def move(gap_s: float) -> float:
        return (1 - math.exp(-gap_s / HOLD_S * n / (n - 1))) / n

    totals = [dict.fromkeys(LABELS, 0.0) for _ in heard]
    for path in itertools.product(LABELS, repeat=len(heard)):
        weight = 1.0
        for index, (name, seen) in enumerate(zip(path, heard, strict=True)):
            weight *= seen.prediction.probabilities[name] ** 0.5
            if index:
                change = move(seen.start_s - heard[index - 1].start_s)
                weight *= 1 - (n - 1) * change if name == path[index - 1] else change
        for index, name in enumerate(path):
            totals[index][name] += weight
    for row, total in zip(smooth(heard), totals, strict=True):
        expected = {name: value / sum(total.values()) for name, value in total.items()}
        assert row == pytest.approx(expected)


def test_one_window_is_only_tempered() -> None:
    (row,) = smooth([window(0, "angry", 0.64)])
    assert row["angry"] == pytest.approx(0.8 / (0.8 + 2 * 0.18**0.5))


def test_a_flicker_is_taken_for_what_is_around_it() -> None:
    heard = windows(*["sad"] * 4, "angry", *["sad"] * 4, share=0.6)
    line = from_windows(heard)
    assert [passage.emotion for passage in line.passages] == ["sad"]
    assert line.shares == pytest.approx({"sad": 1.0})


def test_a_lasting_change_is_kept() -> None:
    line = from_windows(windows(*["sad"] * 5, *["angry"] * 5))
    assert [(p.emotion, p.start_s, p.end_s) for p in line.passages] == [
        ("sad", 0.0, 16.5),
        ("angry", 16.5, 33.0),
    ]
    assert line.shares == pytest.approx({"sad": 0.5, "angry": 0.5})


def test_a_window_of_certainty_cannot_rule_the_rest_out() -> None:
    heard = [*windows(*["sad"] * 5), window(15, "angry", 1.0), window(18, "sad")]
    for row in smooth(heard):
        assert all(value > 0 for value in row.values())
        assert sum(row.values()) == pytest.approx(1)


def test_steps_begin_and_end_with_speech_and_silence_has_none() -> None:
    heard = [window(0, "sad"), window(3, "sad"), window(30, "sad"), window(33, "sad")]
    line = from_windows(heard, speech=((0.5, 4.0), (5.0, 8.0), (31.0, 38.0)))
    assert [(step.start_s, step.end_s, step.speech_s) for step in line.steps] == [
        (0.5, 4.0, 3.5),
        (5.0, 8.0, 3.0),
        (31.0, 34.5, 3.5),
        (34.5, 38.0, 3.5),
    ]
    # The same emotion, but with silence of 23 s between.
    assert [(p.start_s, p.end_s) for p in line.passages] == [(0.5, 8.0), (31.0, 38.0)]


def test_one_emotion_alone_has_all_of_the_time_and_not_a_bit_more() -> None:
    speech = [(0.1 * k, 0.1 * k + 0.07) for k in range(300)]
    for n in range(2, 10):
        assert from_windows(windows(*["sad"] * n), speech).shares == {"sad": 1.0}


def test_shares_are_those_of_speech_not_of_time() -> None:
    heard = [*windows(*["sad"] * 4), *(window(60 + 3.0 * i, "angry") for i in range(4))]
    line = from_windows(heard, speech=((0.0, 15.0), (60.0, 61.0), (70.0, 74.0)))
    assert line.shares == pytest.approx({"sad": 0.75, "angry": 0.25})
    assert list(line.shares) == ["sad", "angry"]


def test_what_is_heard_briefly_is_no_part_of_a_short_answer() -> None:
    heard = windows(*["sad"] * 10, *["angry"] * 6, *["neutral"] * 2)
    line = from_windows(heard)
    assert list(line.shares) == ["sad", "angry", "neutral"]
    assert line.shares["neutral"] < 0.15 < line.shares["angry"]
    assert line.main_shares == {name: line.shares[name] for name in ("sad", "angry")}


def test_confidence_is_weighted_by_speech() -> None:
    heard = [window(0, "sad", 0.9), window(3, "sad", 0.6)]
    line = from_windows(heard, speech=((2.0, 3.0), (4.5, 7.5)))
    assert line.passages[0].confidence == pytest.approx((0.9 + 3 * 0.6) / 4)


def test_a_passage_is_a_guess_where_its_windows_are() -> None:
    sure, guess = window(0, "sad"), window(3, "sad", 0.4, uncertain=True)
    assert not from_windows([sure, guess], speech=((0.0, 8.0),)).passages[0].uncertain
    assert from_windows([sure, guess], speech=((0.0, 9.0),)).passages[0].uncertain
    assert from_windows([sure, guess], speech=((2.0, 9.0),)).passages[0].uncertain
    # What the windows do not say themselves is one as well, however sure they are.
    flicker = windows("sad", "angry", "sad", "angry", "sad", share=0.6)
    assert not from_windows(flicker).passages[0].uncertain
    flicker = windows("angry", "sad", "angry", "sad", "angry", "sad", "angry", share=0.5)
    line = from_windows(flicker, speech=[(s.start_s + 2.9, s.start_s + 3.1) for s in flicker[1::2]])
    assert {(p.emotion, p.uncertain) for p in line.passages} == {("angry", True)}


def test_moments_are_the_strongest_of_each_passage_but_never_neutral() -> None:
    heard = [
        *windows("neutral", "neutral", "neutral", share=0.98),
        *(window(9 + 3.0 * i, "angry", share) for i, share in enumerate((0.8, 0.97, 0.8))),
        *(window(18 + 3.0 * i, "neutral") for i in range(3)),
        *(window(27 + 3.0 * i, "sad", share) for i, share in enumerate((0.9, 0.9, 0.99))),
    ]
    line = from_windows(heard)
    assert [moment.emotion for moment in line.moments] == ["sad", "angry"]
    probabilities = [moment.probability for moment in line.moments]
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities == pytest.approx([0.99, 0.97])
    assert [moment.at_s for moment in line.moments] == [34.5, 13.5]


def test_what_is_hardly_heard_is_no_moment() -> None:
    assert from_windows(windows(*["sad"] * 6, share=0.49)).moments == ()


def test_at_most_five_moments() -> None:
    heard = [window(30.0 * i, ("angry", "sad")[i % 2], 0.99) for i in range(12)]
    line = from_windows(heard)
    assert len(line.passages) == 12
    assert len(line.moments) == 5


def test_the_order_of_the_labels_is_the_models() -> None:
    assert [list(row) for row in smooth(windows("sad", "angry"))] == [list(LABELS)] * 2


def test_windows_may_be_as_long_as_they_like() -> None:
    line = timeline(replace(ANALYSIS, speech=()))  # two windows, the second is cut by the end
    assert line is not None
    assert line.steps[0].start_s == 0.0
    assert line.steps[-1].end_s == 12.5
    assert line.steps[0].end_s == line.steps[1].start_s == pytest.approx((3.0 + 8.75) / 2)


def test_short_recordings_have_none() -> None:
    assert timeline(replace(ANALYSIS, segments=())) is None


def test_it_is_json() -> None:
    line = from_windows(windows("sad", "angry", "angry"))
    assert json.loads(json.dumps(line.to_dict()))["shares"] == line.shares
