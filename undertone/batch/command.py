"""Command ``python -m undertone batch SOURCE --out results.parquet``: analyse an archive."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING

from undertone.cli import DONE, FAILED, INTERRUPTED
from undertone.emotions import DEFAULT_LABEL_SET, LABEL_SETS
from undertone.settings import Settings

if TYPE_CHECKING:  # slow imports: --help and wrong options should answer at once
    from undertone.analysis import Recognizer
    from undertone.batch.engines import Engine
    from undertone.batch.table import Table

TELL_EVERY_S = 10.0
EPILOG = """\
The table is a folder of Parquet files, which pandas, Polars, DuckDB and Spark read as one. Stopped
in whatever way, the same command goes on where it was. What could not be heard is in the same
folder, in _errors-*.jsonl, with its reason; what was not the recording's fault is tried again by
the next run.

exit status: 0 all were analysed; 1 some were not, or there were none; 2 wrong use;
130 interrupted: what was done until then is written."""


def main(arguments: Sequence[str], open_recognizer: "Callable[[str], Recognizer]") -> int:
    """Analyse an archive.

    Parameters
    ----------
    arguments : sequence of str
        Command-line arguments after ``batch``.
    open_recognizer : callable
        Takes the name of a model and returns its recogniser.

    Returns
    -------
    int
        Exit status, see `undertone.cli`.

    Raises
    ------
    UndertoneError
        Archive, table or cluster cannot be used.
    """
    options = _parse(arguments)
    settings = Settings.from_env(os.environ)

    from undertone.batch.archive import open_archive
    from undertone.batch.hearing import Hearing
    from undertone.batch.table import Table

    model = options.model or settings.model
    info = open_recognizer(model).info
    hearing = Hearing(
        open_archive(options.source), open_recognizer, model, options.labels,
        settings.max_upload_bytes, settings.max_duration_s,
    )  # fmt: skip
    about = {"model": model, "model_id": info.id, "labels": str(options.labels)}
    table = Table(options.out, about, options.part)
    progress = _Progress(table, options.quiet)

    def wanted() -> Iterator[str]:
        for name in hearing.archive.names():
            if table.has(name):
                progress.n_done_before += 1
            else:
                yield name

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        for rows in _engine(options).rows(hearing, wanted()):
            table.add(rows)
            progress.tell()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        table.write()
        progress.tell_all()
    n_done = table.n_heard + progress.n_done_before
    return DONE if n_done and not table.n_failed else FAILED


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m undertone batch",
        description="Which emotion is heard in an archive of recordings.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", help="a folder, or a URL such as s3://bucket/folder")
    add("--out", required=True, metavar="TABLE", help="folder or URL of the table")
    add("--model", metavar="NAME", help="which model answers (default: UNDERTONE_MODEL)")
    add(
        "--labels", type=int, choices=LABEL_SETS, default=DEFAULT_LABEL_SET,
        help="how many emotions to choose from (7)",
    )  # fmt: skip
    add("--jobs", type=int, default=0, metavar="N", help="processes (default: one for each core)")
    add("--cluster", metavar="ADDRESS", help="a Dask scheduler, such as tcp://host:8786")
    add(
        "--part", type=int, default=1000, metavar="N",
        help="recordings in each file of the table (%(default)s); or what comes in 30 s",
    )  # fmt: skip
    add("--quiet", action="store_true", help="no progress, no summary")
    return parser.parse_args(arguments)


def _engine(options: argparse.Namespace) -> "Engine":
    from undertone.batch.engines import Cluster, Cores

    if options.cluster:
        return Cluster(options.cluster)
    from joblib import cpu_count

    return Cores(options.jobs if options.jobs > 0 else cpu_count())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM like Ctrl-C, so that finished results are written."""
    raise KeyboardInterrupt


class _Progress:
    """Progress in recordings and speed.

    On a terminal one line is overwritten; otherwise a new line is printed every `TELL_EVERY_S`.
    """

    def __init__(self, table: "Table", is_quiet: bool) -> None:
        self._table = table
        self._is_quiet = is_quiet
        self._began_s = self._told_s = time.monotonic()
        self.n_done_before = 0

    def tell(self) -> None:
        """Print the progress, unless it was printed just now."""
        is_watched = sys.stderr.isatty()
        if time.monotonic() - self._told_s > (0.2 if is_watched else TELL_EVERY_S):
            self._told_s = time.monotonic()
            self._print("\r" if is_watched else "\n")

    def tell_all(self) -> None:
        """Print the final counts."""
        self._print("\n")

    def _print(self, end: str) -> None:
        heard, failed = self._table.n_heard, self._table.n_failed
        rate = (heard + failed) / max(time.monotonic() - self._began_s, 1e-9)
        before = f", {self.n_done_before} done before" if self.n_done_before else ""
        if not self._is_quiet:
            print(
                f"{heard} analysed, {failed} failed{before}; {rate:.1f} a second, "
                f"{3600 * rate:.0f} an hour",
                file=sys.stderr, end=end, flush=True,
            )  # fmt: skip
