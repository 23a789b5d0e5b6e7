"""Have librosa compile, once and in one process, what acoustic features need of it.

It would happen at the first request otherwise, for seconds. And where two processes (of a server,
of an archive, of the tests) do it at the same time, numba may keep the one's machine code under
the other's name: every process after them then ends in a segmentation fault.

    python -m tools.precompile
"""

import numpy as np

from feature_extractor import AudioFeatureExtractor
from undertone.sound.audio import SAMPLE_RATE, Audio

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    AudioFeatureExtractor().vector(Audio(rng.standard_normal(2 * SAMPLE_RATE, np.float32)))
