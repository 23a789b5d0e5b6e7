"""Small models of the families that take long to train: the right files, arbitrary answers."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from feature_extractor import AudioFeatureExtractor
from undertone.emotions import EMOTIONS, LABEL_SETS
from undertone.recognition.calibration import Calibration
from undertone.recognition.model_store import ModelInfo, save_info, sha256
from undertone.training.ensemble_onnx import export_ensemble
from undertone.training.ensemble_recipe import EnsembleSettings, fit_ensemble

LABELS = tuple(sorted(EMOTIONS))


def write_ensemble(models_dir: Path) -> None:
    """``ensemble``: forests and SVMs fitted on noise."""
    folder = models_dir / "ensemble"
    folder.mkdir(parents=True)
    n_features = AudioFeatureExtractor().n_features
    rng = np.random.default_rng(0)
    emotions = np.repeat(LABELS, 10)
    vectors = rng.standard_normal((len(emotions), n_features))
    settings = EnsembleSettings(n_landmarks=20, n_trees=3)
    members = fit_ensemble(vectors, emotions, np.full(len(emotions), "own"), settings, 0)
    export_ensemble(members, folder / "ensemble.onnx")
    _describe(folder, {"id": "test", "n_features": n_features, "scaler": "in the ensemble"})


def write_cnn(models_dir: Path) -> None:
    """``cnn``: constants, and the loudness of the samples between them."""
    folder = models_dir / "cnn"
    folder.mkdir(parents=True)
    weights = np.linspace(-3.0, 3.0, len(LABELS), dtype=np.float32)[np.newaxis]
    nodes = [
        helper.make_node("ReduceL2", ["samples"], ["level"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["level", "weights"], ["scores"]),
        helper.make_node("LogSoftmax", ["scores"], ["log_probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, [1, "n"])],
        [helper.make_tensor_value_info("log_probabilities", TensorProto.FLOAT, [1, len(LABELS)])],
        [helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.ravel())],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), folder / "cnn.onnx")
    _describe(folder, {"id": "samples", "n_features": 1, "scaler": "none"})


def _describe(folder: Path, extractor: dict[str, object]) -> None:
    info = ModelInfo(
        name=folder.name,
        family=folder.name,
        labels=LABELS,
        extractor=extractor,
        sample_rate=16_000,
        files={path.name: sha256(path) for path in folder.iterdir()},
        trained_on=("own",),
        scores={},
        calibration=Calibration(temperature=4.0),
        uncertain_below={str(n): 0.3 for n in LABEL_SETS},
        versions={},
        created_on="2024-01-15",
    )
    save_info(info, folder)
