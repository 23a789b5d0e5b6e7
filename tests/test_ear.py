import math
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from emotion_recognizer import EmotionRecognizer
from tests import sounds
from undertone.errors import AudioError, BadRequest
from undertone.prediction import Prediction
from undertone.recognition.ear import STEP_S, WINDOW_S, Ear
from undertone.sound.audio import Audio
from undertone.sound.speech import find_speech

RATE = 16_000


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    return EmotionRecognizer()


def int16(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def answers(ear: Ear, data: bytes, n_bytes: int) -> list[dict]:
    """What is heard in turn, when an answer follows each piece."""
    found = []
    for start in range(0, len(data), n_bytes):
        ear.add(data[start : start + n_bytes])
        found.append(ear.answer())
    return found


class Wavering:
    """A recogniser that answers as told."""

    info = SimpleNamespace(is_guess=lambda confidence, n_labels: confidence < 0.6)

    def __init__(self, *happy: float) -> None:
        self.happy = list(happy)

    def listen(self, *_: object) -> tuple[Prediction, tuple[()]]:
        p = self.happy.pop(0)
        return Prediction("?", p, {"happy": p, "sad": 1 - p}, "wavering", False), ()


def test_the_first_answer_is_what_the_recogniser_hears(recognizer: EmotionRecognizer) -> None:
    voice = sounds.voice(10.0)
    ear = Ear(recognizer, 7, RATE, "float32")
    ear.add(voice.tobytes())
    told = ear.answer()
    window = Audio(voice[-round(WINDOW_S * RATE) :])
    expected = recognizer.predict(window, find_speech(window))
    assert told["type"] == "heard"
    assert told["emotion"] == expected.label
    assert told["confidence"] == expected.confidence
    assert told["uncertain"] == expected.uncertain
    assert told["probabilities"] == pytest.approx(expected.probabilities)
    assert (told["start_s"], told["end_s"], told["skipped_s"]) == (6.0, 10.0, 6.0)


def test_a_voice_in_pieces(recognizer: EmotionRecognizer) -> None:
    ear = Ear(recognizer, 6, RATE, "int16")
    told = answers(ear, int16(sounds.voice(6.0)), RATE)
    assert [answer["end_s"] for answer in told] == [0.5 * k for k in range(1, 13)]
    assert [answer["start_s"] for answer in told] == [max(0.0, 0.5 * k - 4) for k in range(1, 13)]
    assert [answer["type"] for answer in told[2:]] == ["heard"] * 10
    assert all(answer["skipped_s"] == 0 for answer in told)
    for answer in told[2:]:
        assert len(answer["probabilities"]) == 6
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
        assert answer["confidence"] == max(answer["probabilities"].values())
        assert answer["confidence"] == answer["probabilities"][answer["emotion"]]


@pytest.mark.parametrize(
    "sound",
    [sounds.silence(3.0), sounds.tone(3.0), sounds.noise(3.0, peak=0.1), sounds.voice(0.6)],
    ids=["silence", "a tone", "noise", "a word"],
)
def test_nothing_is_said_of_what_is_no_speech(
    recognizer: EmotionRecognizer, sound: np.ndarray
) -> None:
    ear = Ear(recognizer, 7, RATE, "int16")
    for told in answers(ear, int16(sound), RATE):
        assert set(told) == {"type", "start_s", "end_s", "skipped_s"}
        assert told["type"] == "listening"


def test_it_listens_again_soon_after_the_last_word(recognizer: EmotionRecognizer) -> None:
    ear = Ear(recognizer, 7, RATE, "int16")
    sound = np.concatenate([sounds.voice(4.0), sounds.silence(4.0)])
    told = [answer["type"] for answer in answers(ear, int16(sound), RATE)]
    assert told[7] == "heard"
    assert told[11:] == ["listening"] * 5


@pytest.mark.parametrize(("rate_hz", "sample_format"), [(48_000, "int16"), (44_100, "float32")])
def test_other_rates_and_formats_hear_the_same(
    recognizer: EmotionRecognizer, rate_hz: int, sample_format: str
) -> None:
    voice = sounds.voice(4.0, sample_rate=rate_hz)
    ear = Ear(recognizer, 7, rate_hz, sample_format)
    ear.add(voice.tobytes() if sample_format == "float32" else int16(voice))
    told = ear.answer()
    plain = Ear(recognizer, 7, RATE, "float32")
    plain.add(sounds.resampled(voice, rate_hz).tobytes())
    expected = plain.answer()
    assert told["end_s"] == 4.0
    assert told["probabilities"] == pytest.approx(expected["probabilities"], abs=0.05)


def test_samples_that_are_none_are_taken_for_silence(recognizer: EmotionRecognizer) -> None:
    voice = sounds.voice(3.0)
    damaged = voice.copy()
    damaged[::1000] = [np.nan, np.inf, -np.inf, 1e38] * 12
    ear = Ear(recognizer, 7, RATE, "float32")
    ear.add(damaged.tobytes())
    told = ear.answer()
    assert told["type"] == "heard"
    assert all(math.isfinite(p) for p in told["probabilities"].values())


def test_loudness_does_not_matter(recognizer: EmotionRecognizer) -> None:
    heard = []
    for gain in (0.1, 1.0, 30.0):  # the last far over full scale
        ear = Ear(recognizer, 7, RATE, "float32")
        ear.add((gain * sounds.voice(3.0)).tobytes())
        heard.append(ear.answer()["probabilities"])
    assert heard[0] == pytest.approx(heard[1], abs=0.02)
    assert heard[2] == pytest.approx(heard[1], abs=0.02)


def test_answers_are_smoothed_over_time() -> None:
    ear = Ear(Wavering(0.9, 0.1, 0.1), 7, RATE, "float32")
    voice = sounds.voice(4.0)
    ear.add(voice.tobytes())
    assert ear.answer()["probabilities"]["happy"] == 0.9
    ear.add(voice[: RATE // 2].tobytes())
    told = ear.answer()
    assert told["confidence"] == pytest.approx(0.1 + 0.8 * math.exp(-0.5))
    assert told["emotion"] == "sad" if told["probabilities"]["happy"] < 0.5 else "happy"
    assert told["uncertain"]  # 0.585: what counts is the smoothed confidence
    ear.add(voice[: 2 * RATE].tobytes())
    assert ear.answer()["probabilities"]["happy"] == pytest.approx(
        0.1 + (told["confidence"] - 0.1) * math.exp(-2.0)
    )


def test_what_was_heard_before_a_pause_is_forgotten() -> None:
    ear = Ear(Wavering(0.9, 0.2), 7, RATE, "float32")
    for sound in (sounds.voice(4.0), sounds.silence(4.0)):
        ear.add(sound.tobytes())
        ear.answer()
    ear.add(sounds.voice(4.0).tobytes())
    assert ear.answer()["probabilities"]["happy"] == 0.2


def test_parts_of_samples_are_refused(recognizer: EmotionRecognizer) -> None:
    with pytest.raises(BadRequest, match="3 bytes"):
        Ear(recognizer, 7, RATE, "int16").add(b"abc")
    with pytest.raises(BadRequest, match="float32"):
        Ear(recognizer, 7, RATE, "float32").add(b"abcdef")


@pytest.mark.parametrize("rate_hz", [-1, 0, 3999, 400_000])
def test_rates_out_of_range(recognizer: EmotionRecognizer, rate_hz: int) -> None:
    with pytest.raises(AudioError, match="sample rate"):
        Ear(recognizer, 7, rate_hz, "int16")


def test_an_hour_takes_no_more_memory_than_a_minute() -> None:
    ear = Ear(Wavering(), 7, 48_000, "int16")
    second = bytes(2 * 48_000)
    for _ in range(60):
        ear.add(second)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(3600):
        ear.add(second)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ear.unanswered_s == 3660.0
    assert after - before < 1_000_000
    assert peak - before < 5_000_000
    assert ear.answer()["skipped_s"] == 3660.0 - WINDOW_S
    assert ear.unanswered_s < STEP_S


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_an_offset_and_a_wild_sample_change_nothing(
    recognizer: EmotionRecognizer, rate: int
) -> None:
    voice = sounds.voice(3.0, sample_rate=rate)
    damaged = voice + np.float32(0.05)
    damaged[rate] = 1e6
    told = []
    for samples in (voice, damaged):
        ear = Ear(recognizer, 7, rate, "float32")
        for piece in np.array_split(samples, 30):
            ear.add(piece.tobytes())
        told.append(ear.answer())
    assert told[0]["type"] == told[1]["type"] == "heard"
    assert told[1]["emotion"] == told[0]["emotion"]
    assert told[1]["confidence"] == pytest.approx(told[0]["confidence"], abs=0.03)
