"""A short soak, and that a longer one would see what is wrong."""

import json
from pathlib import Path

import pytest

from bench.soak import Outcome, Soak, different_clips, levels_off
from tests.live import running_server


def test_every_answer_under_load_is_the_one_the_clip_gets_alone(tmp_path: Path) -> None:
    capacity = {"UNDERTONE_THREADS": "2", "UNDERTONE_WAITING": "2"}
    with running_server(tmp_path, **capacity) as server:
        soak = Soak(server.url, different_clips()[:3])
        outcomes = [soak.run(n_at_once, 3.0) for n_at_once in (1, 12)]
        assert [outcome.wrong for outcome in outcomes] == [[], []]
        assert all(outcome.n_right for outcome in outcomes)
        assert outcomes[1].n_refused  # twelve do not fit among two and two


class _Server:
    """Answers with whatever it is told to."""

    status, headers = 200, {}

    def __init__(self, **changed: object) -> None:
        self.answer = {"filename": "clip.wav", "probabilities": {"sad": 1.0}, **changed}

    def send(self, path: str, data: bytes, name: str = "clip.wav") -> "_Server":
        return self

    @property
    def data(self) -> bytes:
        return json.dumps(self.answer).encode()

    def json(self) -> dict[str, object]:
        return self.answer


@pytest.mark.parametrize(
    ("changed", "status", "told"),
    [
        ({}, 200, ""),
        ({"probabilities": {"sad": 1.0 - 1e-15}}, 200, "probabilities of clip 0 differ"),
        ({"filename": "other.wav"}, 200, "the name 'other.wav'"),
        ({}, 500, "500"),
        ({}, 503, "503"),  # without Retry-After
    ],
)
def test_it_sees_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, changed: dict, status: int, told: str
) -> None:
    soak, outcome, server = Soak("http://127.0.0.1:1", []), Outcome(), _Server(**changed)
    monkeypatch.setattr(server, "status", status, raising=False)
    soak._clips, soak._client = [b""], server
    soak._alone = {("/predict", 0): {"probabilities": {"sad": 1.0}}}
    soak._one(1, outcome)
    assert len(outcome.wrong) == bool(told)
    assert told in "".join(outcome.wrong)


def test_memory_that_grows_is_seen() -> None:
    assert levels_off([250, 310, 330])
    assert not levels_off([250, 310, 370])
