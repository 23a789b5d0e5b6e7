"""What the page draws of a timeline: paths on a scale of 1000 x 100, for SVG that is stretched."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from undertone.recognition.timeline import Step, Timeline

WIDTH = 1000
HEIGHT = 100
MAX_BOXES = 250  # about; more could not be told apart and would make a heavy page


@dataclass(frozen=True)
class Lane:
    """How probable one emotion is through a recording.

    Attributes
    ----------
    emotion : str
    share : float
        Of the time of speech; in it the emotion is the most probable.
    area : str
        Path of its probability, 0 at the bottom, 1 at the top; nothing where nobody speaks.
    leading : str
        The same, only where it is the most probable.
    """

    emotion: str
    share: float
    area: str
    leading: str


def lanes(line: Timeline, duration_s: float) -> tuple[Lane, ...]:
    """A lane for each emotion that is the most probable somewhere, in the order of their shares.

    Parameters
    ----------
    line : Timeline
    duration_s : float
        Of the recording, which is as wide as the drawing.
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
    """Steps with the same emotion joined where several begin within `least_s`."""
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
    """A box for each step, from the bottom to its probability."""
    boxes = []
    for step in steps:
        start, end = (round(WIDTH * time_s / duration_s) for time_s in (step.start_s, step.end_s))
        top = HEIGHT - round(HEIGHT * step.probabilities[emotion])
        boxes.append(f"M{start} {HEIGHT}V{top}H{max(end, start + 1)}V{HEIGHT}")
    return "".join(boxes)
