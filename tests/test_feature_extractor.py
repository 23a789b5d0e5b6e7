"""Acoustic features on signals whose answer can be computed, and the embedding."""

import json
from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

import feature_extractor
from feature_extractor import AudioFeatureExtractor, SpeechEncoder
from tests import sounds
from tests.conftest import wav
from undertone.audio import Audio
from undertone.errors import RecordingTooShort
from undertone.model_store import MODELS_DIR

RATE = sounds.SAMPLE_RATE
GOLDEN_NAMES = Path(__file__).parent / "golden" / "feature_names.txt"
EXTRACTOR = AudioFeatureExtractor()


def features(samples: np.ndarray) -> dict[str, float]:
    return EXTRACTOR.extract(Audio(samples.astype(np.float32)))


def harmonics(duration_s: float, f0_hz: float, n: int = 10) -> np.ndarray:
    time_s = np.arange(round(duration_s * RATE)) / RATE
    return 0.1 * sum(np.sin(2 * np.pi * k * f0_hz * time_s) / k for k in range(1, n + 1))


def bursts(duration_s: float, rate_per_s: float) -> np.ndarray:
    """A buzz that swells `rate_per_s` times a second: so many syllables."""
    buzz = harmonics(duration_s, 150.0)
    time_s = np.arange(len(buzz)) / RATE
    return buzz * np.sin(np.pi * rate_per_s * time_s) ** 2


def test_names_are_unique_documented_and_stable() -> None:
    """Names appear in models and reports: change tests/golden/feature_names.txt on purpose only."""
    described = EXTRACTOR.describe()
    names = [feature.name for feature in described]
    assert names == EXTRACTOR.feature_names == list(features(harmonics(1.0, 200.0)))
    assert len(set(names)) == len(names) == EXTRACTOR.n_features
    assert all(feature.unit and feature.meaning for feature in described)
    assert names == GOLDEN_NAMES.read_text(encoding="utf-8").split()


def test_what_the_contract_names_is_there() -> None:
    names = " ".join(EXTRACTOR.feature_names)
    for wanted in (
        "mfcc_39_mean", "mfcc_delta_39_mean", "chroma_11_mean", "centroid_hz_mean",
        "bandwidth_hz_mean", "rolloff_hz_mean", "contrast_db_06_mean", "flatness_mean",
        "zero_crossing_rate_mean", "rms_db_mean", "tempo_bpm", "f0_hz_median", "voiced_fraction",
        "speaking_rate_per_s",
    ):  # fmt: skip
        assert wanted in names


@pytest.mark.parametrize("hz", [250.0, 1000.0, 3000.0])
def test_of_a_sine(hz: float) -> None:
    found = features(sounds.tone(1.0, hz))
    assert found["centroid_hz_mean"] == pytest.approx(hz, rel=0.03)
    # A window of 512 samples counts whole crossings.
    assert found["zero_crossing_rate_mean"] == pytest.approx(2 * hz / RATE, rel=0.03, abs=1 / 512)
    assert found["rolloff_hz_mean"] == pytest.approx(hz, abs=2 * RATE / 512)
    assert found["rms_db_mean"] == pytest.approx(-3.01, abs=0.3)  # under its peak


@pytest.mark.parametrize("f0_hz", [80.0, 120.0, 220.0, 440.0])
def test_pitch(f0_hz: float) -> None:
    found = features(harmonics(1.0, f0_hz))
    assert found["f0_hz_median"] == pytest.approx(f0_hz, rel=0.01)
    assert found["f0_semitones_range"] == pytest.approx(0, abs=0.2)
    assert found["voiced_fraction"] > 0.95


def test_a_glide_has_its_range_and_slope() -> None:
    n = 2 * RATE
    octave_up = 110 * 2 ** (np.arange(n) / n)
    phase = 2 * np.pi * np.cumsum(octave_up) / RATE
    found = features(0.1 * sum(np.sin(k * phase) / k for k in range(1, 8)))
    assert found["f0_semitones_range"] == pytest.approx(0.8 * 12, abs=0.7)
    assert found["f0_semitones_slope"] == pytest.approx(6.0, abs=0.5)


def test_noise_is_flat_and_a_tone_is_not() -> None:
    assert features(sounds.noise(1.0))["flatness_mean"] > 0.5
    assert features(sounds.tone(1.0))["flatness_mean"] < 0.05


def test_noise_has_no_pitch() -> None:
    found = features(sounds.noise(1.0))
    assert found["voiced_fraction"] < 0.05
    assert np.isnan(found["f0_hz_median"])


