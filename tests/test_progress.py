"""How far an analysis is: told at every stage, and each stage can be ended."""

from dataclasses import replace

import pytest

from emotion_recognizer import EmotionRecognizer
from tests import sounds
from tests.conftest import wav
from undertone.analysis import Listener
from undertone.errors import UndertoneError
from undertone.progress import part


class Enough(UndertoneError):
    pass


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener({"encoder": EmotionRecognizer()}, "encoder", max_duration_s=600.0)


@pytest.fixture(scope="module", params=["WAV", "MP3"])
def recording(request: pytest.FixtureRequest) -> bytes:
    return sounds.with_soundfile(sounds.voice(90.0), sounds.SAMPLE_RATE, request.param)


def test_it_only_grows_and_comes_from_every_stage(listener: Listener, recording: bytes) -> None:
    shares: list[float] = []
    told = listener.hear(recording, "long", progress=shares.append)
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.05
    assert 0.9 < shares[-1] <= 1
    # Decoding, finding speech, measuring the voice, listening.
    for least, most in ((0, 0.05), (0.05, 0.25), (0.25, 0.45), (0.45, 1)):
        assert sum(least <= share < most for share in shares) >= 3
    assert max(b - a for a, b in zip(shares, shares[1:], strict=False)) < 0.2
    quiet = listener.hear(recording, "long")
    assert replace(quiet, id=told.id, created_at=told.created_at) == told


@pytest.mark.parametrize("end_at", [0.0, 0.02, 0.1, 0.3, 0.5])
def test_it_can_be_ended_at_every_stage(
    listener: Listener, recording: bytes, end_at: float
) -> None:
    shares: list[float] = []

    def progress(share: float) -> None:
        shares.append(share)
        if share >= end_at:
            raise Enough("That will do.")

    with pytest.raises(Enough):
        listener.hear(recording, "long", progress=progress)
    assert all(share < end_at for share in shares[:-1])
    # Whoever was ended leaves nothing behind that the next one could trip over.
    assert listener.hear(wav(sounds.voice(2.0)), "short").prediction.label


def test_a_part_of_the_work() -> None:
    shares: list[float] = []
    halfway = part(part(shares.append, 0.5, 1), 0, 0.5)
    for share in (0, 0.5, 1):
        halfway(share)
    assert shares == [0.5, 0.625, 0.75]
