"""A corpus's clips as utterances in memory: what models are trained on and asked about.

Each is read by the very path that a request takes: decoded, searched for speech, cut to the
spoken part. The level is not kept (every utterance is scaled to the same peak), since no answer
depends on it.
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
# Whatever the samples of an utterance depend on: change one, and all are read anew.
_SOURCES = ("sound/audio", "sound/decoders", "sound/frames", "sound/speech", "training/utterances")


class Utterances:
    """Labelled utterances of ``n`` clips.

    Attributes
    ----------
    clips : list of Clip
    emotions, speakers, corpora, sexes, intensities : array [n] of str
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
        """The emotions that occur, sorted: what a model trained on these tells apart."""
        return tuple(map(str, np.unique(self.emotions)))

    @property
    def digest(self) -> str:
        """The same for the same utterances and labels in the same order, wherever they lie."""
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
        """Those at some indices, or marked by a mask [n]; no samples are copied."""
        indices = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Utterances(
            [self.clips[index] for index in indices], [self._samples[index] for index in indices]
        )


def read_utterances(clips: Sequence[Clip], cache_dir: Path, n_jobs: int = 2) -> Utterances:
    """Read clips, each once: what is in `cache_dir` is not decoded again.

    Parameters
    ----------
    n_jobs : int
        Processes that decode.
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
    """The spoken part of a recording in which somebody is known to speak."""
    try:
        speech = find_speech(recording)
    except NoSpeech:
        # An actor may whisper or sob below the detector's threshold; the label still holds.
        speech = Speech([(0.0, recording.duration_s)])
    return spoken_part(recording, speech)


def _read(path: Path, mtime_ns: int, digest: str) -> NDArray[np.int16]:
    """Samples of a clip's spoken part; `mtime_ns` and `digest` are there for the cache."""
    samples = utterance_in(decode(path.read_bytes())).samples
    return np.asarray(np.round(samples * (_PEAK / np.abs(samples).max())), np.int16)
