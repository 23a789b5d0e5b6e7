"""Charts over the time of a recording: emotions, waveform, spectrogram, MFCC."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from undertone.drawing.sheets import QUIET, Box, Sheet, text_width
from undertone.drawing.words import Words
from undertone.emotions import EMOTIONS
from undertone.errors import PictureUnavailable
from undertone.prediction import Analysis, MelSpectrogram
from undertone.recognition.timeline import most_probable, timeline
from undertone.sound.spectrogram import RANGE_DB, band_of, levels_of, mfcc

# The time axis has at most MAX_STEPS steps. STEPS has units: (unit, its seconds, steps in it).
MAX_STEPS = 6
STEP_PX = 58  # least distance of steps; closer, their labels would touch
STEPS = (
    ("s", 1, (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30)),
    ("min", 60, (1, 2, 5, 10, 15, 30)),
    ("h", 3600, (1, 2, 4, 8)),
)
SPECTROGRAM_HZ = (250, 500, 1000, 2000, 4000)
# From silence to loud, like ink on paper, in equal steps of darkness.
INKS = ("#ffffff", "#d3dee4", "#9db4c4", "#66859f", "#3a5877", "#1c2d47", "#07090f")
# Below the mean, at the mean, above it: two of the emotions' colours, safe for colour-blindness.
SIDES = ("#00395c", "#0072b2", "#86bddd", "#ffffff", "#f2b48a", "#d55e00", "#6e3000")
N_MFCC = 13
MFCC_RANGE_SD = 2.5
QUIET_DB = 50.0  # frames this far below the loudest are ignored: they hold no voice
LOW_PX = 13  # distance of the lowest line of text above a chart
LEGEND_PX = 28  # distance of the next line above that one
NAMED_FROM = 0.05  # least peak probability of an emotion in the legend


def stretches(analysis: Analysis) -> list[tuple[float, float, Mapping[str, float]]]:
    """Return stretches as (start_s, end_s, probabilities), from the timeline or of the whole."""
    line = timeline(analysis)
    if line is None:
        return [(0.0, analysis.duration_s, analysis.prediction.probabilities)]
    return [(step.start_s, step.end_s, step.probabilities) for step in line.steps]


def draw_timeline(sheet: Sheet, box: Box, analysis: Analysis, words: Words) -> None:
    """Draw stacked probabilities of all emotions over time, blank without speech.

    Parameters
    ----------
    sheet : Sheet
    box : Box
        Plot area in CSS pixels; the text is drawn outside it.
    analysis : Analysis
    words : Words
        Language of the labels.
    """
    left, bottom, width, height = box
    boxes, colours = [], []
    highest: dict[str, float] = {}
    order = [name for name, _ in analysis.prediction.ranked]
    for start_s, end_s, probabilities in stretches(analysis):
        # Rounded to whole device pixels: gaps between neighbours would show the background.
        start, end = (round(2 * width * at / analysis.duration_s) / 2 for at in (start_s, end_s))
        below = 0
        total = 0.0
        for name in order:
            total += probabilities[name]
            top = round(height * total)
            boxes.append((left + start, bottom + below, end - start, top - below))
            colours.append(EMOTIONS[name].colour)
            below = top
            highest[name] = max(highest.get(name, 0.0), probabilities[name])
    sheet.boxes(boxes, colours)
    _time_axis(sheet, box, analysis.duration_s, words)
    _vertical_axis(sheet, box, ((share, f"{100 * share:.0f} %") for share in (0, 0.5, 1)))
    shown = [name for name in order if highest[name] >= NAMED_FROM]
    _title(sheet, box, words.translate("Emotions over time"))
    _legend(sheet, box, shown, words)


def draw_waveform(sheet: Sheet, box: Box, analysis: Analysis, words: Words) -> None:
    """Draw the waveform's outline, each moment in the colour of its most probable emotion.

    Parameters
    ----------
    sheet : Sheet
    box : Box
        Plot area in CSS pixels; the text is drawn outside it.
    analysis : Analysis
    words : Words
        Language of the labels.
    """
    left, bottom, width, height = box
    n = len(analysis.envelope)
    heard = stretches(analysis)
    times_s = (np.arange(n) + 0.5) * analysis.duration_s / n
    starts_s = [start_s for start_s, _, _ in heard]
    index = np.maximum(np.searchsorted(starts_s, times_s, side="right") - 1, 0)
    labels = [most_probable(heard[i][2]) for i in index]
    peaks = np.maximum(np.array(analysis.envelope), 1 / height) * height
    x = left + width * (np.arange(n) + 0.12) / n
    boxes = [
        (float(x0), bottom + (height - peak) / 2, 0.76 * width / n, float(peak))
        for x0, peak in zip(x, peaks, strict=True)
    ]
    sheet.boxes(boxes, [EMOTIONS[name].colour for name in labels])
    _time_axis(sheet, box, analysis.duration_s, words)
    _vertical_axis(sheet, box, ((0, "−1"), (0.5, "0"), (1, "1")))
    _title(sheet, box, words.translate("Waveform"))
    _legend(sheet, box, sorted(set(labels), key=lambda name: -labels.count(name)), words)


def draw_spectrogram(sheet: Sheet, box: Box, analysis: Analysis, words: Words) -> None:
    """Draw the level of mel bands over time, from white to black over 80 dB (dark is loud).

    Parameters
    ----------
    sheet : Sheet
    box : Box
        Plot area in CSS pixels; the text is drawn outside it.
    analysis : Analysis
    words : Words
        Language of the labels.
    """
    spectrogram = _spectrogram(analysis)
    colours = _ramp(INKS)[levels_of(spectrogram)]
    _time_image(sheet, box, colours, analysis, spectrogram, words)
    rows = [(band_of(hz) / spectrogram.n_mels, hz) for hz in SPECTROGRAM_HZ]
    names = ((row, f"{hz} Hz" if hz < 1000 else f"{hz // 1000} kHz") for row, hz in rows)
    _vertical_axis(sheet, box, names)
    _title(sheet, box, words.translate("Mel spectrogram"), _over_scale_px(box))
    _scale(sheet, box, INKS, f"−{RANGE_DB:.0f} dB", "0 dB")


def draw_mfcc(sheet: Sheet, box: Box, analysis: Analysis, words: Words) -> None:
    """Draw cepstral coefficients over time, each in standard deviations from its own mean.

    Parameters
    ----------
    sheet : Sheet
    box : Box
        Plot area in CSS pixels; the text is drawn outside it.
    analysis : Analysis
    words : Words
        Language of the labels.
    """
    spectrogram = _spectrogram(analysis)
    coefficients = mfcc(spectrogram, N_MFCC)
    loud = levels_of(spectrogram).max(axis=0) > 255 * (1 - QUIET_DB / RANGE_DB)
    if not loud.any():
        loud[:] = True
    mean = coefficients[:, loud].mean(axis=1, keepdims=True)
    spread = np.maximum(coefficients[:, loud].std(axis=1, keepdims=True), 1e-3)
    scores = np.where(loud, (coefficients - mean) / spread, 0.0)
    levels = np.clip(127.5 * (scores / MFCC_RANGE_SD + 1), 0, 255).astype(np.uint8)
    _time_image(sheet, box, _ramp(SIDES)[levels], analysis, spectrogram, words)
    numbers = ((n, words.translate("no. %(number)s", number=n)) for n in range(0, N_MFCC, 4))
    _vertical_axis(sheet, box, (((n + 0.5) / N_MFCC, name) for n, name in numbers))
    _title(sheet, box, words.translate("MFCC"), _over_scale_px(box))
    most, unit = words.number(MFCC_RANGE_SD, 1), words.translate("SD")
    _scale(sheet, box, SIDES, f"−{most} {unit}", f"+{most}")


def _spectrogram(analysis: Analysis) -> MelSpectrogram:
    if analysis.spectrogram is None:
        raise PictureUnavailable(
            "This recording was analysed before spectrograms were kept, so there is none to draw. "
            "Analyse the recording again to see it."
        )
    return analysis.spectrogram


def _time_image(
    sheet: Sheet, box: Box, colours: NDArray[np.uint8], analysis: Analysis, kept: MelSpectrogram,
    words: Words,
) -> None:  # fmt: skip
    """Draw colours [shape=(rows, n_frames, 3)] over the time axis, the first row at the bottom."""
    left, bottom, width, height = box
    share = min(1.0, kept.n_frames * kept.frame_s / analysis.duration_s)
    sheet.image((left, bottom, width * share, height), colours[::-1])
    _time_axis(sheet, box, analysis.duration_s, words)


def _time_axis(sheet: Sheet, box: Box, duration_s: float, words: Words) -> None:
    """Draw up to seven round times under a chart, beginning with 0."""
    left, bottom, width, _ = box
    choices = [(step * unit_s, unit, unit_s) for unit, unit_s, steps in STEPS for step in steps]
    max_steps = min(MAX_STEPS, int(width / STEP_PX))
    step_s, unit, unit_s = next(
        (choice for choice in choices if duration_s <= max_steps * choice[0]), choices[-1]
    )
    times_s = np.arange(0, duration_s * (1 + 1e-6), step_s)
    places = left + width * times_s / duration_s
    sheet.boxes([(float(x) - 0.5, bottom - 7, 1, 5) for x in places], [QUIET] * len(places))
    for x, time_s in zip(places, times_s, strict=True):
        # A label under the very end would leave the sheet.
        anchor = "end" if x > left + 0.97 * width else "middle"
        n_digits = len(f"{time_s / unit_s:.3g}".partition(".")[2])
        label = f"{words.number(time_s / unit_s, n_digits)} {unit}"
        sheet.text(x, bottom - 24, label, anchor=anchor, colour=QUIET)


def _vertical_axis(sheet: Sheet, box: Box, labels: Iterable[tuple[float, str]]) -> None:
    """Draw labels on the left, at shares of the height."""
    left, bottom, _, height = box
    for share, label in labels:
        y = bottom + share * height - 5.5
        sheet.text(left - 8, y, label, anchor="end", colour=QUIET)


def _over_scale_px(box: Box) -> float:
    """Return a title's distance above the box: beside the colour scale, or above it if narrow."""
    return LOW_PX if box[2] > 400 else LOW_PX + 24


