from pathlib import Path

import pytest

from tests.conftest import DATASETS
from undertone.corpora import CORPORA, CorpusError, load_corpus

OFFICIAL = [
    ("ravdess", "Actor_12/03-01-06-01-02-01-12.wav", "fear", "ravdess-12", "female", "normal"),
    ("ravdess", "03-01-08-02-02-01-01.flac", "surprise", "ravdess-01", "male", "strong"),
    ("ravdess_song", "03-02-02-02-02-01-01.flac", "calm", "ravdess-01", "male", "strong"),
    ("crema_d", "1001_DFA_ANG_XX.wav", "angry", "crema_d-1001", "male", ""),
    ("crema_d", "AudioWAV/1002_IEO_HAP_HI.mp3", "happy", "crema_d-1002", "female", "hi"),
    ("tess", "OAF_Fear/OAF_back_fear.wav", "fear", "tess-OA", "female", ""),
    ("tess", "OA_bite_neutral.opus", "neutral", "tess-OA", "female", ""),
    ("tess", "YAF_back_ps.wav", "surprise", "tess-YA", "female", ""),
    ("nemo", "WR0_surprised_64.wav", "surprise", "nemo-WR0", "", ""),
]


@pytest.mark.parametrize(("corpus", "name", "emotion", "speaker", "sex", "intensity"), OFFICIAL)
def test_official_names(
    tmp_path: Path, corpus: str, name: str, emotion: str, speaker: str, sex: str, intensity: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    (tmp_path / "README.md").touch()
    (clip,) = load_corpus(corpus, tmp_path)
    assert (clip.path, clip.emotion, clip.speaker) == (path, emotion, speaker)
    assert (clip.sex, clip.intensity) == (sex, intensity)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no corpus named 'x'"):
        load_corpus("x", tmp_path)
    with pytest.raises(CorpusError, match="no folder"):
        load_corpus("ravdess", tmp_path / "none")
    with pytest.raises(CorpusError, match="no clip"):
        load_corpus("ravdess", tmp_path)


@pytest.mark.skipif(not DATASETS.is_dir(), reason="../shared/datasets is not here")
@pytest.mark.parametrize(
    ("name", "n_clips", "n_speakers", "n_emotions"),
    [("ravdess", 1440, 24, 8), ("ravdess_song", 1012, 23, 6), ("crema_d", 7441, 91, 6),
     ("tess", 2800, 2, 7), ("nemo", 2076, 9, 6)],
)  # fmt: skip
def test_whole_corpora(name: str, n_clips: int, n_speakers: int, n_emotions: int) -> None:
    clips = load_corpus(name, DATASETS / name)
    assert len(clips) == n_clips
    assert len({clip.speaker for clip in clips}) == n_speakers
    assert len({clip.emotion for clip in clips}) == n_emotions


def test_every_corpus_states_its_licence() -> None:
    assert all(corpus.licence and corpus.title for corpus in CORPORA.values())
