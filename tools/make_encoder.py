"""Make an encoder.onnx with the unchanged first blocks of Whisper, from OpenAI's weights.

``python -m tools.make_encoder --out encoder.onnx`` needs requirements-train.txt.
"""

import argparse
from pathlib import Path

from feature_extractor import UNTOUCHED_ENCODER
from undertone.recognition.model_store import sha256
from undertone.settings import ROOT
from undertone.training.pretrained import whisper_base
from undertone.training.whisper import SpeechEncoderNetwork, export_encoder, load_whisper


def main() -> None:
    """Download the weights, keep the first blocks and export them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--float32", action="store_true", help="do not quantise to int8")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache", help="for the download")
    options = parser.parse_args()
    trunk, branch = load_whisper(whisper_base(options.cache / "pretrained"))
    network = SpeechEncoderNetwork(trunk, [branch])
    export_encoder(network, options.out, UNTOUCHED_ENCODER, int8=not options.float32)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, {sha256(options.out)}")


if __name__ == "__main__":
    main()
