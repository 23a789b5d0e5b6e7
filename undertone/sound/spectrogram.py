"""Stored mel spectrogram of a recording, and features derived from it later.

It must be cheap, since every request makes one, and small, since every analysis keeps one.
"""

from functools import cache

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

from undertone.prediction import MelSpectrogram
from undertone.sound.audio import SAMPLE_RATE, Audio, Samples, excerpt

N_MELS = 64
MAX_FRAMES = 600
RANGE_DB = 80.0
LOW_HZ, HIGH_HZ = 50.0, 8000.0
HOP = 160
WINDOW = 512
N_FFT = 1024  # twice the window: the lowest bands are narrower than its resolution
BLOCK_FRAMES = 1000  # 10 s at a time: half an hour at once would need a gigabyte

Floats = NDArray[np.float32]


def mel_spectrogram(audio: Audio) -> MelSpectrogram:
    """Compute levels of 64 mel bands, in at most 600 columns of 10 ms or longer.

    A column longer than 10 ms holds the mean power of its time.

    Parameters
    ----------
    audio : Audio
        Recording at 16 kHz, at least 10 ms.
    """
    n_hops = len(audio.samples) // HOP
    per_column = -(-n_hops // MAX_FRAMES)
    # Blocks hold whole columns, so each column's mean is taken within one block.
    step = max(1, BLOCK_FRAMES // per_column) * per_column
    power = np.hstack(
        [
            _column_means(_mel_power(audio.samples, first, min(step, n_hops - first)), per_column)
            for first in range(0, n_hops, step)
        ]
    )
    loudest = max(float(power.max()), 1e-12)
    level_db = 10 * np.log10(np.maximum(power / loudest, 10 ** (-RANGE_DB / 10)))
    levels = np.round(255 * (level_db / RANGE_DB + 1)).astype(np.uint8)
    return MelSpectrogram(levels.tobytes(), N_MELS, levels.shape[1], per_column * HOP / SAMPLE_RATE)


def levels_of(spectrogram: MelSpectrogram) -> NDArray[np.uint8]:
    """Stored levels [shape=(n_mels, n_frames), dtype=uint8], the lowest band first."""
    shape = spectrogram.n_mels, spectrogram.n_frames
    return np.frombuffer(spectrogram.levels, np.uint8).reshape(shape)


def mfcc(spectrogram: MelSpectrogram, n_mfcc: int = 13) -> Floats:
    """Cepstral coefficients [shape=(n_mfcc, n_frames)] in dB: the cosine transform of the levels.

    Coefficient 0, the loudness, is included.
    """
    level_db = levels_of(spectrogram) * np.float32(RANGE_DB / 255) - np.float32(RANGE_DB)
    return np.asarray(scipy.fft.dct(level_db, axis=0, norm="ortho")[:n_mfcc])


def band_of(hz: float) -> float:
    """Position of a frequency on the rows of a spectrogram; row i extends from i to i + 1."""
    low, high = _mel(LOW_HZ), _mel(HIGH_HZ)
    return float((_mel(hz) - low) / (high - low) * (N_MELS + 1) - 0.5)


def _mel(hz: float) -> float:
    """Convert Hz to mel by O'Shaughnessy's formula (Speech Communication, 1987), as in HTK."""
    return float(2595 * np.log10(1 + hz / 700))


@cache
def _filters() -> scipy.sparse.csr_array:
    """Triangular filters over the bins of the power spectrum [shape=(64, 513)], each of sum 1.

    Most values are 0, but there is another reason for a sparse array. A dense product would wake
    all of BLAS's threads. On a busy machine, this costs ten times the work itself.
    """
    mels = np.linspace(_mel(LOW_HZ), _mel(HIGH_HZ), N_MELS + 2)
    edges_hz = 700 * (10 ** (mels / 2595) - 1)
    hz = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)
    rising = (hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    falling = (edges_hz[2:, None] - hz) / np.diff(edges_hz)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return scipy.sparse.csr_array(
        (triangles / triangles.sum(axis=1, keepdims=True)).astype(np.float32)
    )


@cache
def _window() -> Floats:
    return np.asarray(np.hanning(WINDOW + 1)[:-1], np.float32)


def _mel_power(samples: Samples, first: int, n_frames: int) -> Floats:
    """Mel power [shape=(64, n_frames)] around the middles of hops, from hop `first` on.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        At 16 kHz.
    first : int
        Index of the first hop.
    n_frames : int
        Number of hops.
    """
    start = first * HOP + (HOP - WINDOW) // 2
    end = start + (n_frames - 1) * HOP + WINDOW
    part = excerpt(samples, start, end)
    frames = np.lib.stride_tricks.sliding_window_view(part, WINDOW)[::HOP]
    spectrum = scipy.fft.rfft(frames * _window(), N_FFT, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(_filters() @ power.T)


def _column_means(power: Floats, per_column: int) -> Floats:
    starts = np.arange(0, power.shape[1], per_column)
    lengths = np.diff(np.append(starts, power.shape[1]))
    return np.asarray(np.add.reduceat(power, starts, axis=1) / lengths, np.float32)
