"""Repair of wild samples: single values far beyond their surroundings, from damaged float files.

Integer formats cannot hold them. So everything up to full scale is left alone, and so is the
overshoot of lossy codecs.
"""

import numpy as np
import numpy.typing as npt

from undertone.sound.samples import Samples

LOUDEST = 2.0**31  # reached by integers stored as float without scaling; more is damage
MIN_WILD = 1.5  # full scale is 1; lossy codecs overshoot it by less
STEP_S = 0.005
# The level around a sample is the median over this many steps. 45 ms hold several periods of the
# lowest voice, and a burst of less than 20 ms does not count.
MEDIAN_STEPS = 9
# Relative to the mean magnitude around the sample. Peaks of voices stay under 10, plosives and lip
# clicks in a pause under 24 with few exceptions.
WILD_FACTOR = 24.0
# Share of the median level of the block: the lowest level assumed for a pause.
QUIETEST = 0.25

Mask = npt.NDArray[np.bool_]


class Mender:
    """Interpolate wild samples and zero invalid values, block by block.

    Parameters
    ----------
    ceiling : float
        Larger magnitudes count as missing.
    """

    def __init__(self, ceiling: float = LOUDEST) -> None:
        self._ceiling = ceiling
        self._before: Samples = np.zeros((0, 0), np.float32)

    def mended(self, block: npt.NDArray[np.floating], rate_hz: int) -> tuple[Samples, Mask | None]:
        """Mend the next block.

        Parameters
        ----------
        block : np.ndarray [shape=(n, channels)]
            Full scale is 1; integers stored as float reach `LOUDEST`.
        rate_hz : int
            Sample rate in Hz.

        Returns
        -------
        samples : np.ndarray [shape=(n, channels), dtype=float32]
            The block itself if it has no damage.
        missing : np.ndarray [shape=(n, channels), dtype=bool] or None
            True for values found NaN, infinite or beyond the ceiling, now 0; None without any.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # doubles beyond float32, signalling NaN
            samples: Samples = np.asarray(block, np.float32)
        missing = None
        lowest, highest = float(samples.min()), float(samples.max())
        if not (-self._ceiling <= lowest and highest <= self._ceiling):  # NaN compares false
            missing = ~(np.abs(samples) <= self._ceiling)
            samples = np.where(missing, np.float32(0), samples)
            lowest, highest = float(samples.min()), float(samples.max())
        if max(-lowest, highest) > MIN_WILD:
            samples = self._interpolated(samples, rate_hz)
        self._before = samples[-round(STEP_S * MEDIAN_STEPS * rate_hz) :].copy()
        return samples, missing

    def _interpolated(self, samples: Samples, rate_hz: int) -> Samples:
        """Replace each wild sample by linear interpolation between its neighbours."""
        before = self._before if self._before.shape[1] == samples.shape[1] else samples[:0]
        whole = np.concatenate([before, samples])
        magnitude = np.abs(whole)
        wild = (magnitude > MIN_WILD) & (magnitude > WILD_FACTOR * _level(magnitude, rate_hz))
        for channel in np.flatnonzero(wild.any(axis=0)):
            bad = wild[:, channel]
            good = np.flatnonzero(~bad)
            known = whole[good, channel] if len(good) else np.zeros(1, np.float32)
            whole[bad, channel] = np.interp(np.flatnonzero(bad), good if len(good) else [0], known)
        return whole[len(before) :]


def _level(magnitude: Samples, rate_hz: int) -> Samples:
    """Typical magnitude around each sample [shape=(n, channels)]: median of means over steps."""
    n = len(magnitude)
    starts = np.arange(0, n, max(1, round(STEP_S * rate_hz)))
    counts = np.diff(starts, append=n)
    means = np.add.reduceat(magnitude, starts, axis=0) / counts[:, None].astype(np.float32)
    around = np.pad(means, ((MEDIAN_STEPS // 2,) * 2, (0, 0)), mode="reflect" if n > 1 else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(around, MEDIAN_STEPS, axis=0)
    quietest = QUIETEST * np.median(means, axis=0)
    level: Samples = np.repeat(np.maximum(np.median(windows, axis=-1), quietest), counts, axis=0)
    return level
