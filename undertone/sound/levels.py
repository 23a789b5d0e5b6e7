"""Levels of a recording's channels in windows of 0.1 s: offset, drift and channel agreement."""

import numpy as np
import numpy.typing as npt

from undertone.sound.samples import Samples
from undertone.sound.wild import LOUDEST, Mask

Floats = npt.NDArray[np.float64]

WINDOW_S = 0.1
# The offset is measured in the quietest third of all windows, but at least eight. There it shows
# best. They must agree on it to a quarter. An offset under this share of the level (RMS) of the
# loudest window is ignored.
MIN_OFFSET = 5e-4
MIN_QUIET_WINDOWS = 8
AGREEMENT = 0.25
# Else the offset is the mean. Speech and music alone move the mean by less than this share of that
# level.
MIN_MEAN = 0.02
# The offset drifts if its mean, smoothed over two seconds, moves by more than this share of that
# level either way. Clips of RAVDESS, CREMA-D, TESS and nEMO stay under it.
MIN_DRIFT = 0.07
MIN_DRIFT_WINDOWS = 20
SLOW_WIDTH = 4.0  # standard deviation of the smoothing kernel, in windows
DRIFT_WIDTH = 1.5  # the same for the subtracted offset
# Channels agree if their mean loses no more than this share of the energy of any window. Losses 30
# dB under the loudest window are ignored: the microphones' own noise causes as much. Energy is
# counted above the steady background, since this may be a hum far louder than a voice.
LOST_ENERGY = 0.1
BACKGROUND = 0.05  # quantile of the windows' energies
INAUDIBLE = 1e-3
# If at most this many windows are far louder than all others, their loudest samples are damage.
# Such samples exceed full scale 8 times, and the level (RMS) of the loudest other window by 48 dB.
# Four windows are less than a word. Peaks of speech exceed the level by 12 dB.
DAMAGED_WINDOWS = 4
DAMAGED_SHARE = 1 / 500
CEILING = 256.0
MIN_CEILING = 8.0


