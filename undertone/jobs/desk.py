"""Desk: where the web brings jobs and asks after them."""

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
    """Who sees to it that the items are worked on."""

    def wake(self) -> None:
        """Say that there is, or may be, work."""

    def begin_stop(self, patience_s: float) -> None:
        """Begin nothing more, and give back what is unfinished after a while; do not wait."""

    def stop(self, patience_s: float = 0.0) -> None:
        """Begin nothing more and wait until all is finished or given back."""


class Desk:
    """Takes jobs, tells how they are, and ends them.

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
        """Return the same desk for the jobs in a scope."""
        part = copy.copy(self)
        part.jobs = self.jobs.within(scope)
        return part

    def draft(self, on_disk: Callable[[int], None] = not_counted) -> Draft:
        """A place for the recordings of a new job.

        Parameters
        ----------
        on_disk : callable, optional
            As for `Spool`.

        Raises
        ------
        QueueFull
            Too much waits already.
        StoreError
            Nothing can be stored.
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
        """Store a job, and have it done.

        Parameters
        ----------
        draft : Draft
        uploads : sequence of (filename, Upload)
            What is wanted of the draft.
        model : str
        n_labels : {7, 8, 6}
        webhook : str
            URL that is told when the job is over; empty if nobody is.
        too_large : FileTooLarge
            What becomes of recordings over the limit.

        Raises
        ------
        WebhookRefused
            Nobody can be told there.
        QueueFull
            There is no room for it.
        StoreError
            It cannot be stored.
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
        """Remove recordings that a crash left behind.

        Raises
        ------
        StoreError
            The database cannot be read.
        """
        self._files.sweep(self.jobs.are_over)

    def look(self, job_id: str) -> Job:
        """The job as it is; whoever asks also sees to it that somebody works on it.

        Raises
        ------
        JobNotFound
            There is none.
        StoreError
            The database cannot be read.
        """
        job = self.jobs.get(job_id)
        if not job.state.is_over:
            self.engine.wake()
        return job

    def cancel(self, job_id: str) -> Job:
        """End what is unfinished of a job; see `Jobs.cancel`."""
        job = self.jobs.cancel(job_id)
        self._files.remove_job(job.id)
        self.engine.wake()  # somebody may have to be told
        return job

    def delete(self, job_id: str) -> None:
        """Cancel a job and delete it; see `Jobs.delete`."""
        self.cancel(job_id)
        self.jobs.delete(job_id)


def open_desk(settings: Settings, analyzer: Analyzer) -> Desk:
    """The desk of a web process; what an earlier one left unfinished is taken up."""
    work = open_work(settings, analyzer)
    desk = Desk(settings, work, _open_engine(settings, work))
    desk.engine.wake()
    return desk


def _open_engine(settings: Settings, work: Work) -> Engine:
    if not settings.broker_url:
        return InProcess(work, settings.job_threads)
    # Most servers need no broker, and its libraries take their time to load.
    with needed_for("UNDERTONE_BROKER_URL"):
        from undertone.jobs.broker import Broker, make_celery

    return Broker(make_celery(settings.broker_url, lambda: work), work)
