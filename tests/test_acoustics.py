"""Tracks, masks and rhythm on signals whose answer can be computed."""

import librosa
import numpy as np
import pytest
import scipy

from tests import sounds
from undertone.sound import acoustics
from undertone.sound.acoustics import Tracks, measure, rhythm, speech_level_dbfs
from undertone.sound.audio import SAMPLE_RATE, Audio


def bursts(rate_per_s: float, duration_s: float = 4.0, f0_hz: float = 120.0) -> Audio:
    """A buzz that swells and fades `rate_per_s` times a second."""
    time_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * f0_hz * n * time_s) / n for n in range(1, 20))
    swell = np.maximum(np.sin(np.pi * rate_per_s * time_s) ** 2, 1e-3)
    return Audio((0.3 * buzz * swell).astype(np.float32))


def clicks(bpm: float, duration_s: float = 6.0) -> Audio:
    samples = sounds.silence(duration_s)
    click = sounds.noise(0.02)
    for start_s in np.arange(0.1, duration_s - 0.1, 60 / bpm):
        start = round(start_s * SAMPLE_RATE)
        samples[start : start + len(click)] = click
    return Audio(samples)


def fading_noise(fall_db_per_s: float, duration_s: float = 2.0) -> Audio:
    noise = sounds.noise(duration_s)
    time_s = np.arange(len(noise)) / SAMPLE_RATE
    return Audio(noise * 10 ** (-fall_db_per_s * time_s / 20).astype(np.float32))


def test_it_works() -> None:
    tracks = measure(Audio(sounds.voice(2.0)))
    n_frames = 2 * acoustics.FRAMES_PER_S + 1
    assert {track.shape[1] for track in tracks.values.values()} == {n_frames}
    assert all(np.isfinite(track).all() for track in tracks.values.values())
    assert len(tracks.is_active) == len(tracks.is_voiced) == len(tracks.intensity_db) == n_frames
    assert rhythm(tracks)["voiced_fraction"] > 0.7


@pytest.mark.parametrize("f0_hz", [70, 110, 220, 440, 650])
def test_pitch_of_a_buzz(f0_hz: float) -> None:
    tracks = measure(bursts(0.5, 1.0, f0_hz))
    voiced_hz = tracks.values["f0_hz"][0, tracks.is_voiced]
    assert len(voiced_hz) > 40
    np.testing.assert_allclose(np.median(voiced_hz), f0_hz, rtol=0.01)
    assert np.mean(np.abs(voiced_hz / f0_hz - 1) < 0.03) > 0.95


def test_noise_and_silence_are_not_voiced() -> None:
    assert not measure(Audio(sounds.noise(2.0))).is_voiced.any()
    silence = measure(Audio(sounds.silence(1.0)))
    assert not silence.is_active.any() and not silence.is_voiced.any()
    assert rhythm(silence) == {}
    assert np.isnan(speech_level_dbfs(Audio(sounds.silence(1.0))))


def test_harmonics_over_noise_follow_the_noise_that_was_added() -> None:
    tone = sounds.tone(2.0, 200.0, peak=0.5)
    for snr_db in (5.0, 10.0, 15.0):
        power = float(np.mean(tone**2)) / 10 ** (snr_db / 10)
        noise = np.random.default_rng(1).normal(0, np.sqrt(power), len(tone))
        hnr_db = measure(Audio((tone + noise).astype(np.float32))).values["hnr_db"]
        # r = S / (S + N), so 10 log10(r / (1 - r)) is the SNR.
        assert np.median(hnr_db) == pytest.approx(snr_db, abs=1.0)


@pytest.mark.parametrize("rate_per_s", [2, 3, 4, 6])
def test_speaking_rate_is_the_number_of_bursts(rate_per_s: int) -> None:
    found = rhythm(measure(bursts(rate_per_s)))
    assert found["speaking_rate_per_s"] == pytest.approx(rate_per_s, rel=0.03)
    assert found["articulation_rate_per_s"] == found["speaking_rate_per_s"]
    assert found["pause_fraction"] == found["pause_rate_per_s"] == found["longest_pause_s"] == 0


def test_an_even_tone_is_one_syllable_and_noise_is_none() -> None:
    assert rhythm(measure(Audio(sounds.tone(2.0, 200.0))))["speaking_rate_per_s"] == pytest.approx(
        0.5, abs=0.02
    )
    assert rhythm(measure(Audio(sounds.noise(2.0))))["speaking_rate_per_s"] == 0


