"""Stores analyses and says each id as soon as it is stored.

``python -m tests.writer URL PREFIX COUNT THREADS``
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from tests.samples import analysis
from undertone.store.history import History


def main(url: str, prefix: str, count: str, n_threads: str) -> None:
    """Write analyses `prefix`-0, `prefix`-1, ... with several threads."""
    history = History(url)

    def store(number: int) -> None:
        history.add(analysis(number, id=f"{prefix}-{number}", envelope=(0.5,) * 2000))
        sys.stdout.write(f"{prefix}-{number}\n")  # in one piece, whatever the other threads say
        sys.stdout.flush()

    with ThreadPoolExecutor(int(n_threads)) as pool:
        list(pool.map(store, range(int(count))))
    history.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
