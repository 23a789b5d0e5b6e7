"""Engines for batch work: all cores of this machine, or a Dask cluster.

Rule: both take the same recordings, a few at a time, and return the same rows in any order. The
death of a worker loses no recording. A recording is set aside if its analysis kills its worker.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from itertools import islice
from typing import Any, Protocol

from undertone.batch.hearing import Hearing, Row, set_aside
from undertone.errors import ClusterUnusable
from undertone.optional import needed_for

AT_ONCE = 8  # recordings in one task
AHEAD = 3  # tasks under way for each worker
CONNECT_S = 15
Piece = Sequence[str]


class Engine(Protocol):
    """Interface of an engine."""

    def rows(self, hearing: Hearing, names: Iterable[str]) -> Iterator[list[Row]]:
        """Yield rows of results in any order, as soon as they are known."""


class Cores:
    """Engine with processes on this machine.

    Parameters
    ----------
    n_processes : int
    """

    def __init__(self, n_processes: int) -> None:
        self._n_processes = n_processes

    def rows(self, hearing: Hearing, names: Iterable[str]) -> Iterator[list[Row]]:
        """Yield rows of results in any order, as soon as they are known."""
        from joblib.externals.loky.process_executor import BrokenProcessPool

        pieces = _pieces(names)
        under_way: dict[int, Piece] = {}
        while True:
            try:
                yield from self._together(hearing, pieces, under_way)
                return
            except BrokenProcessPool:  # one process was killed; all lose their tasks
                lost = [name for piece in under_way.values() for name in piece]
                under_way.clear()
                yield from self._one_by_one(hearing, lost)

    def _together(
        self, hearing: Hearing, pieces: Iterator[Piece], under_way: dict[int, Piece]
    ) -> Iterator[list[Row]]:
        from joblib import Parallel, delayed

        def begun() -> Iterator[Any]:
            for number, piece in enumerate(pieces):
                under_way[number] = piece
                yield delayed(_numbered)(hearing, number, piece)

        parallel = Parallel(
            self._n_processes, return_as="generator_unordered", batch_size=1,
            pre_dispatch=AHEAD * self._n_processes,
        )  # fmt: skip
        for number, rows in parallel(begun()):
            del under_way[number]
            yield rows

    def _one_by_one(self, hearing: Hearing, names: Sequence[str]) -> Iterator[list[Row]]:
        """Analyse recordings one by one; set aside each one that kills its process."""
        from joblib.externals.loky import ProcessPoolExecutor
        from joblib.externals.loky.process_executor import BrokenProcessPool

        left = list(names)
        while left:
            with ProcessPoolExecutor(1) as pool:
                try:
                    while left:
                        yield pool.submit(hearing.hear, left[:1]).result()
                        del left[0]
                except BrokenProcessPool:
                    yield [set_aside(left.pop(0))]


class Cluster:
    """Engine with the workers of a Dask cluster.

    The workers need this program installed and access to the archive.

    Parameters
    ----------
    address : str
        Address of the scheduler, such as ``tcp://host:8786``.

    Raises
    ------
    PartMissing
        Dask is not installed.
    ClusterUnusable
        The cluster does not answer, or has no workers.
    """

    def __init__(self, address: str) -> None:
        with needed_for("--cluster", "requirements-batch.txt"):
            from distributed import Client
        # Dask's log is silenced: `ClusterUnusable` reports its failures.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        try:
            self._client = Client(address, timeout=CONNECT_S)
            self._client.wait_for_workers(1, timeout=CONNECT_S)
        except Exception as error:
            raise ClusterUnusable(
                f"The cluster at {address} cannot be used: {error}. Is its scheduler there, and "
                "has it workers?"
            ) from error

    def close(self) -> None:
        """Close the connection to the cluster."""
        self._client.close()

    def rows(self, hearing: Hearing, names: Iterable[str]) -> Iterator[list[Row]]:
        """Yield rows of results in any order, as soon as they are known.

        Raises
        ------
        ClusterUnusable
            The scheduler is gone.
        """
        from distributed.client import ClosedClientError

        try:
            yield from self._rows(hearing, names)
        except (CancelledError, ClosedClientError, OSError) as error:
            raise ClusterUnusable(
                "The cluster was lost. What it did until then is written; run the same "
                "command again when it is back."
            ) from error

    def _rows(self, hearing: Hearing, names: Iterable[str]) -> Iterator[list[Row]]:
        from distributed import KilledWorker, as_completed

        pieces = _pieces(names)
        under_way: dict[Any, Piece] = {}
        done = as_completed([])

        def begin(piece: Piece) -> None:
            future = self._client.submit(hearing.hear, piece, pure=False)
            under_way[future.key] = piece
            done.add(future)

        for piece in islice(pieces, AHEAD * self._n_threads()):
            begin(piece)
        for future in done:
            piece = under_way.pop(future.key)
            try:
                yield future.result()
            except KilledWorker:
                if len(piece) == 1:
                    yield [set_aside(piece[0])]
                else:
                    for name in piece:
                        begin([name])
            # Count the workers anew each time: they come and go.
            n_wanted = AHEAD * self._n_threads() - len(under_way)
            for piece in islice(pieces, max(0, n_wanted)):
                begin(piece)

    def _n_threads(self) -> int:
        n_threads: int = sum(self._client.nthreads().values())
        return max(1, n_threads)


def _numbered(hearing: Hearing, number: int, piece: Piece) -> tuple[int, list[Row]]:
    return number, hearing.hear(piece)


def _pieces(names: Iterable[str]) -> Iterator[Piece]:
    """Yield the names in lists of up to `AT_ONCE`."""
    rest = iter(names)
    while piece := list(islice(rest, AT_ONCE)):
        yield piece
