"""Timeline of the result page as SVG paths on a scale of 1000 x 100, stretched to fit."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from undertone.recognition.timeline import Step, Timeline

WIDTH = 1000
HEIGHT = 100
MAX_BOXES = 250  # approximate; more would be indistinguishable and make the page large


@dataclass(frozen=True)
class Lane:
    """Probability of one emotion over a recording.

    Attributes
    ----------
    emotion : str
    share : float
        Share of the time of speech with this emotion as the most probable.
    area : str
        SVG path of the probability, 0 at the bottom and 1 at the top; empty without speech.
    leading : str
        The same path, limited to the times with this emotion as the most probable.
    """

    emotion: str
    share: float
    area: str
    leading: str


def lanes(line: Timeline, duration_s: float) -> tuple[Lane, ...]:
    """Return the lanes of all emotions with a share, in the order of their shares.

    Parameters
    ----------
    line : Timeline
    duration_s : float
        Duration of the recording in seconds, drawn over the full width.
    """
    steps = _coarse(line.steps, duration_s / MAX_BOXES)
    return tuple(
        Lane(
            emotion,
            share,
            area=_area(steps, emotion, duration_s),
            leading=_area((s for s in steps if s.emotion == emotion), emotion, duration_s),
        )
        for emotion, share in line.shares.items()
    )


def _coarse(steps: Iterable[Step], least_s: float) -> list[Step]:
    """Join consecutive steps with the same emotion if they begin within `least_s` seconds."""
    joined = []
    for _, group in groupby(steps, lambda step: (int(step.start_s / least_s), step.emotion)):
        parts = list(group)
        speech_s = sum(step.speech_s for step in parts)
        mean = {
            name: sum(step.speech_s * step.probabilities[name] for step in parts) / speech_s
            for name in parts[0].probabilities
        }
        joined.append(Step(parts[0].start_s, parts[-1].end_s, speech_s, mean))
    return joined


def _area(steps: Iterable[Step], emotion: str, duration_s: float) -> str:
    """Return an SVG path with a box for each step, from the bottom up to its probability."""
    boxes = []
    for step in steps:
        start, end = (round(WIDTH * time_s / duration_s) for time_s in (step.start_s, step.end_s))
        top = HEIGHT - round(HEIGHT * step.probabilities[emotion])
        boxes.append(f"M{start} {HEIGHT}V{top}H{max(end, start + 1)}V{HEIGHT}")
    return "".join(boxes)
