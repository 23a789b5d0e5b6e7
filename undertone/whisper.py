"""The lower blocks of OpenAI's Whisper as a torch network, from its original weights to ONNX.

Only training needs this module (and torch); the application runs what it exports. Whisper:
Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022 (MIT licence).

Two things differ from Whisper. The clip is encoded at its own length, without padding to 30 s.
And the log-mel spectrogram is shifted so that its loudest value is always the same, which makes
the answer independent of the recording's level (and, measured on unseen RAVDESS speakers with
blocks 1 to 3, lifts a linear probe from 73.9 to 76.6 % UAR).
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

import librosa
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

SAMPLE_RATE = 16_000
N_FFT = 400
HOP_LENGTH = 160
N_MELS = 80
# Where the loudest log10-mel value of every clip is put: what speech at a usual level has.
PEAK_LOG_MEL = 1.5
DYNAMIC_RANGE = 8.0


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """Variables of a CTranslate2 ``model.bin`` (version 6) that are stored as float16.

    The layout, little-endian: u32 version; name; u32 revision; u32 count; for each variable a
    name, u8 rank, u32 for each dimension, u8 type id (4 is float16), u32 byte count, the bytes.
    A name is u16 length, then that many bytes, the last of them zero.
    """
    data = path.read_bytes()
    return dict(_variables(data))


def _variables(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    offset = 0

    def number(format_: str) -> int:
        nonlocal offset
        (value,) = struct.unpack_from("<" + format_, data, offset)
        offset += struct.calcsize(format_)
        return int(value)

    def name() -> str:
        nonlocal offset
        length = number("H")
        offset += length
        return data[offset - length : offset - 1].decode("utf-8")

    if (version := number("I")) != 6:
        raise ValueError(f"model.bin has version {version}, expected 6.")
    name(), number("I")
    for _ in range(number("I")):
        variable = name()
        shape = [number("I") for _ in range(number("B"))]
        type_id, n_bytes = number("B"), number("I")
        if type_id == 4:
            yield variable, np.frombuffer(data, "<f2", n_bytes // 2, offset).reshape(shape)
        offset += n_bytes


class LogMel(nn.Module):
    """Samples [batch, n] to Whisper's log-mel spectrogram [batch, 80, n // 160], level-free.

    The Fourier transform is a convolution with windowed cosines and sines, so that the exported
    network takes samples and no feature code is needed beside it.
    """

    def __init__(self) -> None:
        super().__init__()
        time = torch.arange(N_FFT, dtype=torch.float64)
        bins = torch.arange(N_FFT // 2 + 1, dtype=torch.float64)[:, None]
        window = torch.hann_window(N_FFT, dtype=torch.float64)
        angle = 2 * math.pi * bins * time / N_FFT
        basis = torch.cat([angle.cos() * window, angle.sin() * window])
        self.register_buffer("basis", basis.float()[:, None])
        mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)
        self.register_buffer("mel", torch.from_numpy(mel))

    def forward(self, samples: Tensor) -> Tensor:
        """Compute the spectrogram."""
        padded = functional.pad(samples[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")
        real, imaginary = functional.conv1d(padded, self.basis, stride=HOP_LENGTH).chunk(2, dim=1)
        power = (real**2 + imaginary**2)[..., :-1]
        log_mel = torch.clamp(self.mel @ power, min=1e-20).log10()
        peak = log_mel.amax(dim=(1, 2), keepdim=True)
        level_free = torch.clamp(log_mel - peak, min=-DYNAMIC_RANGE) + PEAK_LOG_MEL
        return (level_free + 4) / 4


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward_in = nn.Linear(width, 4 * width)
        self.feed_forward_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map hidden states [batch, frames, width] to the next ones."""
        batch, frames, width = x.shape
        packed = self.query_key_value(self.attention_norm(x))
        heads = packed.view(batch, frames, 3, self.n_heads, width // self.n_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        attended = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.attention_out(attended.transpose(1, 2).reshape(batch, frames, width))
        hidden = functional.gelu(self.feed_forward_in(self.feed_forward_norm(x)))
        return x + self.feed_forward_out(hidden)


class SpeechEncoderNetwork(nn.Module):
    """The first blocks of a Whisper encoder, pooled over time.

    Parameters
    ----------
    n_blocks : int
        How many blocks are kept.
    width, n_heads : int
        512 and 8 for Whisper base.
    max_frames : int
        Longest input, in frames of 20 ms.
    """

    def __init__(self, n_blocks: int, width: int, n_heads: int, max_frames: int = 1500) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.conv1 = nn.Conv1d(N_MELS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(Block(width, n_heads) for _ in range(n_blocks))
        self.register_buffer("positions", _sinusoids(max_frames, width))

    def forward(self, samples: Tensor) -> Tensor:
        """Samples [batch, n] to mean and standard deviation of every block's output.

        Returns
        -------
        Tensor [batch, n_blocks * 2 * width]
            For each block its means, then its standard deviations.
        """
        x = functional.gelu(self.conv1(self.log_mel(samples)))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        pooled = []
        for block in self.blocks:
            x = block(x)
            mean = x.mean(dim=1)
            variance = ((x - mean[:, None]) ** 2).mean(dim=1)
            pooled += [mean, torch.sqrt(variance + 1e-10)]
        return torch.cat(pooled, dim=1)

    def load_whisper(self, variables: dict[str, np.ndarray]) -> None:
        """Take the weights from the variables of a CTranslate2 Whisper model."""

        def fill(module: nn.Module, name: str, weight: str = "weight", bias: str = "bias") -> None:
            with torch.no_grad():
                for parameter, key in ((module.weight, weight), (module.bias, bias)):
                    values = variables[f"encoder/{name}/{key}"].astype(np.float32)
                    parameter.copy_(torch.from_numpy(values))

        fill(self.conv1, "conv1")
        fill(self.conv2, "conv2")
        for index, block in enumerate(self.blocks):
            layer = f"layer_{index}"
            for module, part in (
                (block.attention_norm, "self_attention"),
                (block.feed_forward_norm, "ffn"),
            ):
                fill(module, f"{layer}/{part}/layer_norm", "gamma", "beta")
            fill(block.query_key_value, f"{layer}/self_attention/linear_0")
            fill(block.attention_out, f"{layer}/self_attention/linear_1")
            fill(block.feed_forward_in, f"{layer}/ffn/linear_0")
            fill(block.feed_forward_out, f"{layer}/ffn/linear_1")


def _sinusoids(length: int, width: int) -> Tensor:
    """Whisper's fixed position embedding [length, width]."""
    step = math.log(10_000) / (width // 2 - 1)
    rates = torch.exp(-step * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def export_onnx(network: SpeechEncoderNetwork, path: Path, int8: bool = True) -> None:
    """Write the network as ONNX: ``samples`` [1, n] to ``embedding`` [1, n_features].

    Parameters
    ----------
    int8 : bool
        Store the blocks' matrices as int8 with a scale for each column, multiplied with
        activations quantised on the fly: a third of the size and of the time.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    torch.onnx.export(
        network.eval(),
        (torch.randn(1, 3 * SAMPLE_RATE),),
        str(path),
        input_names=["samples"],
        output_names=["embedding"],
        dynamic_axes={"samples": {1: "n_samples"}},
        opset_version=17,
        dynamo=False,
    )
    if int8:
        quantize_dynamic(
            path,
            path,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul"],
        )
