"""Celery worker for jobs, on any number of machines: ``python worker.py``.

It needs ``UNDERTONE_BROKER_URL``, and the database and the data folder of the web processes.
Further arguments, such as ``--concurrency 4``, are passed to Celery. ``celery -A worker worker``
does the same.
"""

import logging.config
import os
import sys
import threading
from functools import cache
from typing import Any

from emotion_recognizer import EmotionRecognizer
from undertone.drawing import sheets
from undertone.errors import SettingsError, UndertoneError
from undertone.jobs.work import Work, open_work
from undertone.opening import open_analyzer
from undertone.optional import needed_for
from undertone.recognition.model_store import installed_models, load_info
from undertone.settings import Settings
from undertone.sound.audio import decode
from undertone.sound.isolation import Decoders
from undertone.store.data_folder import prepare_data_folder
from undertone.store.history import check_database
from undertone.web.logs import configuration, take_over_standard_error

_opening = threading.Lock()


def main(arguments: list[str]) -> None:
    """Run the worker until stopped."""
    log_as_web_processes_do()
    if not settings.broker_url:
        raise SettingsError(
            "UNDERTONE_BROKER_URL is empty: workers need the broker that the web processes send "
            "to, such as redis://localhost:6379/0."
        )
    load_info(settings.model)
    prepare_data_folder(settings.data_dir)
    check_database(settings.store_url)
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    usual = ["--concurrency", str(max(1, settings.job_threads))]
    app.worker_main(["--quiet", "worker", *quiet, *usual, *arguments])


def log_as_web_processes_do(**_: Any) -> None:
    """Set up logging in the format of the settings, instead of Celery's own."""
    take_over_standard_error(settings.debug)
    logging.config.dictConfig(configuration(settings.log_format, settings.debug))


def work() -> Work:
    """Return this process's `Work`, opened on first use."""
    with _opening:
        return _open()


@cache
def _open() -> Work:
    sheets.prepare(settings.data_dir / "matplotlib")
    analyzer = open_analyzer(
        settings,
        {name: EmotionRecognizer(name, at_once=False) for name in installed_models()},
        Decoders(1).decode if settings.decoders else decode,
    )
    return open_work(settings, analyzer)


try:
    settings = Settings.from_env(os.environ)
    with needed_for("A worker"):
        from celery.signals import setup_logging

        from undertone.jobs.broker import make_celery
    setup_logging.connect(log_as_web_processes_do)
    app = make_celery(settings.broker_url, work)
    if __name__ == "__main__":
        main(sys.argv[1:])
except UndertoneError as stop:
    sys.exit(f"The worker cannot start: {stop.message}")
