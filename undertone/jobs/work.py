"""Work: all that engines need to work on jobs, and how much of it waits."""

from dataclasses import dataclass
from datetime import timedelta

from undertone.analysis import Analyzer
from undertone.jobs.claims import Claims
from undertone.jobs.runner import Runner
from undertone.jobs.store import Jobs, Limits
from undertone.jobs.webhooks import Webhooks
from undertone.settings import MIB, Settings
from undertone.store.shared_audio import open_waiting_files
from undertone.store.waiting import WaitingFiles


@dataclass(frozen=True)
class Work:
    """The parts that know of jobs, on one database and one folder."""

    jobs: Jobs
    files: WaitingFiles
    claims: Claims
    runner: Runner
    webhooks: Webhooks

    def step(self) -> None:
        """Work on the item whose turn it is, then tell one of those who wait to be told.

        Raises
        ------
        StoreError
            The database does not answer.
        """
        self.runner.step()
        self.webhooks.step()

    def n_waiting(self) -> int:
        """How many steps could be taken now.

        Raises
        ------
        StoreError
            The database does not answer.
        """
        return self.claims.n_waiting() + self.webhooks.n_due()


def open_work(settings: Settings, analyzer: Analyzer) -> Work:
    """The work in the database of an analyser's history and the settings' data folder."""
    database = analyzer.history.engine
    queue = Limits(settings.job_queue_files, int(settings.job_queue_mb * MIB))
    jobs = Jobs(database, queue)
    files = open_waiting_files(settings)
    claims = Claims(database, timedelta(seconds=settings.job_lease_s), settings.job_attempts)
    runner = Runner(analyzer, claims, files)
    webhooks = Webhooks(database, jobs, settings.webhook_secret, settings.webhook_private)
    return Work(jobs, files, claims, runner, webhooks)
