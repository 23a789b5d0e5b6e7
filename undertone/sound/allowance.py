"""Limit on the number of samples decoded from one file, all channels together.

Silence compresses very well: 375 kB of FLAC can hold half an hour of 8 channels at 384 kHz. These
are five billion samples and take a minute of CPU time. The limit therefore depends on the file
size.
"""

from undertone.errors import RecordingTooLong

USUAL_RATE = 2 * 48_000  # samples per second: stereo at 48 kHz, for the whole longest duration
HIGHEST_RATE = 8 * 48_000  # the same for large files
LEAST_DURATION_S = 1800.0
SAMPLES_PER_BYTE = 32  # Opus and AAC of several channels reach this


class Allowance:
    """Remaining sample budget of one file.

    Parameters
    ----------
    n_bytes : int
        Size of the file.
    max_duration_s : float
        Longest accepted recording, in seconds.
    """

    def __init__(self, n_bytes: int, max_duration_s: float) -> None:
        max_duration_s = max(max_duration_s, LEAST_DURATION_S)  # limits CPU time, not length
        usual, highest = (int(rate * max_duration_s) for rate in (USUAL_RATE, HIGHEST_RATE))
        self._n_samples = min(highest, usual + n_bytes * SAMPLES_PER_BYTE)
        self._n_left = self._n_samples

    def take(self, n_samples: int, n_channels: int, rate_hz: int) -> None:
        """Take samples from the budget.

        Parameters
        ----------
        n_samples : int
            Number of samples, all channels together.
        n_channels : int
            Number of channels, for the error message.
        rate_hz : int
            Sample rate in Hz, for the error message.

        Raises
        ------
        RecordingTooLong
            The file exceeds its budget.
        """
        self._n_left -= n_samples
        if self._n_left < 0:
            longest_s = self._n_samples / (n_channels * rate_hz)
            raise RecordingTooLong(
                f"The recording has {n_channels} channels at {rate_hz} Hz; a file of its size may "
                f"last {longest_s:.0f} s like that. Export it again, best as mono at 16000 Hz."
            )
