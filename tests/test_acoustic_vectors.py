from pathlib import Path

import numpy as np

from tests import sounds
from undertone.sound.audio import Audio
from undertone.training.acoustic_vectors import acoustic_vectors
from undertone.training.augmentation import Augmentation
from undertone.training.corpora import Clip
from undertone.training.utterances import Utterances


class PitchAndPace:
    """Three features, so that hundreds of utterances cost nothing."""

    extractor_id = "test-1"
    feature_names = ["peak_hz", "crossings", "nothing"]

    def __init__(self) -> None:
        self.n_asked = 0

    def vector(self, audio: Audio) -> np.ndarray:
        self.n_asked += 1
        spectrum = np.abs(np.fft.rfft(audio.samples))
        crossings = np.mean(np.diff(np.signbit(audio.samples)))
        return np.array([spectrum.argmax() / audio.duration_s, crossings, np.nan])


def utterances(n: int) -> Utterances:
    clips = [Clip(Path(str(index)), "sad", "s", "own") for index in range(n)]
    talks = [sounds.voice(0.3, 100.0 + 20 * index, seed=index) for index in range(n)]
    return Utterances(clips, [np.int16(talk * 2**15) for talk in talks])


def test_features_are_computed_once(tmp_path: Path) -> None:
    extractor, heard = PitchAndPace(), utterances(6)
    first = acoustic_vectors(extractor, heard, tmp_path)
    again = acoustic_vectors(extractor, heard.subset(np.array([4, 1])), tmp_path)
    assert extractor.n_asked == len(heard)
    np.testing.assert_array_equal(again, first[[4, 1]])


def test_a_copy_is_changed_and_always_the_same(tmp_path: Path) -> None:
    extractor, heard = PitchAndPace(), utterances(6)
    clean, one, two = (acoustic_vectors(extractor, heard, tmp_path, copy=n) for n in range(3))
    assert not np.array_equal(clean, one, equal_nan=True)
    assert not np.array_equal(one, two, equal_nan=True)
    elsewhere = acoustic_vectors(extractor, heard.subset(np.array([3])), tmp_path / "other", copy=1)
    np.testing.assert_array_equal(elsewhere[0], one[3])


def test_other_noises_make_other_copies(tmp_path: Path) -> None:
    extractor, heard = PitchAndPace(), utterances(6)
    plain = acoustic_vectors(extractor, heard, tmp_path, copy=1)
    hum = Augmentation(noises=[sounds.tone(1.0, 100.0)])
    humming = acoustic_vectors(extractor, heard, tmp_path, copy=1, augmentation=hum)
    assert not np.array_equal(plain, humming, equal_nan=True)
