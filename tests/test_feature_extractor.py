"""Named acoustic features: signals whose answer can be computed, names, invariance, the command;
and the embedding.

``python -m tests.test_feature_extractor --update`` writes tests/golden/feature_names.txt anew;
`AudioFeatureExtractor.extractor_id` must change with it, or old models would be fed new numbers.
"""

import doctest
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feature_extractor
from feature_extractor import AudioFeatureExtractor, SpeechEncoder, main
from tests import sounds
from undertone.errors import RecordingTooShort
from undertone.recognition.model_store import MODELS_DIR
from undertone.sound.audio import Audio, decode

GOLDEN = Path(__file__).parent / "golden" / "feature_names.txt"
DATASETS = Path(__file__).parents[2] / "shared" / "datasets"

EXTRACTOR = AudioFeatureExtractor()
NAMES = EXTRACTOR.feature_names
RHYTHM = {feature.name for feature in feature_extractor.SCALARS}


def golden_text() -> str:
    return "\n".join([f"# {EXTRACTOR.extractor_id}", *NAMES]) + "\n"


def extract(samples: np.ndarray) -> dict[str, float]:
    return EXTRACTOR.extract(Audio(samples))


def framed(samples: np.ndarray) -> np.ndarray:
    """With a little silence on both sides and no offset, as real recordings are."""
    return np.concatenate([sounds.silence(0.1), samples - samples.mean(), sounds.silence(0.1)])


def differing(one: dict[str, float], other: dict[str, float], tolerance: float) -> list[str]:
    """Names of features that differ by more than a share of their size (or of 1)."""
    return [
        name
        for name in NAMES
        if not np.isclose(one[name], other[name], rtol=tolerance, atol=tolerance, equal_nan=True)
    ]


def test_it_works() -> None:
    values = extract(sounds.voice(3.0, 120.0))
    assert list(values) == NAMES
    assert len(values) == EXTRACTOR.n_features == 500
    assert {name for name in NAMES if np.isnan(values[name])} <= {"tempo_bpm"}
    assert 100 < values["f0_hz_median"] < 140
    assert 2 < values["speaking_rate_per_s"] < 6


def test_vector_has_the_same_numbers_in_the_same_order() -> None:
    audio = Audio(sounds.voice(1.0))
    vector = EXTRACTOR.vector(audio)
    assert vector.shape == (EXTRACTOR.n_features,) and vector.dtype == np.float64
    np.testing.assert_array_equal(vector, list(EXTRACTOR.extract(audio).values()))


# --- the table ------------------------------------------------------------------------------


def test_names_are_unique_and_those_that_models_know() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert golden_text() == GOLDEN.read_text(encoding="utf-8"), (
        "Feature names or extractor_id changed: see the top of this file."
    )


def test_every_feature_has_a_unit_and_a_meaning_of_its_own() -> None:
    table = EXTRACTOR.describe()
    assert [feature.name for feature in table] == NAMES
    assert all(feature.unit and feature.meaning for feature in table)
    assert not any("{" in feature.meaning + feature.unit for feature in table)
    assert len({(feature.meaning, feature.unit) for feature in table}) == len(NAMES)


def test_units_in_names_are_the_units() -> None:
    for track in feature_extractor.TRACKS:
        for ending, unit in (("_hz", "Hz"), ("_db", "dB"), ("_semitones", "semitones")):
            assert not track.name.endswith(ending) or track.unit == unit
    for scalar in feature_extractor.SCALARS:
        for ending, unit in (("_per_s", "1/s"), ("_bpm", "1/min"), ("longest_pause_s", "s")):
            assert not scalar.name.endswith(ending) or scalar.unit == unit


def test_what_the_contract_names_is_there() -> None:
    names = " ".join(EXTRACTOR.feature_names)
    for wanted in (
        "mfcc_39_mean", "mfcc_delta_39_mean", "chroma_11_mean", "centroid_hz_mean",
        "bandwidth_hz_mean", "rolloff_hz_mean", "contrast_db_06_mean", "flatness_mean",
        "zero_crossing_rate_mean", "rms_db_mean", "tempo_bpm", "f0_hz_median", "voiced_fraction",
        "speaking_rate_per_s",
    ):  # fmt: skip
        assert wanted in names


