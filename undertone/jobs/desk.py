"""Desk: entry point of the web application for jobs."""

import copy
from collections.abc import Callable, Sequence
from typing import Protocol

from undertone.analysis import Analyzer
from undertone.errors import FileTooLarge, UndertoneError
from undertone.file_names import display_name
from undertone.jobs.in_process import InProcess
from undertone.jobs.job import Job
from undertone.jobs.store import NewItem
from undertone.jobs.work import Work, open_work
from undertone.optional import needed_for
from undertone.settings import Settings
from undertone.spool import not_counted
from undertone.store.scope import Scope
from undertone.store.waiting import Draft, Upload


class Engine(Protocol):
    """Interface of the engines. An engine gets the items processed."""

    def wake(self) -> None:
        """Signal new or possible work."""

    def begin_stop(self, patience_s: float) -> None:
        """Start no more work, and hand back unfinished items after `patience_s` seconds.

        The call itself does not wait.
        """

    def stop(self, patience_s: float = 0.0) -> None:
        """Start no more work and block until every item is finished or handed back."""


class Desk:
    """Submit jobs, read their state, cancel and delete them.

    Parameters
    ----------
    settings : Settings
    work : Work
    engine : Engine
    """

    def __init__(self, settings: Settings, work: Work, engine: Engine) -> None:
        self.jobs = work.jobs
        self.engine = engine
        self._settings = settings
        self._files = work.files
        self._webhooks = work.webhooks

    def within(self, scope: Scope) -> "Desk":
        """Return the same desk, restricted to the jobs in a scope."""
        part = copy.copy(self)
        part.jobs = self.jobs.within(scope)
        return part

    def draft(self, on_disk: Callable[[int], None] = not_counted) -> Draft:
        """Create a draft. It receives the recordings of a new job.

        Parameters
        ----------
        on_disk : callable, optional
            As for `Spool`.

        Raises
        ------
        QueueFull
            The queue is full.
        StoreError
            The database cannot be read, or the folder cannot be written.
        """
        self.jobs.check_room()
        return Draft(
            self._files.folder,
            self._settings.job_files,
            self._settings.max_job_bytes,
            self._settings.max_upload_bytes,
            on_disk,
        )

    def submit(
        self,
        draft: Draft,
        uploads: Sequence[tuple[str, Upload]],
        model: str,
        n_labels: int,
        webhook: str,
        too_large: FileTooLarge,
    ) -> Job:
        """Store a job and signal the engine.

        Parameters
        ----------
        draft : Draft
        uploads : sequence of (filename, Upload)
            Recordings of the draft to keep.
        model : str
        n_labels : {7, 8, 6}
        webhook : str
            URL to call when the job is over; empty for none.
        too_large : FileTooLarge
            Error stored for each recording over the size limit.

        Returns
        -------
        Job
            The stored job.

        Raises
        ------
        WebhookRefused
            The webhook cannot be used.
        QueueFull
            The queue has no room for the job.
        StoreError
            The job cannot be stored.
        """
        self._webhooks.check(webhook)
        self._files.keep(draft, [upload for _, upload in uploads])
        items = [
            NewItem(
                upload.number,
                display_name(filename),
                upload.n_bytes,
                too_large.to_dict() if upload.is_too_large else None,
            )
            for filename, upload in uploads
        ]
        try:
            job = self.jobs.add(draft.job_id, items, model, n_labels, webhook)
        except UndertoneError:
            draft.discard()
            self._files.remove_job(draft.job_id)
            raise
        draft.release()
        self.engine.wake()
        return job

    def sweep(self) -> None:
        """Remove recordings left behind by a crash.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        self._files.sweep(self.jobs.are_over)

    def look(self, job_id: str) -> Job:
        """Return a job. If it is unfinished, signal the engine too.

        Raises
        ------
        JobNotFound
            There is no such job.
        StoreError
            The database cannot be read.
        """
        job = self.jobs.get(job_id)
        if not job.state.is_over:
            self.engine.wake()
        return job

    def cancel(self, job_id: str) -> Job:
        """Cancel the unfinished items of a job; see `Jobs.cancel`."""
        job = self.jobs.cancel(job_id)
        self._files.remove_job(job.id)
        self.engine.wake()  # a webhook may be due
        return job

    def delete(self, job_id: str) -> None:
        """Cancel a job and delete it; see `Jobs.delete`."""
        self.cancel(job_id)
        self.jobs.delete(job_id)


def open_desk(settings: Settings, analyzer: Analyzer) -> Desk:
    """Open the desk of a web process. Work left unfinished by an earlier process is resumed."""
    work = open_work(settings, analyzer)
    desk = Desk(settings, work, _open_engine(settings, work))
    desk.engine.wake()
    return desk


def _open_engine(settings: Settings, work: Work) -> Engine:
    if not settings.broker_url:
        return InProcess(work, settings.job_threads)
    # Most servers need no broker, and its libraries are slow to import.
    with needed_for("UNDERTONE_BROKER_URL"):
        from undertone.jobs.broker import Broker, make_celery

    return Broker(make_celery(settings.broker_url, lambda: work), work)
