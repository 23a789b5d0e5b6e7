"""Client of an Undertone server: sends recordings and returns the usual result types.

The rule: an error of the server is raised as the same class here.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote

import urllib3

from undertone import __version__
from undertone.errors import (
    BadRequest,
    FileUnusable,
    ServerAnswerUnusable,
    ServerUnreachable,
    UndertoneError,
)
from undertone.prediction import Analysis
from undertone.recording_bytes import AnyBytes, RecordingBytes
from undertone.spool import DiskFull  # noqa: F401  a server may answer with it

# A request is retried if no connection was made, or if the server says when to retry. It is not
# retried if the response is missing: the recording may have been analysed.
RETRY = urllib3.Retry(
    total=8,
    connect=2,
    read=0,
    redirect=2,
    status=5,
    other=0,
    allowed_methods=None,
    backoff_factor=0.5,
    retry_after_max=60,
    raise_on_status=False,
)

Recording = bytes | str | Path | IO[bytes] | RecordingBytes


class _Form:
    """Multipart form with a file at its end, generated again for each retry."""

    def __init__(
        self, content: RecordingBytes, filename: str, fields: Sequence[tuple[str, str]]
    ) -> None:
        file = ("file", (filename, b"", "application/octet-stream"))
        whole, self.content_type = urllib3.encode_multipart_formdata([*fields, file])
        n_head = whole.rindex(b"\r\n--")
        self._head, self._tail = whole[:n_head], whole[n_head:]
        self._content = content

    def __len__(self) -> int:
        return len(self._head) + len(self._content) + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        yield from self._content.pieces()
        yield self._tail


class Client:
    """Client of an Undertone server; safe to use from many threads.

    Parameters
    ----------
    url : str
        Address of the server, such as ``http://127.0.0.1:5000``.
    key : str, optional
        API key, sent as ``Authorization: Bearer``.
    timeout_s : float > 0
        Longest wait for a response, in seconds.

    Raises
    ------
    BadRequest
        The URL is invalid.

    Examples
    --------
    >>> client = Client("http://127.0.0.1:5000")
    >>> analysis = client.analyse("clip.wav")  # doctest: +SKIP
    >>> analysis.prediction.label, analysis.prediction.confidence  # doctest: +SKIP
    ('happy', 0.87)
    """

    def __init__(self, url: str, key: str | None = None, timeout_s: float = 300.0) -> None:
        self._url = _checked(url)
        headers = {"Accept": "application/json", "User-Agent": f"undertone/{__version__}"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._pool = urllib3.PoolManager(
            maxsize=64,
            headers=headers,
            retries=RETRY,
            timeout=urllib3.Timeout(connect=10.0, read=timeout_s),
        )

    def analyse(
        self,
        recording: Recording,
        filename: str | None = None,
        model: str | None = None,
        labels: int | None = None,
    ) -> Analysis:
        """Send a recording to the server and return its analysis.

        Parameters
        ----------
        recording : bytes, str, Path, binary file or RecordingBytes
            Bytes, path of a file, or open file. A file on the disk is sent in pieces.
        filename : str, optional
            Name of the recording; by default the name of the file.
        model : str, optional
            Name of a model; the server's default model if not given.
        labels : {7, 8, 6}, optional
            Size of the emotion set for the answer.

        Raises
        ------
        FileUnusable
            The file cannot be read.
        ServerUnreachable, ServerAnswerUnusable
            There is no server, or not one of Undertone.
        UndertoneError
            Error raised by the server, of the same class.
        """
        name = (filename or _name(recording)).encode("utf-8", "replace").decode()
        fields = [("model", model)] if model else []
        fields += [("labels", str(labels))] if labels else []
        with _opened(recording) as content:
            form = _Form(content, name, fields)
            headers = {"Content-Type": form.content_type, "Content-Length": str(len(form))}
            headers |= self._pool.headers
            # The address of the web form: its response holds the whole analysis.
            document = self._json("POST", "/result", body=form, headers=headers)
        try:
            return Analysis.from_dict(document)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise self._unusable("an analysis that cannot be read") from error

    def report(self, analysis: Analysis | str) -> bytes:
        """Return the PDF report of a stored analysis, given as such or by its id.

        Raises
        ------
        UndertoneError
            As for `analyse`; `AnalysisNotFound` if the server no longer has it.
        """
        analysis_id = analysis if isinstance(analysis, str) else analysis.id
        body = self._get_bytes("GET", f"/download-report/{quote(analysis_id, safe='')}")
        if not body.startswith(b"%PDF"):
            raise self._unusable("no PDF")
        return body

    def models(self) -> list[str]:
        """Return the names of the server's models, the default one first.

        Raises
        ------
        UndertoneError
            As for `analyse`.
        """
        document = self._json("GET", "/models/info")
        try:
            names = [str(info["name"]) for info in document["models"]]
            return sorted(names, key=lambda name: name != document["name"])
        except (TypeError, KeyError) as error:
            raise self._unusable("no list of models") from error

    def _json(self, method: str, path: str, **what: Any) -> Any:
        body = self._get_bytes(method, path, **what)
        try:
            return json.loads(body)
        except ValueError as error:
            raise self._unusable("no JSON") from error

    def _get_bytes(self, method: str, path: str, **what: Any) -> bytes:
        """Send a request and return the response body; raise the error of an error response."""
        try:
            response = self._pool.request(method, self._url + path, **what)
        except urllib3.exceptions.HTTPError as error:
            raise ServerUnreachable(
                f"{self._url} does not answer ({_reason(error)}). Is the address right, and the "
                "server running?"
            ) from error
        if response.status < 400:
            return response.data
        try:
            told = UndertoneError.from_dict(json.loads(response.data))
        except (TypeError, KeyError, ValueError):
            raise self._unusable(f"{response.status} {response.reason}") from None
        raise told

    def _unusable(self, what: str) -> ServerAnswerUnusable:
        return ServerAnswerUnusable(
            f"{self._url} answers with {what}, which an Undertone of this version would not. "
            "Is the address right?"
        )


def _checked(url: str) -> str:
    """Check the URL and return it without a slash at its end."""
    try:
        parsed = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        parsed = urllib3.util.Url()
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query:
        raise BadRequest(
            f"{url[:80]!r} is no address of a server; it takes one such as http://127.0.0.1:5000."
        )
    return url.rstrip("/")


def _name(recording: Recording) -> str:
    """Name of a recording."""
    if isinstance(recording, str | Path):
        return Path(recording).name
    return Path(str(getattr(recording, "name", "recording"))).name


@contextmanager
def _opened(recording: Recording) -> Iterator[RecordingBytes]:
    """Open the bytes of a recording; only files opened here are closed at the end."""
    if not isinstance(recording, str | Path):
        yield RecordingBytes.of(cast(AnyBytes, recording))
        return
    try:
        content = RecordingBytes.of(open(recording, "rb"))  # noqa: SIM115
    except OSError as error:
        raise FileUnusable(f"{recording} cannot be read: {error.strerror}.") from error
    with content:
        yield content


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """Root cause of a urllib3 error; urllib3 wraps it in the request."""
    return str(getattr(error, "reason", None) or error).rpartition(": ")[2]