def test_the_example_in_the_documentation() -> None:
    assert doctest.testmod(feature_extractor).failed == 0


# --- signals whose answer is known ----------------------------------------------------------


@pytest.mark.parametrize("hz", [250.0, 1000.0, 3000.0])
def test_of_a_sine(hz: float) -> None:
    found = extract(sounds.tone(1.0, hz))
    assert found["centroid_hz_mean"] == pytest.approx(hz, rel=0.03)
    # A window of 512 samples counts whole crossings.
    assert found["zero_crossing_rate_mean"] == pytest.approx(
        2 * hz / sounds.SAMPLE_RATE, rel=0.03, abs=1 / 512
    )
    assert found["rolloff_hz_mean"] == pytest.approx(hz, abs=2 * sounds.SAMPLE_RATE / 512)
    assert found["rms_db_mean"] == pytest.approx(-3.01, abs=0.3)  # under its peak


@pytest.mark.parametrize("frequency_hz", [200, 440, 660])
def test_tone(frequency_hz: float) -> None:
    values = extract(sounds.tone(1.0, frequency_hz))
    for name in ("centroid_hz_mean", "f0_hz_mean", "f0_hz_median"):
        assert values[name] == pytest.approx(frequency_hz, rel=0.01), name
    assert values["zero_crossing_rate_mean"] == pytest.approx(2 * frequency_hz / 16_000, rel=0.03)
    # The Hann window's main lobe is 62 Hz wide on either side.
    assert frequency_hz <= values["rolloff_hz_p90"] <= frequency_hz + 62
    assert values["rms_db_median"] == pytest.approx(-3.01, abs=0.1)
    assert values["flatness_mean"] < 1e-3
    assert values["voiced_fraction"] > 0.97
    assert values["f0_semitones_range"] < 0.1
    assert values["f0_step_semitones_mean"] < 0.05
    assert values["level_step_db_mean"] < 0.3
    assert values["hnr_db_mean"] > 20


def test_white_noise() -> None:
    values = extract(sounds.noise(2.0))
    assert values["centroid_hz_mean"] == pytest.approx(4000, rel=0.02)
    assert values["bandwidth_hz_mean"] == pytest.approx(8000 / np.sqrt(12), rel=0.03)
    assert values["rolloff_hz_mean"] == pytest.approx(0.85 * 8000, rel=0.02)
    assert values["zero_crossing_rate_mean"] == pytest.approx(0.5, abs=0.01)
    # Powers of noise are exponential: geometric over arithmetic mean is exp(-0.5772).
    assert values["flatness_mean"] == pytest.approx(np.exp(-np.euler_gamma), abs=0.01)


@pytest.mark.parametrize(("frequency_hz", "pitch_class"), [(440.0, 9), (261.63, 0), (392.0, 7)])
def test_chroma_of_a_note(frequency_hz: float, pitch_class: int) -> None:
    values = extract(sounds.tone(1.0, frequency_hz))
    means = [values[f"chroma_{index:02d}_mean"] for index in range(12)]
    assert np.argmax(means) == pitch_class and means[pitch_class] > 0.99
    words = next(f.meaning for f in EXTRACTOR.describe() if f.name == "chroma_09_mean")
    assert words == "mean of share of pitch class A"


def test_rising_pitch_has_its_slope() -> None:
    time_s = np.arange(32_000) / 16_000
    f0_hz = 120 * 2 ** (6 * time_s / 12)  # 6 semitones a second
    phase = 2 * np.pi * np.cumsum(f0_hz) / 16_000
    values = extract(0.3 * (np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.3 * np.sin(3 * phase)))
    assert values["f0_semitones_slope"] == pytest.approx(6, rel=0.02)
    assert values["f0_semitones_range"] == pytest.approx(0.8 * 12, rel=0.05)
    assert values["f0_semitones_std"] == pytest.approx(12 / np.sqrt(12), rel=0.05)
    assert values["f0_step_semitones_mean"] == pytest.approx(0.06, rel=0.1)


def test_fading_noise_has_its_slope() -> None:
    noise = sounds.noise(2.0)
    values = extract(noise * 10 ** (-10 * np.arange(len(noise)) / 16_000 / 20))
    assert values["rms_db_slope"] == pytest.approx(-10, rel=0.03)
    assert values["log_mel_db_08_slope"] == pytest.approx(-10, rel=0.05)
    assert values["mfcc_00_slope"] == pytest.approx(-80, rel=0.03)  # sqrt(64 bands) times 10


