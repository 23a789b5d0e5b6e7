"""What was heard in the recordings of a job, as files; written piece by piece as they are read."""

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

_UNFIT = re.compile(r'[\\/:*?"<>|\x00-\x1f]')  # for the name of a file, on any system


def outcomes(job: Job, history: History) -> Iterator[tuple[Item, Analysis | None]]:
    """Each recording of a job with what was heard in it so far.

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
    """The job with each recording's whole analysis in ``result``."""
    yield json.dumps(job.summary())[:-1] + ', "items": ['
    comma = "\n"
    for item, analysis in outcomes(job, history):
        result = with_timeline(analysis) if analysis else None
        yield comma + json.dumps({**item.to_dict(), "result": result}, ensure_ascii=False)
        comma = ",\n"
    yield "\n]}\n"


def as_csv(job: Job, history: History) -> Iterator[str]:
    """A table with a line for each recording; with the mark by which spreadsheets know UTF-8."""
    writer = csv.writer(Line())
    yield "\ufeff" + writer.writerow(("number", "state", "error", *COLUMNS))
    for item, analysis in outcomes(job, history):
        head = (item.number, item.state.value, item.error["error"] if item.error else "")
        nothing = ["", "", harmless(item.filename)]
        yield writer.writerow([*head, *(cells(analysis) if analysis else nothing)])


def as_zip(job: Job, history: History, recognizers: Mapping[str, Recognizer]) -> Iterator[bytes]:
    """Archive of a report on each recording that was heard.

    Raises
    ------
    NoResults
        There is none.
    StoreError
        The database cannot be read.
    """
    from undertone.drawing.report import report  # draws, which tables need not wait for

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
    """No two of a job are equal, and none leads out of the folder it is unpacked into."""
    stem = _UNFIT.sub("_", PurePath(item.filename).stem)[:100].rstrip(". ")
    return f"{item.number:04} {stem}.pdf"


class _Parts(io.RawIOBase):
    """A file that is given away as it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Yes; there is nothing to seek, so archives put lengths behind their files."""
        return True

    def write(self, part: bytes) -> int:  # type: ignore[override]
        """Keep a part until it is taken."""
        self._parts.append(bytes(part))
        return len(part)

    def taken(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
