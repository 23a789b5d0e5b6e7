"""Many recordings, some at a time: what became of each, in their order.

The rule: however many there are, only a few are in memory, and what happens to one does not touch
the others.
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

# What is begun before the first of them is told of, for each job: a long recording may take as
# long as this many short ones without anybody having to wait for it.
AHEAD = 8


@dataclass(frozen=True)
class Outcome:
    """What became of one file: an analysis, an error, or neither, as it is no recording.

    Attributes
    ----------
    path : str
        As it was named or found.
    analysis : Analysis, optional
    report : Path, optional
        Where its report was written.
    error : UndertoneError, optional
    """

    path: str
    analysis: Analysis | None = None
    report: Path | None = None
    error: UndertoneError | None = None

    @property
    def kind(self) -> str:
        """In words: analysed, failed or passed over."""
        return "failed" if self.error else "analysed" if self.analysis else "passed over"


class ReportPlaces:
    """Where reports are written: one to the path itself, several into a folder.

    Parameters
    ----------
    path : Path
    is_one : bool
    """

    def __init__(self, path: Path, is_one: bool) -> None:
        self._path, self._is_one = path, is_one
        self._taken: Counter[PurePath] = Counter()

    def of(self, source: Source) -> Path:
        """Where that of a source is written; never where another one of this run is."""
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
    """What is done with each recording.

    Attributes
    ----------
    service : Service
    max_bytes : int
        Larger files are refused.
    model : str, optional
    labels : int, optional
        As for `Service.analyse`.
    reports : ReportPlaces, optional
        None: no reports are written.
    """

    service: Service
    max_bytes: int
    model: str | None = None
    labels: int | None = None
    reports: ReportPlaces | None = None

    def outcomes(self, sources: Iterable[Source], n_jobs: int) -> Iterator[Outcome]:
        """What became of each source, in their order, as soon as it is known.

        Threads, because decoders and networks leave the interpreter lock: on two cores they were
        as fast as processes, and the model is in memory once.
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
