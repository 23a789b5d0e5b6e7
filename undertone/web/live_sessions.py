"""Who has a live session, for how long: a fair share each, while sound comes as it is spoken."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from undertone.errors import LiveIdle, TooManyLiveSessions

# Seconds of waiting that a second of sound makes up for: half of real time will do.
WAIT_PER_SOUND = 2.0


@dataclass(eq=False)
class Place:
    """One of the live sessions that there may be.

    Attributes
    ----------
    client : str
        Whose it is: a key or an address.
    is_taken_back : bool
        Whether somebody else needs it more.
    """

    client: str
    is_taken_back: bool = False

    def check(self) -> None:
        """Return if the session may go on.

        Raises
        ------
        TooManyLiveSessions
            Another client, with fewer sessions, has got this place.
        """
        if self.is_taken_back:
            raise TooManyLiveSessions(
                "Another client needs a live session, and all are taken; this one was the newest "
                "of the client with the most. Try again in a little while."
            )


class LiveSessions:
    """Those that are going on, of which there may be only so many.

    One client may have them all while nobody else comes. A newcomer then gets the newest session of
    the client with the most, unless it would be no better off than the newcomer.

    Parameters
    ----------
    limit : int
        How many at a time.

    Attributes
    ----------
    is_stopping : callable
        Whether the server is about to end; who serves puts its own there.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.is_stopping: Callable[[], bool] = lambda: False
        self._places: list[Place] = []
        self._lock = Lock()

    @contextmanager
    def one(self, client: str = "") -> Iterator[Place]:
        """A session, for as long as the block lasts.

        Raises
        ------
        TooManyLiveSessions
            All are taken.
        """
        place = Place(client)
        with self._lock:
            if len(self._places) >= self.limit and not self._take_back_for(client):
                raise TooManyLiveSessions(
                    f"All {self.limit} live sessions of this server are taken; "
                    "try again in a little while, or send a recording."
                )
            self._places.append(place)
        try:
            yield place
        finally:
            with self._lock:
                if place in self._places:
                    self._places.remove(place)

    def _take_back_for(self, client: str) -> bool:
        """Free a place for a client with fewer; whether there was one to be freed."""
        n_of = Counter(place.client for place in self._places)
        most = max(n_of.values(), default=0)
        if most < n_of[client] + 2:
            return False
        victim = next(each for each in reversed(self._places) if n_of[each.client] == most)
        victim.is_taken_back = True
        self._places.remove(victim)
        return True


class Pace:
    """Whether sound comes in about real time, counted over a while.

    Parameters
    ----------
    limit_s : float
        How long there may be no sound at all.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = self._credit_s = limit_s
        self._silent_s = 0.0

    def note(self, waited_s: float, sound_s: float) -> None:
        """Count what came in a time of waiting for it.

        Parameters
        ----------
        waited_s : float
        sound_s : float
            Seconds of sound that came.

        Raises
        ------
        LiveIdle
            Too little has come for too long.
        """
        self._silent_s = 0.0 if sound_s else self._silent_s + waited_s
        gained_s = WAIT_PER_SOUND * sound_s - waited_s
        self._credit_s = min(self._limit_s, self._credit_s + gained_s)
        if self._silent_s > self._limit_s:
            raise LiveIdle(f"No sound has come for {self._limit_s:g} s; connect again to go on.")
        if self._credit_s < 0:
            raise LiveIdle(
                "Sound has come much more slowly than it is spoken. Send it as it is recorded, or "
                "upload a recording; connect again to go on."
            )
