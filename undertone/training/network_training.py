"""Training of networks: masked loss over corpora, averaged weights, bit-exact resuming."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from undertone.training.corpus_loss import CorpusLoss, Rows, shares
from undertone.training.evaluation import uar
from undertone.training.recipe import Floats, History
from undertone.training.utterances import Utterances

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Schedule:
    """Training schedule: number of steps, learning rate, smoothing and averaging.

    Attributes
    ----------
    n_steps, batch_size : int
    warm_up : float
        Share of the steps with a rising learning rate. After them it follows a cosine to 0.
    smoothing : float
        Share of each target spread evenly over the emotions of its corpus.
    heard_share : float
        Share of the rest of each target set by the listeners' votes, if there are any.
    ema_decay : float
        Decay of the running average of the weights. The trained network is this average.
    clip_norm : float
        Maximum norm of the gradient.
    n_looks : int
        Number of times the history is extended and the checkpoint saved.
    held_out_share : float
        Share of each corpus's speakers held out of training to monitor it.
    """

    n_steps: int
    batch_size: int
    warm_up: float = 0.1
    smoothing: float = 0.1
    heard_share: float = 0.3
    ema_decay: float = 0.998
    clip_norm: float = 2.0
    n_looks: int = 12
    held_out_share: float = 0.0


class Trainee(Protocol):
    """The part specific to a family of models: its network and its forward passes."""

    network: nn.Module

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return parameter groups for AdamW, with the peak learning rate as ``lr``."""
        ...

    def scores(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Return scores [len(rows), n_labels] of augmented copies of training utterances."""
        ...

    def ask(self, network: nn.Module, rows: Rows) -> Floats:
        """Return log-probabilities [len(rows), n_labels] of unchanged utterances."""
        ...


class NetworkTraining:
    """A resumable training run.

    The same seed gives the same weights, even if the run was interrupted and resumed.

    Parameters
    ----------
    trainee : Trainee
    training : Utterances
    schedule : Schedule
    seed : int
    path : Path
        Checkpoint file. A killed run resumes from it; a finished run is loaded from it.
    """

    def __init__(
        self, trainee: Trainee, training: Utterances, schedule: Schedule, seed: int, path: Path
    ) -> None:
        self.labels = training.labels
        self.history: History = []
        self._trainee, self._training, self._schedule = trainee, training, schedule
        self._seed, self._path = seed, path
        average = get_ema_multi_avg_fn(schedule.ema_decay)
        self._average = AveragedModel(trainee.network, multi_avg_fn=average, use_buffers=True)
        groups = trainee.parameter_groups()
        self._peak_rates = [group["lr"] for group in groups]
        self._optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        self._step, self._losses = 0, 0.0
        self._is_held_out = held_out_speakers(training, schedule.held_out_share)
        self._loss = CorpusLoss(
            training, self.labels, smoothing=schedule.smoothing, heard_share=schedule.heard_share
        )
        chances = shares(training) * ~self._is_held_out
        self._shares = chances / chances.sum()

    def run(self) -> nn.Module:
        """Train to the end from the last checkpoint, if any, and return the averaged network."""
        self._resume()
        n_steps = self._schedule.n_steps
        look_every = max(1, n_steps // self._schedule.n_looks)
        steps = range(self._step, n_steps)
        for step in tqdm(steps, "training", n_steps, initial=self._step, unit="step"):
            self._losses += self._learn(step)
            self._step = step + 1
            if self._step % look_every == 0 or self._step == n_steps:
                self._look()
                self._save()
        averaged: nn.Module = self._average.module.eval()
        return averaged

    def _learn(self, step: int) -> float:
        """Train one step and return its loss.

        The random numbers depend only on the seed and the step number, so a step can be repeated.
        """
        rng = np.random.default_rng([self._seed, step])
        torch.manual_seed(int(rng.integers(2**62)))
        pace = _pace(step / self._schedule.n_steps, self._schedule.warm_up)
        for group, peak in zip(self._optimiser.param_groups, self._peak_rates, strict=True):
            group["lr"] = peak * pace
        rows = rng.choice(len(self._training), self._schedule.batch_size, p=self._shares)
        self._trainee.network.train()
        with torch.autocast("cpu", torch.bfloat16):
            scores = self._trainee.scores(rows, rng).float()
        loss = self._loss(scores, rows)
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._trainee.network.parameters(), self._schedule.clip_norm)
        self._optimiser.step()
        self._average.update_parameters(self._trainee.network)
        return float(loss.item())

    def _look(self) -> None:
        """Extend the history: mean loss since the last row, UAR on held-out speakers if any."""
        last = self.history[-1]["step"] if self.history else 0
        row = {"step": self._step, "training_loss": self._losses / (self._step - last)}
        self._losses = 0.0
        chosen = np.flatnonzero(self._is_held_out)
        if len(chosen):
            answers = self._trainee.ask(self._average.module.eval(), chosen)
            shares = self._loss.log_shares(torch.from_numpy(answers).float(), chosen)
            best = np.array(self.labels)[shares.argmax(dim=1).numpy()]
            row["validation_uar"] = uar(self._training.emotions[chosen], best)
        self.history.append(row)

    def _save(self) -> None:
        finished = self._step == self._schedule.n_steps
        state = {
            "average": self._average.state_dict(),
            "step": self._step,
            "history": self.history,
            "network": None if finished else self._trainee.network.state_dict(),
            "optimiser": None if finished else self._optimiser.state_dict(),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._path)

    def _resume(self) -> None:
        if not self._path.exists():
            return
        state = torch.load(self._path, weights_only=True)
        self._average.load_state_dict(state["average"])
        self._step, self.history = state["step"], state["history"]
        if state["network"] is not None:
            self._trainee.network.load_state_dict(state["network"])
            self._optimiser.load_state_dict(state["optimiser"])


def held_out_speakers(utterances: Utterances, share: float) -> Bools:
    """Mark the utterances of evenly spaced speakers of each corpus.

    Corpora with too few speakers keep all of them in training.

    Parameters
    ----------
    utterances : Utterances
    share : float
        Share of each corpus's speakers to hold out, rounded down to whole speakers.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=bool]
        True for the utterances of held-out speakers.
    """
    chosen: list[str] = []
    for corpus in np.unique(utterances.corpora):
        speakers = np.unique(utterances.speakers[utterances.corpora == corpus])
        n_chosen = int(share * len(speakers))
        places = np.linspace(0, len(speakers), n_chosen, endpoint=False).astype(int)
        chosen += list(speakers[places])
    return np.isin(utterances.speakers, chosen)


def _pace(progress: float, warm_up: float) -> float:
    """Return the share of the peak learning rate: a linear rise, then a cosine decay to 0."""
    if progress < warm_up:
        return 0.02 + 0.98 * progress / warm_up
    return float(0.5 * (1 + np.cos(np.pi * (progress - warm_up) / (1 - warm_up))))
