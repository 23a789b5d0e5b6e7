"""How much a recording sounds like those that a model was trained on, and how sure it may then be.

Networks are nearly as sure of voices, rooms and languages that are new to them as of those they
know, and less often right. What they were trained on is kept as one Gaussian for each corpus, all
of the same shape (Lee et al., "A simple unified framework for detecting out-of-distribution
samples and adversarial attacks", NeurIPS 2018, by corpora instead of classes). The distance to the
nearest makes answers less sure; by how much is learned from leaving each corpus out in turn.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.decomposition import PCA
from torch import Tensor, nn

from undertone.training.corpus_loss import CorpusLoss, shares
from undertone.training.mlp_head import MlpSettings, fit_mlps, unstandardised
from undertone.training.network_training import held_out_speakers
from undertone.training.recipe import Floats
from undertone.training.utterances import Utterances

Floats32 = NDArray[np.float32]

# Over how much distance the temperature begins to rise.
_SOFTNESS = 0.1
# Where it ends: what is further away than any corpus was says no more about how wrong one can be.
_HIGHEST = 4.0


@dataclass(frozen=True)
class FamiliaritySettings:
    """What was tried by leaving out corpora of the training part.

    Attributes
    ----------
    n_components : int
        Of the features, whitened, in which distances are measured.
    n_clips : int
        Trained on when a corpus is left out to see how sure one may be.
    known_share : float
        Of the speakers of the other corpora, kept to see the same of known corpora.
    """

    n_components: int = 128
    n_clips: int = 4000
    known_share: float = 0.2


class Familiarity(nn.Module):
    """Features to what the temperature is multiplied with: 1 for what is known, more for the new.

    Parameters
    ----------
    features : array [n_copies, n, n_features]
        What is known.
    corpora : array [n]
    n_components : int
    """

    def __init__(self, features: Floats32, corpora: NDArray[np.str_], n_components: int) -> None:
        super().__init__()
        flat = features.reshape(-1, features.shape[-1])
        mean, scale = flat.mean(axis=0), flat.std(axis=0) + 1e-6
        standard = (flat - mean) / scale
        of_row = np.tile(corpora, len(features))
        centres = np.stack([standard[of_row == name].mean(axis=0) for name in np.unique(corpora)])
        for centre, name in zip(centres, np.unique(corpora), strict=True):
            standard[of_row == name] -= centre
        n_components = min(n_components, *standard.shape)
        found = PCA(n_components, svd_solver="randomized", random_state=0).fit(standard)
        # Of few clips the last components hardly vary: whitened, they would be all that counts.
        variance = np.maximum(found.explained_variance_, 1e-3 * found.explained_variance_[0])
        whitening = found.components_.T / np.sqrt(variance * n_components)
        projection = nn.Linear(len(whitening), n_components, bias=True)
        with torch.no_grad():
            projection.weight.copy_(torch.from_numpy(whitening.T))
            projection.bias.zero_()
        self.projection = unstandardised(projection, mean, scale)
        self.register_buffer("centres", torch.from_numpy((centres @ whitening).astype(np.float32)))
        self.gain, self.knee = 0.0, 0.0

    def distances(self, features: Tensor) -> Tensor:
        """How far [batch] features are from the nearest corpus; 1 is usual within one."""
        from_each = self.projection(features)[:, None] - self.centres[None]
        return (from_each**2).sum(dim=2).amin(dim=1).sqrt()

    def forward(self, features: Tensor) -> Tensor:
        """What the temperature [batch, 1] is multiplied with."""
        return rise(self.distances(features), self.gain, self.knee)[:, None]


def rise(distances: Tensor, gain: float, knee: float) -> Tensor:
    """1 up to the knee, from there up by `gain` for each unit of distance, to 4."""
    beyond = _SOFTNESS * nn.functional.softplus((distances - knee) / _SOFTNESS)
    return torch.clamp(1 + gain * beyond, max=_HIGHEST)


def fit_familiarity(
    features: Floats32,
    training: Utterances,
    settings: FamiliaritySettings,
    head_settings: MlpSettings,
    seed: int,
) -> Familiarity:
    """Learn what is known, and how much less sure one may be elsewhere.

    Parameters
    ----------
    features : array [n_copies, n, n_features]
        Of each training utterance, as it is and changed.

    Returns
    -------
    Familiarity
        Of no effect where there are fewer than two corpora without common speakers.
    """
    known = Familiarity(features, training.corpora, settings.n_components)
    asked = list(_asked_elsewhere(features, training, settings, head_settings, seed))
    if asked:
        known.gain, known.knee = _best_rise(asked)
    return known


@dataclass(frozen=True)
class _Asked:
    """Log-probabilities [n, n_labels] of clips, and how far they are from what was trained on."""

    log_probabilities: Tensor
    distances: Tensor
    loss: CorpusLoss

    def mean_loss(self, temperature: float, gain: float, knee: float) -> float:
        temperatures = temperature * rise(self.distances, gain, knee)[:, None]
        rows = np.arange(len(self.distances))
        return float(self.loss(self.log_probabilities / temperatures, rows))


def _asked_elsewhere(
    features: Floats32,
    training: Utterances,
    settings: FamiliaritySettings,
    head_settings: MlpSettings,
    seed: int,
) -> Iterator[_Asked]:
    """Leave each corpus out: ask about its clips, and about new speakers of the others."""
    kept = held_out_speakers(training, settings.known_share)
    rng = np.random.default_rng(seed)
    groups = corpora_apart(training)
    for group in groups if len(groups) > 1 else []:
        left_out = np.isin(training.corpora, group)
        usable = np.flatnonzero(~left_out & ~kept)
        chances = shares(training)[usable]
        n_clips = min(settings.n_clips, len(usable))
        rows = rng.choice(usable, n_clips, replace=False, p=chances / chances.sum())
        rest, of_rest = training.subset(rows), features[:, rows]
        (network,) = fit_mlps(of_rest, rest, replace(head_settings, n_networks=1), seed)
        familiarity = Familiarity(of_rest, rest.corpora, settings.n_components)
        labels = tuple(str(label) for label in np.unique(rest.emotions))
        for part in (left_out, kept & ~left_out):
            chosen = np.flatnonzero(part & np.isin(training.emotions, labels))
            if not len(chosen):
                continue
            asked = torch.from_numpy(features[0, chosen])
            with torch.inference_mode():
                yield _Asked(
                    network.eval()(asked).log_softmax(dim=1),
                    familiarity.distances(asked),
                    CorpusLoss(training.subset(chosen), labels, smoothing=0.0, heard_share=0.0),
                )


def _best_rise(asked: list[_Asked]) -> tuple[float, float]:
    """Gain and knee under which right answers are most probable, everywhere alike."""

    def loss(free: Floats) -> float:
        log_temperature, log_gain, knee = map(float, free)
        return sum(one.mean_loss(np.exp(log_temperature), np.exp(log_gain), knee) for one in asked)

    with torch.inference_mode():
        found = minimize(loss, np.array([0.0, 0.0, 1.0]), method="Nelder-Mead").x
    return float(np.exp(found[1])), float(found[2])


def corpora_apart(utterances: Utterances) -> list[list[str]]:
    """Corpora, those together that share speakers."""
    groups: list[tuple[list[str], set[str]]] = []
    for corpus in map(str, np.unique(utterances.corpora)):
        speakers = set(utterances.speakers[utterances.corpora == corpus])
        related = [group for group in groups if group[1] & speakers]
        groups = [group for group in groups if group not in related]
        names = [name for group in related for name in group[0]]
        groups.append(([*names, corpus], speakers.union(*(group[1] for group in related))))
    return [names for names, _ in groups]
