"""Names and headers of downloads (RFC 6266).

The rule: no other module writes ``Content-Disposition``.
"""

import unicodedata
from collections.abc import Iterable
from pathlib import PurePath
from urllib.parse import quote

from flask import Response, stream_with_context

from undertone.file_names import MAX_CHARS, display_name
from undertone.store.exports import in_pieces

# The `attr-char` of RFC 8187, without letters and digits.
_ATTR_CHARS = "!#$&+-.^_`|~"


def name_download(response: Response, name: str, disposition: str = "attachment") -> None:
    """Set the file name under which a browser saves a response.

    Header values are Latin-1, and a server fails on anything else after the response has begun.
    A name with other than ASCII characters is therefore sent twice: without accents for old
    clients, and percent-encoded in UTF-8.

    Parameters
    ----------
    response : Response
    name : str
        Any text; control characters, path separators and half surrogate pairs are dropped.
    disposition : {"attachment", "inline"}
    """
    name = display_name(name.replace("/", "_").replace("\\", "_"))
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    names = {"filename": ascii_name}
    if ascii_name != name:
        names["filename*"] = f"UTF-8''{quote(name, safe=_ATTR_CHARS)}"
    response.headers.set("Content-Disposition", disposition, **names)


def export_name(filename: str, extension: str) -> str:
    """Return the name of an exported file about a recording."""
    stem = PurePath(filename).stem[: MAX_CHARS - 30]
    return f"Undertone - {stem}.{extension}"


def download(lines: Iterable[str], kind: str, name: str) -> Response:
    """Stream text as a file.

    Parameters
    ----------
    lines : iterable of str
    kind : str
        Media type.
    name : str
    """
    return download_bytes(map(str.encode, in_pieces(lines)), f"{kind}; charset=utf-8", name)


def download_bytes(parts: Iterable[bytes], kind: str, name: str) -> Response:
    """Stream bytes as a file.

    Parameters
    ----------
    parts : iterable of bytes
    kind : str
        Media type.
    name : str
    """
    response = Response(stream_with_context(iter(parts)), content_type=kind)
    name_download(response, name)
    return response