def test_pauses_are_found_and_slow_only_the_speaking_rate() -> None:
    part = bursts(4, 2.0).samples
    samples = np.concatenate([part, sounds.silence(1.0), part, sounds.silence(0.1), part])
    found = rhythm(measure(Audio(samples)))
    # Each side fades in and out, so that a pause begins a little early and ends a little late.
    assert found["longest_pause_s"] == pytest.approx(1.0, abs=0.1)
    assert found["pause_rate_per_s"] == pytest.approx(1 / 7.1, rel=0.05)
    assert found["pause_fraction"] == pytest.approx(1 / 7.1, rel=0.1)
    assert found["articulation_rate_per_s"] == pytest.approx(24 / 6.1, rel=0.05)
    assert found["speaking_rate_per_s"] == pytest.approx(24 / 7.1, rel=0.05)


def test_rates_of_less_than_half_a_second_are_left_out() -> None:
    assert set(rhythm(measure(bursts(4, 0.4)))) == {"voiced_fraction"}


@pytest.mark.parametrize("bpm", [60, 90, 120, 150])
def test_tempo_of_clicks(bpm: float) -> None:
    found = rhythm(measure(clicks(bpm)))
    assert found["tempo_bpm"] == pytest.approx(bpm, rel=0.02)
    assert found["tempo_strength"] > 0.6


def test_tempo_needs_a_beat_and_time() -> None:
    assert "tempo_bpm" not in rhythm(measure(Audio(sounds.noise(4.0))))
    assert "tempo_bpm" not in rhythm(measure(Audio(sounds.tone(4.0))))
    assert "tempo_strength" not in rhythm(measure(clicks(120, 1.9)))


def slaney_filters(n_fft: int, n_mels: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Triangles of equal area on Slaney's mel scale, written anew for this test."""

    def to_mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)

    mels = np.linspace(to_mel(low_hz), to_mel(high_hz), n_mels + 2)
    edges_hz = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
    hz = np.arange(n_fft // 2 + 1) * SAMPLE_RATE / n_fft
    rows = []
    for low, middle, high in zip(edges_hz, edges_hz[1:], edges_hz[2:], strict=False):
        triangle = np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle))
        rows.append(np.maximum(triangle, 0) * 2 / (high - low))
    return np.array(rows)


