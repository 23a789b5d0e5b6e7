"""Clients' file names: made fit to show, and to be searched for. No path on disk is ever one."""

import unicodedata

MAX_CHARS = 200
# Some letters fold into several; a row of an index has room for only so many bytes.
MAX_KEY_CHARS = 2 * MAX_CHARS


def display_name(filename: str) -> str:
    """A client's file name made fit to show: the last part of a path, printable, not too long."""
    last = printable(filename.replace("\\", "/").rsplit("/", 1)[-1]).strip()
    return last[:MAX_CHARS] or "recording"


def printable(text: str) -> str:
    """The text without control characters and the like, which no database need take."""
    return "".join(c for c in text if unicodedata.category(c)[0] != "C")


def search_key(text: str) -> str:
    """What is compared in a search: upper and lower case, composed or not, are the same."""
    return unicodedata.normalize("NFC", printable(text).casefold())[:MAX_KEY_CHARS]
