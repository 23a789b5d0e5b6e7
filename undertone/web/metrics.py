"""Prometheus metrics at /metrics: requests, errors, analyses, jobs, models, drift.

They hold no data about clients. Each process counts its own events. Several processes count in
files readable by all of them (`share_between_processes`). Figures from the database are read on
request, at most once every `FRESH_S` seconds.
"""

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, request

from undertone.analysis import Analyzer
from undertone.errors import StoreError
from undertone.jobs.job import UNFINISHED
from undertone.jobs.store import Jobs
from undertone.prediction import Analysis
from undertone.store import drift
from undertone.web.openapi import Answers, spec

bp = Blueprint("metrics", __name__)
FILES = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client at its first import
METHODS = {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}  # clients may send any other word
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
FRESH_S = 10.0  # figures from the database are cached for this long
logger = logging.getLogger("undertone")


def share_between_processes(data_dir: Path) -> None:
    """Let the forks of this process count together, in files under ``data_dir``."""
    os.environ[FILES] = tempfile.mkdtemp(prefix="metrics-", dir=data_dir)


def forget_process(_master: Any, worker: Any) -> None:
    """Drop the live gauges of a process that has ended; its totals stay. A hook of gunicorn."""
    if FILES in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def forget_all(_master: Any) -> None:
    """Remove the shared files after the end of all processes. A hook of gunicorn."""
    if folder := os.environ.pop(FILES, ""):
        shutil.rmtree(folder, ignore_errors=True)


class Metrics:
    """Metrics of this process, and the registry of all published metrics.

    Parameters
    ----------
    store : Iterable
        Collector of figures from the database.
    """

    def __init__(self, store: Any) -> None:
        # Imported late: the server must first have called `share_between_processes`, if it does.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        from prometheus_client.multiprocess import MultiProcessCollector

        own = CollectorRegistry()
        self.registry = CollectorRegistry() if FILES in os.environ else own
        if self.registry is not own:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
        self.registry.register(store)
        self._requests = Histogram(
            "undertone_request_seconds", "How long requests took.", ("method", "route", "status"),
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self._underway = Gauge(
            "undertone_requests_underway", "Requests that are being answered or wait for a turn.",
            registry=own, multiprocess_mode="livesum",
        )  # fmt: skip
        self._errors = Counter(
            "undertone_errors", "Errors that were answered, by code.", ("code",), registry=own
        )
        self._analyses = Histogram(
            "undertone_analysis_seconds", "How long analyses took, without waiting.", ("model",),
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self._sound = Counter(
            "undertone_sound_seconds", "Length of what was analysed.", ("model",), registry=own
        )

    def begin(self) -> None:
        """Count a request as under way."""
        g.is_counted = True
        self._underway.inc()

    def end(self, response: Response) -> Response:
        """Count a request with its response and duration."""
        method = request.method if request.method in METHODS else "other"
        route = request.url_rule.rule if request.url_rule else "none"
        took_s = time.perf_counter() - g.started_s
        self._requests.labels(method, route, response.status_code).observe(took_s)
        if code := g.get("error_code"):
            self._errors.labels(code).inc()
        return response

    def let_go(self, _error: BaseException | None) -> None:
        """Count a request as no longer under way."""
        if g.pop("is_counted", False):
            self._underway.dec()

    def note(self, analysis: Analysis, took_s: float) -> None:
        """Count an analysis with its duration and the length of the recording."""
        model = analysis.prediction.model
        self._analyses.labels(model).observe(took_s)
        self._sound.labels(model).inc(analysis.duration_s)


class Stored:
    """Collector of figures from the database and the models, cached for `FRESH_S` seconds."""

    def __init__(self, analyzer: Analyzer, jobs: Jobs) -> None:
        self._analyzer = analyzer
        self._jobs = jobs
        self._lock = threading.Lock()
        self._read_at_s = -FRESH_S
        self._told: list[Any] = []

    def describe(self) -> Iterable[Any]:
        """Return nothing, so that registration does not query the database."""
        return ()

    def collect(self) -> Iterable[Any]:
        """Return all metric families."""
        with self._lock:
            if time.monotonic() - self._read_at_s >= FRESH_S:
                self._told = [*self._models(), *self._database()]
                self._read_at_s = time.monotonic()
            return self._told

    def _models(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        names = ("name", "id", "family", "is_default")
        models = GaugeMetricFamily("undertone_model_info", "Models that answer.", labels=names)
        for name, recognizer in self._analyzer.recognizers.items():
            is_default = str(name == self._analyzer.default_model).lower()
            info = recognizer.info
            models.add_metric((name, info.id, info.family, is_default), 1)
        yield models

    def _database(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        up = GaugeMetricFamily("undertone_store_up", "Whether the database can be read.")
        try:
            yield from [*self._queue(), *self._drift()]
            up.add_metric((), 1)
        except StoreError as error:
            logger.warning("%s", error.message, exc_info=error)
            up.add_metric((), 0)
        yield up

    def _queue(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        told = "Recordings of jobs that wait or are worked on, by all processes and workers."
        items = GaugeMetricFamily("undertone_job_recordings", told, labels=("state",))
        counts = self._jobs.unfinished()
        for state in UNFINISHED:
            items.add_metric((state.value,), counts[state])
        yield items

    def _drift(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        lately, before = drift.lately_and_before(self._analyzer.history.engine)
        counts = GaugeMetricFamily(
            "undertone_predictions_lately", "Recordings of the last day, by what was heard.",
            labels=("model", "emotion"),
        )  # fmt: skip
        distances = GaugeMetricFamily(
            "undertone_drift", "How far what was heard in the last day is from the thirty days "
            "before: total variation, 0 to 1. Of few recordings it says little.",
            labels=("model",),
        )  # fmt: skip
        for model, heard in lately.items():
            for emotion, n in heard.items():
                counts.add_metric((model, emotion), n)
            if model in before:
                distances.add_metric((model,), drift.distance(heard, before[model]))
        yield counts
        yield distances


def watch(app: Flask, analyzer: Analyzer, jobs: Jobs) -> None:
    """Start to count requests and analyses of the application."""
    metrics = Metrics(Stored(analyzer, jobs))
    app.extensions["undertone.metrics"] = metrics
    analyzer.note = metrics.note
    app.before_request(metrics.begin)
    app.after_request(metrics.end)
    app.teardown_request(metrics.let_go)


@bp.get("/metrics")
@spec.validate(resp=Answers("text/plain"), tags=["Server"], operation_id="metrics")
def show() -> Response:
    """Return metrics for Prometheus."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    metrics: Metrics = current_app.extensions["undertone.metrics"]
    return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)
