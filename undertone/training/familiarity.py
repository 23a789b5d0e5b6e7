"""How far a recording is from what a model was trained on.

Networks are nearly as sure of voices, rooms and languages that are new to them as of those they
know, and less often right. What they were trained on is kept as one Gaussian for each corpus, all
of the same shape (Lee et al., "A simple unified framework for detecting out-of-distribution
samples and adversarial attacks", NeurIPS 2018, by corpora instead of classes). How much less sure
the distance to the nearest makes an answer is a matter of calibration.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from undertone.training.mlp_head import unstandardised

Floats32 = NDArray[np.float32]

# Directions of most variance in which distances are measured.
N_COMPONENTS = 128


class Familiarity(nn.Module):
    """Features to their distance from the nearest corpus.

    Parameters
    ----------
    features : array [n_copies, n, n_features]
        What is known.
    corpora : array [n]
        Each has the same weight in the Gaussians' shape, however many clips it has.
    n_components : int
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
        variance, directions = np.linalg.eigh(shape)  # the least first
        most = slice(None, -n_components - 1, -1)
        variance, directions = variance[most], directions[:, most]
        # Of few clips the last components hardly vary: whitened, they would be all that counts.
        variance = np.maximum(variance, 1e-3 * variance[0])
        whitening = (directions / np.sqrt(variance * len(variance))).astype(np.float32)
        projection = nn.Linear(*whitening.shape)
        with torch.no_grad():
            projection.weight.copy_(torch.from_numpy(whitening.T.copy()))
            projection.bias.zero_()
        self.projection = unstandardised(projection, mean, scale)
        self.register_buffer("centres", torch.from_numpy(centres @ whitening))

    def forward(self, features: Tensor) -> Tensor:
        """Distances [batch] of features [batch, n_features]; 1 is usual within a corpus."""
        from_each = self.projection(features)[:, None] - self.centres[None]
        return (from_each**2).sum(dim=2).amin(dim=1).sqrt()
