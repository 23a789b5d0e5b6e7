from dataclasses import replace

import pytest
from flask import Flask

from tests.conftest import wav
from tests.sounds import voice
from undertone.analysis import Listener
from undertone.errors import AnalysisNotFound, NotAudio, UnknownModel


def test_it_works(app: Flask) -> None:
    analyzer = app.extensions["undertone"]
    analysis = analyzer.analyse(wav(voice(2.0)), "clip.wav")
    assert analyzer.history.get(analysis.id) == analysis
    assert analysis.duration_s == 2.0
    assert 1.0 < analysis.speech_s <= 2.0
    assert max(analysis.envelope) == 1.0
    assert analysis.model_id == analyzer.recognizers["encoder"].info.id
    assert analysis.profile["pitch_median_hz"] == pytest.approx(120, rel=0.1)
    assert (analysis.spectrogram.n_frames, analysis.spectrogram.frame_s) == (200, 0.01)
    assert analysis.created_at.utcoffset().total_seconds() == 0


def test_hearing_gives_the_same_answer_and_stores_nothing(app: Flask) -> None:
    analyzer = app.extensions["undertone"]
    listener = Listener(analyzer.recognizers, "encoder", max_duration_s=60.0)
    heard = listener.hear(wav(voice(2.0)), "clip.wav", n_labels=6)
    with pytest.raises(AnalysisNotFound):
        analyzer.history.get(heard.id)
    stored = analyzer.analyse(wav(voice(2.0)), "clip.wav", n_labels=6)
    assert replace(stored, id=heard.id, created_at=heard.created_at) == heard


def test_nothing_is_stored_of_what_fails(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    analyzer = app.extensions["undertone"]
    stored = []
    monkeypatch.setattr(analyzer.history, "add", stored.append)
    with pytest.raises(NotAudio):
        analyzer.analyse(b"words " * 100, "clip.wav")
    with pytest.raises(UnknownModel, match="installed: .*encoder"):
        analyzer.analyse(b"", "clip.wav", model="none")
    assert not stored
