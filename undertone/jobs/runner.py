"""Runner: claims an item and analyses it once, by the same code path as all recordings."""

import logging
import secrets
import threading
from collections.abc import Callable
from functools import partial

from undertone.analysis import Analyzer
from undertone.errors import Abandoned, StoreError, UndertoneError
from undertone.jobs.claims import Claim, Claims
from undertone.store.scope import Scope
from undertone.store.waiting import WaitingFiles

BEAT_S = 0.5  # interval between heartbeats; each also checks for cancellation
logger = logging.getLogger("undertone")


def never() -> bool:
    """Return False: never stop."""
    return False


class Stopped(UndertoneError):
    """The program is shutting down. Another worker restarts the item."""


class Runner:
    """Processes items. Many runners may run at the same time, here and on other machines.

    Parameters
    ----------
    analyzer : Analyzer
    claims : Claims
    files : WaitingFiles
    """

    def __init__(self, analyzer: Analyzer, claims: Claims, files: WaitingFiles) -> None:
        self._analyzer = analyzer
        self._claims = claims
        self._files = files

    def step(self, must_stop: Callable[[], bool] = never) -> bool:
        """Claim the next item and process it to its end. Return False if none was waiting.

        Parameters
        ----------
        must_stop : callable
            Polled during the work. If it returns True, an unfinished item is handed back.

        Raises
        ------
        StoreError
            The database does not respond. The item is retried sooner or later.
        """
        claim = self._claims.take()
        if claim is None:
            return False
        try:
            self._analyse(claim, must_stop)
        except Abandoned:
            return True  # the new claim owner decides, and may need the file
        except Stopped:
            self._claims.give_back(claim, blameless=True)
            return True
        except StoreError:
            self._claims.give_back(claim, blameless=False)
            raise
        except UndertoneError as error:
            self._claims.fail(claim, error)
        except Exception as error:  # noqa: BLE001 whatever it is, it is over with this item
            self._claims.fail(claim, _unknown(claim, error))
        except BaseException:  # this process is exiting
            self._claims.give_back(claim, blameless=True)
            raise
        self._files.remove(claim.job_id, claim.number)
        if self._claims.is_last(claim):  # includes files left by a process killed at this point
            self._files.remove_job(claim.job_id)
        return True

    def _analyse(self, claim: Claim, must_stop: Callable[[], bool]) -> None:
        with (
            self._files.open(claim.job_id, claim.number) as content,
            _Pulse(self._claims, claim, must_stop) as pulse,
        ):
            self._analyzer.within(Scope.of_owner(claim.owner)).analyse(
                content,
                claim.filename,
                claim.model,
                claim.n_labels,
                pulse.progress,
                partial(self._claims.finish, claim),
            )


class _Pulse:
    """Heartbeat during the work. It reports progress and ends the work if it is not wanted."""

    def __init__(self, claims: Claims, claim: Claim, must_stop: Callable[[], bool]) -> None:
        self._claims = claims
        self._claim = claim
        self._must_stop = must_stop
        self._share = 0.0
        self._is_lost = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> "_Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def progress(self, share: float) -> None:
        """Record the progress, a share from 0 to 1.

        Raises
        ------
        Abandoned
            The item was cancelled or claimed by another worker.
        Stopped
            The program is shutting down.
        """
        self._share = max(self._share, share)  # a second pass over a file starts at 0
        if self._is_lost:
            raise Abandoned("The recording was cancelled, or somebody else took it up.")
        if self._must_stop():
            raise Stopped("The program ends.")

    def _beat(self) -> None:
        while not (self._is_lost or self._is_over.wait(BEAT_S)):
            try:
                self._is_lost = not self._claims.renew(self._claim, self._share)
            except StoreError as error:  # there is time to retry until the lease expires
                logger.warning("%s", error.message, exc_info=error)


def _unknown(claim: Claim, error: Exception) -> UndertoneError:
    """Return an error with only a number for an unexpected one: it may hold paths or data."""
    number = secrets.token_hex(4)
    logger.error("error %s in job %s", number, claim.job_id, exc_info=error)
    return UndertoneError(
        f"Something went wrong here, not with your recording (error {number}). Please try again."
    )
