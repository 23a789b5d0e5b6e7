"""Compile librosa's functions for acoustic features, once and in a single process.

Otherwise the first request would compile them, for seconds. If two processes (of a server, a
batch or the tests) compile at the same time, numba may cache the machine code of one under the
name of the other. Every later process then ends in a segmentation fault.

    python -m tools.precompile
"""

import numpy as np

from feature_extractor import AudioFeatureExtractor
from undertone.sound.audio import SAMPLE_RATE, Audio

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    AudioFeatureExtractor().vector(Audio(rng.standard_normal(2 * SAMPLE_RATE, np.float32)))
