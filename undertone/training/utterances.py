"""Utterances of a corpus in memory, for training and evaluation.

Each clip goes through the same steps as a recording in a request: it is decoded, searched for
speech and cut to the spoken part. The level is not kept: every utterance is scaled to the same
peak, since no answer depends on the level.
"""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from undertone.errors import NoSpeech
from undertone.recognition.model_store import sha256
from undertone.sound.audio import Audio, decode
from undertone.sound.speech import Speech, find_speech, spoken_part
from undertone.training.corpora import Clip

Strings = NDArray[np.str_]
Rows = NDArray[np.intp] | NDArray[np.bool_]

_PEAK = 32_000
# Modules with an influence on the samples. If one changes, all utterances are read again.
_SOURCES = ("sound/audio", "sound/decoders", "sound/frames", "sound/speech", "training/utterances")


class Utterances:
    """Labelled utterances of ``n`` clips.

    Parameters
    ----------
    clips : sequence of Clip
    samples : sequence of np.ndarray [shape=(n_samples,), dtype=int16]
        Mono samples of the spoken part of each clip, at 16 kHz.

    Attributes
    ----------
    clips : list of Clip
    emotions, speakers, corpora, sexes, intensities : np.ndarray [shape=(n,), dtype=str]
    """

    def __init__(self, clips: Sequence[Clip], samples: Sequence[NDArray[np.int16]]) -> None:
        self.clips = list(clips)
        self._samples = list(samples)
        self.emotions: Strings = np.array([clip.emotion for clip in clips])
        self.speakers: Strings = np.array([clip.speaker for clip in clips])
        self.corpora: Strings = np.array([clip.corpus for clip in clips])
        self.sexes: Strings = np.array([clip.sex for clip in clips])
        self.intensities: Strings = np.array([clip.intensity for clip in clips])

    @property
    def labels(self) -> tuple[str, ...]:
        """Sorted emotions of the clips: the labels of a model trained on them."""
        return tuple(map(str, np.unique(self.emotions)))

    @property
    def digest(self) -> str:
        """Hash of the utterances, labels and their order. It does not depend on file paths."""
        lines = (
            f"{clip.corpus} {clip.speaker} {clip.emotion} {zlib.crc32(samples.tobytes())}"
            for clip, samples in zip(self.clips, self._samples, strict=True)
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Audio:
        return Audio(np.asarray(self._samples[index], np.float32) / np.float32(2**15))

    def __iter__(self) -> Iterator[Audio]:
        return (self[index] for index in range(len(self)))

    def subset(self, rows: Rows) -> "Utterances":
        """Return the utterances at some indices or in a mask [n], without a copy of the samples."""
        indices = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Utterances(
            [self.clips[index] for index in indices], [self._samples[index] for index in indices]
        )


def read_utterances(clips: Sequence[Clip], cache_dir: Path, n_jobs: int = 2) -> Utterances:
    """Read clips. Clips already in `cache_dir` are not decoded again.

    Parameters
    ----------
    clips : sequence of Clip
    cache_dir : Path
        Cache of the decoded utterances.
    n_jobs : int
        Number of decoding processes.
    """
    cached = joblib.Memory(cache_dir, verbose=0).cache(_read)
    package = Path(__file__).parent.parent
    digest = " ".join(sha256(package / f"{name}.py") for name in _SOURCES)
    work = (
        joblib.delayed(cached)(clip.path, clip.path.stat().st_mtime_ns, digest) for clip in clips
    )
    samples = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(work)
    return Utterances(clips, list(tqdm(samples, total=len(clips), desc="reading", unit="clip")))


def utterance_in(recording: Audio) -> Audio:
    """Return the spoken part of a recording known to contain speech.

    If no speech is detected, the whole recording counts as speech.
    """
    try:
        speech = find_speech(recording)
    except NoSpeech:
        # An actor may whisper or sob below the detector's threshold. The label is still valid.
        speech = Speech([(0.0, recording.duration_s)])
    return spoken_part(recording, speech)


def _read(path: Path, mtime_ns: int, digest: str) -> NDArray[np.int16]:
    """Read samples of the spoken part of a clip; `mtime_ns` and `digest` are only cache keys."""
    samples = utterance_in(decode(path.read_bytes())).samples
    return np.asarray(np.round(samples * (_PEAK / np.abs(samples).max())), np.int16)
