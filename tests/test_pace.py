"""Syllables and pauses; those of whole recordings are tested with the features."""

import numpy as np
import pytest
import scipy.signal

from undertone.sound.pace import DIP_DB, QUIET_DB, _intensity_peaks, near_loudest


@pytest.mark.parametrize("seed", range(40))
def test_peaks_are_those_that_scipy_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    level_db = np.cumsum(rng.normal(0, rng.uniform(0.3, 3), rng.integers(1, 400)))
    level_db -= level_db.max()
    if seed % 2:
        level_db = np.round(level_db)  # many of the same height
    ranked_db = np.round(level_db, 2) + 1e-6 * np.arange(len(level_db)) / len(level_db)
    padded_db = np.pad(ranked_db, 1, constant_values=-1e3)
    expected, _ = scipy.signal.find_peaks(padded_db, height=-QUIET_DB, prominence=DIP_DB)
    assert _intensity_peaks(level_db) == (expected - 1).tolist()


def test_a_click_is_not_the_loudest() -> None:
    level_db = np.full(50, -20.0)
    level_db[10:12] = 0.0
    assert near_loudest(level_db, 5.0).sum() == 50
    level_db[10:13] = 0.0
    assert near_loudest(level_db, 5.0).sum() == 3
