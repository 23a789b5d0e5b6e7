"""Helpers of all views: the recording in a request, and the wanted kind of response."""

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
    """Return a spool for a part of the request body; large parts go to the data folder."""
    return cast(IO[bytes], g.body.spool(current_app.config["SETTINGS"].data_dir))


class RecordingRequest(Request):
    """Request with large files in the data folder and strict JSON.

    Werkzeug puts files over 500 kB into the system's temporary folder. Undertone writes nothing
    outside its data folder.

    Attributes
    ----------
    open_upload : callable
        Opens a file for each upload. Views that keep their uploads replace it.
    form_limits : FormLimits
        Limits of everything but the files.
    """

    open_upload: Callable[[], IO[bytes]] = staticmethod(spool)
    form_limits = FormLimits(parts=1000)

    def make_form_data_parser(self) -> FormParser:
        """Return the parser of multipart forms."""
        return FormParser(
            self.headers.get("Content-Type", ""), lambda: self.open_upload(), self.form_limits
        )

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Read the JSON body with `read_json`.

        Parameters
        ----------
        force, silent, cache : bool
            Arguments of Flask's method, without effect here.

        Raises
        ------
        UndertoneError
            The body is not declared as JSON or cannot be read. Flask could return None instead.
        """
        if not self.is_json:
            what = self.mimetype or "no type at all"
            raise NotJson(f"The body came as {what}; send JSON as application/json.")
        return read_json(self.stream, lambda: self.open_upload())


def recording_url(analysis_id: str) -> str | None:
    """Return the playback URL of an analysis's recording; None if the recording is not kept."""
    if not _analyzer_of_all().recordings.is_kept(analysis_id):  # runs for each line of long lists
        return None
    return url_for("history.recording", analysis_id=analysis_id)


def given() -> Any:
    """Return the ``query``, ``form`` and ``json`` of the request as read by `openapi.spec`."""
    return request.context  # type: ignore[attr-defined]


def analyzer() -> Analyzer:
    """Return the application's analyser, limited to the history visible to this request.

    Views get the analyser only from here, so no view can forget to restrict results to their
    owner.
    """
    return _analyzer_of_all().within(access.scope())


def _analyzer_of_all() -> Analyzer:
    found: Analyzer = current_app.extensions["undertone"]
    return found


def wished_model() -> str:
    """Return the model named in the URL of a page, or the default model."""
    wish = request.args.get("model", "")
    return wish if wish in analyzer().recognizers else analyzer().default_model


def picture(analysis: Analysis, kind: str) -> bytes:
    """Return a PNG of an analysis in the language named in the URL; see `charts.picture`.

    Pictures are cached, so repeated requests do not draw it again.
    """
    pictures: Pictures = current_app.extensions["undertone.pictures"]
    return pictures.get(analysis, kind, asked_words())


def page_svg(analysis: Analysis, kind: str, theme: str, words: Words) -> bytes:
    """Return an SVG of an analysis for the page; see `charts.page_picture`.

    Parameters
    ----------
    analysis : Analysis
    kind : str
        One of `charts.PAGE_PICTURES`.
    theme : {"light", "dark"}
    words : Words
        Language of the picture.
    """
    drawn: Pictures = current_app.extensions["undertone.page_pictures"]
    return drawn.get(analysis, f"{kind} {theme}", words)


def embedded(analysis: Analysis, kind: str, theme: str) -> str:
    """Return the SVG of `page_svg` as a data URL, in the language of the page.

    Parameters
    ----------
    analysis : Analysis
    kind : str
        One of `charts.PAGE_PICTURES`.
    theme : {"light", "dark"}
    """
    return charts.data_url(page_svg(analysis, kind, theme, page_words()), "image/svg+xml")


def analyse(
    body: Recorded, query: LabelChoice, n_labels: int = DEFAULT_LABEL_SET
) -> list[Analysis]:
    """Analyse the recording in the current request with each requested model.

    Parameters
    ----------
    body : Recorded
        Request body with the recording, and perhaps a model and a set of emotions.
    query : LabelChoice
        The same choices from the URL, with precedence over the body.
    n_labels : {7, 8, 6}
        Set of emotions if the request names none.

    Returns
    -------
    list of Analysis
        One for each model.

    Raises
    ------
    FileTooLarge
        The recording is over the limit.
    ModelNotInstalled
        The call has a fixed model, but the model is not installed.
    Busy
        The queue is full.
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
    """Return the names of the models to use; None is the default model."""
    for name in body.own_models:
        if name not in analyzer().recognizers:
            raise ModelNotInstalled(
                f"This call is answered by the model {name!r}, which is not installed here. "
                "Ask who runs this server, or use /upload."
            )
    chosen = [choice.model for choice in (query, body) if isinstance(choice, Choice)]
    return body.own_models or (next(filter(None, chosen), None),)


def analyse_page_form() -> Analysis:
    """Analyse the recording in the page's form, in the field ``file`` as for `FileForm`.

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
    """Read the fields of a page's form, as `openapi.spec` does for programs.

    Raises
    ------
    BadRequest
        The fields do not fit the model.
    """
    return _read(model, _fields(request.form))


def _read(model: type[T], sent: dict[str, Any]) -> T:
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise refusal(error) from None


def _fields(parameters: Any) -> dict[str, Any]:
    # A field sent more than once becomes a list.
    return get_multidict_items(parameters)


def too_large(limit_bytes: int) -> FileTooLarge:
    """Return the error for a file over the size limit."""
    return FileTooLarge(
        f"The file is larger than {limit_bytes / 1024 / 1024:g} MiB, the most accepted here; "
        "cut the recording or send it in a compressed format."
    )


def wants_html() -> bool:
    """True if the client prefers HTML: a browser, but not a program that accepts anything."""

    @after_this_request
    def tell_caches(response: Response) -> Response:
        response.vary.add("Accept")
        return response

    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
