"""Voice measurements easy to explain in plain words; every request computes them."""

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from undertone.progress import Progress, nobody
from undertone.sound.acoustics import PITCH_WINDOW, WINDOW
from undertone.sound.audio import SAMPLE_RATE, Audio, Samples, excerpt
from undertone.sound.pace import ACTIVE_DB, HOP, near_loudest, rates
from undertone.sound.pitch import steady, track_pitch
from undertone.sound.speech import Stretch

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

BLOCK_FRAMES = 3000
LOWEST_DBFS = -100.0
MIN_VOICED_FRAMES = 20  # 0.2 s: a syllable's vowel
MIN_SPAN_S = 1.0  # in a shorter span, one syllable more or less would give any rate


def profile(
    audio: Audio, speech: tuple[Stretch, ...], progress: Progress = nobody
) -> dict[str, float]:
    """Measure pitch, loudness, pace and pauses; keys name the unit.

    Values not measurable are absent.

    Parameters
    ----------
    audio : Audio
        Recording at 16 kHz.
    speech : tuple of (start_s, end_s)
        Stretches of speech in seconds; other sound does not count.
    progress : Progress, optional
        Called with the finished share.

    Returns
    -------
    dict of str to float
        ``pitch_median_hz``; ``pitch_range_semitones`` and ``loudness_spread_db`` (from the tenth
        to the ninetieth percentile); ``loudness_dbfs`` of speech, -3.01 for a full-scale sine;
        ``syllables_per_s`` between pauses; ``pause_share`` of the time from the first to the last
        sound, 0 to 1; ``longest_pause_s``.
    """
    level_db = _levels_db(audio.samples, WINDOW)
    in_speech = _frames_of(speech, len(level_db))
    level_db = np.where(in_speech, level_db, LOWEST_DBFS)
    is_active = near_loudest(level_db, ACTIVE_DB)
    if not is_active.any():
        return {}
    pitch_hz = track_pitch(audio.samples, progress)
    is_voiced = is_active & np.isfinite(pitch_hz)
    is_voiced = scipy.ndimage.binary_opening(is_voiced, np.ones(3))
    found = _pitch(pitch_hz[is_active & steady(pitch_hz)]) | _loudness(level_db[is_active])
    found |= _pace(audio.samples, in_speech, is_active, is_voiced)
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def _loudness(level_db: Floats) -> dict[str, float]:
    low_db, high_db = np.percentile(level_db, [10, 90])
    return {
        "loudness_dbfs": float(10 * np.log10(np.mean(10 ** (level_db / 10)))),
        "loudness_spread_db": float(high_db - low_db),
    }


def _pitch(voiced_hz: Floats) -> dict[str, float]:
    if len(voiced_hz) < MIN_VOICED_FRAMES:
        return {}
    low_hz, median_hz, high_hz = np.percentile(voiced_hz, [10, 50, 90])
    return {
        "pitch_median_hz": float(median_hz),
        "pitch_range_semitones": float(12 * np.log2(high_hz / low_hz)),
    }


def _pace(
    samples: Samples, in_speech: Bools, is_active: Bools, is_voiced: Bools
) -> dict[str, float]:
    if np.ptp(np.flatnonzero(is_active)) * HOP < MIN_SPAN_S * SAMPLE_RATE:
        return {}
    intensity_db = np.where(in_speech, _levels_db(samples, PITCH_WINDOW), LOWEST_DBFS)
    measured = rates(is_active, is_voiced, intensity_db - intensity_db.max())
    names = {
        "syllables_per_s": "articulation_rate_per_s",
        "pause_share": "pause_fraction",
        "longest_pause_s": "longest_pause_s",
    }
    return {name: measured[source] for name, source in names.items() if source in measured}


def _frames_of(speech: tuple[Stretch, ...], n_frames: int) -> Bools:
    """Mask of the frames in the stretches [shape=(n_frames,), dtype=bool]."""
    frames = np.zeros(n_frames, np.bool_)
    for start_s, end_s in speech:
        first, last = (round(at_s * SAMPLE_RATE / HOP) for at_s in (start_s, end_s))
        frames[first : last + 1] = True
    return frames


def _levels_db(samples: Samples, window: int) -> Floats:
    """Level of the window around every hop, in dBFS [shape=(1 + n // 160,)]."""
    offset = float(samples.mean(dtype=np.float64))
    n_frames = 1 + len(samples) // HOP
    blocks = []
    for first in range(0, n_frames, BLOCK_FRAMES):
        last = min(first + BLOCK_FRAMES, n_frames) - 1
        part = excerpt(samples, first * HOP - window // 2, last * HOP + window // 2)
        energy = np.insert(np.cumsum((part - offset) ** 2, dtype=np.float64), 0, 0.0)
        starts = np.arange(0, (last - first) * HOP + 1, HOP)
        power = (energy[starts + window] - energy[starts]) / window
        blocks.append(10 * np.log10(np.maximum(power, 10 ** (LOWEST_DBFS / 10))))
    return np.concatenate(blocks)
