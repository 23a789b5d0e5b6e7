"""How many samples may be decoded of one file, all channels together.

Silence compresses so well that 375 kB of FLAC can hold half an hour of 8 channels at 384 kHz: five
billion samples, a minute of CPU time. What a file may hold is therefore bound to its size.
"""

from undertone.errors import RecordingTooLong

USUAL_RATE = 2 * 48_000  # samples per second: stereo at 48 kHz, for the whole longest duration
HIGHEST_RATE = 8 * 48_000  # the same for files that are large enough
LEAST_DURATION_S = 1800.0
SAMPLES_PER_BYTE = 32  # Opus and AAC of several channels reach this


class Allowance:
    """Samples of one file that are still to be decoded.

    Parameters
    ----------
    n_bytes : int
        Size of the file.
    max_duration_s : float
        Longest recording that is accepted.
    """

    def __init__(self, n_bytes: int, max_duration_s: float) -> None:
        max_duration_s = max(max_duration_s, LEAST_DURATION_S)  # it is about time, not about length
        usual, highest = (int(rate * max_duration_s) for rate in (USUAL_RATE, HIGHEST_RATE))
        self._n_samples = min(highest, usual + n_bytes * SAMPLES_PER_BYTE)
        self._n_left = self._n_samples

    def take(self, n_samples: int, n_channels: int, rate_hz: int) -> None:
        """Decode so many samples more.

        Raises
        ------
        RecordingTooLong
            The file holds more than it may.
        """
        self._n_left -= n_samples
        if self._n_left < 0:
            longest_s = self._n_samples / (n_channels * rate_hz)
            raise RecordingTooLong(
                f"The recording has {n_channels} channels at {rate_hz} Hz; a file of its size may "
                f"last {longest_s:.0f} s like that. Export it again, best as mono at 16000 Hz."
            )
