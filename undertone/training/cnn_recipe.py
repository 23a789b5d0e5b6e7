"""Training recipe of the convolutional network: from scratch, on augmented power spectrograms."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from undertone.recognition.calibration import Answers
from undertone.recognition.model_store import sha256
from undertone.sound.audio import Audio
from undertone.training.cnn import N_CHROMA, N_MFCC, EmotionNetwork, export_cnn
from undertone.training.corpus_loss import Rows
from undertone.training.network_training import NetworkTraining, Schedule
from undertone.training.power_augmentation import augment, cut, power_spectrogram
from undertone.training.recipe import Floats, History
from undertone.training.utterances import Utterances
from undertone.training.whisper import N_MELS

FILE_NAME = "cnn.onnx"
# Modules in the fingerprint. After a change to one of them, a half-finished training restarts.
_SOURCES = (
    "cnn",
    "cnn_recipe",
    "corpus_emotions",
    "corpus_loss",
    "network_training",
    "power_augmentation",
    "whisper",
)


@dataclass(frozen=True)
class CnnSettings:
    """Hyperparameters of the network, chosen on held-out training speakers.

    Attributes
    ----------
    schedule : Schedule
        Number of steps, batch size and held-out share.
    max_frames : int
        Longest part of an utterance in one training step, in frames of 10 ms.
    rate, weight_decay : float
        Peak learning rate and weight decay of AdamW.
    """

    schedule: Schedule = Schedule(n_steps=6000, batch_size=32, held_out_share=0.1)
    max_frames: int = 250
    rate: float = 2e-3
    weight_decay: float = 0.05


class CnnRecipe:
    """Recipe of the network; the same seed gives the same model, even after an interruption.

    Parameters
    ----------
    checkpoint_dir : Path
        Folder of the checkpoints. A killed training resumes from them. A finished one is loaded.
    seed : int
    settings : CnnSettings, optional
    """

    family = "cnn"

    def __init__(
        self, checkpoint_dir: Path, seed: int = 0, settings: CnnSettings | None = None
    ) -> None:
        self.settings = settings or CnnSettings()
        self.extractor: dict[str, Any] = {
            "id": "log-mel-mfcc-chroma",
            "n_features": N_MELS + N_MFCC + N_CHROMA,
            "scaler": "level-free, in the network",
        }
        here = Path(__file__)
        sources = [sha256(here.with_name(f"{name}.py")) for name in _SOURCES]
        self.fingerprint = str(joblib.hash([sources, asdict(self.settings), seed]))
        self._checkpoint_dir, self._seed = checkpoint_dir, seed

    def prepare(self, utterances: Utterances) -> None:
        """Do nothing: spectrograms are computed in a minute."""

    def fit(self, training: Utterances) -> "FittedCnn":
        """Train on `training`, except for the held-out share of its speakers."""
        torch.set_num_threads(1)  # three times as fast as two threads waiting for each other
        torch.manual_seed(self._seed)
        trainee = _Trainee(training, self.settings)
        digest = joblib.hash([self.fingerprint, training.digest])
        path = self._checkpoint_dir / f"cnn-{digest}.pt"
        run = NetworkTraining(trainee, training, self.settings.schedule, self._seed, path)
        return FittedCnn(run.labels, run.run(), run.history)


@dataclass(frozen=True)
class FittedCnn:
    """A trained network; see `undertone.training.recipe.Fitted`.

    Parameters
    ----------
    labels : tuple of str
        Emotions in the order of the columns.
    network : nn.Module
    history : list of dict
        Training log.
    """

    labels: tuple[str, ...]
    network: nn.Module
    history: History = field(default_factory=list)

    def answers(self, utterances: Sequence[Audio] | Utterances) -> Answers:
        """Return the answers to utterances cut to their spoken part."""
        spectrograms = (power_spectrogram(audio.samples) for audio in utterances)
        return Answers.to(utterances, _asked(self.network, spectrograms))

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write ``cnn.onnx`` into `folder`."""
        export_cnn(self.network, folder / FILE_NAME)
        return (FILE_NAME,)


class _Trainee:
    """Adapter for `network_training`; spectrograms are stored in half-precision."""

    def __init__(self, training: Utterances, settings: CnnSettings) -> None:
        self._settings = settings
        network = EmotionNetwork(len(training.labels))
        # Saves a fifth of the time: half-precision convolutions are faster with adjacent channels.
        self.network: nn.Module = network.to(memory_format=torch.channels_last)
        every = tqdm(training, "spectrograms", len(training), unit="clip", leave=False)
        self._power = [_packed(power_spectrogram(audio.samples)) for audio in every]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group with all parameters."""
        parameters = list(self.network.parameters())
        return [
            {
                "params": parameters,
                "lr": self._settings.rate,
                "weight_decay": self._settings.weight_decay,
            }
        ]

    def scores(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Return scores [batch, n_labels] of augmented copies, cut to a common length."""
        spectrograms = [_unpacked(self._power[row]) for row in rows]
        longest = max(power.shape[1] for power in spectrograms)
        power = augment(cut(spectrograms, min(longest, self._settings.max_frames), rng), rng)
        with torch.autocast("cpu", enabled=False):
            features = self.network.features(power)
        scores: Tensor = self.network.classify(*features)
        return scores

    def ask(self, network: nn.Module, rows: Rows) -> Floats:
        """Return log-probabilities [len(rows), n_labels] of unchanged utterances."""
        return _asked(network, (_unpacked(self._power[row]) for row in rows))


def _packed(power: Tensor) -> Tensor:
    """Return square roots in float16: twice the range in half the memory."""
    return torch.sqrt(power / power.max().clamp(min=1e-20) * 1e8).half()


def _unpacked(packed: Tensor) -> Tensor:
    return packed.float() ** 2


def _asked(network: nn.Module, spectrograms: Iterable[Tensor]) -> Floats:
    """Return log-probabilities [n, n_labels] of whole utterances, computed one at a time."""
    network.eval()
    with torch.inference_mode():
        rows = [network.scores(power[None]).log_softmax(dim=1)[0] for power in spectrograms]
    return np.asarray(torch.stack(rows).double().numpy())
