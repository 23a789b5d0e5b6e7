"""Fast pitch tracking of a voice, one value every 10 ms.

`undertone.sound.acoustics` measures more, but its first use compiles for two seconds, too long for
a request. This module needs no compilation. On 8 clips of RAVDESS, 1.8 % of the frames voiced for
both methods are more than a semitone from librosa's pyin.
"""

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from undertone.progress import Progress, nobody
from undertone.sound.samples import SAMPLE_RATE, Samples, excerpt

FRAMES_PER_S = 100
LOW_HZ, HIGH_HZ = 65.0, 650.0
RATE_HZ = 8000  # enough for pitch, and half the work
WINDOW = 320  # 40 ms: two and a half periods of the lowest voice
N_FFT = 512  # holds a window, and the same window at the longest lag
DEEP = 0.15  # the first dip under this is the period, else the deepest: longer lags fit as well
VOICED = 0.4  # a frame above this is no tone
MAX_STEP_SEMITONES = 2.0
MIN_STEADY_FRAMES = 8
BLOCK_S = 20  # longer recordings are split: half an hour at once would need gigabytes

Floats = NDArray[np.floating]


def track_pitch(samples: Samples, progress: Progress = nobody) -> Floats:
    """Track the pitch in Hz of frames 10 ms apart [shape=(1 + n // 160,)]; NaN without pitch.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        At 16 kHz.
    progress : Progress, optional
        Called with the finished share.

    References
    ----------
    de Cheveigné & Kawahara, "YIN, a fundamental frequency estimator for speech and music",
    J. Acoust. Soc. Am. 111 (2002), 1917-1930.
    """
    n_frames = 1 + len(samples) * FRAMES_PER_S // SAMPLE_RATE
    step = BLOCK_S * FRAMES_PER_S
    blocks = []
    for first in range(0, n_frames, step):
        progress(first / n_frames)
        blocks.append(_track_block(samples, first, min(step, n_frames - first)))
    return np.concatenate(blocks)


def steady(pitch_hz: Floats) -> NDArray[np.bool_]:
    """Return a mask of the frames with steady pitch [shape=(n,), dtype=bool].

    Steady pitch moves by less than two semitones a frame, for at least 80 ms. Wrong octaves and
    accidentally periodic noises seldom do. On neutral clips of CREMA-D, many of them noisy, this
    reduces the ninetieth percentile of the pitch range from 18 to 7 semitones.
    """
    semitones = 12 * np.log2(pitch_hz)
    runs = np.cumsum(~(np.abs(np.diff(semitones, prepend=np.nan)) < MAX_STEP_SEMITONES))
    has_pitch = np.isfinite(pitch_hz)
    lengths = np.bincount(runs[has_pitch], minlength=runs[-1] + 1)
    return np.asarray(has_pitch & (lengths[runs] >= MIN_STEADY_FRAMES))


def _track_block(samples: Samples, first: int, n_frames: int) -> Floats:
    hop = SAMPLE_RATE // FRAMES_PER_S
    # A frame extends half an N_FFT at 8 kHz to either side of its middle.
    start, end = first * hop - N_FFT, (first + n_frames - 1) * hop + N_FFT
    half = soxr.resample(excerpt(samples, start, end), SAMPLE_RATE, RATE_HZ, quality="LQ")
    frames = np.lib.stride_tricks.sliding_window_view(half, N_FFT)[:: hop // 2]
    return _pitch(frames - frames.mean(axis=1, keepdims=True))


def _pitch(frames: Floats) -> Floats:
    lags = np.arange(int(RATE_HZ / LOW_HZ) + 2)
    difference = _difference(frames, len(lags))
    # Difference of the sound from itself a lag later, relative to the mean over shorter lags.
    mean = np.cumsum(difference[:, 1:], axis=1) / lags[1:]
    unlike = np.ones_like(difference)
    np.divide(difference[:, 1:], mean, out=unlike[:, 1:], where=mean > 1e-12)
    middle = unlike[:, 1:-1]
    is_dip = (middle <= unlike[:, :-2]) & (middle < unlike[:, 2:])
    is_dip[:, : int(RATE_HZ / HIGH_HZ) - 1] = False
    is_deep = is_dip & (middle < DEEP)
    deepest = np.where(is_dip, middle, np.inf).argmin(axis=1)
    lag = 1 + np.where(is_deep.any(axis=1), is_deep.argmax(axis=1), deepest)
    rows = np.arange(len(frames))
    before, at, after = (unlike[rows, lag + k] for k in (-1, 0, 1))
    bend = before - 2 * at + after
    with np.errstate(invalid="ignore", divide="ignore"):
        finer = lag + np.where(bend > 0, 0.5 * (before - after) / bend, 0.0)
        return np.where(at < VOICED, RATE_HZ / finer, np.nan)


def _difference(frames: Floats, n_lags: int) -> Floats:
    """Energy of the difference between each frame's first window and its window at each lag."""
    whole = scipy.fft.rfft(frames, axis=1)
    window = scipy.fft.rfft(frames[:, :WINDOW], N_FFT, axis=1)
    product = scipy.fft.irfft(whole * window.conj(), axis=1)[:, :n_lags]
    power = frames**2
    # From one lag to the next, the window loses one sample and gains one.
    changes = power[:, WINDOW : WINDOW + n_lags - 1] - power[:, : n_lags - 1]
    later = np.cumsum(np.pad(changes, ((0, 0), (1, 0))), axis=1)
    later += power[:, :WINDOW].sum(axis=1, keepdims=True)
    return np.asarray(np.maximum(later[:, :1] + later - 2 * product, 0.0))
