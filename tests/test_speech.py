from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests import sounds
from tests.conftest import DATASETS
from undertone.audio import Audio, decode
from undertone.corpora import load_corpus
from undertone.errors import NoSpeech, RecordingSilent
from undertone.speech import find_speech

RATE = sounds.SAMPLE_RATE
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


def test_threads_do_not_disturb_each_other() -> None:
    recordings = [Audio(sounds.voice(1.0 + 0.2 * k, 90 + 20 * k)) for k in range(6)]
    alone = [find_speech(audio) for audio in recordings]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(find_speech, recordings * 4))
    assert together == alone * 4


@needs_datasets
@pytest.mark.parametrize("corpus", ["ravdess", "crema_d", "tess", "nemo"])
def test_real_speech_is_accepted(corpus: str) -> None:
    clips = load_corpus(corpus, DATASETS / corpus)
    refused = []
    for clip in clips[:: len(clips) // 30]:
        try:
            find_speech(decode(clip.path.read_bytes()))
        except NoSpeech:
            refused.append(clip.path.name)
    assert len(refused) <= 1, refused


@needs_datasets
def test_sounds_that_are_not_speech_are_refused() -> None:
    paths = sorted((DATASETS / "esc10").rglob("*.o*")) + sorted((DATASETS / "esc10").rglob("*.wav"))
    refused = n = 0
    for path in paths[::8]:
        try:
            audio = decode(path.read_bytes())
        except RecordingSilent:
            continue
        n += 1
        try:
            find_speech(audio)
        except NoSpeech:
            refused += 1
    assert n > 30
    assert refused / n > 0.8
