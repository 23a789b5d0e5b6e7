"""Fine-tuning of the encoder's upper blocks: the network and the input of a training step."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from undertone.training.corpus_loss import Rows
from undertone.training.frozen_states import FrozenStates
from undertone.training.linear_head import LinearHead
from undertone.training.mlp_head import unstandardised
from undertone.training.network_training import Schedule
from undertone.training.recipe import Floats
from undertone.training.utterances import Utterances
from undertone.training.whisper import N_FEATURES, Branch

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of the fine-tuning.

    They were tried on CREMA-D's validation actors and on the first fold of ravdess-emobox.

    Attributes
    ----------
    schedule : Schedule
    n_copies : int
        Number of augmented copies of each utterance. A step draws one of them.
    duration_s : float
        Length of the copies in seconds.
    n_frames : int
        Number of 20 ms frames of a copy used in one step.
    strength : float
        Inverse of the L2 penalty of the initial linear head.
    rate, head_rate : float
        Peak learning rate of the uppermost block, and of the head.
    rate_decay : float
        Factor of the learning rate from each block to the one below it.
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


class TunedBranch(nn.Module):
    """Upper blocks and a linear head on their standardised features, trained together.

    It maps hidden states to scores.

    Parameters
    ----------
    branch : Branch
    labels : tuple of str
    features : np.ndarray [shape=(..., N_FEATURES), dtype=float32]
        Features of the training utterances. Mean and scale are computed from them.
    dropout : float
    """

    def __init__(
        self, branch: Branch, labels: tuple[str, ...], features: Floats32, dropout: float
    ) -> None:
        super().__init__()
        self.branch = branch
        axes = tuple(range(features.ndim - 1))
        mean, scale = features.mean(axis=axes), features.std(axis=axes) + 1e-4
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))
        self.dropout = nn.Dropout(dropout)
        self.labels = labels
        self.head = nn.Linear(N_FEATURES, len(labels))

    def begin_with(self, head: LinearHead) -> None:
        """Initialise the head from one fitted to unstandardised features."""
        mean, scale = self.mean.numpy(), self.scale.numpy()
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(head.weights.T * scale))
            self.head.bias.copy_(torch.from_numpy(head.bias + mean @ head.weights))

    def forward(self, states: Tensor) -> Tensor:
        """Map hidden states [batch, frames, 512] to scores [batch, n_labels]."""
        features = (self.branch(states) - self.mean) / self.scale
        scores: Tensor = self.head(self.dropout(features))
        return scores

    def head_as_is(self) -> nn.Module:
        """Return the equivalent head for unstandardised features."""
        return unstandardised(self.head, self.mean.numpy(), self.scale.numpy())


class EncoderTrainee:
    """Fine-tuning of the encoder family; see `network_training.Trainee`.

    Parameters
    ----------
    network : TunedBranch
    frozen : FrozenStates
        Precomputed hidden states of augmented copies of the utterances.
    training : Utterances
    settings : EncoderSettings
    """

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
        """Return the parameter groups for AdamW.

        Lower blocks learn more slowly. The head, biases and norms have no weight decay.
        """
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
        """Return scores [len(rows), n_labels] of one augmented copy of each utterance."""
        copies = rng.integers(len(self._states), size=len(rows))
        states = torch.from_numpy(self._states[copies, self._rows[rows]]).float()
        start = int(rng.integers(states.shape[1] - self._settings.n_frames + 1))
        return self.network(hide(states[:, start : start + self._settings.n_frames], rng))

    def ask(self, network: nn.Module, rows: Rows) -> Floats:
        """Return log-probabilities [len(rows), n_labels] of the first copies of utterances."""
        answers = []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for part in np.array_split(rows, -(-len(rows) // 32)):
                states = torch.from_numpy(self._states[0, self._rows[part]]).float()
                answers.append(network(states).float().log_softmax(dim=1).numpy())
        return np.concatenate(answers).astype(np.float64)


def hide(states: Tensor, rng: np.random.Generator) -> Tensor:
    """Mask a stretch of frames in about half of the states [batch, frames, 512], in place.

    Length and place of the stretch are random. Its frames are set to the mean over all frames. This
    is SpecAugment (Park et al., Interspeech 2019) on hidden states.
    """
    n_frames = states.shape[1]
    for one in states:
        if rng.random() < 0.5:
            n_hidden = int(rng.integers(1, n_frames // 8))
            start = int(rng.integers(n_frames - n_hidden))
            one[start : start + n_hidden] = one.mean(dim=0)
    return states
