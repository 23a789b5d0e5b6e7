from pathlib import Path

import pytest

from tests.conftest import DATASETS
from undertone.training.corpora import CorpusError, load_corpus
from undertone.training.corpus_names import CORPORA

OFFICIAL = [
    ("ravdess", "Actor_12/03-01-06-01-02-01-12.wav", "fear", "ravdess-12", "female", "normal"),
    ("ravdess", "03-01-08-02-02-01-01.flac", "surprise", "ravdess-01", "male", "strong"),
    ("ravdess_song", "03-02-02-02-02-01-01.flac", "calm", "ravdess-01", "male", "strong"),
    ("crema_d", "1001_DFA_ANG_XX.wav", "angry", "crema_d-1001", "male", ""),
    ("crema_d", "AudioWAV/1002_IEO_HAP_HI.mp3", "happy", "crema_d-1002", "female", "hi"),
    ("tess", "OAF_Fear/OAF_back_fear.wav", "fear", "tess-OA", "female", ""),
    ("tess", "OA_bite_neutral.opus", "neutral", "tess-OA", "female", ""),
    ("tess", "YAF_back_ps.wav", "surprise", "tess-YA", "female", ""),
    ("nemo", "WR0_surprised_64.wav", "surprise", "nemo-WR0", "male", ""),
    ("savee", "AudioData/DC/su03.wav", "surprise", "savee-DC", "male", ""),
    ("savee", "KL_a01.wav", "angry", "savee-KL", "male", ""),
    ("savee", "JE_sa12.wav", "sad", "savee-JE", "male", ""),
    ("emodb", "wav/03a01Fa.wav", "happy", "emodb-03", "male", ""),
    ("emodb", "16b10Wb.wav", "angry", "emodb-16", "female", ""),
    ("emovo", "f1/gio-f1-b1.wav", "happy", "emovo-f1", "female", ""),
    ("emovo", "pau-m3-l4.mp3", "fear", "emovo-m3", "male", ""),
]


@pytest.mark.parametrize(("corpus", "name", "emotion", "speaker", "sex", "intensity"), OFFICIAL)
def test_official_names(
    tmp_path: Path, corpus: str, name: str, emotion: str, speaker: str, sex: str, intensity: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    (tmp_path / "README.md").touch()
    (clip,) = load_corpus(corpus, tmp_path)
    others = set(CORPORA) - {corpus}
    assert not [name for name in others if _finds(name, tmp_path)]
    assert (clip.path, clip.emotion, clip.speaker) == (path, emotion, speaker)
    assert (clip.sex, clip.intensity) == (sex, intensity)


def _finds(name: str, folder: Path) -> bool:
    try:
        return bool(load_corpus(name, folder))
    except CorpusError:
        return False


def test_boredom_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "03a01La.wav").touch()
    assert not _finds("emodb", tmp_path)


def test_votes_on_the_voice_alone(tmp_path: Path) -> None:
    for name in ("1001_DFA_ANG_XX.wav", "1001_IEO_SAD_HI.wav"):
        (tmp_path / name).touch()
    (tmp_path / "processedResults").mkdir()
    (tmp_path / "processedResults" / "tabulatedVotes.csv").write_text(
        '"","A","D","F","H","N","S","fileName"\n'
        '"100001",3,0,0,0,1,0,"1001_DFA_ANG_XX"\n'
        '"200001",0,9,0,0,0,0,"1001_DFA_ANG_XX"\n'
    )
    voted, unvoted = load_corpus("crema_d", tmp_path)
    assert {emotion: share for emotion, share in voted.heard if share} == {
        "angry": 0.75,
        "neutral": 0.25,
    }
    assert unvoted.heard == ()


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/1.wav", "2.mp3"):
        (tmp_path / name).touch()
    table = tmp_path / "mine.csv"
    table.write_text("speaker,path,emotion\nEva,a/1.wav,Anger\nJan,2.mp3,joy\n")
    first, second = load_corpus("csv", table)
    assert (first.path, first.emotion, first.speaker) == (tmp_path / "a/1.wav", "angry", "own-Eva")
    assert (second.emotion, second.speaker, second.corpus) == ("happy", "own-Jan", "own")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,emotion\n", "no column speaker"),
        ("path,emotion,speaker\nx.wav,bored,Eva\n", "line 2: the emotion 'bored' is not known"),
        ("path,emotion,speaker\nx.wav,sad,\n", "line 2: no speaker"),
        ("path,emotion,speaker\nnone.wav,sad,Eva\n", "line 2: there is no file"),
        ("path,emotion,speaker\n", "no clip"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.wav").touch()
    table = tmp_path / "mine.csv"
    table.write_text(text)
    with pytest.raises(CorpusError, match=message):
        load_corpus("csv", table)


def test_folders_of_ones_own(tmp_path: Path) -> None:
    for name in ("angry/Eva_1.wav", "Happiness/Jan/x.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    clips = {clip.emotion: clip.speaker for clip in load_corpus("folders", tmp_path)}
    assert clips == {"angry": "own-Eva", "happy": "own-Jan"}
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "Eva_2.wav").touch()
    with pytest.raises(CorpusError, match="'holiday' is not known"):
        load_corpus("folders", tmp_path)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no corpus named 'x'"):
        load_corpus("x", tmp_path)
    with pytest.raises(CorpusError, match="nothing at"):
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