def test_modulation_is_in_the_octave_of_the_swell() -> None:
    time_s = np.arange(48_000) / 16_000
    for rate_hz in (3, 6, 12):
        values = extract(sounds.noise(3.0) * (1 + 0.5 * np.sin(2 * np.pi * rate_hz * time_s)))
        octaves = [values[f"mfcc_00_modulation_{low_hz}hz"] for low_hz in (1, 2, 4, 8, 16)]
        assert np.argmax(octaves) == int(np.log2(rate_hz))


# --- what must not matter -------------------------------------------------------------------


@settings(max_examples=10)
@given(gain_db=st.floats(-40, 6), sign=st.sampled_from([-1, 1]), offset=st.floats(-0.1, 0.1))
def test_gain_polarity_and_offset_change_nothing(gain_db: float, sign: int, offset: float) -> None:
    samples = sounds.voice(1.0).astype(np.float64)
    changed = sign * samples * 10 ** (gain_db / 20) + offset * 10 ** (gain_db / 20)
    assert not differing(extract(samples), extract(changed), 2e-3)


def test_silence_before_and_after_changes_nothing() -> None:
    samples = framed(sounds.voice(2.0))
    padded = np.concatenate([sounds.silence(1.0), samples, sounds.silence(3.0)])
    assert not differing(extract(samples), extract(padded), 1e-3)


def test_faint_noise_changes_little() -> None:
    samples = framed(sounds.voice(3.0))
    noise = (
        np.random.default_rng(3).standard_normal(len(samples)) * samples.std() * 10 ** (-40 / 20)
    )
    one, other = extract(samples), extract(samples + noise)
    assert len(differing(one, other, 0.1)) < 0.2 * len(NAMES)
    assert other["f0_hz_median"] == pytest.approx(one["f0_hz_median"], rel=0.01)


def test_the_same_bits_each_time_and_from_many_threads() -> None:
    clips = [Audio(sounds.voice(0.8, f0_hz)) for f0_hz in (100.0, 150.0, 220.0)] * 2
    alone = [AudioFeatureExtractor().vector(clip).tobytes() for clip in clips]
    with ThreadPoolExecutor(3) as pool:
        together = [vector.tobytes() for vector in pool.map(EXTRACTOR.vector, clips)]
    assert alone == together
    assert alone[:3] == alone[3:]


# --- limits ---------------------------------------------------------------------------------


def test_nothing_voiced_gives_no_pitch() -> None:
    values = extract(sounds.noise(1.0))
    needs_voice = {
        f"{track.name}"
        for track in feature_extractor.TRACKS
        if track.frames in {"voiced", "steady"}
    }
    for name in NAMES:
        of_voice = any(name.startswith(f"{track}_") for track in needs_voice)
        assert np.isnan(values[name]) == (of_voice or name.startswith("tempo")), name
    assert values["voiced_fraction"] == values["speaking_rate_per_s"] == 0


def test_silence_has_no_features() -> None:
    assert np.isnan(list(extract(sounds.silence(1.0)).values())).all()
    assert np.isnan(list(extract(np.full(16_000, 0.3, np.float32)).values())).all()


@pytest.mark.parametrize("duration_s", [0.1, 0.3])
def test_short_clips_lack_only_what_needs_time(duration_s: float) -> None:
    values = extract(sounds.voice(duration_s))
    missing = {name for name in NAMES if np.isnan(values[name])}
    assert {"tempo_bpm", "speaking_rate_per_s"} <= missing
    assert all(name in RHYTHM or "modulation" in name for name in missing)
    assert 90 < values["f0_hz_median"] < 160


def test_less_than_a_tenth_of_a_second_is_refused() -> None:
    with pytest.raises(RecordingTooShort, match=r"0\.05 s; features need at least 0\.1 s"):
        EXTRACTOR.vector(Audio(sounds.tone(0.05)))


def test_another_sample_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="16000 Hz, not 8000 Hz"):
        EXTRACTOR.vector(Audio(sounds.tone(1.0), 8000))


