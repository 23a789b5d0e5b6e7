"""Command line for speech emotion recognition.

Recordings are analysed on this machine or by a server. Each result is printed as soon as it is
ready, in the order of the paths. A failed recording is printed with its reason and does not stop
the others.
"""

import argparse
import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

from undertone import __version__
from undertone.cli import DONE, FAILED, INTERRUPTED, WRONG_USE
from undertone.emotions import LABEL_SETS
from undertone.errors import FileUnusable, OutputUnwritable, UndertoneError, UnknownModel
from undertone.settings import Settings
from undertone.standard_output import prepare_streams, writing_output

if TYPE_CHECKING:  # slow imports: --help and wrong options should answer at once
    from undertone.analysis import Recognizer
    from undertone.cli.many import Outcome
    from undertone.cli.services import Service
    from undertone.client import Client

EPILOG = """\
A folder stands for all recordings in it and in its folders: they are known by their content,
hidden ones are left out, none comes twice. "-" is the standard input.

--report takes the name of a PDF for one recording; for several that of a folder, in which each
has its own (an ending ".pdf" is dropped).

"batch SOURCE --out TABLE" is for archives of any size; see "batch --help".

exit status: 0 all were analysed; 1 some were not, or there were none; 2 wrong use;
130 interrupted: what was done until then is told."""


def main(arguments: Sequence[str], open_recognizer: "Callable[[str], Recognizer]") -> int:
    """Parse the arguments and analyse the recordings.

    Parameters
    ----------
    arguments : sequence of str
        Command-line arguments without the program's name.
    open_recognizer : callable
        Takes the name of a model and returns its recogniser.

    Returns
    -------
    int
        Exit status, see `undertone.cli`.
    """
    prepare_streams()
    try:
        with writing_output():
            return _run(arguments, open_recognizer)
    except OutputUnwritable as error:
        print(f"undertone: {error.message}", file=sys.stderr)
        return FAILED
    except UndertoneError as error:
        print(f"undertone: {error.message}", file=sys.stderr)
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # such as `| head`
        return FAILED


def _run(arguments: Sequence[str], open_recognizer: "Callable[[str], Recognizer]") -> int:
    if arguments[:1] == ["batch"]:
        from undertone.batch import command

        return command.main(arguments[1:], open_recognizer)
    options = _parse(arguments)
    settings = Settings.from_env(os.environ)
    with (
        _service(options, settings, open_recognizer) as service,
        _open_output(options.out) as file,
        writing_output(file),
    ):
        return _analyse(options, service, settings.max_upload_bytes, file)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m undertone",
        description="Which emotion is heard in recordings.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a recording, a folder, or - for the standard input",
    )
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--json", action="store_true", help="a JSON object in each line")
    told.add_argument("--csv", action="store_true", help="a table for spreadsheets")
    add("--report", type=Path, metavar="PDF", help="write a report of each recording, see below")
    add("--out", type=Path, metavar="FILE", help="write there, not to the standard output")
    add("--timeline", action="store_true", help="tell what is heard in each window, too")
    add("--model", metavar="NAME", help="which model answers (default: UNDERTONE_MODEL)")
    add("--labels", type=int, choices=LABEL_SETS, help="how many emotions to choose from (7)")
    add(
        "--jobs",
        type=_jobs,
        default=_n_cores(),
        metavar="N",
        help="recordings at a time (%(default)s)",
    )
    add("--server", metavar="URL", help="ask this server; it keeps what it heard in its history")
    add("--key", metavar="KEY", help="the server's API key (default: UNDERTONE_API_KEY)")
    add("--quiet", action="store_true", help="no progress, no errors, no summary")
    add("--version", action="version", version=f"Undertone {__version__}")
    options = parser.parse_args(arguments)
    if options.key and not options.server:
        parser.error("--key is for a --server")
    return options


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 64")
    return int(text)


def _n_cores() -> int:
    """Return the number of cores available to this process, at most 64."""
    usable = getattr(os, "sched_getaffinity", None)  # not on macOS
    return min(64, len(usable(0)) if usable else os.cpu_count() or 1)


