"""Augmentation of training utterances: other rooms, microphones, codecs and voices.

Corpora are recorded in quiet rooms with good microphones. A model trained only on them learns
their sound. Noise 20 dB below the voice is then enough to mislead it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from undertone.sound.audio import SAMPLE_RATE, Samples

Generator = np.random.Generator
Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """Random changes to an utterance; they preserve its emotion.

    Parameters
    ----------
    noises : sequence of np.ndarray [shape=(n,), dtype=float32]
        Recordings without speech at 16 kHz, of any length and level. If there are none, only
        synthetic noise is added.
    """

    noises: Sequence[Samples] = ()

    def __call__(self, samples: Samples, rng: Generator) -> Samples:
        """Return a changed copy of an utterance; a change of speed also changes its length."""
        if rng.random() < 0.5:
            samples = change_speed(samples, rng.uniform(0.88, 1.14))
        if rng.random() < 0.25:
            samples = add_room(samples, rng.uniform(0.1, 0.7), rng.uniform(0.05, 0.4), rng)
        if rng.random() < 0.5:
            samples = equalise(samples, rng)
        if rng.random() < 0.5:
            noise = self._noise(len(samples), rng)
            samples = add_noise(samples, noise, rng.uniform(5, 35))
        if rng.random() < 0.1:
            limit = rng.uniform(0.4, 0.9) * np.abs(samples).max()
            samples = np.clip(samples, -limit, limit)
        return samples

    def _noise(self, n: int, rng: Generator) -> Floats32:
        if self.noises and rng.random() < 0.6:
            noise = self.noises[int(rng.integers(len(self.noises)))]
            start = rng.integers(max(1, len(noise) - n))
            return np.resize(noise[start : start + n], n)
        white = rng.standard_normal(n, np.float32)
        return white if rng.random() < 0.5 else _pink(white)


def change_speed(samples: Samples, factor: float) -> Samples:
    """Change speed and pitch together, as a tape does; a factor over 1 is faster and higher."""
    n = len(samples)
    places = np.arange(0, n - 1, factor)
    return np.asarray(np.interp(places, np.arange(n), samples), np.float32)


def add_room(samples: Samples, t60_s: float, level: float, rng: Generator) -> Samples:
    """Add reverberation: the direct sound and a tail of exponentially decaying noise.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        Utterance at 16 kHz.
    t60_s : float
        Time in seconds for the tail to fall by 60 dB.
    level : float
        Square root of the tail's energy. For the direct sound it is 1.
    rng : np.random.Generator

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
    """
    n, n_tail = len(samples), round(t60_s * SAMPLE_RATE)
    decay = np.exp(np.log(1e-3) * np.arange(n_tail, dtype=np.float32) / n_tail)
    response = rng.standard_normal(n_tail, np.float32) * decay
    response *= level / np.sqrt((response**2).sum())
    response[0] = 1.0
    n_fft = 1 << (n + n_tail).bit_length()
    spectrum = np.fft.rfft(samples, n_fft) * np.fft.rfft(response, n_fft)
    return np.fft.irfft(spectrum, n_fft)[:n].astype(np.float32)


def equalise(samples: Samples, rng: Generator) -> Samples:
    """Imitate a random microphone or line: tilt, gentle bands, sometimes no treble or no bass."""
    spectrum = np.fft.rfft(samples)
    hz = np.linspace(0, SAMPLE_RATE / 2, len(spectrum))
    gain_db = rng.uniform(-2, 2) * np.log2(np.maximum(hz, 60) / 1000)
    gain_db += np.interp(hz, np.linspace(0, SAMPLE_RATE / 2, 7), rng.uniform(-4, 4, 7))
    if rng.random() < 0.2:
        gain_db -= 60 * (hz > rng.uniform(3300, 7000))
    if rng.random() < 0.2:
        gain_db -= 40 * (hz < rng.uniform(80, 300))
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(samples)).astype(np.float32)


def add_noise(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Add noise, `snr_db` below the mean power of the utterance.

    Parameters
    ----------
    samples, noise : np.ndarray [shape=(n,), dtype=float32]
        Utterance and noise of the same length.
    snr_db : float
        Signal-to-noise ratio in dB.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
    """
    power, noise_power = float(np.mean(samples**2)), float(np.mean(noise**2))
    gain = np.float32(np.sqrt(power / max(noise_power, 1e-12) * 10 ** (-snr_db / 10)))
    return np.asarray(samples + gain * noise, np.float32)


def _pink(white: Floats32) -> Floats32:
    """Filter white noise into noise with a power slope of -3 dB per octave."""
    spectrum = np.fft.rfft(white)
    spectrum /= np.sqrt(np.arange(len(spectrum)) + 10)
    return np.fft.irfft(spectrum, len(white)).astype(np.float32)
