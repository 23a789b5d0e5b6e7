"""What the frozen part of the encoder makes of every utterance, computed once for all trainings.

Of each utterance there are the features of the untouched encoder, and the hidden states of some
changed copies (noise, rooms, microphones, speed), from which the upper blocks are trained. A copy
depends on the utterance and its number alone, so every training on any part finds the same.
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
    """States of changed copies and features of utterances, in files that are mapped to memory.

    Parameters
    ----------
    trunk, branch : Trunk, Branch
        With their pretrained weights.
    augmentation : Augmentation
    n_copies : int
        Changed copies of each utterance.
    duration_s : float
        Length of a copy: longer ones are cut, shorter ones lie somewhere in faint noise.
    folder : Path
        Where the files are; computing them goes on where it was stopped.
    n_jobs : int
        Processes that compute.
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
        """Compute `states` and `features` of all, but for those that are there."""
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
        # Threads, since most of it is torch's work, which leaves the interpreter lock.
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
        """States [n_copies, n, frames, 512], on disk: opened anew, so that processes can share."""
        return np.asarray(np.load(self._prepared / "states.npy", mmap_mode="r"))

    @property
    def features(self) -> Floats32:
        """Features [2, n, N_FEATURES] of utterances as they are, and changed, at their length.

        Padded ones would teach a head what utterances do not have: 1.5 points of UAR.
        """
        return np.asarray(np.load(self._prepared / "features.npy", mmap_mode="r"))

    def rows(self, utterances: Utterances) -> Rows:
        """Where utterances are in `states` and `features`; they must have been prepared."""
        return np.array([self._row_of[clip.path] for clip in utterances.clips])

    def _chunk(self, utterances: Iterable[Samples]) -> tuple[Halves, Floats32]:
        """States [n_copies, len, frames, 512] and features [2, len, N_FEATURES]."""
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
        """An utterance changed, with room for a change of speed; and the rest of its chance."""
        rng = np.random.default_rng([number, zlib.crc32(samples.tobytes())])
        return self._augmentation(_stretch(samples, round(1.15 * self._n_samples), rng), rng), rng

    def _copy(self, samples: Samples, number: int) -> Samples:
        """A changed copy of an utterance, cut or padded."""
        samples, rng = self._changed(samples, number)
        samples = _stretch(samples, self._n_samples, rng)
        floor = np.float32(1e-4 * np.abs(samples).max())
        fitted: Samples = floor * rng.standard_normal(self._n_samples, np.float32)
        start = int(rng.integers(self._n_samples - len(samples) + 1))
        fitted[start : start + len(samples)] += samples
        return fitted


def _stretch(samples: Samples, n_samples: int, rng: np.random.Generator) -> Samples:
    """A random stretch of what is longer."""
    spare = len(samples) - n_samples
    start = int(rng.integers(spare + 1)) if spare > 0 else 0
    return samples[start : start + n_samples]


def _mapped(path: Path, shape: tuple[int, ...], dtype: type) -> NDArray[np.generic]:
    """An array in a file, which is made if it is not there; zeros at first."""
    if path.exists():
        mapped = np.load(path, mmap_mode="r+")
        if mapped.shape == shape:
            return np.asarray(mapped)
    return np.lib.format.open_memmap(path, "w+", dtype, shape)
