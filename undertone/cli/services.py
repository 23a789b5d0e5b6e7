"""Who analyses recordings: a server, or this process itself. Who asks need not know which."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from undertone.emotions import DEFAULT_LABEL_SET
from undertone.prediction import Analysis
from undertone.recording_bytes import RecordingBytes

if TYPE_CHECKING:  # who asks a server needs no decoders
    from undertone.analysis import Listener


class Service(Protocol):
    """What `undertone.client.Client` and `LocalService` have in common."""

    def analyse(
        self,
        recording: RecordingBytes,
        filename: str,
        model: str | None = None,
        labels: int | None = None,
    ) -> Analysis:
        """What is heard in a recording."""

    def report(self, analysis: Analysis) -> bytes:
        """An analysis as a PDF."""


class LocalService:
    """Analyses recordings in this process; nothing is stored.

    Parameters
    ----------
    listener : Listener
    cache_dir : Path
        Where the list of fonts is kept, once there are reports to write.
    """

    def __init__(self, listener: "Listener", cache_dir: Path) -> None:
        self._listener = listener
        self._cache_dir = cache_dir

    def analyse(
        self,
        recording: RecordingBytes,
        filename: str,
        model: str | None = None,
        labels: int | None = None,
    ) -> Analysis:
        """What is heard in a recording; see `Listener.hear`."""
        return self._listener.hear(recording, filename, model, labels or DEFAULT_LABEL_SET)

    def report(self, analysis: Analysis) -> bytes:
        """An analysis as a PDF."""
        from undertone.drawing import sheets

        sheets.prepare(self._cache_dir)
        from undertone.drawing.report import report

        return report(analysis, self._listener.recognizer(analysis.prediction.model).info)
