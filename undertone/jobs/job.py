"""Job and Item: descriptions of background work for clients."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from undertone.store.listing import Cursor


class State(StrEnum):
    """State of an item or job. The state of a job follows from its items."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """True if the state is final."""
        return self not in UNFINISHED


UNFINISHED = (State.QUEUED, State.RUNNING)


@dataclass(frozen=True)
class Heard:
    """Summary of a result. The full analysis is in the history."""

    analysis_id: str
    label: str
    confidence: float
    uncertain: bool


@dataclass(frozen=True)
class Item:
    """One recording of a job.

    Attributes
    ----------
    number : int
        Its place in the job.
    filename : str
    state : State
    progress : float
        0 to 1.
    attempts : int
        Number of attempts started.
    heard : Heard, optional
        Result, once the item is done.
    error : dict, optional
        Reason of a failure, from `UndertoneError.to_dict`.
    """

    number: int
    filename: str
    state: State
    progress: float
    attempts: int
    heard: Heard | None
    error: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        heard = self.heard
        return {
            "number": self.number,
            "filename": self.filename,
            "state": self.state.value,
            "progress": round(self.progress, 4),
            "attempts": self.attempts,
            "analysis_id": heard.analysis_id if heard else None,
            "emotion": heard.label if heard else None,
            "confidence": heard.confidence if heard else None,
            "uncertain": heard.uncertain if heard else None,
            "error": self.error,
        }


@dataclass(frozen=True)
class Webhook:
    """Webhook of a job and the state of its delivery.

    Attributes
    ----------
    url : str
    state : {"waiting", "due", "delivered", "given up"}
    attempts : int
    problem : str
        Error of the last failed attempt; empty if none has failed.
    """

    url: str
    state: str
    attempts: int
    problem: str

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return {
            "url": self.url,
            "state": self.state,
            "attempts": self.attempts,
            "problem": self.problem or None,
        }


@dataclass(frozen=True)
class Job:
    """One or more recordings, analysed in the background.

    Attributes
    ----------
    id : str
        Random and hard to guess.
    created_at : datetime
    started_at, finished_at : datetime, optional
        None until then.
    state : State
        ``done`` if all items are over and at least one has a result.
    model : str
    n_labels : int
        Requested number of labels.
    items : tuple of Item
    webhook : Webhook, optional
    """

    id: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    state: State
    model: str
    n_labels: int
    items: tuple[Item, ...]
    webhook: Webhook | None

    @property
    def cursor(self) -> Cursor:
        """Position of the job in the list."""
        return Cursor(self.created_at, self.id)

    @property
    def counts(self) -> dict[str, int]:
        """Number of items in each state."""
        found = Counter(item.state for item in self.items)
        return {state.value: found[state] for state in State}

    @property
    def progress(self) -> float:
        """Mean progress of the items, 0 to 1. An ended item counts as 1, whatever its outcome."""
        if self.state.is_over or not self.items:
            return 1.0
        shares = [1.0 if item.state.is_over else item.progress for item in self.items]
        return sum(shares) / len(shares)

    def summary(self) -> dict[str, Any]:
        """Return all fields except the items, ready for JSON."""

        def moment(time: datetime | None) -> str | None:
            return time.isoformat() if time else None

        return {
            "id": self.id,
            "state": self.state.value,
            "created_at": moment(self.created_at),
            "started_at": moment(self.started_at),
            "finished_at": moment(self.finished_at),
            "model": self.model,
            "labels": self.n_labels,
            "progress": round(self.progress, 4),
            "counts": self.counts,
            "webhook": self.webhook.to_dict() if self.webhook else None,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return {**self.summary(), "items": [item.to_dict() for item in self.items]}
