"""How the encoder family is trained: the upper blocks as they were, and fine-tuned; their mean.

Whisper's convolutions and first block stay as they are. Its next two blocks are there twice: as
pretrained, under a linear head, and fine-tuned, beginning with that head (Kumar et al.,
"Fine-tuning can distort pretrained features and underperform out-of-distribution", ICLR 2022).
The fine-tuned blocks know acted English better, the untouched ones other languages.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from undertone.onnx import one_thread_session
from undertone.sound.audio import Audio
from undertone.training.augmentation import Augmentation
from undertone.training.frozen_states import FrozenStates
from undertone.training.linear_head import LinearHead, export_mean_onnx, fit_head
from undertone.training.network_training import NetworkTraining, Rows, Schedule
from undertone.training.pretrained import whisper_base
from undertone.training.recipe import Floats, History
from undertone.training.utterances import Utterances
from undertone.training.whisper import (
    N_FEATURES,
    Branch,
    SpeechEncoderNetwork,
    export_onnx,
    load_whisper,
)

Floats32 = NDArray[np.float32]

EXTRACTOR_ID = "whisper-base-3-twice"
# Raise these where a change of the code gives other hidden states, another training or other files:
# what was computed by the code before is then not used any more.
STATES_VERSION = 2
TRAINING_VERSION = 4
EXPORT_VERSION = 2  # of the files that are shipped, made of the same trained networks


@dataclass(frozen=True)
class EncoderSettings:
    """What was tried on CREMA-D's validation actors and the first fold of ravdess-emobox.

    Attributes
    ----------
    schedule : Schedule
    n_copies : int
        Changed copies of each utterance; a step draws one of them.
    duration_s : float
        Their length.
    n_frames : int
        Frames of 20 ms that a step hears of them.
    strength : float
        Inverse of the L2 penalty of the head on the untouched blocks.
    rate, head_rate : float
        Peak learning rate of the uppermost block, and of the head.
    rate_decay : float
        What the rate is multiplied with for the block under it.
    dropout, weight_decay : float
    """

    schedule: Schedule = Schedule(n_steps=3000, batch_size=16, warm_up=0.05, clip_norm=1.0)
    n_copies: int = 4
    duration_s: float = 3.0
    n_frames: int = 150
    strength: float = 1e-3
    rate: float = 1e-4
    head_rate: float = 3e-4
    rate_decay: float = 0.7
    dropout: float = 0.2
    weight_decay: float = 0.02


class FineTuning:
    """Recipe of the encoder family; see `undertone.training.recipe.Recipe`.

    Parameters
    ----------
    cache_dir : Path
        Pretrained weights, hidden states and states of training are kept here.
    augmentation : Augmentation, optional
        What training utterances go through.
    n_jobs : int
        Threads that compute hidden states.
    seed : int
    settings : EncoderSettings, optional
    """

    family = "encoder"

    def __init__(
        self,
        cache_dir: Path,
        augmentation: Augmentation | None = None,
        n_jobs: int = 1,
        seed: int = 0,
        settings: EncoderSettings | None = None,
    ) -> None:
        self.settings = settings or EncoderSettings()
        self._cache_dir, self._seed = cache_dir, seed
        augmentation = augmentation or Augmentation()
        n_copies, duration_s = self.settings.n_copies, self.settings.duration_s
        states = str(joblib.hash([STATES_VERSION, n_copies, duration_s, *augmentation.noises]))
        said = [states, TRAINING_VERSION, asdict(self.settings), seed]
        self._training_id = str(joblib.hash(said))
        self.fingerprint = f"{self._training_id} {EXPORT_VERSION}"
        self.extractor: dict[str, Any] = {
            "id": EXTRACTOR_ID,
            "n_features": 2 * N_FEATURES,
            "scaler": "standard, folded into the head",
        }
        self._trunk, self._branch = load_whisper(whisper_base(cache_dir / "pretrained"))
        self._frozen = FrozenStates(
            self._trunk,
            self._branch,
            augmentation,
            n_copies=n_copies,
            duration_s=duration_s,
            folder=cache_dir / "states" / states,
            n_jobs=n_jobs,
        )

    def prepare(self, utterances: Utterances) -> None:
        """Compute the hidden states that all trainings share."""
        self._frozen.prepare(utterances)

    def fit(self, training: Utterances) -> "FittedEncoder":
        """Fit a head to the untouched blocks, fine-tune a copy of both; goes on where it was."""
        self.prepare(training)
        torch.set_num_threads(1)  # faster for matrices of this size, and folds run side by side
        head = self._head(training)
        tuned, history = self._tune(training, head)
        network = SpeechEncoderNetwork(self._trunk, [self._branch, tuned.branch])
        return FittedEncoder(network, [head, tuned.head_as_is()], history)

    def _head(self, training: Utterances) -> LinearHead:
        """The head on the untouched blocks."""
        features = self._frozen.features[:, self._frozen.rows(training)]
        return fit_head(
            features.reshape(-1, N_FEATURES),
            np.tile(training.emotions, len(features)),
            np.tile(training.corpora, len(features)),
            strength=self.settings.strength,
        )

    def _tune(self, training: Utterances, head: LinearHead) -> tuple["TunedBranch", History]:
        """Fine-tune a copy of the blocks, beginning with a head on the untouched ones."""
        torch.manual_seed(self._seed)
        features = self._frozen.features[:, self._frozen.rows(training)]
        network = TunedBranch(deepcopy(self._branch), head, features, self.settings.dropout)
        trainee = _Trainee(network, self._frozen, training, self.settings)
        digest = joblib.hash([self._training_id, training.digest])
        path = self._cache_dir / "networks" / f"encoder-{digest}.pt"
        run = NetworkTraining(trainee, training, self.settings.schedule, self._seed, path)
        network.load_state_dict(run.run().state_dict())
        return network, run.history


class TunedBranch(nn.Module):
    """Upper blocks and a linear head on their standardised features, trained together.

    Parameters
    ----------
    branch : Branch
    head : LinearHead
        Where training begins, on features as they are.
    features : array [..., N_FEATURES]
        What the head was fitted to.
    dropout : float
    """

    def __init__(
        self, branch: Branch, head: LinearHead, features: Floats32, dropout: float
    ) -> None:
        super().__init__()
        self.branch = branch
        axes = tuple(range(features.ndim - 1))
        mean, scale = features.mean(axis=axes), features.std(axis=axes) + 1e-4
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))
        self.dropout = nn.Dropout(dropout)
        self.labels = head.labels
        self.head = nn.Linear(N_FEATURES, len(head.labels))
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(head.weights.T * scale))
            self.head.bias.copy_(torch.from_numpy(head.bias + mean @ head.weights))

    def forward(self, states: Tensor) -> Tensor:
        """Hidden states [batch, frames, 512] to scores [batch, n_labels]."""
        features = (self.branch(states) - self.mean) / self.scale
        scores: Tensor = self.head(self.dropout(features))
        return scores

    def head_as_is(self) -> LinearHead:
        """The head on features that are not standardised."""
        weights = (self.head.weight / self.scale).detach().numpy().T.astype(np.float64)
        bias = self.head.bias.detach().numpy() - self.mean.numpy() @ weights
        return LinearHead(self.labels, weights, bias)


class _Trainee:
    """What `network_training` needs of the encoder family."""

    def __init__(
        self,
        network: TunedBranch,
        frozen: FrozenStates,
        training: Utterances,
        settings: EncoderSettings,
    ) -> None:
        self.network: nn.Module = network
        self._states, self._rows = frozen.states, frozen.rows(training)
        self._settings = settings

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Lower blocks learn more slowly; the head, biases and norms do not decay."""
        settings = self._settings
        groups: list[dict[str, Any]] = [
            {
                "params": list(self.network.head.parameters()),
                "lr": settings.head_rate,
                "weight_decay": 0.0,
            }
        ]
        for depth, block in enumerate(reversed(self.network.branch.blocks)):
            for parameter in block.parameters():
                decay = settings.weight_decay if parameter.ndim > 1 else 0.0
                rate = settings.rate * settings.rate_decay**depth
                groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
        return groups

    def scores(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Scores [batch, n_labels] of one changed copy of each."""
        copies = rng.integers(len(self._states), size=len(rows))
        states = torch.from_numpy(self._states[copies, self._rows[rows]]).float()
        start = int(rng.integers(states.shape[1] - self._settings.n_frames + 1))
        return self.network(hide(states[:, start : start + self._settings.n_frames], rng))

    def ask(self, network: nn.Module, rows: Rows) -> Floats:
        """Log-probabilities [len(rows), n_labels] of first copies by the fine-tuned blocks."""
        answers = []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for part in np.array_split(rows, -(-len(rows) // 32)):
                states = torch.from_numpy(self._states[0, self._rows[part]]).float()
                answers.append(network(states).float().log_softmax(dim=1).numpy())
        return np.concatenate(answers).astype(np.float64)


class FittedEncoder:
    """The encoder and the mean of its heads, as they are shipped: int8, by ONNX Runtime.

    Parameters
    ----------
    network : SpeechEncoderNetwork
    heads : list of LinearHead
        One for each of its branches.
    history : list of dict
    """

    def __init__(
        self, network: SpeechEncoderNetwork, heads: list[LinearHead], history: History
    ) -> None:
        self.labels = heads[0].labels
        self.history = history
        with TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("encoder.onnx", "head.onnx")]
            export_onnx(network, paths[0], EXTRACTOR_ID)
            export_mean_onnx(heads, paths[1])
            self._files = {path.name: path.read_bytes() for path in paths}
            self._encoder, self._head = map(one_thread_session, paths)

    def log_probabilities(self, utterances: Sequence[Audio] | Utterances) -> Floats:
        """Log-probabilities [n, n_labels]."""
        answers = np.zeros((len(utterances), len(self.labels)))
        for row, audio in zip(answers, utterances, strict=True):
            (embedding,) = self._encoder.run(None, {"samples": audio.samples[None]})
            (probabilities,) = self._head.run(None, {"embedding": embedding})
            row[:] = np.log(probabilities[0] + 1e-12)
        return answers

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write ``encoder.onnx`` and ``head.onnx``."""
        for name, content in self._files.items():
            (folder / name).write_bytes(content)
        return tuple(self._files)


def hide(states: Tensor, rng: np.random.Generator) -> Tensor:
    """States [batch, frames, 512] with some moments made silent, at random and in place.

    Park et al., "SpecAugment", Interspeech 2019, on hidden states.
    """
    n_frames = states.shape[1]
    for one in states:
        if rng.random() < 0.5:
            n_hidden = int(rng.integers(1, n_frames // 8))
            start = int(rng.integers(n_frames - n_hidden))
            one[start : start + n_hidden] = one.mean(dim=0)
    return states
