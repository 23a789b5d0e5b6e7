"""Progress of an analysis, reported by a callback; the callback can also stop the work.

The rule: long work reports at least twice a second. An `UndertoneError` raised by the callback ends
the work.
"""

from collections.abc import Callable

Progress = Callable[[float], None]  # takes the finished share, 0 to 1


def nobody(share: float) -> None:
    """Ignore the progress."""


def part(progress: Progress, start: float, end: float) -> Progress:
    """Return the callback for a part of the work.

    Parameters
    ----------
    progress : Progress
        Callback for the whole work.
    start, end : float
        Share of the whole at the start and at the end of the part, 0 to 1.
    """
    return lambda share: progress(start + (end - start) * share)
