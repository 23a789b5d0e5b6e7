"""Offsets and wild samples change nothing of an answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion_recognizer import EmotionRecognizer
from tests import sounds
from undertone.errors import AudioError
from undertone.prediction import Prediction
from undertone.sound.audio import Audio, decode

RATE = sounds.SAMPLE_RATE
# A voice with a faint room around it: offsets change most where it is quiet.
VOICE = np.concatenate([sounds.silence(0.8), sounds.voice(2.0, peak=0.4), sounds.silence(0.8)])
VOICE += sounds.noise(3.6, peak=1e-4)
TIME_S = np.arange(len(VOICE)) / RATE


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    return EmotionRecognizer()


@pytest.fixture(scope="module")
def expected(recognizer: EmotionRecognizer) -> Prediction:
    return recognizer.predict(Audio(VOICE))


def as_float(samples: np.ndarray, rate: int = RATE) -> bytes:
    return sounds.with_soundfile(np.asarray(samples), rate, "WAV", "FLOAT")


def error_db(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference in dB of full scale."""
    return float(20 * np.log10(max(np.abs(found - expected).max(), 1e-9)))


def is_near(found: Prediction, expected: Prediction, by: float = 0.03) -> bool:
    near = abs(found.confidence - expected.confidence) < by
    return found.label == expected.label and near


class TestOffset:
    @settings(max_examples=25)
    @given(offset=st.floats(-0.5, 0.5), codec=st.sampled_from(["PCM_16", "PCM_24", "FLOAT"]))
    def test_a_constant_is_removed(self, offset: float, codec: str) -> None:
        data = sounds.with_soundfile(VOICE + offset, RATE, "WAV", codec)
        assert error_db(decode(data).samples, VOICE) < -75

    @pytest.mark.parametrize("offset", [-0.5, -0.1, 0.003, 0.01, 0.3])
    def test_the_answer_is_that_without_it(
        self, recognizer: EmotionRecognizer, expected: Prediction, offset: float
    ) -> None:
        assert is_near(recognizer.predict(decode(as_float(VOICE + offset))), expected)

    @pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
    def test_it_leaves_no_click_at_the_ends_of_what_is_resampled(self, rate: int) -> None:
        voice = sounds.voice(2.0, sample_rate=rate)
        plain, moved = (decode(as_float(voice + offset, rate)).samples for offset in (0, 0.4))
        assert error_db(moved - moved.mean(), plain - plain.mean()) < -40

    def test_each_channel_has_its_own(self) -> None:
        stereo = np.stack([VOICE + 0.2, VOICE - 0.3], axis=1)
        assert error_db(decode(as_float(stereo)).samples, VOICE) < -75

    @pytest.mark.parametrize("duration_s", [0.3, 0.5, 0.8])
    def test_short_clips(self, duration_s: float) -> None:
        clip = VOICE[RATE:][: round(duration_s * RATE)]
        found = decode(as_float(clip + 0.1)).samples
        assert error_db(found, clip) < -40  # the clip's own mean cannot be told from an offset

    @pytest.mark.parametrize(
        "drift",
        [
            0.1 * TIME_S / TIME_S[-1],
            0.2 - 0.4 * TIME_S / TIME_S[-1],
            0.05 * np.sin(2 * np.pi * 0.1 * TIME_S),
            0.3 * np.exp(-TIME_S),
        ],
        ids=["ramp", "steep ramp", "slow wave", "a coupling capacitor charging"],
    )
    def test_slow_drift_is_removed(
        self, recognizer: EmotionRecognizer, expected: Prediction, drift: np.ndarray
    ) -> None:
        found = decode(as_float(VOICE + drift))
        assert np.abs(found.samples - VOICE).mean() < 0.1 * np.abs(drift - drift.mean()).mean()
        assert is_near(recognizer.predict(found), expected, by=0.1)

    @pytest.mark.parametrize("codec", ["PCM_16", "FLOAT"])
    def test_a_recording_without_it_stays_as_it_is(self, codec: str) -> None:
        for seed in range(6):
            voice = sounds.voice(0.5 + 0.5 * seed, 100 + 20 * seed, seed=seed)
            data = sounds.with_soundfile(voice, RATE, "WAV", codec)
            assert error_db(decode(data).samples, voice) < (-150 if codec == "FLOAT" else -85)

    def test_missing_samples_are_at_the_offset(self) -> None:
        damaged = VOICE + np.float32(0.3)
        damaged[20_000:21_000] = np.nan
        samples = decode(as_float(damaged)).samples
        assert not samples[20_000:21_000].any()
        assert np.abs(samples[:10_000]).max() < 1e-3


HEIGHTS = st.sampled_from([2.0, -3.0, 50.0, 1e3, -1e4, 1e6, 2e9, 1e30])


