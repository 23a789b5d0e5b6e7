"""``python -m undertone``: a program like the top-level modules, so it may import them."""

import os
import sys
from typing import TYPE_CHECKING

from undertone.cli import INTERRUPTED
from undertone.cli.command_line import main

if TYPE_CHECKING:
    from emotion_recognizer import EmotionRecognizer


def open_recognizer(name: str) -> "EmotionRecognizer":
    """Open the recogniser with the model of this name."""
    # Imported late: the libraries behind it take half a second to load.
    from emotion_recognizer import EmotionRecognizer

    return EmotionRecognizer(name)


if __name__ == "__main__":
    status = main(sys.argv[1:], open_recognizer)
    if status == INTERRUPTED:
        # A normal exit would wait for the recordings still being analysed.
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)
