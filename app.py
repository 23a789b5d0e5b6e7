"""Undertone's web application: wiring, HTML pages and server.

``python app.py`` runs the server. ``create_app(settings)`` builds the application for tests and
for other WSGI servers.
"""

import os
import signal
import sys
import threading
from typing import Any

from flask import (
    Flask,
    Response,
    current_app,
    jsonify,
    make_response,
    redirect,
    render_template,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from emotion_recognizer import EmotionRecognizer
from undertone.drawing import sheets
from undertone.drawing.charts import PAGE_PICTURES
from undertone.drawing.pictures import Pictures, draw_for_page
from undertone.drawing.profile_words import describe
from undertone.drawing.timeline_drawing import lanes
from undertone.emotions import EMOTIONS
from undertone.errors import AnalysisNotFound, StoreError, UndertoneError
from undertone.jobs.desk import open_desk
from undertone.keys import KeyRing
from undertone.opening import open_analyzer
from undertone.recognition.model_store import installed_models, load_info
from undertone.recognition.timeline import timeline, with_timeline
from undertone.settings import Settings
from undertone.sound.audio import decode
from undertone.sound.isolation import Decoders
from undertone.store.data_folder import prepare_data_folder
from undertone.store.history import check_database
from undertone.store.retention import Retention
from undertone.web import (
    access,
    api,
    api_docs,
    body_limits,
    capacity,
    comparison,
    headers,
    history_views,
    job_views,
    languages,
    live,
    live_sessions,
    logs,
    metrics,
    model_views,
    openapi,
    picture_views,
    report_views,
    result_files,
    server_views,
)
from undertone.web.answer_models import AnalysisAnswer
from undertone.web.error_answers import answer_errors
from undertone.web.form_body import FIELDS_BYTES
from undertone.web.languages import page_words
from undertone.web.readiness import Readiness
from undertone.web.request import (
    RecordingRequest,
    analyse_page_form,
    analyzer,
    embedded,
    recording_url,
    wants_html,
    wished_model,
)

VIEWS = (
    api, history_views, comparison, model_views, server_views, picture_views, report_views,
    result_files, api_docs, live, metrics, job_views,
)  # fmt: skip


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application, with the default model loaded and the history open.

    Parameters
    ----------
    settings : Settings, optional
        Read from the environment if not given.

    Raises
    ------
    UndertoneError
        A setting is wrong, or a model cannot be loaded.
    """
    settings = settings or Settings.from_env(os.environ)
    app = Flask(__name__)
    app.request_class = RecordingRequest
    app.config["SETTINGS"] = settings
    # Leave some room for the form's other fields.
    app.config["MAX_CONTENT_LENGTH"] = settings.max_upload_bytes + FIELDS_BYTES
    logs.follow_requests(app)
    access.guard(app, settings)
    capacity.watch_bodies(app, settings)
    body_limits.limit_bodies(app)
    app.debug = settings.debug
    app.json.sort_keys = False  # type: ignore[attr-defined]  # keep the model's label order
    sheets.prepare(settings.data_dir / "matplotlib")
    load_info(settings.model)  # fail now if the default model is missing
    decoders = Decoders(settings.decoders) if settings.decoders else None
    analyzer = open_analyzer(
        settings,
        {
            name: EmotionRecognizer(name, at_once=name == settings.model)
            for name in installed_models()
        },
        decoders.decode if decoders else decode,
    )
    app.extensions["undertone"] = analyzer
    app.extensions["undertone.pictures"] = Pictures()
    app.extensions["undertone.page_pictures"] = Pictures(draw=draw_for_page)
    app.extensions["undertone.turns"] = capacity.Turns(settings.threads, settings.waiting)
    if decoders:
        decoders.aside = app.extensions["undertone.turns"].aside
    app.extensions["undertone.readiness"] = Readiness(analyzer.history, decoders)
    app.extensions["undertone.live"] = live_sessions.LiveSessions(settings.live_sessions)
    app.extensions["undertone.stopping"] = threading.Event()
    desk = app.extensions["undertone.jobs"] = open_desk(settings, analyzer)
    Retention(
        analyzer.history, settings.keep_history, analyzer.recordings, sweep=desk.sweep
    ).start()
    metrics.watch(app, analyzer, desk.jobs)
    for views in VIEWS:
        app.register_blueprint(views.bp)
    languages.set_up(app)
    _register_pages(app)
    answer_errors(app)
    headers.secure(app, settings.cors_origins)
    app.extensions["openapi"] = openapi.document(app, bool(settings.api_keys_file))
    return app


def _register_pages(app: Flask) -> None:
    app.jinja_env.globals["EMOTIONS"] = EMOTIONS
    app.jinja_env.globals["PAGE_PICTURES"] = PAGE_PICTURES
    app.jinja_env.globals["embedded"] = embedded

    @app.get("/")
    def index() -> str:
        """Show the page."""
        return _index_page()

    @app.post("/result")
    def result() -> BaseResponse | tuple[str, int]:
        """Analyse the form's recording, or several as a job; show errors beside the form."""
        try:
            if wants_html() and (job := job_views.add_chosen()):
                return redirect(url_for("jobs.show", job_id=job.id), 303)
            analysis = analyse_page_form()
        except UndertoneError as error:
            if not wants_html():
                raise
            return _index_page(error), error.status
        return redirect(url_for("show_result", analysis_id=analysis.id), 303)

    @app.get("/results/<analysis_id>")
    @openapi.spec.validate(
        resp=openapi.Answers(AnalysisAnswer, AnalysisNotFound, StoreError),
        tags=["Results"],
        operation_id="result",
    )
    def show_result(analysis_id: str) -> Response:
        """Return a stored analysis, as a page to browsers and as JSON to other clients."""
        analysis = analyzer().history.get(analysis_id)
        if not wants_html():
            return jsonify(with_timeline(analysis))
        line = timeline(analysis)
        return make_response(
            render_template(
                "result.html",
                analysis=analysis,
                line=line,
                lanes=line and lanes(line, analysis.duration_s),
                findings=describe(analysis.profile, page_words()),
                recording=recording_url(analysis_id),
                kept_until=analysis.created_at + analyzer().recordings.keep_for,
            )
        )


def _index_page(error: UndertoneError | None = None) -> str:
    return render_template(
        "index.html",
        error=error,
        settings=current_app.config["SETTINGS"],
        models=list(analyzer().recognizers),
        model=wished_model(),
    )


# Less than gunicorn's own timeout for requests in progress (graceful_timeout).
JOB_PATIENCE_S = 15.0


def _begin(worker: Any) -> None:
    """Forward SIGTERM to live sessions and jobs at once, and load slow parts in the background."""
    sessions: live_sessions.LiveSessions = worker.wsgi.extensions["undertone.live"]
    sessions.is_stopping = lambda: not worker.alive
    usual: Any = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: Any) -> None:
        worker.wsgi.extensions["undertone.jobs"].engine.begin_stop(JOB_PATIENCE_S)
        usual(number, frame)

    signal.signal(signal.SIGTERM, stop)
    is_stopping: threading.Event = worker.wsgi.extensions["undertone.stopping"]
    signal.signal(signal.SIGUSR2, lambda *_: is_stopping.set())
    # Not a daemon thread: at exit Python unwinds the stacks of daemon threads. Within the C++ of
    # ONNX Runtime this calls std::terminate.
    threading.Thread(target=_load_the_rest, args=[worker], name="warm-up").start()


