"""Runner: analyses the item whose turn it is, once, by the one path of all recordings."""

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

BEAT_S = 0.5  # how often it is told that the work goes on, and asked whether it should
logger = logging.getLogger("undertone")


def never() -> bool:
    """Whether to stop: no."""
    return False


class Stopped(UndertoneError):
    """The program ends; somebody else begins anew."""


class Runner:
    """Works on items; many may do so at the same time, here and elsewhere.

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
        """Take the item whose turn it is and work until it is over; whether there was one.

        Parameters
        ----------
        must_stop : callable
            Asked all the time; an item that is not over when it says True is given back.

        Raises
        ------
        StoreError
            The database does not answer. The item is taken up again sooner or later.
        """
        claim = self._claims.take()
        if claim is None:
            return False
        try:
            self._analyse(claim, must_stop)
        except Abandoned:
            return True  # whoever took the item from us has the say, and may need the file
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
        except BaseException:  # this process is about to end
            self._claims.give_back(claim, blameless=True)
            raise
        self._files.remove(claim.job_id, claim.number)
        if self._claims.is_last(claim):  # with what a process left that was killed right here
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
    """Says while the work goes on how far it is, and ends it when it is no longer wanted."""

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
        """Take how far the work is.

        Raises
        ------
        Abandoned
            The item was cancelled or is somebody else's.
        Stopped
            The program ends.
        """
        self._share = max(self._share, share)  # a second look at a file begins at its start
        if self._is_lost:
            raise Abandoned("The recording was cancelled, or somebody else took it up.")
        if self._must_stop():
            raise Stopped("The program ends.")

    def _beat(self) -> None:
        while not (self._is_lost or self._is_over.wait(BEAT_S)):
            try:
                self._is_lost = not self._claims.renew(self._claim, self._share)
            except StoreError as error:  # until the lease is over there is time to try again
                logger.warning("%s", error.message, exc_info=error)


def _unknown(claim: Claim, error: Exception) -> UndertoneError:
    """For an error that nobody foresaw: its number only, because it may hold paths or data."""
    number = secrets.token_hex(4)
    logger.error("error %s in job %s", number, claim.job_id, exc_info=error)
    return UndertoneError(
        f"Something went wrong here, not with your recording (error {number}). Please try again."
    )
