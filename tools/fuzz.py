"""Coverage-guided fuzzing of the decoder, by Atheris: ``python -m tools.fuzz [seconds]``.

It goes in rounds, each in a process of its own: Atheris keeps some 10 kB for each input.

Begins with a small file of every kind, and with what earlier runs found worth keeping. A crash, a
hang, 1 GiB of memory, or an error that is no AudioError ends it; the bytes are then in
``.cache/fuzz/``, and belong into ``tests/test_hostile.py`` once they are understood. Coverage is
that of our own code and of PyAV's and soundfile's Python; inside FFmpeg and libsndfile it is luck.
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
    """Decode, and expect sound or one of the errors that stand for it."""
    try:
        audio = decode(data, max_duration_s=LONGEST_S)
    except AudioError:
        return
    assert 0.2 < audio.duration_s <= LONGEST_S
    assert abs(audio.samples).max() <= 1.0  # not so for NaN, too


def write_seeds(folder: Path) -> None:
    """A short recording of every kind and codec that the tests know."""
    from tests.codecs import FILES
    from tests.test_audio import KINDS

    folder.mkdir(parents=True, exist_ok=True)
    for number, make in enumerate([*KINDS.values(), *FILES.values()]):
        (folder / f"seed{number:02}").write_bytes(make())


def one_round(seconds: float) -> None:
    """Fuzz until something is found, the time is over, or enough was tried for one process."""
    options = [
        "-max_len=60000", "-timeout=20", "-rss_limit_mb=1024", "-runs=40000",
        f"-max_total_time={seconds:.0f}", f"-artifact_prefix={FOLDER}/",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(FOLDER / "corpus")], one_input)
    atheris.Fuzz()


def main(seconds: float) -> int:
    """Fuzz for so long; the exit status, 0 where nothing was found."""
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
