"""Limits on live sessions: fair shares between clients, and sound in about real time."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from undertone.errors import LiveIdle, TooManyLiveSessions

# Seconds of waiting allowed for each second of sound. At 2, half of real time is enough.
WAIT_PER_SOUND = 2.0


@dataclass(eq=False)
class Place:
    """One of the available live sessions.

    Attributes
    ----------
    client : str
        The owner: an API key or an address.
    is_taken_back : bool
        True once another client has got this place.
    """

    client: str
    is_taken_back: bool = False

    def check(self) -> None:
        """Return normally if the session may go on.

        Raises
        ------
        TooManyLiveSessions
            The place has gone to a client with fewer sessions.
        """
        if self.is_taken_back:
            raise TooManyLiveSessions(
                "Another client needs a live session, and all are taken; this one was the newest "
                "of the client with the most. Try again in a little while."
            )


class LiveSessions:
    """The current live sessions, limited in number.

    One client may hold all of them while no other client comes. A newcomer then takes over the
    newest session of the client with the most. That happens only if the other client
    then still has at least as many sessions as the newcomer.

    Parameters
    ----------
    limit : int
        Maximum number of sessions at a time.

    Attributes
    ----------
    is_stopping : callable
        Returns True if the server is about to stop. The server sets its own function here.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.is_stopping: Callable[[], bool] = lambda: False
        self._places: list[Place] = []
        self._lock = Lock()

    @contextmanager
    def one(self, client: str = "") -> Iterator[Place]:
        """Hold a session for the duration of a ``with`` block.

        Raises
        ------
        TooManyLiveSessions
            All sessions are taken.
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
        """Free a place for a client with fewer sessions; return False if none can be freed."""
        n_of = Counter(place.client for place in self._places)
        most = max(n_of.values(), default=0)
        if most < n_of[client] + 2:
            return False
        victim = next(each for each in reversed(self._places) if n_of[each.client] == most)
        victim.is_taken_back = True
        self._places.remove(victim)
        return True


class Pace:
    """Check of the rate of incoming sound: about real time, averaged over a while.

    Parameters
    ----------
    limit_s : float
        Longest time without any sound.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = self._credit_s = limit_s
        self._silent_s = 0.0

    def note(self, waited_s: float, sound_s: float) -> None:
        """Count the sound received during one wait.

        Parameters
        ----------
        waited_s : float
            Duration of the wait in seconds.
        sound_s : float
            Duration of the received sound in seconds.

        Raises
        ------
        LiveIdle
            Too little sound has come for too long.
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
