"""Recordings as text: data URLs and base64, decoded piece by piece."""

import binascii
import re
from collections.abc import Callable

from undertone.errors import NotBase64

# Maximum length of the start of a data URL. Its parameters may contain commas, as in
# ``data:video/webm;codecs=vp8,opus;base64,``.
HEAD_CHARS = 400
_DATA_URL_HEAD = re.compile(
    rf"data:.{{0,{HEAD_CHARS}}}?;[ \t]*base64[ \t]*,", re.IGNORECASE | re.DOTALL
)
_STANDARD, _URL_SAFE = b"+/", b"-_"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ALPHABET = _LETTERS + _STANDARD + _URL_SAFE
_TO_STANDARD = bytes.maketrans(_URL_SAFE, _STANDARD)
_HOW = "Send it as 'data:audio/wav;base64,...', or the bare base64."


class RecordingText:
    """Incremental decoder of a data URL or bare base64.

    It reads the standard and the URL-safe alphabet, with or without padding. Line breaks are
    skipped. A blank is an error and not skipped, because it usually was a ``+``.

    Parameters
    ----------
    write : callable
        Receives the decoded bytes.

    Attributes
    ----------
    is_empty : bool
        True until the first text arrives.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.is_empty = True
        self._head: str | None = ""
        self._base64 = _Base64(write)

    def feed(self, text: str) -> None:
        """Decode the next piece.

        Raises
        ------
        NotBase64
            The text is damaged.
        """
        self.is_empty = self.is_empty and not text
        if self._head is None:
            self._base64.feed(text)
            return
        self._head += text
        if len(self._head) > 2 * HEAD_CHARS:
            self._begin()

    def end(self) -> None:
        """Decode the rest.

        Raises
        ------
        NotBase64
            The text is damaged or incomplete.
        """
        self._begin()
        self._base64.end()

    def _begin(self) -> None:
        """Skip the start of a data URL."""
        if self._head is None:
            return
        text, self._head = self._head.lstrip(" \t\r\n"), None
        head = _DATA_URL_HEAD.match(text)
        if head is None and text[:5].lower() == "data:":
            raise NotBase64(f"The data URL {text[:30]!r}... does not say ';base64,'. {_HOW}")
        self._base64.feed(text[head.end() if head else 0 :])


class _Base64:
    """Incremental decoder of bare base64."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._waiting = b""  # start of an incomplete group of four characters
        self._alphabet = b""  # the one in use, once known
        self._n_padding = 0
        self._has_blanks = False

    def feed(self, text: str) -> None:
        """Decode the next piece."""
        try:
            encoded = text.replace("\r", "").replace("\n", "").encode("ascii")
        except UnicodeEncodeError as error:
            raise _damaged(error.object[error.start]) from None
        before_blanks = encoded.rstrip(b" \t")
        body = before_blanks.rstrip(b"=")
        if body and (self._n_padding or self._has_blanks):
            raise _blank() if self._has_blanks else _damaged("=")
        self._check(body)
        if self._has_blanks and len(before_blanks) > len(body):
            raise _blank()
        self._has_blanks |= len(encoded) > len(before_blanks)
        self._n_padding += len(before_blanks) - len(body)
        data = self._waiting + body.translate(_TO_STANDARD)
        whole = len(data) - len(data) % 4
        self._waiting = data[whole:]
        self._write(binascii.a2b_base64(data[:whole]))

    def end(self) -> None:
        """Decode the last group, with or without padding."""
        n_left = len(self._waiting)
        n_missing = -n_left % 4
        # A blank at the end may have been a '+', unless the text is complete without it.
        is_padded = self._n_padding or self._has_blanks
        if n_left == 1 or (is_padded and self._n_padding != n_missing):
            raise NotBase64(
                "The base64 of the recording is incomplete: it was cut off, or characters were "
                f"lost on the way. {_HOW}"
            )
        self._write(binascii.a2b_base64(self._waiting + b"=" * n_missing))

    def _check(self, body: bytes) -> None:
        for wrong in body.translate(None, _ALPHABET)[:1]:
            raise _blank() if wrong in b" \t" else _damaged(chr(wrong))
        for alphabet in (_STANDARD, _URL_SAFE):
            if any(sign in body for sign in (alphabet[:1], alphabet[1:])):
                if self._alphabet not in (b"", alphabet):
                    raise NotBase64(
                        "The base64 of the recording mixes two alphabets: '+' and '/' belong to "
                        f"one, '-' and '_' to the other. {_HOW}"
                    )
                self._alphabet = alphabet


def _damaged(character: str) -> NotBase64:
    return NotBase64(f"The recording is not base64: it holds {character!r}. {_HOW}")


def _blank() -> NotBase64:
    return NotBase64(
        "The base64 of the recording holds blanks. A '+' becomes a blank where base64 is sent as "
        "a form field; send it in JSON, unchanged."
    )
