"""File names in forms, in any encoding. A name is only a label, so a guess is good enough."""

import re
from urllib.parse import unquote_to_bytes

from werkzeug.datastructures import Headers

# Encoded name of RFC 8187. Forms should not use it, but some clients do.
_EXTENDED_NAME = re.compile(
    r"""filename\*\s*=\s*"?([\w.:-]{0,40})'[^']*'([^\s";]*)""", re.IGNORECASE
)
# First bytes of common Shift-JIS characters; Latin-1 has no printable characters there.
_SHIFT_JIS_LEADS = range(0x81, 0xA0)


def file_name(headers: Headers, plain: str) -> str:
    """Return the name of the file in a part of a form.

    Parameters
    ----------
    headers : Headers
        Headers of the part.
    plain : str
        Name to use if the part has no ``filename*``.
    """
    extended = _EXTENDED_NAME.search(headers.get("Content-Disposition", ""))
    return decoded(unquote_to_bytes(extended[2][:2000]), extended[1]) if extended else plain


def decoded(data: bytes, encoding: str = "") -> str:
    """Decode bytes in an unknown encoding.

    Parameters
    ----------
    data : bytes
    encoding : str, optional
        Encoding as declared by the client.
    """
    for name in (encoding, "utf-8"):
        try:
            return data.decode(name or "utf-8")
        except (LookupError, ValueError):
            continue
    return _as_shift_jis(data) or data.decode("cp1252", "replace")


def _as_shift_jis(data: bytes) -> str:
    """Decode Shift-JIS; return an empty text if the bytes are not Japanese."""
    try:
        text = data.decode("cp932")
        leads = [character.encode("cp932")[0] for character in text if not character.isascii()]
    except ValueError:
        return ""
    is_japanese = 2 * sum(lead in _SHIFT_JIS_LEADS for lead in leads) > len(leads)
    return text if is_japanese else ""
