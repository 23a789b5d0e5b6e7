"""Small networks on stored features, on clusters that no plane divides."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="requirements-train.txt is not installed")

from undertone.onnx import one_thread_session  # noqa: E402
from undertone.training.corpora import Clip  # noqa: E402
from undertone.training.familiarity import Familiarity  # noqa: E402
from undertone.training.mlp_head import MeanOfHeads, MlpSettings, export_heads, fit_mlps  # noqa: E402
from undertone.training.utterances import Utterances  # noqa: E402

SETTINGS = MlpSettings(n_networks=2, n_hidden=32, n_epochs=80, rate=0.01, input_dropout=0.0)


@pytest.fixture(scope="module")
def crossed() -> tuple[np.ndarray, Utterances]:
    """Angry in two opposite corners, neutral in the other two: features [2, 400, 2]."""
    rng = np.random.default_rng(0)
    corners = rng.integers(2, size=(400, 2))
    features = 100 + 20 * (corners + 0.2 * rng.standard_normal((2, 400, 2)))
    emotions = np.where(corners.sum(axis=1) == 1, "angry", "neutral")
    clips = [
        Clip(Path(str(number)), str(emotion), f"s{number % 9}", "c")
        for number, emotion in enumerate(emotions)
    ]
    return features.astype(np.float32), Utterances(clips, [np.zeros(2, np.int16)] * 400)


@pytest.fixture(scope="module")
def heads(crossed: tuple[np.ndarray, Utterances]) -> list[torch.nn.Module]:
    return fit_mlps(*crossed, SETTINGS, seed=3)


def test_they_learn_what_no_linear_head_can(
    crossed: tuple[np.ndarray, Utterances], heads: list[torch.nn.Module]
) -> None:
    features, training = crossed
    known = Familiarity(features.astype(np.float32), training.corpora)
    answers, _ = MeanOfHeads([heads], known)(torch.from_numpy(features[0]))
    answers = answers.detach().numpy()
    right = np.array(["angry", "neutral"])[answers.argmax(axis=1)] == training.emotions
    assert right.mean() > 0.95


def test_same_seed_same_networks_and_each_its_own(
    crossed: tuple[np.ndarray, Utterances], heads: list[torch.nn.Module]
) -> None:
    again = fit_mlps(*crossed, SETTINGS, seed=3)
    points = torch.from_numpy(crossed[0][0, :9])
    first, second, repeated = (
        head(points).detach().numpy() for head in (heads[0], heads[1], again[0])
    )
    assert np.array_equal(first, repeated)
    assert not np.allclose(first, second)


def test_what_is_exported_answers_the_same(
    crossed: tuple[np.ndarray, Utterances], heads: list[torch.nn.Module], tmp_path: Path
) -> None:
    linear = torch.nn.Linear(2, 2)
    known = Familiarity(crossed[0].astype(np.float32), crossed[1].corpora)
    mean = MeanOfHeads([heads, [linear]], known)
    export_heads(mean, 4, tmp_path / "head.onnx")
    embedding = np.concatenate([crossed[0][0], crossed[0][1]], axis=1)
    session = one_thread_session(tmp_path / "head.onnx")
    found = session.run(None, {"embedding": embedding})
    wanted, distances = (x.detach().numpy() for x in mean(torch.from_numpy(embedding)))
    assert found[0] == pytest.approx(wanted, abs=1e-4)
    assert found[1] == pytest.approx(distances, rel=1e-3) and distances.shape == (400,)
    own = [head(torch.from_numpy(embedding[:, :2])).softmax(dim=1) for head in heads]
    others = linear(torch.from_numpy(embedding[:, 2:])).softmax(dim=1)
    by_hand = (sum(own) / 2 + others) / 2
    assert wanted == pytest.approx(by_hand.detach().numpy(), abs=1e-5)
