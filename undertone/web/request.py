"""What every view needs of a request: the recording in it, and which answer is wanted."""

from collections.abc import Callable
from typing import IO, Any, TypeVar, cast

from flask import (
    Request,
    Response,
    after_this_request,
    current_app,
    g,
    request,
    url_for,
)
from pydantic import BaseModel, ValidationError
from spectree.utils import get_multidict_items
from werkzeug.exceptions import RequestEntityTooLarge

from undertone.analysis import Analyzer
from undertone.drawing import charts
from undertone.drawing.pictures import Pictures
from undertone.drawing.words import Words
from undertone.emotions import DEFAULT_LABEL_SET
from undertone.errors import FileTooLarge, ModelNotInstalled, NotJson
from undertone.prediction import Analysis
from undertone.web import access
from undertone.web.capacity import Turns
from undertone.web.form_body import FormLimits, FormParser
from undertone.web.json_body import read_json
from undertone.web.languages import asked_words, page_words
from undertone.web.openapi import refusal
from undertone.web.request_models import Choice, FileForm, LabelChoice, Recorded

T = TypeVar("T", bound=BaseModel)


def spool() -> IO[bytes]:
    """Return a place for a part of the current request, in the data folder where it is large."""
    return cast(IO[bytes], g.body.spool(current_app.config["SETTINGS"].data_dir))


class RecordingRequest(Request):
    """A request whose files go to the data folder if large, and whose JSON is read or refused.

    Werkzeug puts files over 500 kB into the system's temporary folder; Undertone writes nothing
    outside its data folder.

    Attributes
    ----------
    open_upload : callable
        Where each file goes; a view that keeps files puts another here.
    form_limits : FormLimits
        Of everything but the files.
    """

    open_upload: Callable[[], IO[bytes]] = staticmethod(spool)
    form_limits = FormLimits(parts=1000)

    def make_form_data_parser(self) -> FormParser:
        """Make the reader of a form."""
        return FormParser(
            self.headers.get("Content-Type", ""), lambda: self.open_upload(), self.form_limits
        )

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Read the body's JSON, see `read_json`; unreadable JSON is an error, and not None."""
        if not self.is_json:
            what = self.mimetype or "no type at all"
            raise NotJson(f"The body came as {what}; send JSON as application/json.")
        return read_json(self.stream, lambda: self.open_upload())


def recording_url(analysis_id: str) -> str | None:
    """Where the recording of an analysis is played back; None where it is not kept."""
    if not _analyzer_of_all().recordings.is_kept(analysis_id):  # long lists ask for each line
        return None
    return url_for("history.recording", analysis_id=analysis_id)


def given() -> Any:
    """What `openapi.spec` has read of the current request: its ``query``, ``form`` and ``json``."""
    return request.context  # type: ignore[attr-defined]


def analyzer() -> Analyzer:
    """Return the application's analyser on the part of the history that this request may see.

    Views take it from here and nowhere else, so none of them can forget whose results are asked
    for.
    """
    return _analyzer_of_all().within(access.scope())


def _analyzer_of_all() -> Analyzer:
    found: Analyzer = current_app.extensions["undertone"]
    return found


def wished_model() -> str:
    """Name of the model that a page's address asks for; the default one if of none."""
    wish = request.args.get("model", "")
    return wish if wish in analyzer().recognizers else analyzer().default_model


def picture(analysis: Analysis, kind: str) -> bytes:
    """PNG of an analysis in the language that the address names; see `charts.picture`.

    It is drawn once however often it is asked for.
    """
    pictures: Pictures = current_app.extensions["undertone.pictures"]
    return pictures.get(analysis, kind, asked_words())


def page_svg(analysis: Analysis, kind: str, theme: str, words: Words) -> bytes:
    """SVG of an analysis for the page; see `charts.page_picture`.

    Parameters
    ----------
    analysis : Analysis
    kind : str
        One of `charts.PAGE_PICTURES`.
    theme : {"light", "dark"}
    words : Words
        Its language.
    """
    drawn: Pictures = current_app.extensions["undertone.page_pictures"]
    return drawn.get(analysis, f"{kind} {theme}", words)


def embedded(analysis: Analysis, kind: str, theme: str) -> str:
    """Data URL of the same, in the language of the page."""
    return charts.data_url(page_svg(analysis, kind, theme, page_words()), "image/svg+xml")


def analyse(
    body: Recorded, query: LabelChoice, n_labels: int = DEFAULT_LABEL_SET
) -> list[Analysis]:
    """What each model asked for hears in the recording of the current request.

    Parameters
    ----------
    body : Recorded
        Where the recording is, and the model and set of emotions asked for.
    query : LabelChoice
        The same from the address; it counts before the body.
    n_labels : {7, 8, 6}
        Set of emotions where none is asked for.

    Raises
    ------
    FileTooLarge
        The recording is over the limit.
    ModelNotInstalled
        The call itself names a model that is not there.
    Busy
        Too many are waiting already.
    UndertoneError
        Whatever `Analyzer.analyse` raises.
    """
    recording = body.recording
    if len(recording.content) > (limit := current_app.config["SETTINGS"].max_upload_bytes):
        raise too_large(limit)
    n_labels = query.labels or body.labels or n_labels
    models = _models(body, query)
    turns: Turns = current_app.extensions["undertone.turns"]
    with turns.taken():
        return [analyzer().analyse(*recording, model, n_labels) for model in models]


def _models(body: Recorded, query: LabelChoice) -> tuple[str | None, ...]:
    """Names of the models that are to answer; None is the default one."""
    for name in body.own_models:
        if name not in analyzer().recognizers:
            raise ModelNotInstalled(
                f"This call is answered by the model {name!r}, which is not installed here. "
                "Ask who runs this server, or use /upload."
            )
    chosen = [choice.model for choice in (query, body) if isinstance(choice, Choice)]
    return body.own_models or (next(filter(None, chosen), None),)


def analyse_page_form() -> Analysis:
    """What the page's form asks for; a recording in ``file`` as for `FileForm`.

    Raises
    ------
    UndertoneError
        Whatever `analyse` raises.
    """
    try:
        sent = _fields(request.form) | _fields(request.files)
    except RequestEntityTooLarge:
        raise too_large(current_app.config["SETTINGS"].max_upload_bytes) from None
    return analyse(_read(FileForm, sent), _read(Choice, _fields(request.args)))[0]


def read_form(model: type[T]) -> T:
    """The fields of a page's form, read as `openapi.spec` reads those of programs.

    Raises
    ------
    BadRequest
        They do not fit the model.
    """
    return _read(model, _fields(request.form))


def _read(model: type[T], sent: dict[str, Any]) -> T:
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise refusal(error) from None


def _fields(parameters: Any) -> dict[str, Any]:
    # A list where a field came more than once.
    return get_multidict_items(parameters)


def too_large(limit_bytes: int) -> FileTooLarge:
    """The error for a body over the limit."""
    return FileTooLarge(
        f"The file is larger than {limit_bytes / 1024 / 1024:g} MiB, the most accepted here; "
        "cut the recording or send it in a compressed format."
    )


def wants_html() -> bool:
    """Whether the client prefers a page: a browser does, a program that accepts anything not."""

    @after_this_request
    def tell_caches(response: Response) -> Response:
        response.vary.add("Accept")
        return response

    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
