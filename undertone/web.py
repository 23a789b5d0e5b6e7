"""What every view needs of a request: the recording in it, and which answer is wanted."""

import io
from typing import IO

from flask import Request, Response, after_this_request, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from undertone.analysis import Analyzer
from undertone.emotions import DEFAULT_LABEL_SET, LABEL_SETS
from undertone.errors import FileTooLarge, MissingFile, UnknownLabels
from undertone.prediction import Analysis


class InMemoryRequest(Request):
    """A request whose uploaded files stay in memory.

    Werkzeug puts files over 500 kB into the system's temporary folder; Undertone writes nothing
    outside its data folder, and the size limit bounds the memory.
    """

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return io.BytesIO()


def analyzer() -> Analyzer:
    """The application's analyser."""
    found: Analyzer = current_app.extensions["undertone"]
    return found


def analyse_upload(field: str = "file") -> Analysis:
    """Analyse the recording in a multipart field of the current request.

    ``model`` and ``labels`` are read from the form or the query.

    Raises
    ------
    MissingFile
        The field is not there, or no file was chosen in it.
    FileTooLarge
        The body is over the limit.
    UndertoneError
        Whatever `Analyzer.analyse` raises.
    """
    try:
        upload = request.files.get(field)
    except RequestEntityTooLarge:
        raise too_large(current_app.config["SETTINGS"].max_upload_bytes) from None
    model = request.values.get("model") or None
    n_labels = _label_set(request.values.get("labels"))
    if upload is None or not (upload.filename or upload.content_length):
        raise MissingFile(
            f"No recording came with the request: send it as multipart/form-data in the field "
            f"'{field}'."
        )
    return analyzer().analyse(upload.read(), upload.filename or "recording", model, n_labels)


def _label_set(value: str | None) -> int:
    if not value:
        return DEFAULT_LABEL_SET
    if value not in map(str, LABEL_SETS):
        known = ", ".join(map(str, LABEL_SETS))
        raise UnknownLabels(f"labels={value[:20]!r} is not one of {known}.")
    return int(value)


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