@settings(max_examples=25)
@given(
    samples=st.lists(st.floats(-1, 1, width=32), min_size=16, max_size=64),
    repeats=st.integers(100, 400),
)
def test_any_samples_give_numbers_or_nan(samples: list[float], repeats: int) -> None:
    vector = EXTRACTOR.vector(Audio(np.resize(np.float32(samples), len(samples) * repeats)))
    assert not np.isinf(vector).any()


# --- the command ----------------------------------------------------------------------------


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    path.write_bytes(sounds.with_soundfile(sounds.voice(1.0), 16_000, "WAV"))
    return path


def test_table(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(clip)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    expected = EXTRACTOR.extract(decode(clip.read_bytes()))
    (pitch,) = (line for line in lines if line.startswith("f0_hz_median"))
    assert pitch.split(maxsplit=3)[1:] == [
        f"{expected['f0_hz_median']:.4f}",
        "Hz",
        "median of pitch, while voiced",
    ]


def test_json(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(clip), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["extractor_id"] == AudioFeatureExtractor.extractor_id
    assert list(document["features"]) == NAMES
    assert document["features"]["tempo_bpm"] is None
    assert document["features"]["f0_hz_median"] > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "file is empty"), (b"no sound at all", "cannot be read")],
)
def test_files_that_cannot_be_read_are_one_line_and_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    path = tmp_path / "broken.wav"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"{path}: ") and message in printed.err
    assert printed.err.count("\n") == 1


def test_a_folder_is_refused_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


# --- real voices ----------------------------------------------------------------------------


def ravdess(actor: int, emotion: str, intensity: str = "02") -> dict[str, float]:
    path = (
        DATASETS / f"ravdess/Actor_{actor:02d}/03-01-{emotion}-{intensity}-01-01-{actor:02d}.flac"
    )
    if not path.is_file():
        pytest.skip(f"needs the RAVDESS recordings in {DATASETS}")
    return EXTRACTOR.extract(decode(path.read_bytes()))


def test_real_voices_have_all_features_and_women_speak_higher() -> None:
    for man, woman in ((1, 2), (3, 4), (5, 6)):
        low, high = ravdess(man, "02", "01"), ravdess(woman, "02", "01")
        assert low["f0_hz_median"] < high["f0_hz_median"]
        for values in (low, high):
            assert {n for n in NAMES if np.isnan(values[n])} <= {"tempo_bpm", "tempo_strength"}
            assert 70 < values["f0_hz_p10"] < values["f0_hz_p90"] < 400
            assert 1.5 < values["speaking_rate_per_s"] < 7


def test_real_anger_is_higher_and_brighter_than_calm() -> None:
    calm = [ravdess(actor, "02") for actor in range(1, 9)]
    angry = [ravdess(actor, "05") for actor in range(1, 9)]
    for name in ("f0_hz_median", "centroid_hz_mean", "alpha_ratio_db_mean", "hammarberg_db_mean"):
        higher = [a[name] > c[name] for a, c in zip(angry, calm, strict=True)]
        assert sum(higher) >= 6 if name != "hammarberg_db_mean" else sum(higher) <= 2, name


# --- the embedding --------------------------------------------------------------------------


class TestSpeechEncoder:
    encoder = SpeechEncoder(MODELS_DIR / "encoder" / "encoder.onnx")

    def test_it_works(self) -> None:
        embedding = self.encoder.embed(Audio(sounds.voice(1.0)))
        assert embedding.shape == (self.encoder.n_features,) == (6144,)
        assert np.isfinite(embedding).all()

    def test_the_level_does_not_matter(self) -> None:
        samples = sounds.voice(1.0)
        loud = self.encoder.embed(Audio(samples))
        quiet = self.encoder.embed(Audio(np.float32(-0.01) * samples))
        assert np.linalg.norm(loud - quiet) < 0.01 * np.linalg.norm(loud)

    def test_lengths(self) -> None:
        assert np.isfinite(self.encoder.embed(Audio(sounds.voice(0.1)))).all()
        with pytest.raises(RecordingTooShort):
            self.encoder.embed(Audio(sounds.voice(0.02)))
        with pytest.raises(ValueError, match="at most 30 s"):
            self.encoder.embed(Audio(sounds.noise(31.0)))


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: python -m tests.test_feature_extractor --update")
    GOLDEN.write_text(golden_text(), encoding="utf-8")
