"""How the convolutional network is trained: from scratch, on changed power spectrograms."""

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
# Whatever a half-finished training depends on: change one, and it starts anew.
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
    """What was chosen on held-out training speakers.

    Attributes
    ----------
    schedule : Schedule
    max_frames : int
        Longest stretch of an utterance that a step hears, in frames of 10 ms.
    rate, weight_decay : float
        AdamW's peak learning rate and its decay.
    """

    schedule: Schedule = Schedule(n_steps=6000, batch_size=32, held_out_share=0.1)
    max_frames: int = 250
    rate: float = 2e-3
    weight_decay: float = 0.05


class CnnRecipe:
    """Trains the network; same seed, same model, also when it was stopped on its way.

    Parameters
    ----------
    checkpoint_dir : Path
        Where its state is kept: a killed training goes on from there, a finished one is there.
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
        """Nothing: spectrograms are computed in a minute."""

    def fit(self, training: Utterances) -> "FittedCnn":
        """Train on `training`, all but the held-out share of its speakers."""
        torch.set_num_threads(1)  # three times as fast as two that wait for each other
        torch.manual_seed(self._seed)
        trainee = _Trainee(training, self.settings)
        digest = joblib.hash([self.fingerprint, training.digest])
        path = self._checkpoint_dir / f"cnn-{digest}.pt"
        run = NetworkTraining(trainee, training, self.settings.schedule, self._seed, path)
        return FittedCnn(run.labels, run.run(), run.history)


@dataclass(frozen=True)
class FittedCnn:
    """A trained network; see `undertone.training.recipe.Fitted`."""

    labels: tuple[str, ...]
    network: nn.Module
    history: History = field(default_factory=list)

    def answers(self, utterances: Sequence[Audio] | Utterances) -> Answers:
        """What it says of utterances cut to their spoken part."""
        spectrograms = (power_spectrogram(audio.samples) for audio in utterances)
        return Answers.to(utterances, _asked(self.network, spectrograms))

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write ``cnn.onnx`` into `folder`."""
        export_cnn(self.network, folder / FILE_NAME)
        return (FILE_NAME,)


class _Trainee:
    """What `network_training` needs of this family; spectrograms wait in half-precision."""

    def __init__(self, training: Utterances, settings: CnnSettings) -> None:
        self._settings = settings
        network = EmotionNetwork(len(training.labels))
        # A fifth less time: convolutions in half-precision want their channels together.
        self.network: nn.Module = network.to(memory_format=torch.channels_last)
        every = tqdm(training, "spectrograms", len(training), unit="clip", leave=False)
        self._power = [_packed(power_spectrogram(audio.samples)) for audio in every]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All parameters alike."""
        parameters = list(self.network.parameters())
        return [
            {
                "params": parameters,
                "lr": self._settings.rate,
                "weight_decay": self._settings.weight_decay,
            }
        ]

    def scores(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Scores [batch, n_labels] of changed copies, cut to a common length."""
        spectrograms = [_unpacked(self._power[row]) for row in rows]
        longest = max(power.shape[1] for power in spectrograms)
        power = augment(cut(spectrograms, min(longest, self._settings.max_frames), rng), rng)
        with torch.autocast("cpu", enabled=False):
            features = self.network.features(power)
        scores: Tensor = self.network.classify(*features)
        return scores

    def ask(self, network: nn.Module, rows: Rows) -> Floats:
        """Log-probabilities [len(rows), n_labels] of utterances as they are."""
        return _asked(network, (_unpacked(self._power[row]) for row in rows))


def _packed(power: Tensor) -> Tensor:
    """Square roots, as float16: twice the range in half the memory."""
    return torch.sqrt(power / power.max().clamp(min=1e-20) * 1e8).half()


def _unpacked(packed: Tensor) -> Tensor:
    return packed.float() ** 2


def _asked(network: nn.Module, spectrograms: Iterable[Tensor]) -> Floats:
    """Log-probabilities [n, n_labels] of whole utterances, one at a time."""
    network.eval()
    with torch.inference_mode():
        rows = [network.scores(power[None]).log_softmax(dim=1)[0] for power in spectrograms]
    return np.asarray(torch.stack(rows).double().numpy())