@pytest.mark.parametrize(("hz", "pitch_class"), [(440.0, 9), (523.25, 0), (329.63, 4)])
def test_chroma(hz: float, pitch_class: int) -> None:
    found = features(sounds.tone(1.0, hz))
    classes = [found[f"chroma_{index:02d}_mean"] for index in range(12)]
    assert int(np.argmax(classes)) == pitch_class


@pytest.mark.parametrize("rate_per_s", [2.0, 4.0, 6.0])
def test_syllables_are_counted(rate_per_s: float) -> None:
    found = features(bursts(3.0, rate_per_s))
    assert found["speaking_rate_per_s"] == pytest.approx(rate_per_s, abs=0.5)


@pytest.mark.parametrize("bpm", [90.0, 120.0])
def test_tempo(bpm: float) -> None:
    clicks = np.zeros(8 * RATE)
    step = round(60 / bpm * RATE)
    for start in range(0, len(clicks) - 800, step):
        clicks[start : start + 800] = sounds.noise(0.05)
    assert features(clicks)["tempo_bpm"] == pytest.approx(bpm, rel=0.05)


def test_pauses() -> None:
    speech = harmonics(1.0, 150.0)
    found = features(np.concatenate([speech, np.zeros(RATE), speech]))
    assert found["longest_pause_s"] == pytest.approx(1.0, abs=0.1)
    assert found["pause_fraction"] == pytest.approx(1 / 3, abs=0.04)


def test_mfcc_by_another_route() -> None:
    """A discrete cosine transform of the log-mel bands, by scipy instead of librosa."""
    from undertone.acoustics import measure

    tracks = measure(Audio(sounds.voice(1.0)))
    other = scipy.fft.dct(tracks.log_mel_db, axis=0, type=2, norm="ortho")[:40]
    assert tracks.values["mfcc"] == pytest.approx(other, abs=1e-3)
    deltas = librosa.feature.delta(np.arange(20.0)[np.newaxis])
    assert deltas[0, 5:15] == pytest.approx(1.0)  # of a ramp: its slope


@settings(max_examples=10)
@given(gain=st.floats(0.02, 1.0), sign=st.sampled_from([-1.0, 1.0]))
def test_level_and_polarity_change_nothing(gain: float, sign: float) -> None:
    samples = sounds.voice(1.5)
    plain, changed = features(samples), features(sign * gain * samples)
    for name, value in plain.items():
        # Rounding may reorder bins that are next to equal, which quantiles of the spectrum show.
        assert changed[name] == pytest.approx(value, rel=0.02, abs=0.15, nan_ok=True), name


def test_silence_around_changes_next_to_nothing() -> None:
    samples = sounds.voice(1.5)
    padded = np.concatenate([np.zeros(RATE), samples, np.zeros(RATE)])
    plain, changed = features(samples), features(padded)
    for name in ("f0_hz_median", "centroid_hz_mean", "mfcc_01_mean", "speaking_rate_per_s"):
        assert changed[name] == pytest.approx(plain[name], rel=0.05)


def test_the_same_recording_gives_the_same_numbers() -> None:
    samples = sounds.voice(1.0)
    first, second = (EXTRACTOR.vector(Audio(samples)) for _ in range(2))
    assert np.array_equal(first, second, equal_nan=True)


def test_short_clips() -> None:
    found = features(sounds.voice(0.3))
    assert np.isfinite(found["centroid_hz_mean"])
    assert np.isnan(found["tempo_bpm"])  # not a made-up 120
    with pytest.raises(RecordingTooShort, match=r"0\.1 s"):
        features(sounds.voice(0.05))


def test_silence_has_no_numbers() -> None:
    assert np.isnan(features(np.zeros(RATE))["centroid_hz_mean"])


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.wav"
    clip.write_bytes(wav(sounds.voice(1.0)))
    assert feature_extractor.main([str(clip)]) == 0
    table = capsys.readouterr().out
    assert len(table.splitlines()) == EXTRACTOR.n_features
    assert "Hz" in table
    assert feature_extractor.main([str(clip), "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["features"]) == EXTRACTOR.feature_names


@pytest.mark.parametrize("content", [b"words", None])
def test_command_line_refusals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "clip.wav"
    if content is not None:
        path.write_bytes(content)
    assert feature_extractor.main([str(path)]) == 1
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.count("\n") == 1
    assert "clip.wav" in printed.err


class TestSpeechEncoder:
    encoder = SpeechEncoder(MODELS_DIR / "encoder" / "encoder.onnx")

    def test_it_works(self) -> None:
        embedding = self.encoder.embed(Audio(sounds.voice(1.0)))
        assert embedding.shape == (self.encoder.n_features,) == (3072,)
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
