"""What the page draws of a timeline: paths on a scale of 1000 x 100, for SVG that is stretched."""

from collections.abc import Iterable
from dataclasses import dataclass

from undertone.timeline import Step, Timeline

WIDTH = 1000
HEIGHT = 100


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
    return tuple(
        Lane(
            emotion,
            share,
            area=_area(line.steps, emotion, duration_s),
            leading=_area((s for s in line.steps if s.emotion == emotion), emotion, duration_s),
        )
        for emotion, share in line.shares.items()
    )


def _area(steps: Iterable[Step], emotion: str, duration_s: float) -> str:
    """A box for each step, from the bottom to its probability."""
    boxes = []
    for step in steps:
        start, end = (round(WIDTH * time_s / duration_s) for time_s in (step.start_s, step.end_s))
        top = HEIGHT - round(HEIGHT * step.probabilities[emotion])
        boxes.append(f"M{start} {HEIGHT}V{top}H{max(end, start + 1)}V{HEIGHT}")
    return "".join(boxes)
