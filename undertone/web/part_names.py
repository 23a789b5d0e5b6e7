"""File names in forms, whatever bytes they came in. A name is only a label, so a guess will do."""

import re
from urllib.parse import unquote_to_bytes

from werkzeug.datastructures import Headers

# RFC 8187, which forms should not use and some clients do.
_EXTENDED_NAME = re.compile(
    r"""filename\*\s*=\s*"?([\w.:-]{0,40})'[^']*'([^\s";]*)""", re.IGNORECASE
)
# First bytes of common Shift-JIS characters; Latin-1 has no printable characters there.
_SHIFT_JIS_LEADS = range(0x81, 0xA0)


def file_name(headers: Headers, plain: str) -> str:
    """Name of the file in a part of a form.

    Parameters
    ----------
    headers : Headers
        Of the part.
    plain : str
        The name where no ``filename*`` says it better.
    """
    extended = _EXTENDED_NAME.search(headers.get("Content-Disposition", ""))
    return decoded(unquote_to_bytes(extended[2][:2000]), extended[1]) if extended else plain


def decoded(data: bytes, encoding: str = "") -> str:
    """Text of bytes in an unknown encoding.

    Parameters
    ----------
    data : bytes
    encoding : str, optional
        What the client says it is.
    """
    for name in (encoding, "utf-8"):
        try:
            return data.decode(name or "utf-8")
        except (LookupError, ValueError):
            continue
    return _as_shift_jis(data) or data.decode("cp1252", "replace")


def _as_shift_jis(data: bytes) -> str:
    """Text of Japanese bytes; empty if they are not."""
    try:
        text = data.decode("cp932")
        leads = [character.encode("cp932")[0] for character in text if not character.isascii()]
    except ValueError:
        return ""
    is_japanese = 2 * sum(lead in _SHIFT_JIS_LEADS for lead in leads) > len(leads)
    return text if is_japanese else ""
