"""Clean decoded blocks of any rate and number of channels, and collect them at 16 kHz.

Cleaning comes before resampling. Otherwise resampling would smear a wild sample and an offset over
their surroundings.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from undertone.errors import RecordingTooLong
from undertone.sound.allowance import Allowance
from undertone.sound.decoders import check_layout
from undertone.sound.levels import Floats, Levels, window_starts
from undertone.sound.samples import SAMPLE_RATE, Samples
from undertone.sound.wild import LOUDEST, Mask, Mender

BLOCK_S = 0.5  # FFmpeg's frames of 20 ms are joined to blocks of at least this length


@dataclass(frozen=True, eq=False)
class Mix:
    """Parameters for cleaning channels and mixing them down.

    Attributes
    ----------
    weights : np.ndarray [shape=(channels,), dtype=float32], optional
        Weight of each channel in the mix; the mean of all channels by default.
    offset : np.ndarray [shape=(channels,) or (windows, channels), dtype=float64], optional
        Offset to subtract: constant, or one for each window of `levels.window_starts`.
    ceiling : float
        Larger magnitudes are damage.
    """

    weights: Samples | None = None
    offset: Floats | None = None
    ceiling: float = LOUDEST


class _Gatherer:
    """Join and clean blocks; a subclass collects them.

    Parameters
    ----------
    mix : Mix
        Parameters for cleaning and mixing.

    Attributes
    ----------
    is_whole : bool
        True if the decoder reached the end without damage.
    streams : list of int
        Indices of the container's sound streams, FFmpeg's best one first; empty if unknown.
    allowance : Allowance, optional
        Budget of samples; unlimited by default.
    """

    def __init__(self, mix: Mix) -> None:
        self.is_whole = False
        self.streams: list[int] = []
        self.allowance: Allowance | None = None
        self._mix = mix
        self._mender = Mender(mix.ceiling)
        self._pending: list[npt.NDArray[Any]] = []
        self._shape = (0, 0)  # channels, rate in Hz
        self._n_windows = 0  # so far
        self._last_count = 0  # samples in the last window

    def add(self, block: npt.NDArray[Any], rate_hz: int) -> None:
        """Take one block, float [shape=(n, channels)]."""
        shape = block.shape[1], rate_hz
        if shape != self._shape:
            check_layout(*shape)
            self._flush()
            self._shape = shape
        if self.allowance:
            self.allowance.take(block.size, *shape)
        enough = BLOCK_S * rate_hz
        if not self._pending and len(block) >= enough:
            self._clean(block, rate_hz)
            return
        self._pending.append(block.copy())  # the decoder reuses the memory for the next one
        if sum(map(len, self._pending)) >= enough:
            self._flush()

    def finish(self) -> None:
        """Process the blocks still pending."""
        self._flush()

    def _flush(self) -> None:
        if self._pending:
            block = np.concatenate(self._pending)
            self._pending = []
            if len(block):
                self._clean(block, self._shape[1])

    def _clean(self, block: npt.NDArray[Any], rate_hz: int) -> None:
        samples, missing = self._mender.mended(block, rate_hz)
        if self._mix.offset is not None:
            samples = samples - self._offset(samples, rate_hz)
            if missing is not None:
                samples[missing] = 0
        self._take(samples, missing, rate_hz)
        counts = np.diff(window_starts(len(samples), rate_hz), append=len(samples))
        self._n_windows += len(counts)
        self._last_count = int(counts[-1])

    def _take(self, samples: Samples, missing: Mask | None, rate_hz: int) -> None:
        raise NotImplementedError

    def _offset(self, samples: Samples, rate_hz: int) -> Samples:
        """Offset of each sample [shape=(1 or n, channels), dtype=float32]."""
        n, n_channels = samples.shape
        offset = self._mix.offset
        assert offset is not None
        if offset.ndim == 1:
            return offset[None, :n_channels].astype(np.float32)
        starts = window_starts(n, rate_hz)
        counts = np.diff(starts, append=n)
        # Interpolate from one window's middle to the next, across the borders of the block too.
        middles = np.r_[-self._last_count / 2, starts + counts / 2, n + counts[0] / 2]
        rows = np.arange(self._n_windows - 1, self._n_windows + len(starts) + 1)
        values = offset[np.clip(rows, 0, len(offset) - 1), :n_channels]
        at = np.arange(n)
        lines = [np.interp(at, middles, column) for column in values.T]
        return np.stack(lines, axis=1).astype(np.float32)


class Mono(_Gatherer):
    """Sink for mono samples at 16 kHz.

    Parameters
    ----------
    max_duration_s : float > 0
        Limit in seconds.
    mix : Mix
        Parameters for cleaning and mixing.

    Attributes
    ----------
    samples : bytearray
        Samples as float32. It grows in place, without a second copy at the end.
    levels : Levels
        Levels of the channels after cleaning.
    """

    def __init__(self, max_duration_s: float, mix: Mix) -> None:
        super().__init__(mix)
        self.samples = bytearray()
        self.levels = Levels()
        self._max_duration_s = max_duration_s
        self._rate_hz = SAMPLE_RATE
        self._resampler: soxr.ResampleStream | None = None

    def finish(self) -> None:
        """Process everything still pending, in the resampler too."""
        super().finish()
        self._end_resampling()

    def _take(self, samples: Samples, missing: Mask | None, rate_hz: int) -> None:
        n_channels = samples.shape[1]
        mean = samples[:, 0]
        if n_channels > 1:
            mean = samples @ np.full(n_channels, 1 / n_channels, np.float32)
        self.levels.add(samples, mean, missing, rate_hz)
        if rate_hz != self._rate_hz:
            self._end_resampling()
            self._rate_hz = rate_hz
            if rate_hz != SAMPLE_RATE:
                self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE, 1)
        weights = self._mix.weights
        if weights is not None and len(weights) == n_channels:
            mean = samples @ weights
        self._keep(np.ascontiguousarray(mean))

    def _end_resampling(self) -> None:
        if self._resampler:
            self._keep(np.zeros(0, np.float32), last=True)
            self._resampler = None
        self._rate_hz = SAMPLE_RATE

    def _keep(self, mono: Samples, last: bool = False) -> None:
        if self._resampler:
            mono = self._resampler.resample_chunk(mono, last=last)
        self.samples += mono.tobytes()
        if len(self.samples) > self._max_duration_s * SAMPLE_RATE * mono.itemsize:
            raise RecordingTooLong(
                f"The recording is longer than the {self._max_duration_s:g} s "
                f"({self._max_duration_s / 60:.3g} min) that are accepted. Send a part of it."
            )


class Excerpts(_Gatherer):
    """Sink for all channels of some windows, at 16 kHz.

    Parameters
    ----------
    wanted : np.ndarray [shape=(windows,), dtype=bool]
        True for each window to keep.
    n_channels : int
        Number of channels. Blocks with another number are left out.
    mix : Mix
        Parameters for cleaning.
    """

    def __init__(self, wanted: npt.NDArray[np.bool_], n_channels: int, mix: Mix) -> None:
        super().__init__(mix)
        self._wanted = wanted
        self._n_channels = n_channels
        self._parts: list[Samples] = []

    @property
    def channels(self) -> Samples:
        """Samples kept so far [shape=(channels, n), dtype=float32]."""
        empty = np.zeros((self._n_channels, 0), np.float32)
        return np.concatenate([empty, *self._parts], axis=1)

    def _take(self, samples: Samples, missing: Mask | None, rate_hz: int) -> None:
        if samples.shape[1] != self._n_channels:
            return
        starts = window_starts(len(samples), rate_hz)
        wanted = self._wanted[self._n_windows :][: len(starts)]
        counts = np.diff(starts, append=len(samples))[: len(wanted)]
        kept = samples[: counts.sum()][np.repeat(wanted, counts)]
        if len(kept):
            self._parts.append(soxr.resample(kept, rate_hz, SAMPLE_RATE).T)
