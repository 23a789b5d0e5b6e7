"""``python -m undertone``: a program like those at the top level, so it may import them."""

import os
import sys
from typing import TYPE_CHECKING

from undertone.cli import INTERRUPTED
from undertone.cli.command_line import main

if TYPE_CHECKING:
    from emotion_recognizer import EmotionRecognizer


def open_recognizer(name: str) -> "EmotionRecognizer":
    """The recogniser with a model of this name."""
    # Not before it is needed: the libraries behind it take half a second to load.
    from emotion_recognizer import EmotionRecognizer

    return EmotionRecognizer(name)


if __name__ == "__main__":
    status = main(sys.argv[1:], open_recognizer)
    if status == INTERRUPTED:
        # An ordinary end would wait for the recordings that are still being analysed.
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)
