"""Channels and sound tracks are chosen by speech, and no voice is lost."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion_recognizer import EmotionRecognizer
from tests import sounds
from tests.conftest import DATASETS
from undertone.prediction import Prediction
from undertone.progress import nobody
from undertone.recording_bytes import RecordingBytes
from undertone.sound import channels
from undertone.sound.audio import decode
from undertone.sound.decoders import with_libsndfile
from undertone.sound.gathering import Excerpts, Mix, Mono
from undertone.sound.speech import find_speech

RATE = sounds.SAMPLE_RATE
SECONDS = 3.0
VOICE = sounds.voice(SECONDS, peak=0.4)
OTHER_VOICE = sounds.voice(SECONDS, 210.0, seed=5, peak=0.4)
TIME_S = np.arange(len(VOICE)) / RATE
CASES = DATASETS.parent / "cases"


def hum(peak: float) -> np.ndarray:
    """Mains hum with two of its harmonics."""
    return peak * sum(
        share * np.sin(2 * np.pi * hz * TIME_S)
        for hz, share in ((50, 0.8), (150, 0.15), (250, 0.05))
    )


NO_SPEECH: dict[str, np.ndarray] = {
    "silence": np.zeros_like(VOICE),
    "tone": sounds.tone(SECONDS, 300.0, peak=0.2),
    "louder tone": sounds.tone(SECONDS, 1000.0, peak=0.9),
    "noise": sounds.noise(SECONDS, peak=0.5),
    "faint noise": sounds.noise(SECONDS, peak=0.01, seed=1),
    "chirp": sounds.chirp(SECONDS),
    "hum and offset": hum(0.3) + 0.1,
}
COMPANY = st.lists(st.sampled_from(sorted(NO_SPEECH)), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def recognizer() -> EmotionRecognizer:
    return EmotionRecognizer()


@pytest.fixture(scope="module")
def alone(recognizer: EmotionRecognizer) -> Prediction:
    return recognizer.predict(decode(as_wav(VOICE)))


def as_wav(*columns: np.ndarray, rate: int = RATE) -> bytes:
    return sounds.with_soundfile(np.stack(columns, axis=1), rate, "WAV", "FLOAT")


def likeness(found: np.ndarray, expected: np.ndarray) -> float:
    """Normalised correlation, whatever the sign."""
    n = min(len(found), len(expected))
    a, b = found[:n], expected[:n]
    return float(abs(np.dot(a, b)) / np.sqrt(np.dot(a, a) * np.dot(b, b)))


def share_of(found: np.ndarray, voices: list[np.ndarray]) -> np.ndarray:
    """Amplitude of each of unrelated voices in what was found, relative to the loudest."""
    shares = np.abs(np.linalg.lstsq(np.stack(voices, axis=1), found, rcond=None)[0])
    return shares / shares.max()


@settings(max_examples=40)
@given(company=COMPANY, place=st.integers(0, 5))
def test_the_channel_with_speech_is_taken_whatever_the_others_hold(
    company: list[str], place: int
) -> None:
    columns = [NO_SPEECH[name] for name in company]
    columns.insert(place, VOICE)
    assert likeness(decode(as_wav(*columns)).samples, VOICE) > 0.999


@settings(max_examples=15)
@given(company=COMPANY, place=st.integers(0, 5))
def test_the_answer_is_that_of_the_speech_alone(
    recognizer: EmotionRecognizer, alone: Prediction, company: list[str], place: int
) -> None:
    columns = [NO_SPEECH[name] for name in company]
    columns.insert(place, VOICE)
    heard = recognizer.predict(decode(as_wav(*columns)))
    assert heard.label == alone.label
    assert heard.confidence == pytest.approx(alone.confidence, abs=0.03)


@settings(max_examples=8)
@given(
    company=COMPANY,
    place=st.integers(0, 5),
    kind=st.sampled_from(
        [("matroska", "aac"), ("mp4", "aac"), ("mpegts", "aac"), ("mov", "pcm_s16le")]
    ),
)
def test_the_track_with_speech_is_taken_whatever_the_others_hold(
    company: list[str], place: int, kind: tuple[str, str]
) -> None:
    tracks = [NO_SPEECH[name] for name in company]
    tracks.insert(place, VOICE)
    alone = decode(sounds.with_tracks([VOICE], RATE, *kind)).samples
    found = decode(sounds.with_tracks(tracks, RATE, *kind)).samples
    assert np.array_equal(found, alone)


def test_of_two_tracks_with_speech_the_first_is_taken_unless_the_other_has_more() -> None:
    little = np.where(TIME_S < 0.6, OTHER_VOICE, 0)
    for tracks, expected in (
        ([VOICE, OTHER_VOICE], VOICE),
        ([OTHER_VOICE, VOICE], OTHER_VOICE),
        ([little, VOICE], VOICE),
        ([VOICE, little], VOICE),
    ):
        data = sounds.with_tracks(tracks, RATE, "mov", "pcm_s16le")
        assert likeness(decode(data).samples, expected) > 0.99


def test_channels_are_chosen_in_every_track() -> None:
    stereo = np.stack([VOICE + 0.02, -VOICE + 0.02], axis=1)
    data = sounds.with_tracks([NO_SPEECH["silence"], stereo], RATE, "mov", "pcm_s16le")
    assert likeness(decode(data).samples, VOICE) > 0.999


@pytest.mark.parametrize("n_channels", [2, 4, 6])
@pytest.mark.parametrize("common", [0.02, -0.3, 0.5])
def test_opposite_phase_with_an_offset_common_to_all(n_channels: int, common: float) -> None:
    columns = [(-1) ** index * VOICE + common for index in range(n_channels)]
    assert likeness(decode(as_wav(*columns)).samples, VOICE) > 0.999


@pytest.mark.parametrize("level", [0.01, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("hum_sign", [1, -1])
def test_hum_common_to_two_channels_does_not_hide_a_voice(level: float, hum_sign: int) -> None:
    """The hum cancels in the difference or in the mean, whichever keeps the voice."""
    one = 0.25 * VOICE + hum(level)
    other = hum_sign * (hum(level) - 0.25 * VOICE)
    assert likeness(decode(as_wav(one, other)).samples, VOICE) > 0.97


@pytest.mark.parametrize("level", [1.0, 0.5, 0.3])
@pytest.mark.parametrize("turns", [False, True], ids=["at once", "in turn"])
@pytest.mark.parametrize(
    "sides",
    [
        lambda a, b: (a + b, a - b),
        lambda a, b: (a - b, b + a, a, a + b),
        lambda a, b: (a, b),
        lambda a, b: (a + 0.03 * b, b + 0.03 * a),
        lambda a, b: (a, -b),
        lambda a, b: (a + b, a - b, NO_SPEECH["noise"], NO_SPEECH["silence"]),
        lambda a, b: (a, b, NO_SPEECH["louder tone"]),
    ],
    ids=["phases", "four", "call", "crosstalk", "one turned over", "and a noise", "and a tone"],
)
def test_both_of_two_voices_are_kept(
    sides: Callable[..., tuple[np.ndarray, ...]], turns: bool, level: float
) -> None:
    first, second = VOICE, level * OTHER_VOICE
    if turns:
        first, second = first * (TIME_S < 1.5), second * (TIME_S >= 1.5)
    found = decode(as_wav(*sides(first, second)))
    shares = share_of(found.samples, [VOICE * (first != 0), OTHER_VOICE * (second != 0)])
    assert 0.2 * level < shares[1] / shares[0] < 1.1 * level
    if turns:
        spoken_s = [end_s - start_s for start_s, end_s in find_speech(found)]
        assert sum(spoken_s) > 2.0


def test_a_second_voice_is_kept_when_only_excerpts_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It speaks for a fifteenth of the time: the excerpts are taken where the channels cancel."""
    monkeypatch.setattr(channels, "JUDGED_S", 60.0)
    first, second = np.tile(sounds.voice(30.0, peak=0.4), 5), np.zeros(150 * RATE, np.float32)
    where = slice(70 * RATE, 80 * RATE)
    second[where], first[where] = sounds.voice(10.0, 210.0, seed=5, peak=0.2), 0
    found = decode(as_wav(first + second, first - second)).samples
    assert likeness(found[where], second[where]) > 0.999
    assert likeness(found, first + second) > 0.999


