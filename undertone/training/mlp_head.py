"""Small networks on features that are computed once: the head on the encoder's untouched blocks.

One hidden layer hears what a linear head cannot. It learns from mixes of two clips of a corpus
(Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018): on speakers held out of the
training part that brought nothing, on two corpora held out of it 1.0 and 3.5 points.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from undertone.training.corpus_loss import CorpusLoss, Rows, shares
from undertone.training.onnx_export import export_onnx, store_in_half_precision
from undertone.training.utterances import Utterances

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class MlpSettings:
    """What was chosen on two corpora left out, on CREMA-D's validation actors and RAVDESS's.

    Four of ravdess-emobox's six groups of actors were asked, as the model card says.

    Attributes
    ----------
    n_networks : int
        Their mean answers.
    n_hidden : int
    n_epochs, batch_size : int
    rate, weight_decay : float
        AdamW's peak learning rate and its decay.
    input_dropout, dropout : float
        Of features, and of hidden units.
    mixing : float
        Both parameters of the beta distribution that the shares of two mixed clips are drawn from.
    smoothing : float
        Share of each target that is spread evenly over its corpus's emotions.
    """

    n_networks: int = 3
    n_hidden: int = 256
    n_epochs: int = 12
    batch_size: int = 128
    rate: float = 1e-3
    weight_decay: float = 0.05
    input_dropout: float = 0.2
    dropout: float = 0.5
    mixing: float = 0.4
    smoothing: float = 0.1


def fit_mlps(
    features: Floats32, training: Utterances, settings: MlpSettings, seed: int
) -> list[nn.Module]:
    """Train `settings.n_networks` networks that differ in their seed.

    Parameters
    ----------
    features : array [n_copies, n, n_features]
        Of each training utterance, as it is and changed.

    Returns
    -------
    list of Module
        Each takes features [batch, n_features] as they are to scores [batch, n_labels], the labels
        sorted.
    """
    axes = tuple(range(features.ndim - 1))
    mean, scale = features.mean(axis=axes), features.std(axis=axes) + 1e-6
    standard = torch.from_numpy((features - mean) / scale)
    loss = CorpusLoss(training, training.labels, smoothing=settings.smoothing, heard_share=0.0)
    networks: list[nn.Module] = []
    for number in range(settings.n_networks):
        torch.manual_seed(seed + number)
        hidden = nn.Linear(features.shape[2], settings.n_hidden)
        out = nn.Linear(settings.n_hidden, len(training.labels))
        network = nn.Sequential(
            nn.Dropout(settings.input_dropout), hidden, nn.GELU(), nn.Dropout(settings.dropout), out
        )
        _train(network, standard, training, loss, settings, seed + number)
        networks.append(nn.Sequential(unstandardised(hidden, mean, scale), nn.GELU(), out))
    return networks


def _train(
    network: nn.Module,
    standard: torch.Tensor,
    training: Utterances,
    loss: CorpusLoss,
    settings: MlpSettings,
    seed: int,
) -> None:
    """Draw mixed clips of evenly drawn corpora and emotions until each was there often enough."""
    rng = np.random.default_rng(seed)
    chances, n_copies = shares(training), len(standard)
    n_steps = max(2, settings.n_epochs * n_copies * len(training) // settings.batch_size)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.rate, weight_decay=settings.weight_decay, fused=True
    )
    pace = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.rate, n_steps, pct_start=0.1, cycle_momentum=False
    )
    for _ in tqdm(range(n_steps), "heads", unit="step", leave=False):
        rows = rng.choice(len(training), settings.batch_size, p=chances)
        partners = _partners(rows, training.corpora, rng)
        weight = float(rng.beta(settings.mixing, settings.mixing))
        copies = rng.integers(n_copies, size=(2, len(rows)))
        mixed = weight * standard[copies[0], rows] + (1 - weight) * standard[copies[1], partners]
        with torch.autocast("cpu", torch.bfloat16):
            scores = network(mixed).float()
        error = loss(scores, rows, partners, weight)
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        pace.step()


def _partners(rows: Rows, corpora: NDArray[np.str_], rng: np.random.Generator) -> Rows:
    """For each row another of the batch, of the same corpus: what it says is then comparable."""
    partners = rows.copy()
    for corpus in np.unique(corpora[rows]):
        mine = np.flatnonzero(corpora[rows] == corpus)
        partners[mine] = rows[rng.permutation(mine)]
    return partners


def unstandardised(layer: nn.Linear, mean: Floats32, scale: Floats32) -> nn.Linear:
    """The same layer for features that are not standardised."""
    folded = nn.Linear(layer.in_features, layer.out_features)
    with torch.no_grad():
        weight = layer.weight.double() / torch.from_numpy(scale).double()
        folded.bias.copy_(layer.bias - weight @ torch.from_numpy(mean).double())
        folded.weight.copy_(weight)
    return folded


class MeanOfHeads(nn.Module):
    """Probabilities by the heads of all branches: each branch has the same say.

    Parameters
    ----------
    heads : list of list of Module
        For each branch, networks that take its features to scores.
    familiarity : Module
        Takes the first branch's features to their distances from what is known.
    """

    def __init__(self, heads: list[list[nn.Module]], familiarity: nn.Module) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.ModuleList(of_branch) for of_branch in heads)
        self.familiarity = familiarity

    def forward(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Probabilities [batch, n_labels] and distances [batch] of all branches' features."""
        parts = embedding.chunk(len(self.heads), dim=1)
        answers = [
            torch.stack([head(part).softmax(dim=1) for head in heads]).mean(dim=0)
            for heads, part in zip(self.heads, parts, strict=True)
        ]
        return torch.stack(answers).mean(dim=0), self.familiarity(parts[0])


def export_heads(heads: MeanOfHeads, n_features: int, path: Path) -> None:
    """Write ``embedding`` [n, n_features] to ``probabilities`` and ``distances`` as ONNX."""
    import onnx

    names = ("embedding", "probabilities", "distances")
    export_onnx(heads, torch.randn(1, n_features), path, names, free_axis=0)
    model = onnx.load(str(path))
    store_in_half_precision(model)
    onnx.save(model, str(path))
