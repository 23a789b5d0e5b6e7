"""How far an analysis is: told as it goes on, which is also where it can be ended.

The rule: whoever works for long tells at least twice a second, and an `UndertoneError` that comes
back ends the work.
"""

from collections.abc import Callable

Progress = Callable[[float], None]  # takes the share that is done, 0 to 1


def nobody(share: float) -> None:
    """Tell nobody, and go on."""


def part(progress: Progress, start: float, end: float) -> Progress:
    """For a part of the work, which takes it from the share `start` to the share `end`."""
    return lambda share: progress(start + (end - start) * share)
