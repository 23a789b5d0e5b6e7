"""Results of a job as JSON, CSV or ZIP, streamed in pieces."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from undertone.analysis import Recognizer
from undertone.errors import AnalysisNotFound, NoResults
from undertone.jobs.job import Item, Job
from undertone.prediction import Analysis
from undertone.recognition.timeline import with_timeline
from undertone.store.exports import COLUMNS, Line, cells, harmless
from undertone.store.history import History

_UNFIT = re.compile(r'[\\/:*?"<>|\x00-\x1f]')  # invalid in file names on some operating system


def outcomes(job: Job, history: History) -> Iterator[tuple[Item, Analysis | None]]:
    """Yield each recording of a job with its analysis.

    The analysis is None if there is none yet. Recordings with deleted analyses are left out.

    Raises
    ------
    StoreError
        The database cannot be read.
    """
    for item in job.items:
        analysis = None
        if item.heard:
            try:
                analysis = history.get(item.heard.analysis_id)
            except AnalysisNotFound:  # deleted since
                continue
        yield item, analysis


def as_json(job: Job, history: History) -> Iterator[str]:
    """Yield the job as JSON, with the full analysis of each recording in ``result``."""
    yield json.dumps(job.summary())[:-1] + ', "items": ['
    comma = "\n"
    for item, analysis in outcomes(job, history):
        result = with_timeline(analysis) if analysis else None
        yield comma + json.dumps({**item.to_dict(), "result": result}, ensure_ascii=False)
        comma = ",\n"
    yield "\n]}\n"


def as_csv(job: Job, history: History) -> Iterator[str]:
    """Yield a CSV table, one line per recording. It starts with a BOM, for spreadsheets."""
    writer = csv.writer(Line())
    yield "\ufeff" + writer.writerow(("number", "state", "error", *COLUMNS))
    for item, analysis in outcomes(job, history):
        head = (item.number, item.state.value, item.error["error"] if item.error else "")
        nothing = ["", "", harmless(item.filename)]
        yield writer.writerow([*head, *(cells(analysis) if analysis else nothing)])


def as_zip(job: Job, history: History, recognizers: Mapping[str, Recognizer]) -> Iterator[bytes]:
    """Yield a ZIP archive with a PDF report on each analysed recording.

    Parameters
    ----------
    job : Job
    history : History
    recognizers : mapping of str to Recognizer
        Recognizers by model name. The report shows the recognizer's `info` if it is known.

    Raises
    ------
    NoResults
        No recording of the job has a result.
    StoreError
        The database cannot be read.
    """
    from undertone.drawing.report import report  # slow to import, and the tables do not need it

    if not job.counts["done"]:
        raise NoResults("Nothing was heard in this job's recordings, or not yet.")
    parts = _Parts()
    with zipfile.ZipFile(parts, "w", zipfile.ZIP_DEFLATED) as archive:
        for item, analysis in outcomes(job, history):
            if analysis:
                recognizer = recognizers.get(analysis.prediction.model)
                pdf = report(analysis, recognizer.info if recognizer else None)
                archive.writestr(_name(item), pdf)
                yield parts.taken()
    yield parts.taken()


def _name(item: Item) -> str:
    """Return a file name, unique in the job. It cannot escape the folder it is unpacked into."""
    stem = _UNFIT.sub("_", PurePath(item.filename).stem)[:100].rstrip(". ")
    return f"{item.number:04} {stem}.pdf"


class _Parts(io.RawIOBase):
    """Write-only file for streaming. Its content is handed over in parts."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Return True. The file cannot seek, so `zipfile` writes sizes after the data."""
        return True

    def write(self, part: bytes) -> int:  # type: ignore[override]
        """Buffer a part until `taken` is called."""
        self._parts.append(bytes(part))
        return len(part)

    def taken(self) -> bytes:
        """Return everything written since the last call."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