class TestWildSamples:
    @settings(max_examples=40)
    @given(
        height=HEIGHTS,
        places=st.lists(st.integers(0, len(VOICE) - 1), min_size=1, max_size=20, unique=True),
        rate=st.sampled_from([8000, 16_000, 48_000]),
    )
    def test_they_decide_nothing(
        self,
        recognizer: EmotionRecognizer,
        expected: Prediction,
        height: float,
        places: list[int],
        rate: int,
    ) -> None:
        # At other rates this is another voice, with another answer.
        damaged = VOICE.copy()
        damaged[places] = height
        found = decode(as_float(damaged, rate))
        usual = decode(as_float(VOICE, rate))
        heard, alone = recognizer.predict(found), recognizer.predict(usual)
        assert is_near(heard, alone, by=0.1) or heard.uncertain
        assert np.abs(found.samples).mean() > 0.1 * np.abs(usual.samples).mean()

    @settings(max_examples=25)
    @given(
        height=st.sampled_from([50.0, 1e3, -1e4, 1e6, 2e9]),
        start=st.integers(0, len(VOICE) - 400),
        length=st.integers(1, 60),
    )
    def test_a_burst_is_mended(self, height: float, start: int, length: int) -> None:
        damaged = VOICE.copy()
        damaged[start : start + length] = height * np.random.default_rng(0).uniform(0.5, 1, length)
        found = decode(as_float(damaged)).samples
        elsewhere = np.ones(len(VOICE), np.bool_)
        elsewhere[start : start + length] = False
        assert error_db(found[elsewhere], VOICE[elsewhere]) < -100
        assert np.abs(found).max() <= np.abs(VOICE).max() * 1.001

    @pytest.mark.parametrize("length", [1, 100, 2000, 4000])
    def test_a_block_of_other_bytes_does_not_make_the_rest_small(self, length: int) -> None:
        damaged = VOICE.copy()
        damaged[30_000 : 30_000 + length] = np.frombuffer(
            np.random.default_rng(0).bytes(4 * length), "<f4"
        )
        found = decode(as_float(damaged)).samples
        assert np.abs(found[15_000:30_000]).max() > 0.05 * np.abs(VOICE[15_000:30_000]).max()

    @pytest.mark.parametrize("scale", [2.0, 10.0, 2.0**15, 2.0**23, 2.0**30])
    @pytest.mark.parametrize("make", [sounds.voice, sounds.noise, sounds.tone, sounds.chirp])
    def test_loud_floats_are_scaled_and_not_mended(self, make: object, scale: float) -> None:
        samples = make(2.0) * np.float32(scale)  # type: ignore[operator]
        found = decode(as_float(samples)).samples
        factor = max(1.0, float(np.abs(samples).max()))
        assert error_db(found, samples / factor) < -100

    def test_integers_stored_as_float_can_hold_one_too(self) -> None:
        damaged = VOICE * 2.0**15
        damaged[30_000] = 2.0**30
        found = decode(as_float(damaged)).samples
        others = np.arange(len(VOICE)) != 30_000
        assert error_db(found[others], VOICE[others] / np.abs(VOICE).max()) < -100

    def test_a_single_word_in_long_silence_is_no_damage(self) -> None:
        """Of integers stored as float, where speech is far above everything else."""
        samples = np.concatenate([sounds.silence(30.0), sounds.voice(0.6), sounds.silence(30.0)])
        samples = np.round(samples * 2.0**15) + sounds.noise(60.6, peak=1.0)
        found = decode(as_float(samples)).samples
        assert error_db(found, samples / np.abs(samples).max()) < -100

    def test_clicks_within_full_scale_are_left_alone(self) -> None:
        clicks = VOICE.copy()
        clicks[[20_000, 30_000, 50_000]] = [1.0, -1.0, 1.0]
        for codec in ("PCM_16", "FLOAT"):
            found = decode(sounds.with_soundfile(clicks, RATE, "WAV", codec)).samples
            assert np.abs(found[[20_000, 30_000, 50_000]]).min() > 0.99

    @settings(max_examples=20)
    @given(share=st.floats(1e-4, 1.0), seed=st.integers(0, 99))
    def test_what_cannot_be_mended_is_uncertain_or_refused(
        self, recognizer: EmotionRecognizer, expected: Prediction, share: float, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        damaged = VOICE.copy()
        wild = rng.random(len(VOICE)) < share
        damaged[wild] = rng.choice([-1, 1], wild.sum()) * 10 ** rng.uniform(0, 9, wild.sum())
        try:
            heard = recognizer.predict(decode(as_float(damaged)))
        except AudioError:
            return
        assert heard.uncertain or is_near(heard, expected, by=0.1)
