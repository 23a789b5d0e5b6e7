"""Work: everything an engine needs to process jobs, and the number of waiting steps."""

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
    """All parts that handle jobs. They share one database and one folder.

    Attributes
    ----------
    jobs : Jobs
    files : WaitingFiles
        Recordings that wait.
    claims : Claims
    runner : Runner
    webhooks : Webhooks
    """

    jobs: Jobs
    files: WaitingFiles
    claims: Claims
    runner: Runner
    webhooks: Webhooks

    def step(self) -> None:
        """Process the next item in the queue, then deliver one due webhook.

        Raises
        ------
        StoreError
            The database does not answer.
        """
        self.runner.step()
        self.webhooks.step()

    def n_waiting(self) -> int:
        """Return the number of steps that could run now.

        Raises
        ------
        StoreError
            The database does not answer.
        """
        return self.claims.n_waiting() + self.webhooks.n_due()


def open_work(settings: Settings, analyzer: Analyzer) -> Work:
    """Open the work on the database of the analyser's history, with the settings' audio storage."""
    database = analyzer.history.engine
    queue = Limits(settings.job_queue_files, int(settings.job_queue_mb * MIB))
    jobs = Jobs(database, queue)
    files = open_waiting_files(settings)
    claims = Claims(database, timedelta(seconds=settings.job_lease_s), settings.job_attempts)
    runner = Runner(analyzer, claims, files)
    webhooks = Webhooks(database, jobs, settings.webhook_secret, settings.webhook_private)
    return Work(jobs, files, claims, runner, webhooks)
