import base64
import io
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from tests import samples, sounds
from undertone.drawing import charts, time_charts
from undertone.drawing.sheets import Box, text_width
from undertone.drawing.words import Words
from undertone.emotions import EMOTIONS
from undertone.errors import PictureUnavailable, UnknownPicture
from undertone.prediction import Analysis, Prediction, Segment
from undertone.recognition.timeline import timeline
from undertone.sound.audio import Audio
from undertone.sound.spectrogram import mel_spectrogram
from undertone.web.languages import languages, words

SHARES = {"sad": 0.5, "angry": 0.3, "happy": 0.15, "calm": 0.048, "fear": 0.002}
SAD = Prediction("sad", 0.5, SHARES, "encoder", False)
ANGRY = Prediction("angry", 1.0, {**dict.fromkeys(SHARES, 0.0), "angry": 1.0}, "encoder", False)
# Nobody speaks from 6 to 9 of 12 s.
WINDOWS = (Segment(0.0, 6.0, ANGRY), Segment(3.0, 6.0, SAD), Segment(9.0, 12.0, ANGRY))


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return samples.analysis(
        duration_s=12.0,
        prediction=SAD,
        segments=WINDOWS,
        speech=((0.0, 6.0), (9.0, 12.0)),
        envelope=(1.0,) * 240,
        spectrogram=mel_spectrogram(Audio(sounds.voice(12.0))),
    )


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def where(picture: np.ndarray, emotion: str) -> np.ndarray:
    colour = EMOTIONS[emotion].colour
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return np.abs(picture.astype(int) - wanted).max(axis=2) <= 3


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", charts.PICTURES)
def test_sizes(analysis: Analysis, kind: str, language: str) -> None:
    described = charts.PICTURES[kind]
    shape = (2 * described.height, 2 * described.width, 3)
    picture = pixels(charts.picture(analysis, kind, words(language)))
    assert picture.shape == shape
    # Nothing is cut off at the sides.
    assert (picture[:, [0, -1]] == 255).all() and (picture[[0, -1]] == 255).all()


@pytest.mark.parametrize("kind", ["bars", "pie", "bars-and-pie"])
def test_areas_are_in_proportion_to_the_probabilities(analysis: Analysis, kind: str) -> None:
    picture = pixels(charts.picture(analysis, kind))
    ratio = where(picture, "sad").sum() / where(picture, "angry").sum()
    assert ratio == pytest.approx(0.5 / 0.3, rel=0.05)


@pytest.mark.parametrize("kind", charts.PICTURES)
def test_the_same_analysis_gives_the_same_picture(analysis: Analysis, kind: str) -> None:
    assert charts.picture(analysis, kind) == charts.picture(analysis, kind)


def at_time(picture: np.ndarray, time_s: float) -> np.ndarray:
    """A column of the chart itself in a picture along 12 s."""
    left, bottom, width, height = charts.PICTURES["timeline"].parts[0][1]
    x = round(2 * (left + width * time_s / 12.0))
    return picture[picture.shape[0] - 2 * (bottom + height) : -2 * bottom, x : x + 1]


def test_the_timeline_shows_each_step_and_silence_as_nothing(analysis: Analysis) -> None:
    picture = pixels(charts.picture(analysis, "timeline"))
    line = timeline(analysis)
    assert line is not None
    for step in line.steps:
        column = at_time(picture, (step.start_s + step.end_s) / 2)
        for name in ("angry", "sad"):
            share = step.probabilities[name]
            assert where(column, name).mean() == pytest.approx(share, abs=0.02)
    assert (at_time(picture, 7.5) == 255).all()


def test_a_short_recordings_timeline_is_its_one_answer(analysis: Analysis) -> None:
    picture = pixels(charts.picture(replace(analysis, segments=()), "timeline"))
    for time_s in (0.1, 6.0, 11.9):
        assert where(at_time(picture, time_s), "sad").mean() == pytest.approx(0.5, abs=0.02)