@contextmanager
def _service(
    options: argparse.Namespace,
    settings: Settings,
    open_recognizer: "Callable[[str], Recognizer]",
) -> "Iterator[Service]":
    """Open the service for these options; close it at the end of the block."""
    if options.server:
        yield _client(options)
        return
    from undertone.analysis import Listener
    from undertone.cli.services import LocalService
    from undertone.sound.audio import decode
    from undertone.sound.isolation import Decoders

    name = options.model or settings.model
    recognizers = {name: open_recognizer(name)}
    # Decode in separate processes, so that a file that crashes its decoder does not stop the rest.
    apart = settings.decoders and not _is_one(options)
    decoders = Decoders(options.jobs) if apart else None
    decoding = decoders.decode if decoders else decode
    listener = Listener(recognizers, name, settings.max_duration_s, decoding)
    try:
        yield LocalService(listener, settings.data_dir / "matplotlib")
    finally:
        # After Ctrl-C, do not wait for a busy decoder: it ends with this process.
        if decoders and sys.exc_info()[0] is not KeyboardInterrupt:
            decoders.close()


def _client(options: argparse.Namespace) -> "Client":
    """Connect to the server and check for the requested model."""
    from undertone.client import Client

    client = Client(options.server, options.key or os.environ.get("UNDERTONE_API_KEY"))
    installed = client.models()
    if options.model and options.model not in installed:
        raise UnknownModel(
            f"{options.server} has no model named {options.model!r}; it has {', '.join(installed)}."
        )
    return client


def _is_one(options: argparse.Namespace) -> bool:
    """True if the only path is a single recording, not a folder."""
    return len(options.paths) == 1 and not os.path.isdir(options.paths[0])


def _open_output(path: Path | None) -> AbstractContextManager[IO[str]]:
    """Open the output file or standard output; characters it cannot encode are escaped."""
    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        return nullcontext(sys.stdout)
    try:
        return path.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise FileUnusable(f"{path} cannot be written: {error.strerror}.") from error


def _analyse(options: argparse.Namespace, service: "Service", max_bytes: int, file: IO[str]) -> int:
    """Analyse all recordings, print each result and return the exit status."""
    from undertone.cli.many import ReportPlaces, Work
    from undertone.cli.sources import find

    reports = ReportPlaces(options.report, _is_one(options)) if options.report else None
    work = Work(service, max_bytes, options.model, options.labels, reports)
    is_watched = sys.stderr.isatty() and not options.quiet
    n_files = sum(1 for _ in find(options.paths)) if is_watched else None
    count: Counter[str] = Counter()
    try:
        outcomes = work.outcomes(find(options.paths), options.jobs)
        _tell(options, count, outcomes, n_files, file)
    finally:
        if not options.quiet and count.total() != 1:
            print(
                f"{count['analysed']} analysed, {count['failed']} failed, "
                f"{count['passed over']} passed over as no recordings",
                file=sys.stderr,
            )
    return DONE if count["analysed"] and not count["failed"] else FAILED


def _tell(
    options: argparse.Namespace,
    count: Counter[str],
    outcomes: "Iterable[Outcome]",
    n_files: int | None,
    file: IO[str],
) -> None:
    """Write each outcome as it arrives; show a progress bar unless `n_files` is None."""
    from tqdm import tqdm

    from undertone.cli.outputs import Csv, JsonLines, Table, printable

    kind = JsonLines if options.json else Csv if options.csv else Table
    output = kind(options.timeline)
    file.write(output.head)
    with tqdm(total=n_files, disable=n_files is None, unit="file", dynamic_ncols=True) as bar:
        for outcome in outcomes:
            count[outcome.kind] += 1
            with bar.external_write_mode(sys.stderr):
                if outcome.kind != "passed over":
                    file.write(output.text(outcome))
                    file.flush()
                if outcome.error and not options.quiet:
                    told = f"{outcome.path}: {outcome.error.message} [{outcome.error.code}]"
                    print(f"undertone: {printable(told)}", file=sys.stderr)
            bar.update()
