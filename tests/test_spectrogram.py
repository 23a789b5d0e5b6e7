import tracemalloc

import librosa
import numpy as np
import pytest
import scipy

from tests import sounds
from undertone.sound.audio import SAMPLE_RATE, Audio
from undertone.sound.spectrogram import (
    HIGH_HZ,
    LOW_HZ,
    N_MELS,
    band_of,
    levels_of,
    mel_spectrogram,
    mfcc,
)


def test_it_is_librosas() -> None:
    samples = sounds.voice(2.0)
    power = librosa.stft(samples, n_fft=1024, win_length=512, hop_length=160, center=True)
    filters = librosa.filters.mel(
        sr=SAMPLE_RATE, n_fft=1024, n_mels=N_MELS, fmin=LOW_HZ, fmax=HIGH_HZ, htk=True, norm=1
    )
    expected_db = librosa.power_to_db(filters @ np.abs(power) ** 2, ref=np.max, top_db=80)
    found = mel_spectrogram(Audio(samples))
    assert (found.n_mels, found.n_frames, found.frame_s) == (64, 200, 0.01)
    found_db = levels_of(found) / 255 * 80 - 80
    # Frames lie half a hop apart, so speech differs a little from one to the other.
    expected_db = (expected_db[:, :-1] + expected_db[:, 1:]) / 2
    difference_db = np.abs(found_db - expected_db)[:, 5:-5]
    assert np.median(difference_db) < 0.5
    assert np.percentile(difference_db, 95) < 4


def test_coefficients_are_the_cosine_transform() -> None:
    kept = mel_spectrogram(Audio(sounds.voice(1.0)))
    found = mfcc(kept, 20)
    level_db = levels_of(kept) / 255 * 80 - 80
    np.testing.assert_allclose(found, librosa.feature.mfcc(S=level_db, n_mfcc=20), atol=1e-3)
    assert scipy.fft.idct(mfcc(kept, N_MELS), axis=0, norm="ortho") == pytest.approx(
        level_db, abs=1e-3
    )


@pytest.mark.parametrize("hz", [100, 250, 1000, 4000, 7900])
def test_a_tone_lies_in_its_band(hz: float) -> None:
    kept = mel_spectrogram(Audio(sounds.tone(1.0, hz)))
    loudest = levels_of(kept).mean(axis=1).argmax()
    assert loudest + 0.5 == pytest.approx(band_of(hz), abs=1.0)


@pytest.mark.parametrize(
    ("duration_s", "n_frames"), [(0.3, 30), (6.0, 600), (6.01, 301), (61, 555)]
)
def test_there_are_at_most_600_columns(duration_s: float, n_frames: int) -> None:
    kept = mel_spectrogram(Audio(sounds.tone(duration_s)))
    assert kept.n_frames == n_frames
    assert kept.n_frames * kept.frame_s == pytest.approx(duration_s, abs=kept.frame_s)
    assert len(kept.levels) == 64 * n_frames


def test_columns_hold_the_mean_power_of_their_time() -> None:
    short = np.tile(np.concatenate([sounds.tone(0.01, peak=0.5), np.zeros(160, np.float32)]), 400)
    level_db = levels_of(mel_spectrogram(Audio(short)))[:, 10:-10]
    assert level_db.std(axis=1).max() < 1


def test_half_an_hour_takes_little_memory() -> None:
    audio = Audio(np.tile(sounds.noise(60.0), 30))
    tracemalloc.start()
    kept = mel_spectrogram(audio)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (kept.n_frames, kept.frame_s) == (600, 3.0)
    assert peak_bytes < 30e6


def test_silence_is_silence() -> None:
    assert set(mel_spectrogram(Audio(sounds.silence(1.0))).levels) == {0}
