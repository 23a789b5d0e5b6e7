"""The trainer's commands, on synthetic voices and the shipped encoder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import model_trainer
from emotion_recognizer import EmotionRecognizer
from feature_extractor import SpeechEncoder
from tests import sounds
from tests.voices import write_corpus
from undertone.errors import UndertoneError
from undertone.recognition.model_store import MODELS_DIR, load_info
from undertone.sound.audio import Audio
from undertone.sound.speech import Speech
from undertone.training.corpora import load_corpus
from undertone.training.cross_validation import TrainingError
from undertone.training.robustness import Check

ENCODER = MODELS_DIR / "encoder" / "encoder.onnx"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One's own recordings: a table of path, emotion and speaker."""
    folder = write_corpus(tmp_path_factory.mktemp("voices") / "mine")
    rows = ["path,emotion,speaker,split"]
    for clip in load_corpus("ravdess", folder):
        split = "test" if clip.speaker in ("ravdess-07", "ravdess-08") else "train"
        rows.append(f"{clip.path.name},{clip.emotion},{clip.speaker},{split}")
    path = folder / "mine.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def options(table: Path, cache: Path) -> list[str]:
    return ["--corpus", f"csv={table}", "--encoder", str(ENCODER), "--jobs", "1",
            "--cache", str(cache)]  # fmt: skip


def test_ones_own_recordings_make_a_model_that_answers(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "models" / "own"
    model_trainer.main(["train", *options, "--out", str(out)])
    assert "own, 5 folds by speaker, 2 emotions: UAR" in capsys.readouterr().out
    recognizer = EmotionRecognizer("own", tmp_path / "models")
    assert recognizer.labels == ("angry", "neutral")
    slow = Audio(sounds.voice(1.2, 130, syllable_s=0.3, seed=7))
    assert recognizer.predict(slow, speech=Speech([(0.0, 1.2)])).label == "neutral"
    info = recognizer.info
    scores = info.scores["own, 5 folds by speaker, 2 emotions"]
    assert scores["uar"] > 0.9 and scores["n_clips"] == 32
    assert info.trained_on == ("own",)
    assert info.training["corpora"] == {"own": {"clips": 32, "speakers": 8, "emotions": 2}}
    card = (out / "MODEL_CARD.md").read_text()
    assert "only the recordings listed above" in card
    assert not [name for name in ("RAVDESS", "CREMA-D", "emobox") if name in card]
    pictures = {path.name for path in out.glob("*.png")}
    assert pictures == {
        "confusion-own-5-folds-by-speaker-2-emotions.png", "reliability.png", "risk-coverage.png",
    }  # fmt: skip
    assert all(f"({name})" in card for name in pictures)


def test_the_card_can_be_written_anew(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "own"
    model_trainer.main(["train", *options, "--out", str(out), "--protocol", "kfold-2"])
    card = (out / "MODEL_CARD.md").read_text()
    (out / "NOTES.md").write_text("## What each step brought\n")
    (out / "MODEL_CARD.md").unlink()
    monkeypatch.setattr(model_trainer, "MODELS_DIR", tmp_path)
    monkeypatch.setattr(model_trainer, "load_info", lambda name: load_info(name, tmp_path))
    model_trainer.main(["card", "own"])
    assert (out / "MODEL_CARD.md").read_text() == card + "\n## What each step brought\n"


def test_folds_are_trained_side_by_side(options: list[str], tmp_path: Path) -> None:
    arguments = [*options, "--protocol", "kfold-2", "--jobs", "2", "--cache", str(tmp_path)]
    model_trainer.main(["evaluate", *arguments])
    assert len(list((tmp_path / "folds").glob("encoder-*.npz"))) == 2


def test_a_given_split(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    model_trainer.main(["evaluate", *options, "--protocol", "split"])
    assert "own, given split, 2 emotions: UAR" in capsys.readouterr().out


def test_fewer_emotions(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    utterances = model_trainer._utterances(
        model_trainer._parser().parse_args(["evaluate", *options, "--labels", "6"])
    )
    assert set(utterances.emotions) == {"angry", "neutral"}


def test_a_tuned_encoder_is_not_measured_on_voices_it_has_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SpeechEncoder, "extractor_id", "tuned")
    folder = write_corpus(tmp_path / "ravdess", n_actors=1, n_takes=1)
    with pytest.raises(TrainingError, match="was trained on ravdess"):
        model_trainer.main(["evaluate", "--corpus", f"ravdess={folder}", "--encoder", str(ENCODER)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corpus", "ravdess=/nowhere"], "nothing at /nowhere"),
        (["--corpus", "ravdes=/nowhere"], "no corpus named 'ravdes'"),
    ],
)
def test_a_corpus_that_is_not_there_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(UndertoneError, match=message):
        model_trainer.main(["evaluate", *arguments])


def test_what_cannot_be_checked_for_robustness_is_refused_at_once(options: list[str]) -> None:
    for extra, message in (
        (["--robustness", "cremad-si"], "none of the protocols that are measured: own, 5 folds"),
        (["--robustness", "own, 5 folds by speaker"], "needs --noise"),
    ):
        with pytest.raises(TrainingError, match=message):
            model_trainer.main(["train", *options, *extra])


def test_changed_recordings_are_asked_about_as_they_would_be_sent(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def checks(answer: Any, labels: Any, recordings: Any, *about: Any, **_: Any) -> list[Check]:
        asked.update(answers=answer(recordings[:2]), labels=labels, about=about)
        asked["durations_s"] = [audio.duration_s for audio in recordings]
        return [Check("gain: stay", "small changes", 0.97, 0.95)]

    monkeypatch.setattr(model_trainer.robustness, "checks", checks)
    monkeypatch.setattr(model_trainer, "load_noises", lambda *_: None)
    title, out = "own, 4 folds by speaker", tmp_path / "own"
    model_trainer.main(["train", *options, "--out", str(out), "--protocol", "kfold-4",
                        "--robustness", title, "--noise", str(tmp_path)])  # fmt: skip
    assert asked["labels"] == ("angry", "neutral") and asked["answers"].shape == (2, 2)
    assert [len(values) for values in asked["about"]] == [8, 8]  # emotions, sexes of two speakers
    assert asked["durations_s"] == pytest.approx([1.2] * 8)  # as in their files, not cut
    assert "gain: stay | 0.97 | > 0.95 | yes" in (out / "MODEL_CARD.md").read_text()


def test_thresholds_keep_their_risk(options: list[str], tmp_path: Path) -> None:
    out = tmp_path / "own"
    model_trainer.main(["train", *options, "--out", str(out), "--protocol", "kfold-4"])
    info = json.loads((out / "model.json").read_text())
    assert set(info["uncertain_below"]) == {"6", "7", "8"}
    curve = np.array(info["scores"]["own, 4 folds by speaker, 2 emotions"]["risk_coverage"])
    assert curve[-1].tolist()[0] == 1.0
    assert (curve[:, 1] <= 0.2).all()
