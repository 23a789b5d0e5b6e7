"""Whether recordings can be analysed now: something is written, and a decoder is asked.

The rule: the answer is no older than a second, and finding it costs little however often it is
asked for.
"""

import threading
import time
from dataclasses import dataclass
from typing import Protocol

from undertone.errors import DecoderDied, StoreError
from undertone.store.history import History

MAX_AGE_S = 1.0
OK = "ok"


class Decoding(Protocol):
    """What is asked of the decoder processes."""

    def check(self) -> None:
        """Return if files can be decoded now, else raise DecoderDied."""


@dataclass(frozen=True)
class Findings:
    """``ok``, or the reason why not: of the store, of the decoders."""

    store: str
    decoders: str


class Readiness:
    """The state of the store and the decoders.

    Parameters
    ----------
    history : History
    decoders : Decoding, optional
        None where the server decodes by itself.
    """

    def __init__(self, history: History, decoders: Decoding | None) -> None:
        self._history = history
        self._decoders = decoders
        self._lock = threading.Lock()
        self._findings = Findings(OK, OK)
        self._found_at_s = float("-inf")

    def find(self) -> Findings:
        """Return what was found in the last second, or else look."""
        with self._lock:
            if time.monotonic() > self._found_at_s + MAX_AGE_S:
                self._findings = Findings(self._look_at_store(), self._look_at_decoders())
                self._found_at_s = time.monotonic()
            return self._findings

    def _look_at_store(self) -> str:
        try:
            self._history.check_writable()
        except StoreError as error:
            return error.message
        return OK

    def _look_at_decoders(self) -> str:
        try:
            if self._decoders:
                self._decoders.check()
        except DecoderDied as error:
            return error.message
        return OK
