import json
import shutil
from pathlib import Path

import pytest

from undertone.errors import ModelError, UnknownModel
from undertone.recognition.model_store import MODELS_DIR, installed_models, load_info


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    shutil.copytree(MODELS_DIR / "encoder", tmp_path / "encoder")
    return tmp_path


def change(models_dir: Path, **fields: object) -> None:
    path = models_dir / "encoder" / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_the_shipped_model_is_whole() -> None:
    assert "encoder" in installed_models()
    info = load_info("encoder")
    assert set(info.labels) == {
        "angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise",
    }  # fmt: skip
    assert (MODELS_DIR / "encoder" / "MODEL_CARD.md").is_file()


def test_nothing_shipped_is_a_pickle() -> None:
    kinds = {path.suffix for path in MODELS_DIR.rglob("*") if path.is_file()}
    assert kinds <= {".onnx", ".json", ".md", ".png"}


@pytest.mark.parametrize("name", ["", "none", "../models/encoder", "encoder/..", "/"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownModel, match="installed: .*encoder"):
        load_info(name)


def test_a_changed_file_is_refused(models_dir: Path) -> None:
    with (models_dir / "encoder" / "head.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"sha256 of head\.onnx"):
        load_info("encoder", models_dir)


def test_a_missing_file_is_refused(models_dir: Path) -> None:
    (models_dir / "encoder" / "encoder.onnx").unlink()
    with pytest.raises(ModelError, match=r"encoder\.onnx is missing"):
        load_info("encoder", models_dir)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": 0}, "format is 0, expected 2"),
        ({"name": "other"}, "name is 'other'"),
        ({"labels": ["angry", "bored"]}, "bored"),
        ({"labels": ["angry", "angry"]}, "different labels"),
        ({"uncertain_below": {"7": 0.5}}, "thresholds"),
        ({"surplus": 1}, "surplus"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    models_dir: Path, fields: dict[str, object], message: str
) -> None:
    change(models_dir, **fields)
    with pytest.raises(ModelError, match=message):
        load_info("encoder", models_dir)


def test_a_description_that_is_no_json_is_refused(models_dir: Path) -> None:
    (models_dir / "encoder" / "model.json").write_text("{")
    with pytest.raises(ModelError, match=r"model\.json cannot be read"):
        load_info("encoder", models_dir)
