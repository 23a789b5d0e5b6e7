"""Coverage-guided fuzzing of the decoder with Atheris: ``python -m tools.fuzz [seconds]``.

It runs in rounds, each in a new process, because Atheris keeps about 10 kB for each input.

The corpus begins with a small file of every kind and the interesting inputs of earlier runs. The
run ends at a crash, a hang, 1 GiB of memory, or any error except AudioError. The input is then in
``.cache/fuzz/``. Once it is understood, add it to ``tests/test_hostile.py``. Coverage includes our
own code and the Python code of PyAV and soundfile. FFmpeg and libsndfile are not instrumented, so
finds inside them are luck.
"""

import subprocess
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["undertone", "soundfile", "av"]):
    from undertone.errors import AudioError
    from undertone.sound.audio import decode

from undertone.settings import ROOT

FOLDER = ROOT / ".cache" / "fuzz"
LONGEST_S = 5.0


def one_input(data: bytes) -> None:
    """Decode one input; expect audio or an AudioError."""
    try:
        audio = decode(data, max_duration_s=LONGEST_S)
    except AudioError:
        return
    assert 0.2 < audio.duration_s <= LONGEST_S
    assert abs(audio.samples).max() <= 1.0  # also fails for NaN


def write_seeds(folder: Path) -> None:
    """Write a short recording of every kind and codec in the tests."""
    from tests.codecs import FILES
    from tests.test_audio import KINDS

    folder.mkdir(parents=True, exist_ok=True)
    for number, make in enumerate([*KINDS.values(), *FILES.values()]):
        (folder / f"seed{number:02}").write_bytes(make())


def one_round(seconds: float) -> None:
    """Fuzz until a find, the end of the time, or 40 000 inputs, the limit of one process."""
    options = [
        "-max_len=60000", "-timeout=20", "-rss_limit_mb=1024", "-runs=40000",
        f"-max_total_time={seconds:.0f}", f"-artifact_prefix={FOLDER}/",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(FOLDER / "corpus")], one_input)
    atheris.Fuzz()


def main(seconds: float) -> int:
    """Fuzz for a number of seconds; return the exit status, 0 without a find."""
    write_seeds(FOLDER / "corpus")
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 1:
        command = [sys.executable, "-m", "tools.fuzz", f"{left_s:.0f}", "round"]
        if status := subprocess.run(command, check=False).returncode:
            return status
    return 0


if __name__ == "__main__":
    asked_s = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    if sys.argv[2:] == ["round"]:
        one_round(asked_s)
    else:
        sys.exit(main(asked_s))
