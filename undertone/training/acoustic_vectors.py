"""Features of utterances and of changed copies of them, each computed once and kept by content.

A copy depends on the utterance and its number alone, never on which others are there: whatever
subset is trained on, the cache has its rows.
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

# What features are computed with beside the extractor's own module: change one, and all are
# computed anew.
_SOURCES = ("sound/acoustics", "training/augmentation")

CHUNK = 32


class FeatureExtractor(Protocol):
    """What is needed of `feature_extractor.AudioFeatureExtractor`."""

    extractor_id: str

    @property
    def feature_names(self) -> list[str]:
        """Names in the order of `vector`."""
        ...

    def vector(self, audio: Audio) -> Floats:
        """Features [n_features] of an utterance, NaN where nothing can be measured."""
        ...


def acoustic_vectors(
    extractor: FeatureExtractor,
    utterances: Utterances,
    cache_dir: Path,
    n_jobs: int = 1,
    copy: int = 0,
    augmentation: Augmentation | None = None,
) -> NDArray[np.float32]:
    """Features of utterances as they are, or of changed copies.

    Parameters
    ----------
    extractor : FeatureExtractor
        Its module's source is part of what rows are kept by.
    cache_dir : Path
        Where rows are kept from one training to the next.
    n_jobs : int
        Processes that compute.
    copy : int
        0 for the utterances themselves, otherwise which changed copy: each number has others.
    augmentation : Augmentation, optional
        How copies are changed; without noises of its own if not given.

    Returns
    -------
    array [n, n_features] of float32
        NaN where nothing can be measured.
    """
    change = (augmentation or Augmentation()) if copy else None
    cached = joblib.Memory(cache_dir, verbose=0).cache(_vector, ignore=["extractor", "change"])
    digest = f"{source_digest(extractor)} {joblib.hash(change)}"
    # Many at a time: with each goes a copy of all noises.
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
    """Differs whenever the code that computes features or changes copies does."""
    paths = [Path(inspect.getfile(type(extractor)))]
    paths += [Path(__file__).parent.parent / f"{name}.py" for name in _SOURCES]
    return " ".join(sha256(path) for path in paths)


def _vectors(
    vector: Callable[..., NDArray[np.float32]],
    utterances: Sequence[Samples],
    *how: Any,
) -> list[NDArray[np.float32]]:
    """What a function finds in each utterance."""
    return [vector(samples, *how) for samples in utterances]


def _vector(
    samples: Samples,
    copy: int,
    digest: str,
    extractor: FeatureExtractor,
    change: Augmentation | None,
) -> NDArray[np.float32]:
    """Features of one utterance; `digest` is there for the cache."""
    if change:
        rng = np.random.default_rng([copy, zlib.crc32(samples.tobytes())])
        samples = change(samples, rng)
    return np.asarray(extractor.vector(Audio(samples)), np.float32)