def test_mfcc_by_an_independent_route() -> None:
    samples = sounds.voice(1.0)
    tracks = measure(Audio(samples))
    scaled = (samples - samples.mean()) / np.abs(samples - samples.mean()).max()
    window = np.zeros(acoustics.N_FFT)
    window[256:768] = scipy.signal.get_window("hann", acoustics.WINDOW)
    padded = np.pad(scaled, acoustics.N_FFT // 2)
    starts = np.arange(101) * acoustics.HOP
    frames = np.stack([padded[start : start + acoustics.N_FFT] * window for start in starts])
    power = np.abs(np.fft.rfft(frames)) ** 2 + acoustics.NOISE_POWER
    mel = power @ slaney_filters(acoustics.N_FFT, acoustics.N_MELS, 50, 8000).T
    level_db = 10 * np.log10(mel / mel[tracks.is_active].mean())
    np.testing.assert_allclose(tracks.log_mel_db.T, level_db, atol=0.01)
    mfcc = scipy.fft.dct(level_db, norm="ortho")[:, : acoustics.N_MFCC]
    np.testing.assert_allclose(tracks.values["mfcc"].T, mfcc, atol=0.05)


def test_deltas_of_a_linear_fall_are_its_slope() -> None:
    # All 64 bands fall by 10 dB/s: coefficient 0 of the orthonormal DCT by sqrt(64) times that.
    values = measure(fading_noise(10)).values
    inside = slice(10, -10)
    assert values["mfcc_delta"][0, inside].mean() == pytest.approx(-0.8, rel=0.05)
    assert values["mfcc_delta2"][0, inside].mean() == pytest.approx(0, abs=0.05)
    assert abs(values["mfcc_delta"][1:, inside].mean(axis=1)).max() < 0.08


def test_deltas_of_a_ramp_are_its_slope() -> None:
    deltas = librosa.feature.delta(np.arange(20.0)[np.newaxis])
    assert deltas[0, 5:15] == pytest.approx(1.0)


def test_harmonics_slopes_and_balance() -> None:
    time_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    two = np.sin(2 * np.pi * 200 * time_s) + 0.5 * np.sin(2 * np.pi * 400 * time_s)
    tracks = measure(Audio((0.5 * two).astype(np.float32)))
    inside = slice(10, -10)
    assert tracks.values["h1_h2_db"][0, inside] == pytest.approx(20 * np.log10(2), abs=0.6)

    far = np.sin(2 * np.pi * 500 * time_s) + 0.1 * np.sin(2 * np.pi * 3000 * time_s)
    values = measure(Audio((0.5 * far).astype(np.float32))).values
    assert values["hammarberg_db"][0, inside] == pytest.approx(20, abs=0.5)
    assert values["alpha_ratio_db"][0, inside] == pytest.approx(-20, abs=0.5)

    # White noise through a filter that falls by 6 dB per kHz has that slope.
    spectrum = np.fft.rfft(np.random.default_rng(2).standard_normal(4 * SAMPLE_RATE))
    khz = np.fft.rfftfreq(4 * SAMPLE_RATE, 1 / SAMPLE_RATE) / 1000
    tilted = np.fft.irfft(spectrum * 10 ** (-6 * khz / 20))
    tracks = measure(Audio((0.5 * tilted / np.abs(tilted).max()).astype(np.float32)))
    slopes = tracks.values["slope_db_per_khz"].mean(axis=1)
    assert slopes[2] == pytest.approx(-6, abs=0.4)


def test_level_is_that_of_the_active_part() -> None:
    tone = sounds.tone(1.0, 300.0, peak=1.0)
    assert speech_level_dbfs(Audio(tone)) == pytest.approx(-3.01, abs=0.1)
    padded = np.concatenate([sounds.silence(3.0), 0.1 * tone, sounds.silence(3.0)])
    assert speech_level_dbfs(Audio(padded)) == pytest.approx(-23.01, abs=0.1)


def test_a_click_does_not_hide_the_speech() -> None:
    samples = 0.05 * sounds.voice(2.0)
    samples[len(samples) // 2] = 1.0
    assert measure(Audio(samples)).is_active.mean() > 0.5


def test_blocks_of_a_long_recording_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = Audio(sounds.voice(7.0))
    whole = measure(audio)
    monkeypatch.setattr(acoustics, "BLOCK", 2 * SAMPLE_RATE)
    parts = measure(audio)
    n_frames = len(whole.is_active)
    assert len(parts.is_active) == n_frames
    # Only frames that reach over a border (blocks start at 0, 2 and 4 s) may differ.
    position = np.arange(n_frames)
    near = (np.abs(position - 200) < 5) | (np.abs(position - 400) < 5)
    for name in ("rms_db", "log_mel_db", "f0_hz", "chroma"):
        away = ~near
        np.testing.assert_allclose(
            parts.values[name][:, away], whole.values[name][:, away], rtol=1e-2, atol=0.05
        )


def test_kinds_of_frames() -> None:
    active = np.array([0, 1, 0, 1, 1, 1, 0], bool)
    voiced = np.array([0, 0, 0, 1, 1, 0, 0], bool)
    tracks = Tracks({}, active, voiced, np.zeros(7), np.zeros((64, 7)))
    assert tracks.frames("active").tolist() == active.tolist()
    assert tracks.frames("voiced").tolist() == voiced.tolist()
    assert np.flatnonzero(tracks.frames("steady")).tolist() == [4]
    assert np.flatnonzero(tracks.frames("spoken")).tolist() == [1, 2, 3, 4, 5]


def test_pitch_agrees_with_the_slow_tracker() -> None:
    samples = sounds.voice(3.0, 180.0)
    tracks = measure(Audio(samples))
    pyin_hz, is_voiced, _ = librosa.pyin(
        samples,
        fmin=acoustics.F0_MIN_HZ,
        fmax=acoustics.F0_MAX_HZ,
        sr=SAMPLE_RATE,
        frame_length=acoustics.PITCH_WINDOW,
        hop_length=acoustics.HOP,
    )
    both = is_voiced & tracks.is_voiced
    assert both.sum() > 0.8 * is_voiced.sum()
    error = np.abs(np.log2(tracks.values["f0_hz"][0, both] / pyin_hz[both]))
    assert np.mean(error > 0.25) < 0.02