def _load_the_rest(worker: Any) -> None:
    """Load matplotlib and the other models ahead of requests; stop if the worker stops."""
    steps = [sheets.warm_up]
    steps += [each.open for each in worker.wsgi.extensions["undertone"].recognizers.values()]
    for step in steps:
        if worker.alive:
            step()


def _stop_jobs(_server: Any, worker: Any) -> None:
    if worker.booted:
        worker.wsgi.extensions["undertone.jobs"].engine.stop()


def serve(settings: Settings) -> None:
    """Run gunicorn until stopped, by default with one process and several threads.

    Each process would hold the models in memory, hence a single one. numpy, onnxruntime and the
    decoders release the interpreter lock while they work, so threads use all cores.
    """
    from gunicorn.app.base import BaseApplication

    from undertone.web.serving import Master, Worker

    class Server(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            options: dict[str, Any] = {
                "bind": settings.bind_address,
                "worker_class": Worker,
                "workers": settings.processes,
                "threads": capacity.n_threads(settings),
                "worker_tmp_dir": str(settings.data_dir),
                "control_socket_disable": True,  # its file would be in the home folder
                "timeout": 120,
                "graceful_timeout": 30,
                # Only `access` reads the headers of proxies, and only if proxies are configured.
                "forwarded_allow_ips": "",
                "forwarder_headers": "",
                "secure_scheme_headers": {},
                "header_map": "drop",
                "proxy_protocol": "off",
                "sendfile": False,  # sendfile waits without a timeout
                "reload": settings.debug,
                "logconfig_dict": logs.configuration(settings.log_format, settings.debug),
                "post_worker_init": _begin,
                "worker_exit": _stop_jobs,
                "child_exit": metrics.forget_process,
                "on_exit": metrics.forget_all,
            }
            for name, value in options.items():
                self.cfg.set(name, value)

        def load(self) -> Flask:
            return create_app(settings)

        def run(self) -> None:
            Master(self, settings.drain_s).run()

    # Checked here for a readable message; in the worker, errors would end in a traceback.
    load_info(settings.model)
    access.check_limits(settings)
    prepare_data_folder(settings.data_dir)
    check_database(settings.store_url)
    if settings.api_keys_file:
        KeyRing(settings.api_keys_file).keys()
    if warning := access.open_to_all(settings):
        print(warning, file=sys.stderr)
    if warning := access.hidden_results(settings):
        print(warning, file=sys.stderr)
    if settings.processes > 1:
        metrics.share_between_processes(settings.data_dir)
    logs.take_over_standard_error(settings.debug)
    Server().run()


if __name__ == "__main__":
    try:
        serve(Settings.from_env(os.environ))
    except UndertoneError as stop:
        sys.exit(f"Undertone cannot start: {stop.message}")
