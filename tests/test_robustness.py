from collections.abc import Sequence

import numpy as np
import pytest

from tests import sounds
from undertone.sound.audio import SAMPLE_RATE, Audio
from undertone.training import robustness
from undertone.training.noises import Noises
from undertone.training.robustness import Check

LABELS = ("sad", "angry")  # on purpose not in alphabetical order
CLIPS = [
    Audio(sounds.voice(0.6, f0_hz=f0_hz, seed=seed))
    for f0_hz in (110, 165, 230)
    for seed in range(4)
]
EMOTIONS = ["sad", "angry"] * 6
SEXES = ["male"] * 4 + [""] * 2 + ["female"] * 6
NOISES = Noises(
    environment=[Audio(sounds.noise(1.0))],
    sneezing=[Audio(sounds.noise(0.3))],
    speech_for_babble=[Audio(sounds.voice(0.5, f0_hz=90 + 15 * n, seed=n)) for n in range(7)],
)


def always_sad(clips: Sequence[Audio]) -> np.ndarray:
    return np.tile(np.log([0.8, 0.2]), (len(clips), 1))


def afraid_of_noise(clips: Sequence[Audio]) -> np.ndarray:
    """Right, but for recordings whose quietest tenth of a second is not quiet any more."""
    rows = []
    for clip in clips:
        hops = clip.samples[: len(clip.samples) // 160 * 160].reshape(-1, 160)
        levels = np.sqrt((hops**2).mean(axis=1))
        is_noisy = levels[3:-3].min() > 0.01 * levels.max()
        rows.append([1.0, 0.0] if is_noisy else [0.0, 1.0])
    return np.array(rows)


def run(answer, clips=CLIPS, emotions=EMOTIONS, **options) -> list[Check]:
    return robustness.checks(
        answer, LABELS, clips, emotions, SEXES[: len(clips)], noises=NOISES, **options
    )


@pytest.fixture(scope="module")
def constant() -> list[Check]:
    return run(always_sad)


def by_name(found: list[Check]) -> dict[str, Check]:
    named = {f"{check.group} / {check.name}": check for check in found}
    assert len(named) == len(found)
    return named


def test_there_are_the_30_checks_of_ser_tests_and_7_more(constant: list[Check]) -> None:
    groups = [check.group for check in robustness.published(constant)]
    assert {group: groups.count(group) for group in groups} == {
        "correctness": 2, "noise": 12, "phone": 2, "small changes": 10, "spectral tilt": 4
    }  # fmt: skip
    others = [c.group for c in constant if c not in robustness.published(constant)]
    assert others == ["recording"] * 3 + ["sex"] * 2 + ["pitch"] * 2


def test_limits_are_those_of_ser_tests(constant: list[Check]) -> None:
    named = by_name(constant)
    for name in ("babble", "coughing", "environment", "music", "sneezing", "white noise"):
        assert named[f"noise / {name}: change of UAR"].limit == -0.05
        assert named[f"noise / {name}: stay"].limit == 0.9
    assert named["phone / phone: change of UAR"].limit == -0.05
    assert named["phone / phone: stay"].limit == 0.5
    assert {c.limit for c in constant if c.group == "small changes"} == {0.95}
    assert {c.limit for c in constant if c.group == "spectral tilt"} == {-0.02, 0.8}
    assert {c.limit for c in constant if c.group == "recording"} == {0.8}
    assert [c.limit for c in constant if c.group == "sex"] == [0.075, 0.175]
    assert [c.limit for c in constant if c.group == "pitch"] == [0.075, 0.225]
    assert {c.group for c in constant if c.is_upper} == {"sex", "pitch"}


def test_who_always_says_the_same_is_stable_but_not_right(constant: list[Check]) -> None:
    named = by_name(constant)
    assert named["correctness / UAR"].value == pytest.approx(0.5)
    assert named["correctness / UAP"].value == pytest.approx(0.25)
    assert not named["correctness / UAR"].passed and not named["correctness / UAP"].passed
    assert robustness.count_passed(robustness.published(constant)) == 28
    assert all(check.passed for check in constant if check.group != "correctness")


def test_who_is_afraid_of_noise_fails_under_noise() -> None:
    voices = [Audio(np.pad(sounds.voice(0.5, seed=seed), 1600)) for seed in range(6)]
    named = by_name(run(afraid_of_noise, voices, ["angry"] * 6))
    assert named["correctness / UAR"].value == 1.0
    for noise in ("babble", "environment", "music", "white noise"):
        assert named[f"noise / {noise}: stay"].value == 0.0
        assert named[f"noise / {noise}: change of UAR"].value == pytest.approx(-1.0)
        assert not named[f"noise / {noise}: stay"].passed
    for change in ("gain", "append zeros", "clipping", "low-pass"):
        assert named[f"small changes / {change}: stay"].passed


def test_the_same_seed_gives_the_same_changes_and_blocks_do_not_matter(monkeypatch) -> None:
    heard: dict[int, list[float]] = {}

    def listening(run_number: int):
        def answer(clips: Sequence[Audio]) -> np.ndarray:
            heard.setdefault(run_number, []).extend(float(c.samples.sum()) for c in clips)
            return always_sad(clips)

        return answer

    run(listening(0), CLIPS[:3], EMOTIONS[:3])
    monkeypatch.setattr(robustness, "BLOCK_CLIPS", 2)
    run(listening(1), CLIPS[:3], EMOTIONS[:3])
    run(listening(2), CLIPS[:3], EMOTIONS[:3], seed=1)
    assert heard[0] == heard[1]
    assert heard[0] != heard[2]
    assert len(heard[0]) == 25 * 3


def test_progress_names_every_condition() -> None:
    names: list[str] = []
    run(always_sad, CLIPS[:2], EMOTIONS[:2], progress=names.append)
    assert names[0] == "as recorded" and "noise: babble" in names
    assert len(names) == len(set(names)) == 26  # 25 times answered, and the pitch


@pytest.mark.parametrize(
    ("value", "limit", "is_upper", "passed"),
    [
        (0.956, 0.95, False, True),
        (0.954, 0.95, False, False),  # 0.95 is not above 0.95, as in ser-tests
        (-0.044, -0.05, False, True),
        (-0.046, -0.05, False, False),
        (0.0744, 0.075, True, True),
        (0.0748, 0.075, True, False),
        (float("nan"), 0.075, True, False),
    ],
)
def test_a_value_is_rounded_and_compared_strictly(
    value: float, limit: float, is_upper: bool, passed: bool
) -> None:
    check = Check("x", "y", value, limit, is_upper, decimals=3 if is_upper else 2)
    assert check.passed is passed


def test_gaps_are_the_worst_of_all_groups() -> None:
    truth = np.array(["sad", "sad", "angry", "angry"] * 2 + ["sad"])
    answers = np.array(["sad", "sad", "angry", "angry", "sad", "angry", "sad", "angry", "angry"])
    groups = np.array(["male"] * 4 + ["female"] * 4 + [""])
    # Men 1 and 1, women 1/2 and 1/2, all 3/4 and 3/4; the last has no group.
    assert robustness.gaps(truth, answers, groups) == pytest.approx((0.25, 0.25))
    alone = np.array([""] * 4 + ["female"] * 5)
    assert np.isnan(robustness.gaps(truth, answers, alone)).all()


def test_a_group_without_an_emotion_is_measured_on_the_others() -> None:
    truth = np.array(["sad", "angry", "sad"])
    answers = np.array(["sad", "sad", "sad"])
    # All: sad 1, angry 0. The woman is only sad: 1 and 1, where the UAR of all would be 1/2.
    groups = np.array(["male", "male", "female"])
    assert robustness.gaps(truth, answers, groups) == pytest.approx((0.0, 0.0))


def test_voices_are_grouped_by_their_pitch() -> None:
    voices = [Audio(sounds.voice(1.0, f0_hz=f0_hz)) for f0_hz in (110, 165, 230, 110)]
    silent = Audio(np.full(SAMPLE_RATE, 1e-4, np.float32))
    assert robustness.pitch_groups([*voices, silent]).tolist() == [
        "low", "medium", "high", "low", ""
    ]  # fmt: skip
    # Somebody who once speaks at 110 and once at 230 Hz has 170 Hz in the mean.
    by_speaker = robustness.pitch_groups([*voices, silent], ["a", "b", "c", "c", "a"])
    assert by_speaker.tolist() == ["low", "medium", "medium", "medium", ""]


def test_the_table_shows_every_check_and_the_count(constant: list[Check]) -> None:
    text = robustness.table([*constant, Check("x", "sex", float("nan"), 0.075, True, 3)])
    assert "| correctness | UAR | 0.50 | > 0.50 | **no** |" in text
    assert "| sex | sex: UAR gap | 0.000 | < 0.075 | yes |" in text
    assert "| sex | x | not measured | < 0.075 | **no** |" in text
    assert text.endswith("28 of 30 of ser-tests' checks hold, and 7 of 8 others.")
    assert len(text.splitlines()) == 2 + 38 + 2
