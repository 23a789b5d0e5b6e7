"""What the shipped model must not lose: its figures, its manners where nobody speaks."""

from pathlib import Path

import numpy as np
import pytest

from emotion_recognizer import EmotionRecognizer
from tests.conftest import DATASETS
from undertone.errors import NoSpeech
from undertone.sound.audio import SAMPLE_RATE, Audio, decode
from undertone.sound.speech import find_speech, spoken_part
from undertone.training.corpora import load_corpus

needs_datasets = pytest.mark.skipif(not DATASETS.is_dir(), reason="../shared/datasets is not here")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    return EmotionRecognizer()


def is_sure(recognizer: EmotionRecognizer, audio: Audio) -> bool:
    try:
        return not recognizer.predict(audio).uncertain
    except NoSpeech:
        return False


def chords(duration_s: float) -> np.ndarray:
    """A slow progression of plucked triads."""
    time = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    beat_s = 0.75
    roots = 220.0 * 2 ** (np.array([0, 5, 7, 3])[(time // beat_s).astype(int) % 4] / 12)
    tones = sum(np.sin(2 * np.pi * roots * ratio * time) for ratio in (1, 1.26, 1.5, 2))
    return np.asarray(0.2 * tones * np.exp(-3 * (time % beat_s)), np.float32)


NOT_SPEECH = {
    "white noise": 0.3 * RNG.standard_normal(4 * SAMPLE_RATE, np.float32),
    "brown noise": 0.003 * np.cumsum(RNG.standard_normal(4 * SAMPLE_RATE, np.float32)),
    "hum": 0.5 * np.sin(2 * np.pi * 50 * np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE),
    "music": chords(6.0),
}


@pytest.mark.parametrize("name", NOT_SPEECH)
def test_what_is_not_speech_carries_no_sure_emotion(
    recognizer: EmotionRecognizer, name: str
) -> None:
    assert not is_sure(recognizer, Audio(np.asarray(NOT_SPEECH[name], np.float32)))


@needs_datasets
def test_sounds_of_the_world_carry_no_sure_emotion(recognizer: EmotionRecognizer) -> None:
    """ESC-10: dogs, rain, clocks, saws and more; some babies and sneezes pass for speech."""
    paths = sorted((DATASETS / "esc10").rglob("*.opus"))
    assert len(paths) == 400
    sure = [path for path in paths if is_sure(recognizer, decode(path.read_bytes()))]
    of_humans = [path for path in sure if path.parent.name[6:] in ("Baby cry", "Person sneeze")]
    assert sure == of_humans
    assert len(sure) <= 8


@needs_datasets
def test_short_cuts_are_answered_less_surely(recognizer: EmotionRecognizer) -> None:
    paths = sorted((DATASETS / "ravdess").rglob("*.flac"))[::60]
    confidences = {duration_s: [] for duration_s in (0.3, 1.0, 30.0)}
    for path in paths:
        audio = decode(path.read_bytes())
        heard = spoken_part(audio, find_speech(audio)).samples
        middle = len(heard) // 2
        for duration_s, found in confidences.items():
            n = round(duration_s * SAMPLE_RATE)
            cut = np.resize(heard, n) if n > len(heard) else heard[middle - n // 2 :][:n]
            try:
                found.append(recognizer.predict(Audio(cut)).confidence)
            except NoSpeech:  # a cut may fall into a pause
                continue
    means = {duration_s: np.mean(found) for duration_s, found in confidences.items()}
    assert means[0.3] < 0.6 < means[30.0]
    assert means[0.3] < means[1.0]


@needs_datasets
def test_real_clips_are_answered_as_before(recognizer: EmotionRecognizer) -> None:
    """A floor, not a measure: the shipped model was trained on these speakers."""
    for name, n_labels, step, floor in (("ravdess", 8, 24, 0.9), ("crema_d", 6, 150, 0.7)):
        clips = load_corpus(name, DATASETS / name)[::step]
        right = [answer(recognizer, clip.path, n_labels) == clip.emotion for clip in clips]
        assert np.mean(right) > floor, name


def answer(recognizer: EmotionRecognizer, path: Path, n_labels: int) -> str:
    return recognizer.predict(decode(path.read_bytes()), n_labels=n_labels).label


def test_the_measured_accuracy_is_over_the_floor(recognizer: EmotionRecognizer) -> None:
    assert recognizer.info.scores["ravdess-emobox, 8 emotions"]["uar"] >= 0.79
