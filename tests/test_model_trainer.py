"""The trainer on synthetic voices under official names: who is tested is never trained on."""

from pathlib import Path

import numpy as np
import pytest

import model_trainer
from emotion_recognizer import EmotionRecognizer
from model_trainer import ModelTrainer, TrainingError
from tests import sounds
from tests.conftest import wav
from undertone.audio import Audio
from undertone.corpora import load_corpus
from undertone.model_store import MODELS_DIR
from undertone.protocols import Fold, Protocol

ENCODER = MODELS_DIR / "encoder" / "encoder.onnx"
# Emotion code of the file name -> syllable length: what tells the synthetic emotions apart.
TEMPO_S = {"01": 0.3, "05": 0.14}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ravdess")
    for actor in range(1, 9):
        for emotion, syllable_s in TEMPO_S.items():
            for take in (1, 2):
                samples = sounds.voice(
                    1.2, 90 + 12 * actor, syllable_s=syllable_s, seed=10 * actor + take
                )
                name = f"03-01-{emotion}-01-01-{take:02d}-{actor:02d}.wav"
                (folder / name).write_bytes(wav(samples))
    return folder


@pytest.fixture(scope="module")
def trainer(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelTrainer:
    cache = tmp_path_factory.mktemp("cache")
    return ModelTrainer(ENCODER, load_corpus("ravdess", corpus), cache, n_jobs=1)


def folds(*groups: list[int]) -> Protocol:
    names = [frozenset(f"ravdess-{actor:02d}" for actor in group) for group in groups]
    return Protocol("test", "ravdess", tuple(map(Fold, names)))


def test_it_learns_what_unseen_speakers_share(trainer: ModelTrainer) -> None:
    outcome = trainer.evaluate(folds([1, 2, 3, 4], [5, 6, 7, 8]))
    assert len(outcome.emotions) == 32
    assert outcome.right.mean() > 0.9
    assert np.unique(outcome.folds).tolist() == [0, 1]


def test_a_test_speaker_is_never_fitted(
    trainer: ModelTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[set[str]] = []
    original = ModelTrainer._fit_uncalibrated

    def spy(self: ModelTrainer, train: np.ndarray) -> object:
        fitted.append(set(self.speakers[train]))
        return original(self, train)

    monkeypatch.setattr(ModelTrainer, "_fit_uncalibrated", spy)
    trainer.evaluate(folds([1, 2]))
    assert len(fitted) == 1 + model_trainer.INNER_FOLDS
    assert not any(speakers & {"ravdess-01", "ravdess-02"} for speakers in fitted)


def test_a_fold_without_clips_is_refused(trainer: ModelTrainer) -> None:
    with pytest.raises(TrainingError, match="no clip to test"):
        trainer.evaluate(folds([23]))


def test_an_emotion_without_training_clips_is_refused(corpus: Path, tmp_path: Path) -> None:
    clips = [
        clip
        for clip in load_corpus("ravdess", corpus)
        if clip.emotion == "neutral" or clip.speaker == "ravdess-01"
    ]
    trainer = ModelTrainer(ENCODER, clips, tmp_path, n_jobs=1)
    with pytest.raises(TrainingError, match="angry"):
        trainer.evaluate(folds([1]))


def test_embeddings_are_computed_once(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = load_corpus("ravdess", corpus)[:2]
    first = model_trainer.embed_clips(clips, ENCODER, tmp_path, n_jobs=1)
    monkeypatch.setattr(model_trainer, "decode", None)  # a second computation would fail
    again = model_trainer.embed_clips(clips, ENCODER, tmp_path, n_jobs=1)
    assert np.array_equal(first, again)


def test_the_command_line_makes_a_model_that_answers(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "models" / "own"
    model_trainer.main(
        ["train", "--corpus", f"ravdess={corpus}", "--out", str(out), "--jobs", "1",
         "--protocol", "kfold-2", "--cache", str(tmp_path / "cache")]
    )  # fmt: skip
    recognizer = EmotionRecognizer("own", tmp_path / "models")
    assert recognizer.labels == ("angry", "neutral")
    slow = Audio(sounds.voice(1.2, 130, syllable_s=0.3, seed=7))
    assert recognizer.predict(slow, speech=((0.0, 1.2),)).label == "neutral"
    card = (out / "MODEL_CARD.md").read_text()
    assert "ravdess, 2 folds by speaker, 2 emotions" in card
    assert (out / "confusion-ravdess-2-folds-by-speaker-2-emotions.png").is_file()


def test_ones_own_recordings(corpus: Path, tmp_path: Path) -> None:
    rows = ["path,emotion,speaker"]
    rows += [
        f"{clip.path},{clip.emotion},{clip.speaker}" for clip in load_corpus("ravdess", corpus)
    ]
    table = tmp_path / "mine.csv"
    table.write_text("\n".join(rows))
    out = tmp_path / "models" / "mine"
    arguments = ["--corpus", f"csv={table}", "--out", str(out), "--jobs", "1"]
    model_trainer.main(["train", *arguments, "--cache", str(tmp_path / "cache")])
    info = EmotionRecognizer("mine", tmp_path / "models").info
    assert list(info.scores) == ["own, 5 folds by speaker, 2 emotions"]
    assert info.trained_on == ("own",)
    card = (out / "MODEL_CARD.md").read_text()
    assert "only the recordings listed above" in card
    assert not [name for name in ("RAVDESS", "CREMA-D", "emobox") if name in card]
