"""Cached acoustic features of utterances and of their augmented copies.

Each row is computed once and cached by content. A copy depends only on its utterance and its
number, not on the other utterances. The cache therefore serves a training on any subset.
"""

import inspect
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import joblib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from undertone.recognition.model_store import sha256
from undertone.sound.audio import Audio, Samples
from undertone.training.augmentation import Augmentation
from undertone.training.utterances import Utterances

Floats = NDArray[np.float64]

# Modules used to compute features, besides the extractor's own. A change to one of them makes the
# cache compute all features again.
_SOURCES = ("sound/acoustics", "training/augmentation")

CHUNK = 32


class FeatureExtractor(Protocol):
    """Part of the interface of `feature_extractor.AudioFeatureExtractor` needed here."""

    extractor_id: str

    @property
    def feature_names(self) -> list[str]:
        """Feature names in the order of `vector`."""
        ...

    def vector(self, audio: Audio) -> Floats:
        """Return the features [n_features] of an utterance, with NaN for unmeasurable ones."""
        ...


def acoustic_vectors(
    extractor: FeatureExtractor,
    utterances: Utterances,
    cache_dir: Path,
    n_jobs: int = 1,
    copy: int = 0,
    augmentation: Augmentation | None = None,
) -> NDArray[np.float32]:
    """Return the features of unchanged utterances, or of one augmented copy of each.

    Parameters
    ----------
    extractor : FeatureExtractor
        The source of its module is part of the cache key.
    utterances : Utterances
    cache_dir : Path
        Folder of the cache. It is reused by later trainings.
    n_jobs : int
        Number of worker processes.
    copy : int
        0 for the unchanged utterances, otherwise the number of the copy. Each number gives a
        different copy.
    augmentation : Augmentation, optional
        Changes made to the copies. The default is an `Augmentation` without recorded noises.

    Returns
    -------
    np.ndarray [shape=(n, n_features), dtype=float32]
        NaN for unmeasurable features.
    """
    change = (augmentation or Augmentation()) if copy else None
    cached = joblib.Memory(cache_dir, verbose=0).cache(_vector, ignore=["extractor", "change"])
    digest = f"{source_digest(extractor)} {joblib.hash(change)}"
    # Each job carries a copy of all noises, so it gets many utterances.
    chunks = [range(start, min(start + CHUNK, len(utterances)))
              for start in range(0, len(utterances), CHUNK)]  # fmt: skip
    work = (
        joblib.delayed(_vectors)(
            cached, [utterances[row].samples for row in chunk], copy, digest, extractor, change
        )
        for chunk in chunks
    )
    parts = joblib.Parallel(n_jobs=n_jobs, return_as="generator", pre_dispatch=n_jobs)(work)
    what = f"features of copies {copy}" if copy else "features"
    found = []
    with tqdm(total=len(utterances), desc=what, unit="clip") as progress:
        for part in parts:
            found += part
            progress.update(len(part))
    return np.array(found, np.float32)


def source_digest(extractor: FeatureExtractor) -> str:
    """Return a digest of the source code for features and augmentation."""
    paths = [Path(inspect.getfile(type(extractor)))]
    paths += [Path(__file__).parent.parent / f"{name}.py" for name in _SOURCES]
    return " ".join(sha256(path) for path in paths)


def _vectors(
    vector: Callable[..., NDArray[np.float32]],
    utterances: Sequence[Samples],
    *how: Any,
) -> list[NDArray[np.float32]]:
    """Apply `vector` to each utterance."""
    return [vector(samples, *how) for samples in utterances]


def _vector(
    samples: Samples,
    copy: int,
    digest: str,
    extractor: FeatureExtractor,
    change: Augmentation | None,
) -> NDArray[np.float32]:
    """Return the features of one utterance; `digest` is only part of the cache key."""
    if change:
        rng = np.random.default_rng([copy, zlib.crc32(samples.tobytes())])
        samples = change(samples, rng)
    return np.asarray(extractor.vector(Audio(samples)), np.float32)
