import librosa
import numpy as np
import pytest

from tests import sounds
from undertone.sound.pitch import steady, track_pitch


@pytest.mark.parametrize("hz", [70, 100, 150, 220, 330, 500, 640])
def test_tones(hz: float) -> None:
    found_hz = track_pitch(sounds.tone(1.0, hz))
    assert len(found_hz) == 101
    np.testing.assert_allclose(found_hz[5:-5], hz, rtol=0.005)


@pytest.mark.parametrize("f0_hz", [85, 120, 180, 260])
def test_voices_are_as_librosa_hears_them(f0_hz: float) -> None:
    samples = sounds.voice(2.0, f0_hz)
    found_hz = track_pitch(samples)
    expected_hz = librosa.yin(
        samples, fmin=65, fmax=700, sr=16_000, frame_length=1024, hop_length=160
    )
    both = steady(found_hz)
    assert both.mean() > 0.6
    off_semitones = 12 * np.abs(np.log2(found_hz[both] / expected_hz[both]))
    assert np.median(off_semitones) < 0.15
    assert np.mean(off_semitones > 1) < 0.05


def test_noise_and_silence_have_no_pitch() -> None:
    assert not np.isfinite(track_pitch(sounds.noise(2.0))).any()
    assert not np.isfinite(track_pitch(sounds.silence(1.0))).any()


def test_a_glide_is_followed() -> None:
    found_hz = track_pitch(sounds.chirp(2.0, 100.0, 400.0))
    expected_hz = 100 + 150 * np.arange(201) / 100
    np.testing.assert_allclose(found_hz[10:-10], expected_hz[10:-10], rtol=0.03)


def test_long_recordings_have_no_seams() -> None:
    samples = sounds.voice(45.0)
    whole, part_hz = track_pitch(samples), track_pitch(samples[15 * 16_000 : 25 * 16_000])
    assert len(whole) == 4501
    ratio = whole[1510:2490] / part_hz[10:-11]
    assert np.mean(np.isfinite(ratio)) > 0.7
    assert np.nanpercentile(np.abs(ratio - 1), 99) < 0.001


def test_steady_is_what_neither_jumps_nor_ends_at_once() -> None:
    pitch_hz = np.concatenate(
        [[np.nan] * 3, [200.0] * 10, [400.0] * 4, [200.0] * 7, [np.nan] * 2, [210.0] * 8]
    )
    expected = [False] * 3 + [True] * 10 + [False] * 13 + [True] * 8
    assert steady(pitch_hz).tolist() == expected
