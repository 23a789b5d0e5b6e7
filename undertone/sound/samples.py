"""Recording in memory: mono samples at 16 kHz, with excerpts and waveform envelopes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
SILENT_PEAK = 1e-3  # -60 dBFS: below it, 16-bit speech has fewer than six bits left
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Audio:
    """Recording ready for analysis.

    Attributes
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        Mono, -1 to 1, read-only.
    sample_rate : int
        Sample rate in Hz.
    """

    samples: Samples
    sample_rate: int = SAMPLE_RATE

    def __post_init__(self) -> None:
        samples = np.ascontiguousarray(self.samples, np.float32).view()
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


def excerpt(samples: Samples, start: int, end: int) -> Samples:
    """Return the samples from `start` to `end`, with silence outside the recording.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        Samples to cut from.
    start, end : int
        Sample indices; both may lie outside.

    Returns
    -------
    np.ndarray [shape=(end - start,), dtype=float32]

    Examples
    --------
    >>> excerpt(np.array([1, 2, 3], np.float32), -1, 2)
    array([0., 1., 2.], dtype=float32)
    """
    inside = samples[max(0, start) : max(0, end)]
    before = max(0, -start)
    return np.pad(inside, (before, end - start - before - len(inside)))


def envelope(audio: Audio, n_points: int = 240) -> tuple[float, ...]:
    """Peaks of the waveform in equal time steps, from 0 to 1, relative to the loudest.

    Parameters
    ----------
    audio : Audio
        Recording.
    n_points : int > 0
        Number of steps.

    Examples
    --------
    >>> envelope(Audio(np.array([0.1, -0.2, 0.4, 0.0], np.float32)), 2)
    (0.5, 1.0)
    """
    n_samples = len(audio.samples)
    if not n_samples:
        return (0.0,) * n_points
    starts = np.arange(n_points) * n_samples // n_points
    peaks = np.maximum.reduceat(np.abs(audio.samples), starts)
    return tuple((peaks / max(float(peaks.max()), 1e-12)).tolist())
