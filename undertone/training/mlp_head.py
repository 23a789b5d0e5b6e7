"""Small networks on precomputed features: the head on the encoder's frozen blocks.

One hidden layer can learn more than a linear head. It is trained on mixes of two clips of the same
corpus (Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018). Mixing brought
nothing on held-out speakers of the training corpora. On two held-out corpora it brought 1.0 and
3.5 points.
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
    """Settings of the small networks.

    They were chosen on two left-out corpora, on CREMA-D's validation actors and on actors of
    RAVDESS: four of ravdess-emobox's six groups of actors were used, as the model card says.

    Attributes
    ----------
    n_networks : int
        Number of networks; the answer is their mean.
    n_hidden : int
        Number of hidden units.
    n_epochs, batch_size : int
    rate, weight_decay : float
        Peak learning rate and weight decay of AdamW.
    input_dropout, dropout : float
        Dropout of the features and of the hidden units.
    mixing : float
        Both parameters of a beta distribution. The shares of two mixed clips are drawn from it.
    smoothing : float
        Share of each target spread evenly over the emotions of its corpus.
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
    """Train `settings.n_networks` networks with different seeds.

    Parameters
    ----------
    features : np.ndarray [shape=(n_copies, n, n_features), dtype=float32]
        Features of each training utterance, unchanged and in augmented copies.
    training : Utterances
        The ``n`` training utterances.
    settings : MlpSettings
    seed : int
        Seed of the first network. The next ones count up from it.

    Returns
    -------
    list of Module
        Each maps unstandardised features [batch, n_features] to scores [batch, n_labels]. The
        labels are sorted.
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
    """Train on mixed clips, drawn evenly over corpora and emotions.

    The number of steps gives about `settings.n_epochs` passes over all copies of all clips.
    """
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
    """Return a mixing partner for each row: a row of the batch from the same corpus.

    Within a corpus, the labels are comparable.
    """
    partners = rows.copy()
    for corpus in np.unique(corpora[rows]):
        mine = np.flatnonzero(corpora[rows] == corpus)
        partners[mine] = rows[rng.permutation(mine)]
    return partners


def unstandardised(layer: nn.Linear, mean: Floats32, scale: Floats32) -> nn.Linear:
    """Return the same layer for unstandardised features.

    Parameters
    ----------
    layer : Linear
        A layer trained on standardised features.
    mean, scale : np.ndarray [shape=(n_features,), dtype=float32]
        Mean and scale of the standardisation.
    """
    folded = nn.Linear(layer.in_features, layer.out_features)
    with torch.no_grad():
        weight = layer.weight.double() / torch.from_numpy(scale).double()
        folded.bias.copy_(layer.bias - weight @ torch.from_numpy(mean).double())
        folded.weight.copy_(weight)
    return folded


class MeanOfHeads(nn.Module):
    """Mean of the probabilities of all branches, with equal weights.

    Parameters
    ----------
    heads : list of list of Module
        For each branch, the networks mapping its features to scores.
    familiarity : Module
        Maps the features of the first branch to their distances from the training data.
    """

    def __init__(self, heads: list[list[nn.Module]], familiarity: nn.Module) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.ModuleList(of_branch) for of_branch in heads)
        self.familiarity = familiarity

    def forward(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map features of all branches to probabilities [batch, n_labels] and distances [batch]."""
        parts = embedding.chunk(len(self.heads), dim=1)
        answers = [
            torch.stack([head(part).softmax(dim=1) for head in heads]).mean(dim=0)
            for heads, part in zip(self.heads, parts, strict=True)
        ]
        return torch.stack(answers).mean(dim=0), self.familiarity(parts[0])


def export_heads(heads: MeanOfHeads, n_features: int, path: Path) -> None:
    """Write the heads as an ONNX file with large weights in half precision.

    Input: ``embedding`` [n, n_features]. Outputs: ``probabilities`` [n, n_labels] and
    ``distances`` [n].

    Parameters
    ----------
    heads : MeanOfHeads
    n_features : int
        Number of features of all branches together.
    path : Path
        File to write.
    """
    import onnx

    names = ("embedding", "probabilities", "distances")
    export_onnx(heads, torch.randn(1, n_features), path, names, free_axis=0)
    model = onnx.load(str(path))
    store_in_half_precision(model)
    onnx.save(model, str(path))
