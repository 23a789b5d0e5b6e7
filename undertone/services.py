"""Who analyses recordings: a server, or this process itself. Who asks need not know which."""

from typing import TYPE_CHECKING, Protocol

from undertone.emotions import DEFAULT_LABEL_SET
from undertone.prediction import Analysis

if TYPE_CHECKING:  # who asks a server needs no decoders
    from undertone.analysis import Listener


class Service(Protocol):
    """What `undertone.client.Client` and `LocalService` have in common."""

    def analyse(
        self,
        recording: bytes,
        filename: str,
        model: str | None = None,
        labels: int | None = None,
    ) -> Analysis:
        """What is heard in a recording."""


class LocalService:
    """Analyses recordings in this process; nothing is stored."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener

    def analyse(
        self,
        recording: bytes,
        filename: str,
        model: str | None = None,
        labels: int | None = None,
    ) -> Analysis:
        """What is heard in a recording; see `Listener.hear`."""
        return self._listener.hear(recording, filename, model, labels or DEFAULT_LABEL_SET)