class Levels:
    """Statistics of all channels, collected block by block.

    Attributes
    ----------
    n_channels : int
        Largest number of channels in a block so far.
    """

    def __init__(self) -> None:
        self.n_channels = 0
        self._peak = 0.0
        self._n: list[npt.NDArray[np.int64]] = []  # per block: samples of each window
        self._means: list[Samples] = []  # [windows, channels]
        self._energies: list[Samples] = []  # [windows, channels]: variance, so without offset
        self._mix_energies: list[Samples] = []  # [windows]: variance of the channels' mean

    def add(self, block: Samples, mean: Samples, missing: Mask | None, rate_hz: int) -> None:
        """Measure the next block.

        Parameters
        ----------
        block : np.ndarray [shape=(n, channels), dtype=float32]
            Samples.
        mean : np.ndarray [shape=(n,), dtype=float32]
            Mean of the channels.
        missing : np.ndarray [shape=(n, channels), dtype=bool] or None
            True for each value to ignore.
        rate_hz : int
            Sample rate in Hz.
        """
        self.n_channels = max(self.n_channels, block.shape[1])
        starts = window_starts(len(block), rate_hz)
        counts = np.diff(starts, append=len(block))
        valid = counts[:, None]
        if missing is not None:
            self._peak = max(self._peak, float(np.abs(block).max()))
            valid = np.maximum(1, valid - np.add.reduceat(missing, starts, axis=0, dtype=np.int64))
        elif block.max() > MIN_CEILING or block.min() < -MIN_CEILING:
            self._peak = max(self._peak, float(np.abs(block).max()))
        means, energies = _moments(block, starts, valid)
        mix_energies = energies
        if block.shape[1] > 1:
            _, mix_energies = _moments(mean[:, None], starts, counts[:, None])
        self._n.append(counts)
        self._means.append(means)
        self._energies.append(energies)
        self._mix_energies.append(mix_energies[:, 0])

    def _whole(self) -> tuple[Floats, Floats, Floats]:
        """Means and energies [shape=(windows, channels)], energies of the mix [shape=(windows,)].

        Channels missing from a block count as silent. Windows too short to measure are left out.
        """
        n = np.concatenate(self._n)
        kept = 2 * n >= n.max()
        wide = (
            np.concatenate([_widened(block, self.n_channels) for block in blocks])[kept]
            for blocks in (self._means, self._energies)
        )
        means, energies = wide
        return means, energies, np.concatenate(self._mix_energies)[kept].astype(np.float64)

    def offset(self) -> Floats | None:
        """Constant offset of each channel [shape=(channels,)]; None if no channel has one."""
        means, energies, _ = self._whole()
        offset = np.array([_offset(*pair) for pair in zip(means.T, energies.T, strict=True)])
        return offset if offset.any() else None

    def drift(self) -> Floats | None:
        """Offset of each channel in each window [shape=(windows, channels)]; None if constant."""
        means, energies, _ = self._whole()
        if len(means) < MIN_DRIFT_WINDOWS:
            return None
        level = np.sqrt(energies.max(axis=0))
        # Quiet windows show the offset best, so they weigh more, down to 60 dB under the loudest.
        weights = 1 / (energies + 1e-6 * level**2 + 1e-20)
        smooth = _smoothed(means, weights, DRIFT_WIDTH)
        slow = _smoothed(means, weights, SLOW_WIDTH)
        drifts = np.ptp(slow, axis=0) / 2 > np.maximum(MIN_DRIFT * level, 1e-9)
        if not drifts.any():
            return None
        constant = self.offset()
        held = np.zeros(self.n_channels) if constant is None else constant
        n = np.concatenate(self._n)
        every = np.empty((len(n), self.n_channels))
        every[:] = np.where(drifts, 0.0, held)
        at, kept = np.arange(len(n)), np.flatnonzero(2 * n >= n.max())
        for channel in np.flatnonzero(drifts):
            every[:, channel] = np.interp(at, kept, smooth[:, channel])
        return every

    def ceiling(self) -> float:
        """Return the limit of magnitude: louder samples are damage."""
        if self._peak <= MIN_CEILING:
            return LOUDEST
        _, energies, _ = self._whole()
        level = np.sort(np.sqrt(energies.max(axis=1)))[::-1]
        n_damaged = max(int(len(level) * DAMAGED_SHARE), min(DAMAGED_WINDOWS, len(level) // 8))
        return min(LOUDEST, max(MIN_CEILING, CEILING * float(level[n_damaged])))

    @property
    def agree(self) -> bool:
        """True if the channels are nearly the same, so their mean loses nothing."""
        if self.n_channels == 1:
            return True
        _, energies, mix = self._whole()
        mean = energies.mean(axis=1)
        above = np.maximum(mean - np.quantile(mean, BACKGROUND), 0)
        counted = np.maximum(LOST_ENERGY * above, INAUDIBLE * above.max(initial=0.0))
        return bool((mean - mix <= counted).all())

    @property
    def energies(self) -> Floats:
        """Energy of each channel in each window, whole or not [shape=(windows, channels)]."""
        return np.concatenate([_widened(block, self.n_channels) for block in self._energies])

    @property
    def mix_energies(self) -> Floats:
        """Energy of the channels' mean in each window, whole or not [shape=(windows,)]."""
        return np.concatenate(self._mix_energies).astype(np.float64)


def window_starts(n: int, rate_hz: int) -> npt.NDArray[np.int64]:
    """Start indices of the windows in a block of `n` samples; every block begins a new window."""
    return np.arange(0, n, max(1, round(WINDOW_S * rate_hz)))


def _moments(
    block: Samples, starts: npt.NDArray[np.int64], valid: npt.NDArray[np.int64]
) -> tuple[Samples, Samples]:
    """Mean and variance of each channel in each window [shape=(windows, channels)].

    Parameters
    ----------
    block : np.ndarray [shape=(n, channels), dtype=float32]
        Samples.
    starts : np.ndarray [shape=(windows,), dtype=int64]
        Start index of each window.
    valid : np.ndarray [shape=(windows, 1 or channels), dtype=int64]
        Number of samples to divide by.
    """
    n_windows, n_channels = len(starts), block.shape[1]
    step = starts[1] if n_windows > 1 else len(block)
    n_whole = len(block) // step
    rows = np.ascontiguousarray(block.T)  # sums along memory are ten times as fast
    first = np.zeros((n_windows, n_channels))
    second = np.zeros((n_windows, n_channels))
    whole = rows[:, : n_whole * step].reshape(n_channels, n_whole, step)
    first[:n_whole] = whole.sum(axis=2).T
    second[:n_whole] = np.einsum("cwn,cwn->wc", whole, whole)
    if n_whole < n_windows:
        rest = rows[:, n_whole * step :]
        first[-1], second[-1] = rest.sum(axis=1), np.einsum("cn,cn->c", rest, rest)
    means = first / valid
    energies = np.maximum(second / valid - means**2, 0.0)
    return means.astype(np.float32), energies.astype(np.float32)


def _offset(means: Floats, energies: Floats) -> float:
    """Offset of a channel; 0 if it is negligible."""
    level = float(np.sqrt(energies.max()))
    n_quiet = max(MIN_QUIET_WINDOWS, len(means) // 3)
    quietest = means[np.argsort(energies, kind="stable")[:n_quiet]]
    middle = float(np.median(quietest))
    spread = float(np.quantile(np.abs(quietest - middle), 0.8))
    agree = len(quietest) >= MIN_QUIET_WINDOWS and spread <= AGREEMENT * abs(middle)
    if agree and abs(middle) > MIN_OFFSET * level:
        return middle
    mean = float(means.mean())
    return mean if abs(mean) > MIN_MEAN * level else 0.0


def _smoothed(values: Floats, weights: Floats, width: float) -> Floats:
    """Smooth each column by a weighted local line fit around each value.

    Parameters
    ----------
    values : np.ndarray [shape=(n, columns), dtype=float64]
        Values to smooth.
    weights : np.ndarray [shape=(n, columns), dtype=float64]
        Weight of each value.
    width : float
        Standard deviation of the kernel, in rows.
    """
    reach = round(4 * width)
    at = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (at / width) ** 2)
    rows = slice(reach, reach + len(values))

    def moment(of: Floats, order: int) -> Floats:
        weighted = kernel * (-at) ** order
        return np.stack([np.convolve(column, weighted)[rows] for column in of.T], axis=1)

    w0, w1, w2 = (moment(weights, order) for order in range(3))
    v0, v1 = (moment(weights * values, order) for order in range(2))
    spread = w0 * w2 - w1**2
    fits = spread > 1e-6 * w0 * w2
    line: Floats = np.where(fits, (w2 * v0 - w1 * v1) / np.where(fits, spread, 1), v0 / w0)
    return line


def _widened(block: Samples, n_channels: int) -> Floats:
    return np.pad(block.astype(np.float64), ((0, 0), (0, n_channels - block.shape[1])))
