"""Convolutional network trained from scratch: samples -> log-mel, MFCC, chroma -> emotions.

Only training needs this module (and torch). The application runs the exported ONNX file.

Design rule: everything is computed from one power spectrogram. The features do not depend on the
level of the recording.
"""

import math
from pathlib import Path

import librosa
import torch
from torch import Tensor, nn
from torch.nn import functional

from undertone.training.onnx_export import export_onnx
from undertone.training.whisper import (
    DYNAMIC_RANGE,
    HOP_LENGTH,
    N_FFT,
    N_MELS,
    PEAK_LOG_MEL,
    SAMPLE_RATE,
    LogMel,
)

N_MFCC = 20
N_CHROMA = 12
N_BINS = N_FFT // 2 + 1


class Features(LogMel):
    """Convert a power spectrogram [batch, 201, frames] to log-mel, MFCC and chroma.

    All three use fixed matrices: mel bands of the power, cosines of their logarithms, and the
    share of each pitch class in the power.
    """

    def __init__(self) -> None:
        super().__init__()
        order = torch.arange(N_MFCC)[:, None]
        band = torch.arange(N_MELS) + 0.5
        cosines = torch.cos(math.pi * order * band / N_MELS) * math.sqrt(2 / N_MELS)
        self.register_buffer("cosines", cosines)
        chroma = librosa.filters.chroma(sr=SAMPLE_RATE, n_fft=N_FFT, n_chroma=N_CHROMA, tuning=0)
        self.register_buffer("pitch_classes", torch.from_numpy(chroma))

    def power(self, samples: Tensor) -> Tensor:
        """Return the power spectrogram [batch, 201, n // 160] of samples [batch, n] at 16 kHz."""
        padded = functional.pad(samples[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")
        real, imaginary = functional.conv1d(padded, self.basis, stride=HOP_LENGTH).chunk(2, dim=1)
        return (real**2 + imaginary**2)[..., :-1]

    def forward(self, power: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-mel [batch, 80, frames], and MFCC with chroma [batch, 32, frames]."""
        log_mel = torch.clamp(self.mel @ power, min=1e-20).log10()
        peak = log_mel.amax(dim=(1, 2), keepdim=True)
        log_mel = (torch.clamp(log_mel - peak, min=-DYNAMIC_RANGE) + PEAK_LOG_MEL + 4) / 4
        classes = self.pitch_classes @ power
        # Frames 80 dB below the loudest have no pitch class: the floor keeps their shares at zero.
        floor = 1e-8 * classes.amax(dim=(1, 2), keepdim=True) + 1e-20
        shares = classes / (classes.sum(dim=1, keepdim=True) + floor)
        return log_mel, torch.cat([self.cosines @ log_mel, shares], dim=1)


class EmotionNetwork(nn.Module):
    """Two convolutional branches, joined in time and pooled with attention.

    Parameters
    ----------
    n_labels : int
        Number of emotions.
    width : int
        Number of channels after the branches join.
    dropout : float
        Dropout rate before the last layer.

    Notes
    -----
    Frames of 10 ms are pooled to 80 ms. A recording of 3 s then costs 40 million multiplications.
    Training on 12,000 utterances takes a quarter of an hour on one core. Attentive statistics
    follow Okabe et al., "Attentive statistics pooling for deep speaker embedding", Interspeech
    2018.
    """

    def __init__(self, n_labels: int, width: int = 160, dropout: float = 0.3) -> None:
        super().__init__()
        self.features = Features()
        self.picture = nn.Sequential(
            nn.BatchNorm2d(1),
            _plane(1, 24, 5, (2, 2)),
            _plane(24, 32, 3, (2, 2)),
            _plane(32, 64, 3, (2, 2)),
            _plane(64, 96, 3, (2, 1)),
        )
        self.tracks = nn.Sequential(
            nn.BatchNorm1d(N_MFCC + N_CHROMA),
            _line(N_MFCC + N_CHROMA, 48, 5, 2),
            _line(48, 64, 5, 2),
            _line(64, 64, 3, 2),
        )
        self.join = _line(96 * N_MELS // 16 + 64, width, 1)
        self.context = nn.ModuleList(_line(width, width, 3, dilation=step) for step in (1, 2, 4))
        self.attention = nn.Sequential(
            nn.Conv1d(width, 64, 1), nn.Tanh(), nn.Conv1d(64, width, 1), nn.Softmax(dim=2)
        )
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(2 * width, n_labels)

    def forward(self, samples: Tensor) -> Tensor:
        """Return log-probabilities [batch, n_labels] of samples [batch, n].

        The samples are at 16 kHz. They must be at least 0.1 s long.
        """
        return functional.log_softmax(self.scores(self.features.power(samples)), dim=1)

    def scores(self, power: Tensor) -> Tensor:
        """Return scores [batch, n_labels] of power spectrograms [batch, 201, frames]."""
        return self.classify(*self.features(power))

    def classify(self, log_mel: Tensor, tracks: Tensor) -> Tensor:
        """Return scores [batch, n_labels] of the output of `Features`."""
        x = self.join(torch.cat([self.picture(log_mel[:, None]).flatten(1, 2),
                                 self.tracks(tracks)], dim=1))  # fmt: skip
        for layer in self.context:
            x = x + layer(x)
        weights = self.attention(x)
        mean = (weights * x).sum(dim=2)
        variance = (weights * x**2).sum(dim=2) - mean**2
        pooled = torch.cat([mean, torch.sqrt(torch.clamp(variance, min=1e-6))], dim=1)
        return self.out(self.dropout(pooled))


def _plane(n_in: int, n_out: int, size: int, stride: tuple[int, int]) -> nn.Module:
    convolution = nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU())


def _line(n_in: int, n_out: int, size: int, stride: int = 1, dilation: int = 1) -> nn.Module:
    padding = dilation * (size // 2)
    convolution = nn.Conv1d(n_in, n_out, size, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm1d(n_out), nn.ReLU())


def export_cnn(network: nn.Module, path: Path) -> None:
    """Export the network to ONNX: ``samples`` [1, n] to ``log_probabilities`` [1, n_labels]."""
    example = torch.randn(1, 3 * SAMPLE_RATE)
    export_onnx(network, example, path, ("samples", "log_probabilities"), free_axis=1)
