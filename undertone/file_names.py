"""Clients' file names, cleaned for display and search; they are never used as paths on disk."""

import unicodedata

MAX_CHARS = 200
# Some letters fold into several, and the size of an index row is limited.
MAX_KEY_CHARS = 2 * MAX_CHARS


def display_name(filename: str) -> str:
    """Clean a client's file name for display: last part of a path, printable, not too long."""
    last = printable(filename.replace("\\", "/").rsplit("/", 1)[-1]).strip()
    return last[:MAX_CHARS] or "recording"


def printable(text: str) -> str:
    """Remove control characters and the like; some databases do not accept them."""
    return "".join(c for c in text if unicodedata.category(c)[0] != "C")


def search_key(text: str) -> str:
    """Return the key compared in a search; it ignores case and Unicode composition."""
    return unicodedata.normalize("NFC", printable(text).casefold())[:MAX_KEY_CHARS]
