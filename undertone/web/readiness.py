"""Readiness probe: a test write to the store and a check of the decoders.

The result is cached for one second. So it is never older, and frequent probes cost little.
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
    """Interface of the decoder processes."""

    def check(self) -> None:
        """Return normally if files can be decoded now, else raise DecoderDied."""


@dataclass(frozen=True)
class Findings:
    """State of the store and of the decoders: ``ok`` or the reason of the failure."""

    store: str
    decoders: str


class Readiness:
    """The state of the store and the decoders.

    Parameters
    ----------
    history : History
    decoders : Decoding, optional
        None if the server decodes in its own process.
    """

    def __init__(self, history: History, decoders: Decoding | None) -> None:
        self._history = history
        self._decoders = decoders
        self._lock = threading.Lock()
        self._findings = Findings(OK, OK)
        self._found_at_s = float("-inf")

    def find(self) -> Findings:
        """Return the findings of the last second, or check again."""
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