def test_the_waveform_takes_the_colour_of_what_is_heard(analysis: Analysis) -> None:
    certain = replace(SAD, probabilities={**dict.fromkeys(SHARES, 0.0), "sad": 1.0})
    windows = (Segment(0.0, 6.0, ANGRY), Segment(6.0, 12.0, certain))
    picture = pixels(charts.picture(replace(analysis, segments=windows, speech=()), "waveform"))
    left, _, width, _ = charts.PICTURES["waveform"].parts[0][1]
    columns = np.linspace(2 * left, 2 * (left + width), 13).astype(int)
    for second, (start, end) in enumerate(zip(columns[:-1], columns[1:], strict=True)):
        heard = "angry" if second < 6 else "sad"
        assert where(picture[-300:-80, start + 6 : end - 6], heard).mean() > 0.4


def test_the_spectrogram_is_dark_where_it_is_loud() -> None:
    tone = np.concatenate([sounds.tone(1.0, 1000.0), np.zeros(16_000, np.float32)])
    heard = samples.analysis(duration_s=2.0, spectrogram=mel_spectrogram(Audio(tone)))
    picture = pixels(charts.picture(heard, "spectrogram"))[100:-70, 150:-30].mean(axis=2)
    loud, silent = np.split(picture[:, :-2], 2, axis=1)
    assert (silent[:, 20:] > 250).all()
    darkest = loud.mean(axis=1).argmin() / len(loud)
    assert darkest == pytest.approx(1 - 0.36, abs=0.05)  # 1 kHz is a third of the way up in mel


@pytest.mark.parametrize("duration_s", [0.3, 0.9, 5.99, 59.0, 181.0, 1800.0, 86_400.0])
def test_any_length_has_a_time_axis(duration_s: float) -> None:
    heard = samples.analysis(duration_s=duration_s, segments=())
    assert charts.picture(heard, "waveform")


def test_without_a_spectrogram_there_is_a_clear_error(analysis: Analysis) -> None:
    old = replace(analysis, spectrogram=None)
    for kind in ("spectrogram", "mfcc", "overview"):
        with pytest.raises(PictureUnavailable, match="Analyse the recording again"):
            charts.picture(old, kind)
    assert charts.picture(old, "waveform")


class Loud(Words):
    """A language whose names are as long as they can be."""

    def emotion(self, name: str) -> str:
        return f"{name} Überraschung"


@pytest.mark.parametrize("kind", ["bars", "pie", "bars-and-pie"])
@pytest.mark.parametrize("first", [0.25, 0.5, 0.8])
def test_long_names_are_not_cut_off(analysis: Analysis, kind: str, first: float) -> None:
    rest = (1 - first) / 2
    heard = replace(SAD, probabilities={"surprise": first, "happy": rest, "fear": rest})
    for language in (words("de"), Loud()):
        picture = pixels(charts.picture(replace(analysis, prediction=heard), kind, language))
        assert (picture[:, :4] == 255).all() and (picture[:, -4:] == 255).all()
        shares = [where(picture, name).sum() for name in ("surprise", "happy")]
        assert shares[0] / shares[1] == pytest.approx(first / rest, rel=0.1)


def legend(emotions: list[str], language: Words) -> list[tuple[float, float]]:
    """From where to where each entry of a timeline's legend reaches."""

    class Notes:
        def __init__(self) -> None:
            self.starts: list[float] = []
            self.ends: list[float] = []

        def boxes(self, boxes: list[Box], _colours: list[str]) -> None:
            self.starts += [x for x, *_ in boxes]

        def text(self, x: float, _y: float, text: str) -> None:
            self.ends.append(x + text_width(text))

    notes = Notes()
    time_charts._legend(notes, (70, 0, 558, 100), emotions, language)
    return list(zip(notes.starts, notes.ends, strict=True))


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("n", [1, 7, 8])
def test_legends_have_room_in_every_language(n: int, language: str) -> None:
    entries = legend(list(EMOTIONS)[:n], words(language))
    assert entries[0][0] >= 4 and entries[-1][1] <= 629
    assert all(b[0] - a[1] >= 7.9 for a, b in pairwise(entries))


def test_an_unknown_kind_names_those_that_are_known(analysis: Analysis) -> None:
    with pytest.raises(UnknownPicture, match="bars, pie"):
        charts.picture(analysis, "heat")


def test_data_url() -> None:
    assert base64.b64decode(charts.data_url(b"x").removeprefix("data:image/png;base64,")) == b"x"


def test_pyplot_stays_out(analysis: Analysis) -> None:
    charts.picture(analysis, "overview")
    assert "matplotlib.pyplot" not in sys.modules or "seaborn" in sys.modules