def test_what_is_held_to_judge_channels_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "JUDGED_S", 40.0)
    samples = np.stack([sounds.noise(120.0, seed=seed) for seed in range(4)], axis=1)
    data = sounds.with_soundfile(samples, RATE, "WAV")
    track = Mono(1800.0, Mix())
    with_libsndfile(RecordingBytes(data), track, nobody)
    track.finish()
    wanted = channels.windows_to_judge(track.levels)
    excerpts = Excerpts(wanted, 4, Mix())
    with_libsndfile(RecordingBytes(data), excerpts, nobody)
    excerpts.finish()
    # No fewer than four excerpts of four seconds.
    assert 12.0 <= excerpts.channels.shape[1] / RATE <= 17.0
    assert len(wanted) == len(track.levels.energies)


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_stereo_that_agrees_is_averaged_in_one_pass(
    rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = sounds.voice(SECONDS, sample_rate=rate)
    hiss = [sounds.noise(SECONDS, 0.005, rate, seed) for seed in range(2)]
    monkeypatch.setattr(channels, "weights_by_speech", None)  # calling it would fail
    found = decode(as_wav(voice + hiss[0], 0.8 * voice + hiss[1], rate=rate)).samples
    mean = sounds.resampled(0.9 * voice + np.mean(hiss, axis=0), rate)
    assert found == pytest.approx(mean, abs=1e-4)


def test_without_speech_all_channels_are_averaged() -> None:
    tones = [sounds.tone(1.0, hz, peak=0.3) for hz in (300, 500, 800)]
    assert decode(as_wav(*tones)).samples == pytest.approx(np.mean(tones, axis=0), abs=1e-6)


def test_the_same_bytes_give_the_same_samples() -> None:
    data = as_wav(VOICE + OTHER_VOICE, VOICE - OTHER_VOICE, NO_SPEECH["noise"])
    assert np.array_equal(decode(data).samples, decode(data).samples)


@pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here")
@pytest.mark.parametrize(
    "name", ["obs_silent_first.mkv", "antiphase_dc.wav", "dc_offset.wav", "one_spike.wav"]
)
def test_recordings_that_failed(recognizer: EmotionRecognizer, name: str) -> None:
    good = recognizer.predict(decode((CASES / "good.wav").read_bytes()))
    heard = recognizer.predict(decode((CASES / name).read_bytes()))
    assert heard.label == good.label
    assert not heard.uncertain
    assert heard.confidence == pytest.approx(good.confidence, abs=0.03)
