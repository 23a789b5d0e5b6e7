"""Augmentation of power spectrograms, in whole batches: other voices, microphones and rooms.

It does to spectrograms the same as `training.augmentation` does to samples. Training from scratch
uses each utterance about twenty times, each time augmented differently. Computing the Fourier
transforms again each time would take too long.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from undertone.sound.audio import SAMPLE_RATE
from undertone.training.cnn import N_BINS
from undertone.training.whisper import HOP_LENGTH, N_FFT

Generator = np.random.Generator

_ROOM_FRAMES = 32


def power_spectrogram(samples: NDArray[np.float32]) -> Tensor:
    """Compute the power spectrogram of samples at 16 kHz, as `cnn.Features.power` does.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]

    Returns
    -------
    Tensor [shape=(201, n // 160), dtype=float32]
    """
    window = torch.hann_window(N_FFT)
    spectrum = torch.stft(
        torch.from_numpy(samples.copy()), N_FFT, HOP_LENGTH, window=window, return_complex=True
    )
    return spectrum[:, :-1].abs() ** 2


def cut(spectrograms: Sequence[Tensor], n_frames: int, rng: Generator) -> Tensor:
    """Cut a random stretch from each spectrogram; place shorter ones in silence.

    Parameters
    ----------
    spectrograms : sequence of Tensor [shape=(201, frames)]
    n_frames : int
        Length of each stretch, in frames of 10 ms.
    rng : np.random.Generator

    Returns
    -------
    Tensor [shape=(batch, 201, n_frames), dtype=float32]
    """
    batch = torch.zeros(len(spectrograms), N_BINS, n_frames)
    for row, power in zip(batch, spectrograms, strict=True):
        spare = power.shape[1] - n_frames
        start = int(rng.integers(abs(spare) + 1))
        if spare >= 0:
            row[:] = power[:, start : start + n_frames]
        else:
            row[:, start : start + power.shape[1]] = power
    return batch


def augment(power: Tensor, rng: Generator) -> Tensor:
    """Return an augmented copy [batch, 201, frames] of power spectrograms.

    Each change is applied to a random part of the batch: speed and pitch to half of it, a room to a
    quarter, a microphone to half, noise to half. The parts are drawn independently. Then stretches
    of time and bands of frequency are silenced (Park et al., "SpecAugment", Interspeech 2019).
    """
    for change, share in ((_speed, 0.5), (_room, 0.25), (_microphone, 0.5), (_noise, 0.5)):
        rows = torch.from_numpy(np.flatnonzero(rng.random(len(power)) < share))
        if len(rows):
            power = power.index_copy(0, rows, change(power[rows], rng))
    return _silenced(power, rng)


def _uniform(low: float, high: float, n: int, rng: Generator) -> Tensor:
    return torch.from_numpy(rng.uniform(low, high, n).astype(np.float32))


def _speed(power: Tensor, rng: Generator) -> Tensor:
    """Change the speed by up to 14 %, and independently pitch and formants by up to 12 %."""
    n, n_bins, n_frames = power.shape
    faster, higher = _uniform(0.88, 1.14, n, rng), _uniform(0.89, 1.12, n, rng)
    time = torch.linspace(-1, 1, n_frames)[None, None, :] * faster[:, None, None]
    # Frequency 0 is at -1 and stays there.
    pitch = (torch.linspace(0, 2, n_bins)[None, :, None] / higher[:, None, None]) - 1
    grid = torch.stack([time.expand(n, n_bins, -1), pitch.expand(n, -1, n_frames)], dim=3)
    return functional.grid_sample(power[:, None], grid, align_corners=True)[:, 0]


def _room(power: Tensor, rng: Generator) -> Tensor:
    """Add reverberation of 0.1 to 0.7 s: the power of each frame decays over the next ones."""
    n = len(power)
    t60_s, level = _uniform(0.1, 0.7, n, rng), _uniform(0.05, 0.4, n, rng) ** 2
    later_s = torch.arange(_ROOM_FRAMES) * HOP_LENGTH / SAMPLE_RATE
    tail = torch.exp(-6 * math.log(10) * later_s / t60_s[:, None])
    tail = tail / tail.sum(dim=1, keepdim=True) * level[:, None]
    tail[:, 0] += 1
    padded = functional.pad(power.transpose(0, 1), (_ROOM_FRAMES - 1, 0))
    return functional.conv1d(padded, tail.flip(1)[:, None], groups=n).transpose(0, 1)


def _microphone(power: Tensor, rng: Generator) -> Tensor:
    """Apply a spectral tilt and gentle bands; sometimes remove the treble or the bass."""
    n = len(power)
    hz = torch.linspace(0, SAMPLE_RATE / 2, N_BINS)
    tilt = _uniform(-2, 2, n, rng)[:, None] * torch.log2(torch.clamp(hz, min=60) / 1000)
    bands = torch.from_numpy(rng.uniform(-4, 4, (n, 1, 7)).astype(np.float32))
    gain_db = tilt + functional.interpolate(bands, N_BINS, mode="linear", align_corners=True)[:, 0]
    dull = torch.from_numpy(rng.random(n) < 0.2)[:, None]
    thin = torch.from_numpy(rng.random(n) < 0.2)[:, None]
    gain_db -= 60 * (dull & (hz > _uniform(3300, 7000, n, rng)[:, None]))
    gain_db -= 40 * (thin & (hz < _uniform(80, 300, n, rng)[:, None]))
    return power * (10 ** (gain_db / 10))[:, :, None]


def _noise(power: Tensor, rng: Generator) -> Tensor:
    """Add steady noise, white to brown, 5 to 35 dB below the mean power."""
    n, n_bins, n_frames = power.shape
    colour = torch.linspace(1 / N_BINS, 1, N_BINS) ** -_uniform(0, 2, n, rng)[:, None]
    colour = colour / colour.mean(dim=1, keepdim=True)
    level = power.mean(dim=(1, 2)) * 10 ** (-_uniform(5, 35, n, rng) / 10)
    # Bins of noise are complex Gaussian. Their power has an exponential distribution, and their
    # phase relative to the signal is random.
    chance = torch.from_numpy(rng.random((2, n, n_bins, n_frames), np.float32))
    noise = -torch.log1p(-chance[0]) * (colour * level[:, None])[:, :, None]
    together = 2 * torch.sqrt(power * noise) * torch.cos(2 * math.pi * chance[1])
    return torch.clamp(power + noise + together, min=0)


def _silenced(power: Tensor, rng: Generator) -> Tensor:
    """Silence two random bands of up to 25 bins and one stretch of up to 30 frames."""
    power = power.clone()
    n_frames = power.shape[2]
    for row in power:
        for _ in range(2):
            width = int(rng.integers(26))
            start = int(rng.integers(N_BINS - width))
            row[start : start + width] = 0
        width = int(rng.integers(1 + min(30, n_frames // 5)))
        start = int(rng.integers(n_frames - width))
        row[:, start : start + width] = 0
    return power
