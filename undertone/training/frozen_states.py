"""Outputs of the frozen part of the encoder, computed once for all trainings.

For each utterance there are the features of the pretrained encoder, and the hidden states of some
augmented copies (noise, rooms, microphones, speed). The upper blocks are trained on these states. A
copy depends only on the utterance and the copy's number, so every training on any subset uses the
same copies.
"""

import zlib
from collections.abc import Iterable
from pathlib import Path

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from undertone.sound.audio import SAMPLE_RATE, Samples
from undertone.training.augmentation import Augmentation
from undertone.training.utterances import Utterances
from undertone.training.whisper import N_FEATURES, WIDTH, Branch, LogMel, Trunk

Floats32 = NDArray[np.float32]
Halves = NDArray[np.float16]
Rows = NDArray[np.intp]

CHUNK = 64


class FrozenStates:
    """States of augmented copies and features of utterances, in memory-mapped files.

    Parameters
    ----------
    trunk, branch : Trunk, Branch
        Parts of the encoder with their pretrained weights.
    augmentation : Augmentation
    n_copies : int
        Augmented copies of each utterance.
    duration_s : float
        Length of a copy in seconds. Longer copies are cut. Shorter ones are placed at a random
        position in faint noise.
    folder : Path
        Folder of the files. An interrupted computation resumes from them.
    n_jobs : int
        Number of threads.
    """

    def __init__(
        self,
        trunk: Trunk,
        branch: Branch,
        augmentation: Augmentation,
        *,
        n_copies: int,
        duration_s: float,
        folder: Path,
        n_jobs: int,
    ) -> None:
        self._trunk, self._branch = trunk, branch
        self._augmentation, self._n_copies = augmentation, n_copies
        self._n_samples = round(duration_s * SAMPLE_RATE)
        self._folder, self._n_jobs = folder, n_jobs
        self._row_of: dict[Path, int] = {}
        self._prepared = folder

    def prepare(self, utterances: Utterances) -> None:
        """Compute the missing `states` and `features` of all utterances."""
        if all(clip.path in self._row_of for clip in utterances.clips):
            return
        n, n_frames = len(utterances), self._n_samples // 320
        folder = self._prepared = self._folder / utterances.digest[:16]
        folder.mkdir(parents=True, exist_ok=True)
        shapes = {
            "states": ((self._n_copies, n, n_frames, WIDTH), np.float16),
            "features": ((2, n, N_FEATURES), np.float32),
            "done": ((-(-n // CHUNK),), np.bool_),
        }
        files = {name: _mapped(folder / f"{name}.npy", *shape) for name, shape in shapes.items()}
        chunks = [index for index, done in enumerate(files["done"]) if not done]
        work = (
            joblib.delayed(self._chunk)(
                [
                    utterances[row].samples
                    for row in range(CHUNK * index, min(n, CHUNK * (index + 1)))
                ]
            )
            for index in chunks
        )
        # Threads are enough: most of the work is in torch, and torch releases the interpreter lock.
        torch.set_num_threads(1)
        pool = joblib.Parallel(n_jobs=self._n_jobs, return_as="generator", prefer="threads")
        results = pool(work)
        progress = tqdm(results, "hidden states", len(chunks), unit="chunk")
        for index, (states, features) in zip(chunks, progress, strict=True):
            rows = slice(CHUNK * index, CHUNK * index + states.shape[1])
            files["states"][:, rows], files["features"][:, rows] = states, features
            files["done"][index] = True
        self._row_of = {clip.path: row for row, clip in enumerate(utterances.clips)}

    @property
    def states(self) -> Halves:
        """States [n_copies, n, frames, 512], float16, on disk.

        The file is reopened at each access, so processes can share it.
        """
        return np.asarray(np.load(self._prepared / "states.npy", mmap_mode="r"))

    @property
    def features(self) -> Floats32:
        """Features [2, n, N_FEATURES], float32, of unchanged and of augmented utterances.

        The utterances are not padded. Padding is absent from real utterances, and training a head
        on it costs 1.5 points of UAR.
        """
        return np.asarray(np.load(self._prepared / "features.npy", mmap_mode="r"))

    def rows(self, utterances: Utterances) -> Rows:
        """Return the rows of prepared utterances in `states` and `features`."""
        return np.array([self._row_of[clip.path] for clip in utterances.clips])

    def _chunk(self, utterances: Iterable[Samples]) -> tuple[Halves, Floats32]:
        """Return states [n_copies, len, frames, 512] and features [2, len, N_FEATURES]."""
        log_mel = LogMel()
        states, features = [], []
        for samples in utterances:
            copies = np.stack([self._copy(samples, number) for number in range(self._n_copies)])
            changed = self._changed(samples, 0)[0]
            with torch.inference_mode():
                mels = [
                    log_mel(torch.from_numpy(np.atleast_2d(part).copy()))
                    for part in (copies, samples, changed)
                ]
                with torch.autocast("cpu", torch.bfloat16):
                    hidden, *of_features = (self._trunk(mel) for mel in mels)
                    pooled = [self._branch(part)[0] for part in of_features]
            states.append(hidden.half().numpy())
            features.append(torch.stack(pooled).numpy())
        return np.stack(states, axis=1), np.stack(features, axis=1)

    def _changed(self, samples: Samples, number: int) -> tuple[Samples, np.random.Generator]:
        """Return an augmented utterance, long enough for a change of speed, and its generator."""
        rng = np.random.default_rng([number, zlib.crc32(samples.tobytes())])
        return self._augmentation(_stretch(samples, round(1.15 * self._n_samples), rng), rng), rng

    def _copy(self, samples: Samples, number: int) -> Samples:
        """Return an augmented copy of an utterance, cut or padded to the common length."""
        samples, rng = self._changed(samples, number)
        samples = _stretch(samples, self._n_samples, rng)
        floor = np.float32(1e-4 * np.abs(samples).max())
        fitted: Samples = floor * rng.standard_normal(self._n_samples, np.float32)
        start = int(rng.integers(self._n_samples - len(samples) + 1))
        fitted[start : start + len(samples)] += samples
        return fitted


def _stretch(samples: Samples, n_samples: int, rng: np.random.Generator) -> Samples:
    """Return a random part of `n_samples` samples; shorter utterances stay unchanged."""
    spare = len(samples) - n_samples
    start = int(rng.integers(spare + 1)) if spare > 0 else 0
    return samples[start : start + n_samples]


def _mapped(path: Path, shape: tuple[int, ...], dtype: type) -> NDArray[np.generic]:
    """Open a memory-mapped array; if it is missing or has another shape, create one of zeros."""
    if path.exists():
        mapped = np.load(path, mmap_mode="r+")
        if mapped.shape == shape:
            return np.asarray(mapped)
    return np.lib.format.open_memmap(path, "w+", dtype, shape)
