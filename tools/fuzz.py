"""Coverage-guided fuzzing of the decoder, by Atheris: ``python -m tools.fuzz [seconds]``.

Begins with a small file of every kind, and with what earlier runs found worth keeping. A crash, a
hang, 1 GiB of memory, or an error that is no AudioError ends it; the bytes are then in
``.cache/fuzz/``, and belong into ``tests/test_hostile.py`` once they are understood. Coverage is
that of our own code and of PyAV's and soundfile's Python; inside FFmpeg and libsndfile it is luck.
"""

import sys
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
    """A short recording of every kind that the tests know."""
    from tests.test_audio import KINDS

    folder.mkdir(parents=True, exist_ok=True)
    for number, make in enumerate(KINDS.values()):
        (folder / f"seed{number:02}").write_bytes(make())


def main(seconds: int) -> None:
    """Fuzz for so long."""
    write_seeds(FOLDER / "corpus")
    options = ["-max_len=60000", "-timeout=20", "-rss_limit_mb=1024", f"-max_total_time={seconds}"]
    atheris.Setup(
        [sys.argv[0], *options, f"-artifact_prefix={FOLDER}/", str(FOLDER / "corpus")], one_input
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
