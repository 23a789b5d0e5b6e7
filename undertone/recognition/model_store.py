"""Model store: ``models/<name>/`` with weights, ``model.json`` and ``MODEL_CARD.md``.

A model folder contains no code and loading runs none: networks are ONNX. Loading verifies every
field, so a damaged or foreign file prevents the start instead of distorting the answers.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from undertone.emotions import EMOTIONS, LABEL_SETS
from undertone.errors import ModelError, UnknownModel
from undertone.recognition.calibration import Calibration
from undertone.settings import ROOT

MODELS_DIR = ROOT / "models"
FORMAT = 2
# Prefix of the protocols with a whole corpus left out of training.
LEFT_OUT = "leave-out-"


@dataclass(frozen=True)
class ModelInfo:
    """Content of ``model.json``.

    Attributes
    ----------
    name, family : str
        Folder name; kind of model (``encoder``, ``ensemble``, ``cnn``).
    labels : tuple of str
        Emotions in the order of the output columns.
    extractor : dict
        Id and settings of the feature extractor, including ``n_features``.
    sample_rate : int
        Sample rate in Hz.
    files : dict of str to str
        Hexadecimal SHA-256 by file name.
    trained_on : tuple of str
        Corpora used to train the shipped weights.
    scores : dict
        Measured figures by protocol name, always on held-out speakers.
    calibration : Calibration
        Parameters of temperature scaling.
    uncertain_below : dict of str to float
        Confidence threshold by size of the label set ("8", "7", "6"); below it, an answer is a
        guess.
    training : dict
        ``corpora``: number of clips, speakers and emotions of each; ``recipe``: its settings;
        ``history``: see `undertone.training.recipe.Fitted`.
    robustness : list of dict
        Checks of `undertone.training.robustness` with their results; empty if not measured.
    versions : dict of str to str
        Versions of the libraries used in training.
    created_on : str
        Date, ISO 8601.
    format : int
        Version of this description.
    """

    name: str
    family: str
    labels: tuple[str, ...]
    extractor: dict[str, Any]
    sample_rate: int
    files: dict[str, str]
    trained_on: tuple[str, ...]
    scores: dict[str, Any]
    calibration: Calibration
    uncertain_below: dict[str, float]
    versions: dict[str, str]
    created_on: str
    training: dict[str, Any] = field(default_factory=dict)
    robustness: list[dict[str, Any]] = field(default_factory=list)
    format: int = FORMAT

    @property
    def id(self) -> str:
        """Short identifier of these weights and this calibration; it changes with either."""
        content = json.dumps([self.files, asdict(self.calibration)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    @property
    def elsewhere(self) -> tuple[float, float] | None:
        """Lowest and highest UAR on a corpus left out of training; None if not measured."""
        found = [
            figures["uar"] for test, figures in self.scores.items() if test.startswith(LEFT_OUT)
        ]
        return (min(found), max(found)) if found else None

    def is_guess(self, confidence: float, n_labels: int) -> bool:
        """Return True if this confidence is below the threshold for `n_labels` emotions."""
        return confidence < self.uncertain_below[str(n_labels)]


def installed_models(models_dir: Path = MODELS_DIR) -> list[str]:
    """Return the sorted names of the installed models."""
    return sorted(path.parent.name for path in models_dir.glob("*/model.json"))


def load_info(name: str, models_dir: Path = MODELS_DIR) -> ModelInfo:
    """Load the description of a model and verify it against the model's files.

    Raises
    ------
    UnknownModel
        No model of this name is installed.
    ModelError
        The description is damaged, or a file is missing or has another hash.
    """
    if name not in installed_models(models_dir):
        known = ", ".join(installed_models(models_dir)) or "none"
        raise UnknownModel(f"There is no model named {name[:40]!r}; installed: {known}.")
    folder = models_dir / name
    try:
        fields = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        fields["labels"] = tuple(fields["labels"])
        fields["trained_on"] = tuple(fields["trained_on"])
        fields["calibration"] = Calibration(**fields["calibration"])
        info = ModelInfo(**fields)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"models/{name}/model.json cannot be read: {error}") from error
    _verify(info, folder)
    return info


def _verify(info: ModelInfo, folder: Path) -> None:
    def expect(what: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            raise ModelError(f"models/{folder.name}: {what} is {found!r}, expected {wanted!r}.")

    expect("format", info.format, FORMAT)
    expect("name", info.name, folder.name)
    expect("labels that have no entry in EMOTIONS", sorted(set(info.labels) - set(EMOTIONS)), [])
    expect("number of different labels", len(set(info.labels)), len(info.labels))
    expect("temperature over 0", info.calibration.temperature > 0, True)
    expect("thresholds", sorted(info.uncertain_below), sorted(str(n) for n in LABEL_SETS))
    for file_name, digest in info.files.items():
        path = folder / file_name
        if not path.is_file():
            raise ModelError(f"models/{folder.name}/{file_name} is missing.")
        expect(f"sha256 of {file_name}", sha256(path), digest)


def save_info(info: ModelInfo, folder: Path) -> None:
    """Write ``model.json`` into `folder`."""
    text = json.dumps(asdict(info), indent=2, ensure_ascii=False)
    (folder / "model.json").write_text(text + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
