"""Concurrent analysis of many recordings, with outcomes in input order.

Rule: only a few recordings are in memory at a time, however many there are. A failure of one does
not affect the others.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath

from undertone.cli.services import Service
from undertone.cli.sources import Source
from undertone.errors import FileUnusable, UndertoneError
from undertone.prediction import Analysis

# Recordings started ahead of the next one to be printed, for each job. A long recording may take
# as long as this many short ones before other jobs run idle.
AHEAD = 8


@dataclass(frozen=True)
class Outcome:
    """Outcome of one file: an analysis, an error, or neither if it is not a recording.

    Attributes
    ----------
    path : str
        Path as given on the command line or found in a folder.
    analysis : Analysis, optional
    report : Path, optional
        Path of its report, if one was written.
    error : UndertoneError, optional
    """

    path: str
    analysis: Analysis | None = None
    report: Path | None = None
    error: UndertoneError | None = None

    @property
    def kind(self) -> str:
        """Outcome as a word: "analysed", "failed" or "passed over"."""
        return "failed" if self.error else "analysed" if self.analysis else "passed over"


class ReportPlaces:
    """Paths of reports: a single report goes to `path` itself, several go into a folder.

    Parameters
    ----------
    path : Path
        File or folder from ``--report``.
    is_one : bool
        True if there is a single recording.
    """

    def __init__(self, path: Path, is_one: bool) -> None:
        self._path, self._is_one = path, is_one
        self._taken: Counter[PurePath] = Counter()

    def of(self, source: Source) -> Path:
        """Return the report's path for a source, unique within this run."""
        if self._is_one:
            return self._path
        folder = self._path.with_suffix("") if self._path.suffix == ".pdf" else self._path
        self._taken[source.place] += 1
        number = self._taken[source.place]
        return (
            folder
            / source.place.parent
            / (f"{source.place.name} ({number}).pdf" if number > 1 else f"{source.place.name}.pdf")
        )


@dataclass(frozen=True)
class Work:
    """Work to do for each recording: analyse it and write its report.

    Attributes
    ----------
    service : Service
    max_bytes : int
        Size limit in bytes; larger files are refused.
    model : str, optional
    labels : int, optional
        As for `Service.analyse`.
    reports : ReportPlaces, optional
        No reports are written if None.
    """

    service: Service
    max_bytes: int
    model: str | None = None
    labels: int | None = None
    reports: ReportPlaces | None = None

    def outcomes(self, sources: Iterable[Source], n_jobs: int) -> Iterator[Outcome]:
        """Yield the outcome of each source in input order, as soon as it is known.

        This uses threads because decoders and networks release the interpreter lock. On two cores
        threads were as fast as processes, and the model is in memory only once.
        """
        pool = ThreadPoolExecutor(n_jobs)
        begun: deque[Future[Outcome]] = deque()
        try:
            for source in sources:
                report = self.reports.of(source) if self.reports else None
                begun.append(pool.submit(self._outcome, source, report))
                if len(begun) >= AHEAD * n_jobs:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _outcome(self, source: Source, report: Path | None) -> Outcome:
        try:
            recording = source.read(self.max_bytes)
            if recording is None:
                return Outcome(source.path)
            name = source.place.name
            with recording:
                analysis = self.service.analyse(recording, name, self.model, self.labels)
            if report:
                _write(report, self.service.report(analysis))
            return Outcome(source.path, analysis, report)
        except UndertoneError as error:
            return Outcome(source.path, error=error)
        except Exception as error:  # noqa: BLE001 a fault of ours with one file is no reason to stop
            told = f"Something went wrong here, not with the recording ({error!r})."
            return Outcome(source.path, error=UndertoneError(told))


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise FileUnusable(f"The report {path} cannot be written: {error.strerror}.") from error
