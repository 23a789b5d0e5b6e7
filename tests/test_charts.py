import base64
import io
import sys
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests import samples, sounds
from undertone.drawing import charts, time_charts
from undertone.drawing.sheets import Box, text_width
from undertone.drawing.svg_sheet import DARK, LIGHT, THEMES, Theme, _inverse
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


class TestPagePictures:
    """Charts of the result page, as SVG."""

    @pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
    @pytest.mark.parametrize("language", languages())
    @pytest.mark.parametrize("kind", charts.PAGE_PICTURES)
    def test_it_has_its_size_and_no_background(
        self, analysis: Analysis, kind: str, language: str, theme: Theme
    ) -> None:
        svg = charts.page_picture(analysis, kind, theme, words(language))
        described = charts.PAGE_PICTURES[kind]
        root = ElementTree.fromstring(svg)
        assert root.get("viewBox") == f"0 0 {described.width} {described.height}"
        assert b"#ffffff" not in svg
        assert svg == charts.page_picture(analysis, kind, theme, words(language))

    @pytest.mark.parametrize("kind", ["bars", "pie"])
    def test_each_theme_has_its_colours(self, analysis: Analysis, kind: str) -> None:
        light, dark = (charts.page_picture(analysis, kind, t).decode() for t in (LIGHT, DARK))
        for name in ("sad", "angry", "happy"):
            emotion = EMOTIONS[name]
            assert emotion.colour.lower() in light and emotion.colour_on_dark.lower() in dark
            assert emotion.colour.lower() not in dark

    def test_silence_has_the_lightness_of_the_page(self, analysis: Analysis) -> None:
        pixels = np.array([[[255, 255, 255], [7, 9, 15], [213, 94, 0]]], np.uint8)
        white, ink, red = _inverse(pixels)[0].tolist()
        assert white == [0, 0, 0]
        assert min(ink) > 230
        assert red[0] > red[1] > red[2]  # the hue stays

    @pytest.mark.parametrize("language", languages())
    @pytest.mark.parametrize("label", EMOTIONS)
    def test_no_word_leaves_the_picture_or_lies_on_the_ring(
        self, analysis: Analysis, label: str, language: str
    ) -> None:
        rest = [name for name in EMOTIONS if name != label]
        shares = {label: 0.44, **dict.fromkeys(rest, 0.08)}
        surest = replace(analysis, prediction=Prediction(label, 0.44, shares, "m", False))
        for kind in ("bars", "pie"):
            described = charts.PAGE_PICTURES[kind]
            written = Written()
            described.draw(written, surest, words(language))
            for left, right in written.spans:
                assert 0 <= left and right <= described.width, (kind, label)
            assert not written.rings or all(
                right - left <= 2 * inner for inner in written.rings for left, right in written.bold
            )


class Written:
    """A sheet that remembers where words are, and the inner radii of rings."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self.bold: list[tuple[float, float]] = []
        self.rings: list[float] = []

    def boxes(self, *_: object) -> None:
        """Nothing."""

    def slices(self, _centre: object, radii: tuple[float, float], *_: object) -> None:
        self.rings.append(radii[0])

    def text(self, x: float, _y: float, text: str, *, anchor: str = "start", bold: bool = False,
             colour: str = "") -> None:  # fmt: skip
        width = text_width(text, bold)
        left = x - {"start": 0, "middle": 0.5, "end": 1}[anchor] * width
        (self.bold if bold else self.spans).append((left, left + width))
