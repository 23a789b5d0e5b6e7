"""How much of a file is decoded is bound to its size; ordinary recordings never notice."""

import io

import numpy as np
import pytest
import soundfile

from tests import sounds
from tests.conftest import wav
from tests.hostile import opus_silence, silent_flac
from undertone.errors import AudioError, RecordingSilent, RecordingTooLong
from undertone.sound.allowance import Allowance
from undertone.sound.audio import decode


@pytest.mark.parametrize(
    ("sample_rate", "n_channels"), [(384_000, 8), (192_000, 8), (96_000, 8), (384_000, 2)]
)
def test_small_files_that_unfold_to_billions_of_samples_are_refused(
    sample_rate: int, n_channels: int
) -> None:
    data = silent_flac(sample_rate, n_channels, 1790.0)
    assert len(data) < 400_000
    with pytest.raises(RecordingTooLong, match=f"{n_channels} channels at {sample_rate} Hz"):
        decode(data)


@pytest.mark.parametrize(("sample_rate", "n_channels"), [(48_000, 2), (44_100, 2), (16_000, 6)])
def test_half_an_hour_of_the_usual_kinds_is_decoded(sample_rate: int, n_channels: int) -> None:
    with pytest.raises(RecordingSilent):
        decode(silent_flac(sample_rate, n_channels, 1799.0))


def test_half_an_hour_of_opus_silence_is_decoded() -> None:
    with pytest.raises(RecordingSilent):
        decode(opus_silence(0.499))


@pytest.mark.parametrize("sample_rate", [16_000, 384_000])
@pytest.mark.parametrize("n_channels", [1, 8, 64])
def test_clips_of_any_rate_and_number_of_channels_are_decoded(
    sample_rate: int, n_channels: int
) -> None:
    voice = np.repeat(sounds.voice(1.0), sample_rate // 16_000)
    file = io.BytesIO()
    soundfile.write(file, np.stack([voice] * n_channels, 1), sample_rate, format="WAV")
    assert decode(file.getvalue(), max_duration_s=2.0).duration_s == pytest.approx(1.0, abs=0.01)


def test_eight_channels_at_48_khz_are_decoded_for_half_an_hour_if_the_file_is_as_large() -> None:
    allowance = Allowance(30 * 2**20, 1800.0)
    for _ in range(1800):
        allowance.take(8 * 48_000, 8, 48_000)
    with pytest.raises(RecordingTooLong):
        allowance.take(8 * 48_000, 8, 48_000)


def test_a_recording_that_is_too_long_is_still_told_its_length() -> None:
    with pytest.raises(AudioError, match="longer than the 2 s"):
        decode(wav(sounds.voice(3.0)), max_duration_s=2.0)
