import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from tests import sounds
from tests.test_acoustics import bursts
from undertone.drawing.profile_words import MEASURES, describe
from undertone.settings import ROOT
from undertone.sound.acoustics import speech_level_dbfs
from undertone.sound.audio import Audio
from undertone.sound.voice_profile import profile


def whole(audio: Audio) -> tuple[tuple[float, float], ...]:
    return ((0.0, audio.duration_s),)


def measured(samples: np.ndarray) -> dict[str, float]:
    audio = Audio(samples)
    return profile(audio, whole(audio))


def test_it_works() -> None:
    found = measured(sounds.voice(4.0, 120.0))
    assert set(found) == {
        "pitch_median_hz", "pitch_range_semitones", "loudness_dbfs", "loudness_spread_db",
        "syllables_per_s", "pause_share", "longest_pause_s",
    }  # fmt: skip
    assert found["pitch_median_hz"] == pytest.approx(120, rel=0.08)
    assert 1 < found["pitch_range_semitones"] < 7
    assert [finding.name for finding in describe(found)] == [measure.name for measure in MEASURES]


@pytest.mark.parametrize("semitones", [2.0, 6.0, 12.0])
def test_range_is_from_the_tenth_to_the_ninetieth_percentile(semitones: float) -> None:
    octaves = np.linspace(0, semitones / 12, 64_000)
    glide = np.sin(2 * np.pi * np.cumsum(120 * 2**octaves) / 16_000).astype(np.float32)
    found = measured(0.5 * glide)
    assert found["pitch_range_semitones"] == pytest.approx(0.8 * semitones, abs=0.15)
    assert found["pitch_median_hz"] == pytest.approx(120 * 2 ** (semitones / 24), rel=0.01)


def test_loudness_follows_the_gain_and_nothing_else_does() -> None:
    samples = sounds.voice(3.0)
    loud, quiet = measured(samples), measured(samples / 10)
    assert loud["loudness_dbfs"] - quiet["loudness_dbfs"] == pytest.approx(20, abs=0.1)
    assert {**loud, "loudness_dbfs": 0.0} == pytest.approx(
        {**quiet, "loudness_dbfs": 0.0}, rel=0.02, abs=0.02
    )
    assert loud["loudness_dbfs"] == pytest.approx(speech_level_dbfs(Audio(samples)), abs=0.5)


def test_spread_of_two_levels_is_the_step_between_them() -> None:
    tone = sounds.tone(1.0, 150.0)
    found = measured(np.concatenate([tone, tone * 10 ** (-12 / 20)]))
    assert found["loudness_spread_db"] == pytest.approx(12, abs=0.2)


@pytest.mark.parametrize("rate_per_s", [2, 4, 6])
def test_syllables_are_bursts(rate_per_s: int) -> None:
    found = measured(bursts(rate_per_s).samples)
    assert found["syllables_per_s"] == pytest.approx(rate_per_s, rel=0.05)
    assert found["pause_share"] == found["longest_pause_s"] == 0


def test_pauses() -> None:
    part = bursts(4, 2.0).samples
    found = measured(np.concatenate([part, sounds.silence(1.0), part]))
    assert found["longest_pause_s"] == pytest.approx(1.0, abs=0.1)
    assert found["pause_share"] == pytest.approx(0.2, abs=0.03)
    assert found["syllables_per_s"] == pytest.approx(4, rel=0.05)


def test_what_sounds_outside_speech_does_not_count() -> None:
    voice = 0.3 * sounds.voice(2.0, 120.0)
    samples = np.concatenate([sounds.tone(1.0, 400.0, peak=0.9), voice])
    found = profile(Audio(samples), ((1.05, 3.0),))
    alone = measured(voice)
    for name in ("pitch_median_hz", "loudness_dbfs", "syllables_per_s"):
        assert found[name] == pytest.approx(alone[name], rel=0.05)


def test_what_cannot_be_measured_is_absent() -> None:
    noise = measured(sounds.noise(2.0))
    assert "pitch_median_hz" not in noise and "pitch_range_semitones" not in noise
    assert "loudness_dbfs" in noise
    short = measured(sounds.voice(0.5))
    assert "syllables_per_s" not in short and "pause_share" not in short
    assert measured(sounds.silence(1.0)) == {}
    assert describe({}) == []


def test_half_an_hour_takes_little_memory() -> None:
    audio = Audio(np.tile(sounds.voice(60.0), 30))
    tracemalloc.start()
    found = profile(audio, whole(audio))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["pitch_median_hz"] == pytest.approx(120, rel=0.08)
    assert peak_bytes < 60e6


def test_nothing_is_compiled() -> None:
    script = (
        "import sys, numpy as np\n"
        "from tests import sounds\n"
        "from undertone.sound.audio import Audio\n"
        "from undertone.sound.spectrogram import mel_spectrogram\n"
        "from undertone.sound.voice_profile import profile\n"
        "audio = Audio(sounds.voice(2.0))\n"
        "assert profile(audio, ((0.0, 2.0),)) and mel_spectrogram(audio)\n"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("hz", "words", "place"),
    [(70, "lower than either", 0.07), (120, "first range", 0.33), (160, "between", 0.46),
     (200, "second range", 0.57), (320, "higher than either", 0.79), (900, "higher", 1.0)],
)  # fmt: skip
def test_pitch_is_told_against_both_usual_ranges(hz: float, words: str, place: float) -> None:
    (finding,) = describe({"pitch_median_hz": hz})
    assert words in finding.sentence
    assert "85 to 155" in finding.sentence and "165 to 255" in finding.sentence
    assert finding.value == f"{hz} Hz"
    assert finding.place == pytest.approx(place, abs=0.01)
    assert [who for _, _, who in finding.usual] == ["men", "women"]


@pytest.mark.parametrize("key", [measure.key for measure in MEASURES])
@pytest.mark.parametrize("value", [-200.0, 0.0, 0.5, 5.0, 100.0, 10_000.0])
def test_any_value_can_be_told(key: str, value: float) -> None:
    (finding,) = describe({key: value})
    assert 0 <= finding.place <= 1
    assert finding.sentence.endswith(".")
    assert all(0 <= start < end <= 1 for start, end, _ in finding.usual)
    assert finding.value.endswith(finding.ends[0].split(" ")[1])
    assert bool(finding.source) == bool(finding.usual)