def _title(sheet: Sheet, box: Box, title: str, up_px: float = LEGEND_PX + LOW_PX) -> None:
    """Draw the title above a chart and its legend."""
    sheet.text(box[0], box[1] + box[3] + up_px, title, bold=True)


def _legend(sheet: Sheet, box: Box, emotions: Sequence[str], words: Words) -> None:
    """Draw the legend of emotions above the chart, with smaller gaps if names are long."""
    x, y, right = box[0], box[1] + box[3] + LOW_PX, box[0] + box[2]
    names = [words.emotion(name) for name in emotions]
    widths = [19 + text_width(name) for name in names]
    n_gaps = max(1, len(names) - 1)
    gap = min(20.0, max(8.0, (right - x - sum(widths)) / n_gaps))
    x = min(x, right - sum(widths) - gap * n_gaps)
    for emotion, name, width in zip(emotions, names, widths, strict=True):
        sheet.boxes([(x, y - 1, 13, 13)], [EMOTIONS[emotion].colour])
        sheet.text(x + 19, y, name)
        x += width + gap


def _scale(sheet: Sheet, box: Box, colours: Sequence[str], low: str, high: str) -> None:
    """Draw the colour scale with its end values, above the chart at the right."""
    right, y = box[0] + box[2], box[1] + box[3] + LOW_PX
    sheet.text(right, y, high, anchor="end")
    right -= text_width(high) + 8
    sheet.image((right - 100, y, 100, 11), _ramp(tuple(colours))[np.newaxis])
    sheet.text(right - 108, y, low, anchor="end")


@cache
def _ramp(colours: tuple[str, ...]) -> NDArray[np.uint8]:
    """Interpolate 256 colours [shape=(256, 3), dtype=uint8] between the given ones."""
    stops = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours])
    place = np.linspace(0, len(stops) - 1, 256)
    ramp = [np.interp(place, np.arange(len(stops)), channel) for channel in stops.T]
    return np.round(np.stack(ramp, axis=1)).astype(np.uint8)
