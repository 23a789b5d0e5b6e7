"""Analysis services with one interface: a server, or this process itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from undertone.emotions import DEFAULT_LABEL_SET
from undertone.prediction import Analysis
from undertone.recording_bytes import RecordingBytes

if TYPE_CHECKING:  # decoders are not needed when a server analyses
    from undertone.analysis import Listener


class Service(Protocol):
    """Common interface of `undertone.client.Client` and `LocalService`."""

    def analyse(
        self,
        recording: RecordingBytes,
        filename: str,
        model: str | None = None,
        labels: int | None = None,
    ) -> Analysis:
        """Analyse a recording.

        Parameters
        ----------
        recording : RecordingBytes
        filename : str
        model : str, optional
            Name of the model; by default that of the service.
        labels : int, optional
            Size of the set of emotions.
        """

    def report(self, analysis: Analysis) -> bytes:
        """Return the report of an analysis as a PDF."""


class LocalService:
    """Analysis in this process; nothing is stored.

    Parameters
    ----------
    listener : Listener
    cache_dir : Path
        Folder for matplotlib's list of fonts; used once there are reports to write.
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
        """Analyse a recording; see `Listener.hear`.

        Parameters
        ----------
        recording : RecordingBytes
        filename : str
        model : str, optional
            Name of the model; by default that of the listener.
        labels : int, optional
            Size of the set of emotions, by default `DEFAULT_LABEL_SET`.
        """
        return self._listener.hear(recording, filename, model, labels or DEFAULT_LABEL_SET)

    def report(self, analysis: Analysis) -> bytes:
        """Return the report of an analysis as a PDF."""
        from undertone.drawing import sheets

        sheets.prepare(self._cache_dir)
        from undertone.drawing.report import report

        return report(analysis, self._listener.recognizer(analysis.prediction.model).info)
