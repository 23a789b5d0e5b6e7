"""The encoder family's training, on synthetic voices and an encoder of random weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="requirements-train.txt is not installed")

from tests.voices import write_corpus  # noqa: E402
from undertone.recognition.classifiers import HeadOnEncoder  # noqa: E402
from undertone.training import fine_tuning, whisper  # noqa: E402
from undertone.training.corpora import load_corpus  # noqa: E402
from undertone.training.fine_tuning import EncoderSettings, FineTuning  # noqa: E402
from undertone.training.mlp_head import MlpSettings  # noqa: E402
from undertone.training.network_training import NetworkTraining, Schedule  # noqa: E402
from undertone.training.utterances import Utterances, read_utterances  # noqa: E402

SHORT = EncoderSettings(
    schedule=Schedule(n_steps=6, batch_size=4, n_looks=3),
    n_copies=2,
    duration_s=1.0,
    n_frames=40,
)
SMALL = MlpSettings(n_networks=2, n_hidden=8, n_epochs=1)


def random_whisper(folder: Path) -> dict[str, np.ndarray]:
    """Variables of Whisper's names and shapes."""
    rng = np.random.default_rng(0)
    width = whisper.WIDTH
    shapes: dict[str, tuple[int, ...]] = {
        "conv1/weight": (width, whisper.N_MELS, 3),
        "conv2/weight": (width, width, 3),
    }
    for index in range(whisper.N_BLOCKS):
        layer = f"layer_{index}"
        shapes |= {
            f"{layer}/self_attention/layer_norm/gamma": (width,),
            f"{layer}/self_attention/linear_0/weight": (3 * width, width),
            f"{layer}/self_attention/linear_1/weight": (width, width),
            f"{layer}/ffn/layer_norm/gamma": (width,),
            f"{layer}/ffn/linear_0/weight": (4 * width, width),
            f"{layer}/ffn/linear_1/weight": (width, 4 * width),
        }
    variables = {}
    for name, shape in shapes.items():
        scale = 1.0 if len(shape) == 1 else np.prod(shape[1:]) ** -0.5
        variables[f"encoder/{name}"] = scale * rng.standard_normal(shape, np.float32)
        bias = name.replace("weight", "bias").replace("gamma", "beta")
        variables[f"encoder/{bias}"] = np.zeros(shape[0], np.float32)
    return variables


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "whisper_base", random_whisper)


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> Utterances:
    folder = write_corpus(tmp_path_factory.mktemp("voices") / "ravdess", n_actors=3)
    clips = load_corpus("ravdess", folder)
    return read_utterances(clips, tmp_path_factory.mktemp("cache"), n_jobs=1)


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., FineTuning]:
    return lambda seed=0: FineTuning(
        tmp_path, n_jobs=1, seed=seed, settings=SHORT, head_settings=SMALL
    )


def test_what_is_saved_answers_like_what_was_fitted(
    recipe: Callable[..., FineTuning], utterances: Utterances, tmp_path: Path
) -> None:
    from feature_extractor import SpeechEncoder

    fitted = recipe().fit(utterances)
    assert fitted.labels == ("angry", "neutral")
    assert [row["step"] for row in fitted.history] == [2, 4, 6]
    expected = fitted.answers(utterances).log_probabilities
    assert np.exp(expected).sum(axis=1) == pytest.approx(1, abs=1e-5)
    out = tmp_path / "out"
    out.mkdir()
    assert fitted.save(out) == ("encoder.onnx", "head.onnx")
    saved = HeadOnEncoder(SpeechEncoder(out / "encoder.onnx"), out / "head.onnx")
    assert saved.answers(list(utterances)).log_probabilities == pytest.approx(expected, abs=1e-4)


def test_the_exported_encoder_embeds_as_the_network_does(
    utterances: Utterances, tmp_path: Path
) -> None:
    from feature_extractor import SpeechEncoder

    trunk, branch = whisper.load_whisper(random_whisper(tmp_path))
    network = whisper.SpeechEncoderNetwork(trunk, [branch])
    whisper.export_encoder(network, tmp_path / "encoder.onnx", "test")
    assert (tmp_path / "encoder.onnx").stat().st_size < 18e6
    encoder = SpeechEncoder(tmp_path / "encoder.onnx")
    assert encoder.extractor_id == "test"
    audios = list(utterances)[:4]
    with torch.inference_mode():
        wanted = np.concatenate([network(torch.from_numpy(a.samples[None].copy())) for a in audios])
    found = np.array([encoder.embed(audio) for audio in audios])
    of_trunk = slice(2 * whisper.WIDTH)  # single precision, its weights stored in half of that
    assert found[:, of_trunk] == pytest.approx(wanted[:, of_trunk], abs=5e-3)
    error = np.sqrt(np.mean((found - wanted) ** 2)) / wanted.std()
    assert error < 0.02


def test_a_killed_training_goes_on_to_the_same_weights(
    recipe: Callable[..., FineTuning],
    utterances: Utterances,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = FineTuning(tmp_path / "whole", settings=SHORT, head_settings=SMALL).fit(utterances)
    learn = NetworkTraining._learn

    def killed(self: NetworkTraining, step: int) -> float:
        if step == 5:
            raise KeyboardInterrupt
        return learn(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(NetworkTraining, "_learn", killed)
        with pytest.raises(KeyboardInterrupt):
            recipe().fit(utterances)
    steps: list[int] = []

    def counted(self: NetworkTraining, step: int) -> float:
        steps.append(step)
        return learn(self, step)

    monkeypatch.setattr(NetworkTraining, "_learn", counted)
    resumed = recipe().fit(utterances)
    assert steps == [4, 5]
    answers = [fitted.answers(utterances).log_probabilities for fitted in (whole, resumed)]
    assert answers[1] == pytest.approx(answers[0], abs=1e-6)
    recipe().fit(utterances)
    assert steps == [4, 5], "a finished training is not repeated"


def test_a_copy_depends_on_its_utterance_alone(
    recipe: Callable[..., FineTuning], utterances: Utterances, tmp_path: Path
) -> None:
    everything = recipe()
    everything.prepare(utterances)
    part = utterances.subset(np.arange(5, 9))
    alone = FineTuning(tmp_path / "alone", settings=SHORT, head_settings=SMALL)
    alone.prepare(part)
    rows = everything._frozen.rows(part)
    assert rows.tolist() == [5, 6, 7, 8]
    assert np.array_equal(everything._frozen.states[:, rows], alone._frozen.states)
    assert not np.array_equal(alone._frozen.states[0], alone._frozen.states[1])


def test_states_are_computed_once(
    recipe: Callable[..., FineTuning], utterances: Utterances, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe().prepare(utterances)
    again = recipe()
    monkeypatch.setattr(type(again._frozen), "_chunk", None)  # a second computation would fail
    again.prepare(utterances)
    assert len(again._frozen.states[0]) == len(utterances)
