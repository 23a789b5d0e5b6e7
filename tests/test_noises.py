from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import sounds
from undertone.sound.audio import SAMPLE_RATE, Audio
from undertone.training import noises
from undertone.training.noises import Noises
from undertone.training.perturbations import rms

VOICE = Audio(sounds.voice(1.5))
VOICES = [Audio(sounds.voice(1.0 + 0.1 * n, f0_hz=90 + 20 * n, seed=n)) for n in range(8)]
NOISES = Noises(
    environment=[Audio(sounds.noise(0.8)), Audio(sounds.chirp(3.0))],
    sneezing=[Audio(sounds.noise(0.4))],
    speech_for_babble=VOICES,
)
SNR_DB = {
    "babble": 20, "coughing": 10, "environment": 20, "music": 20, "sneezing": 10, "white noise": 20
}  # fmt: skip


def added(name: str, seed: int) -> np.ndarray:
    """What was mixed in, relative to the voice in it."""
    heard = NOISES.perturbations()[name](VOICE, np.random.default_rng(seed)).samples
    voice = VOICE.samples.astype(np.float64)
    # Noises are hardly correlated with the voice: its part is what projects on it.
    return heard / (heard @ voice / (voice @ voice)) - voice


@pytest.mark.parametrize("name", SNR_DB)
def test_noises_have_their_snr_and_keep_the_level(name: str) -> None:
    for seed in range(4):
        heard = NOISES.perturbations()[name](VOICE, np.random.default_rng(seed))
        again = NOISES.perturbations()[name](VOICE, np.random.default_rng(seed))
        np.testing.assert_array_equal(heard.samples, again.samples)
        assert len(heard.samples) == len(VOICE.samples)
        assert np.abs(heard.samples).max() <= 1
        snr_db = 20 * np.log10(rms(VOICE.samples) / rms(added(name, seed)))
        assert snr_db == pytest.approx(SNR_DB[name], abs=1.0)


def test_mixing_is_exact_and_keeps_the_level() -> None:
    noise = sounds.noise(1.5, peak=0.01).astype(np.float64)
    heard = noises.mixed(VOICE, noise, 10.0)
    assert rms(heard.samples) == pytest.approx(rms(VOICE.samples), rel=1e-4)
    voice = VOICE.samples.astype(np.float64)
    parts, *_ = np.linalg.lstsq(np.stack([voice, noise], axis=1), heard.samples, rcond=None)
    assert 20 * np.log10(rms(parts[0] * voice) / rms(parts[1] * noise)) == pytest.approx(
        10, abs=1e-3
    )


@pytest.mark.parametrize("name", ["coughing", "sneezing"])
def test_an_event_is_somewhere_and_not_everywhere(name: str) -> None:
    starts = set()
    for seed in range(4):
        noisy = np.abs(added(name, seed)) > 0.02 * np.abs(added(name, seed)).max()
        first, last = np.flatnonzero(noisy)[[0, -1]]
        assert (last - first) / SAMPLE_RATE < 0.65
        starts.add(int(first))
    assert len(starts) > 1


def test_a_noise_longer_than_the_clip_is_cut() -> None:
    short = Audio(sounds.voice(0.3))
    for name, change in NOISES.perturbations().items():
        assert len(change(short, np.random.default_rng(0)).samples) == len(short.samples), name


def test_music_has_a_beat_and_many_harmonics_and_coughs_are_short() -> None:
    music, coughs = noises.synthetic_music(), noises.synthetic_coughs()
    assert {piece.duration_s for piece in music} == {8.0}
    for piece in music:
        power = np.abs(np.fft.rfft(piece.samples)) ** 2
        loud = np.sort(power)[::-1].cumsum() < 0.5 * power.sum()
        assert loud.mean() < 0.02  # half of the energy is in few lines: notes, not noise
    assert all(0.3 <= cough.duration_s <= 0.6 for cough in coughs)
    for cough in coughs:
        first, second = np.array_split(cough.samples, 2)
        assert rms(first) > 1.5 * rms(second)
    assert noises.synthetic_music()[0] is music[0]


def test_only_recordings_that_training_does_not_hear_are_loaded(tmp_path: Path) -> None:
    names = ["1-100-A", "1-200-A", "1-300-A", "1-300-B", "1-400-A", "1-500-A"]
    for folder in ("001 - Dog bark", "006 - Person sneeze"):
        (tmp_path / folder).mkdir()
        for index, name in enumerate(names):
            # How long it sounds tells which it was; silence before and after goes.
            sounding = sounds.noise(0.5 + 0.2 * index, seed=index)
            samples = np.pad(sounding, SAMPLE_RATE)
            soundfile.write(tmp_path / folder / f"{name}.wav", samples, SAMPLE_RATE)
    loaded = noises.load_noises(tmp_path, VOICES)
    # 200 and 500; 300-B is of the same recording as 300-A.
    for kind in (loaded.environment, loaded.sneezing):
        assert [audio.duration_s for audio in kind] == pytest.approx([0.7, 1.5], abs=0.15)
    assert "synthesised" in loaded.note and "ESC-10" in loaded.note
    with pytest.raises(ValueError, match="at least 7 voices, not 3"):
        noises.load_noises(tmp_path, VOICES[:3])
