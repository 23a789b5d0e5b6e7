"""Distance of a recording from a model's training data.

With new voices, rooms and languages, networks are nearly as confident as with known ones, but less
often right. The training data is modelled by one Gaussian for each corpus, all with the same
covariance (Lee et al., "A simple unified framework for detecting out-of-distribution samples and
adversarial attacks", NeurIPS 2018, with corpora instead of classes). The calibration turns the
distance to the nearest corpus into lower confidence.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from undertone.training.mlp_head import unstandardised

Floats32 = NDArray[np.float32]

# Number of principal components used for distances.
N_COMPONENTS = 128


class Familiarity(nn.Module):
    """Network from features to their distance from the nearest corpus.

    Parameters
    ----------
    features : np.ndarray [shape=(n_copies, n, n_features), dtype=float32]
        Features of the training data.
    corpora : np.ndarray [shape=(n,), dtype=str]
        Corpus of each utterance. All corpora have the same weight in the shared covariance,
        regardless of their number of clips.
    n_components : int
        Number of principal components used for distances.
    """

    def __init__(
        self, features: Floats32, corpora: NDArray[np.str_], n_components: int = N_COMPONENTS
    ) -> None:
        super().__init__()
        flat = features.reshape(-1, features.shape[-1])
        mean, scale = flat.mean(axis=0), flat.std(axis=0) + 1e-6
        standard = (flat - mean) / scale
        of_row = np.tile(corpora, len(features))
        by_corpus = [standard[of_row == name] for name in np.unique(corpora)]
        centres = np.stack([part.mean(axis=0) for part in by_corpus])
        shape = np.mean([np.cov(part, rowvar=False, bias=True) for part in by_corpus], axis=0)
        variance, directions = np.linalg.eigh(shape)  # in ascending order
        most = slice(None, -n_components - 1, -1)
        variance, directions = variance[most], directions[:, most]
        # With few clips, the last components hardly vary. After whitening they would dominate.
        variance = np.maximum(variance, 1e-3 * variance[0])
        whitening = (directions / np.sqrt(variance * len(variance))).astype(np.float32)
        projection = nn.Linear(*whitening.shape)
        with torch.no_grad():
            projection.weight.copy_(torch.from_numpy(whitening.T.copy()))
            projection.bias.zero_()
        self.projection = unstandardised(projection, mean, scale)
        self.register_buffer("centres", torch.from_numpy(centres @ whitening))

    def forward(self, features: Tensor) -> Tensor:
        """Return distances [batch] of features [batch, n_features]; 1 is typical in a corpus."""
        from_each = self.projection(features)[:, None] - self.centres[None]
        return (from_each**2).sum(dim=2).amin(dim=1).sqrt()
