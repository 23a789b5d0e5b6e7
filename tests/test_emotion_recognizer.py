import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion_recognizer import EmotionRecognizer
from tests import sounds
from tests.conftest import DATASETS
from undertone.emotions import EMOTIONS
from undertone.errors import ModelError, NoSpeech, UndertoneError, UnknownLabels
from undertone.recognition.model_store import MODELS_DIR, sha256
from undertone.sound.audio import Audio, decode
from undertone.sound.speech import find_speech, spoken_part
from undertone.training.corpora import load_corpus
from undertone.training.evaluation import uar

SEVEN = set(EMOTIONS) - {"calm"}


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    return EmotionRecognizer()


def scaled(audio: Audio, factor: float) -> Audio:
    return Audio((audio.samples * factor).astype(np.float32), audio.sample_rate)


def test_it_works(recognizer: EmotionRecognizer) -> None:
    prediction = recognizer.predict(Audio(sounds.voice(2.0)))
    assert set(prediction.probabilities) == SEVEN
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert prediction.confidence == max(prediction.probabilities.values())
    assert prediction.probabilities[prediction.label] == prediction.confidence
    assert prediction.uncertain == (prediction.confidence < recognizer.info.uncertain_below["7"])


def test_labels_come_from_the_model_in_its_order(tmp_path: Path) -> None:
    """Renaming the model's columns renames the answer: no second list of labels is used."""
    shutil.copytree(MODELS_DIR / "encoder", tmp_path / "encoder")
    path = tmp_path / "encoder" / "model.json"
    info = json.loads(path.read_text())
    renamed = dict(zip(info["labels"], reversed(info["labels"]), strict=True))
    info["calibration"] = {}  # which takes calm and neutral together, by their names
    path.write_text(json.dumps(info))
    audio = Audio(sounds.voice(2.0))
    original = EmotionRecognizer("encoder", tmp_path).predict(audio, n_labels=8)
    info["labels"].reverse()
    path.write_text(json.dumps(info))
    other = EmotionRecognizer("encoder", tmp_path).predict(audio, n_labels=8)
    assert other.label == renamed[original.label]
    assert list(other.probabilities) == info["labels"]


def test_a_head_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    shutil.copytree(MODELS_DIR / "encoder", tmp_path / "encoder")
    folder = tmp_path / "encoder"
    info = json.loads((folder / "model.json").read_text())
    info["labels"].remove("calm")
    (folder / "model.json").write_text(json.dumps(info))
    with pytest.raises(ModelError, match="8 probabilities, expected 7"):
        EmotionRecognizer("encoder", tmp_path)


def test_label_sets(recognizer: EmotionRecognizer) -> None:
    audio = Audio(sounds.voice(2.0))
    eight = recognizer.predict(audio, n_labels=8).probabilities
    seven = recognizer.predict(audio, n_labels=7).probabilities
    assert seven["neutral"] == pytest.approx(eight["neutral"] + eight["calm"])
    assert "surprise" not in recognizer.predict(audio, n_labels=6).probabilities
    with pytest.raises(UnknownLabels):
        recognizer.predict(audio, n_labels=5)


def test_no_speech_is_refused(recognizer: EmotionRecognizer) -> None:
    with pytest.raises(NoSpeech):
        recognizer.predict(Audio(sounds.tone(2.0, 440.0)))


def test_the_same_recording_gives_the_same_answer(recognizer: EmotionRecognizer) -> None:
    assert recognizer.predict(Audio(sounds.voice(2.0))) == recognizer.predict(
        Audio(sounds.voice(2.0))
    )


@settings(max_examples=15)
@given(factor=st.floats(0.01, 1.0), f0_hz=st.floats(90, 260))
def test_level_and_polarity_leave_the_answer_alone(factor: float, f0_hz: float) -> None:
    recognizer = EmotionRecognizer()
    audio = Audio(sounds.voice(1.5, f0_hz))
    plain = recognizer.predict(audio)
    for changed in (scaled(audio, factor), scaled(audio, -1.0)):
        other = recognizer.predict(changed)
        for emotion, probability in plain.probabilities.items():
            assert other.probabilities[emotion] == pytest.approx(probability, abs=0.03)
        runner_up = plain.ranked[1][1]
        if plain.confidence - runner_up > 0.06:
            assert other.label == plain.label


def test_silence_around_the_speech_changes_little(recognizer: EmotionRecognizer) -> None:
    audio = Audio(sounds.voice(2.0))
    quiet = np.zeros(5 * audio.sample_rate, dtype=np.float32)
    padded = Audio(np.concatenate([quiet, audio.samples, quiet]), audio.sample_rate)
    part = spoken_part(padded, find_speech(padded))
    assert part.duration_s < 4.0


def test_a_long_recording_is_heard_in_windows(recognizer: EmotionRecognizer) -> None:
    audio = Audio(sounds.voice(21.0))
    speech = find_speech(audio)
    whole, segments = recognizer.listen(audio, speech)
    assert len(segments) >= 5
    for segment in segments:
        assert segment.end_s - segment.start_s == pytest.approx(recognizer.window_s)
        assert sum(segment.prediction.probabilities.values()) == pytest.approx(1)
    assert segments[-1].end_s == pytest.approx(speech[-1][1])
    for emotion, probability in whole.probabilities.items():
        heard = [segment.prediction.probabilities[emotion] for segment in segments]
        assert min(heard) <= probability <= max(heard)


def test_a_short_recording_has_one_segment(recognizer: EmotionRecognizer) -> None:
    (segment,) = recognizer.timeline(Audio(sounds.voice(2.0)))
    assert (segment.start_s, segment.end_s) == (0.0, 2.0)


@settings(max_examples=60)
@given(data=st.binary(max_size=4000))
def test_any_bytes_give_an_answer_or_an_undertone_error(data: bytes) -> None:
    try:
        EmotionRecognizer().predict(decode(data))
    except UndertoneError as error:
        assert 400 <= error.status < 500


def test_the_encoder_is_the_one_its_script_makes() -> None:
    info = json.loads((MODELS_DIR / "encoder" / "model.json").read_text())
    assert info["files"]["encoder.onnx"] == sha256(MODELS_DIR / "encoder" / "encoder.onnx")


@pytest.mark.skipif(not DATASETS.is_dir(), reason="../shared/datasets is not here")
def test_the_shipped_model_on_real_clips(recognizer: EmotionRecognizer) -> None:
    """The path from bytes to label is whole: these speakers were trained on, so it is easy."""
    clips = load_corpus("ravdess", DATASETS / "ravdess")[::12]
    answers = [
        recognizer.predict(decode(clip.path.read_bytes()), n_labels=8).label for clip in clips
    ]
    assert uar(np.array([clip.emotion for clip in clips]), np.array(answers)) > 0.8


def test_the_measured_accuracy_is_over_the_floor(recognizer: EmotionRecognizer) -> None:
    assert recognizer.info.scores["ravdess-emobox, 8 emotions"]["uar"] >= 0.79


def test_what_may_be_no_voice_is_a_guess(recognizer: EmotionRecognizer) -> None:
    audio = Audio(sounds.voice(21.0))
    speech = find_speech(audio)
    speech.probability = 0.5
    whole, segments = recognizer.listen(audio, speech)
    assert whole.uncertain
    assert all(segment.prediction.uncertain for segment in segments)
