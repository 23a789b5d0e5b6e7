"""Streaming reader of JSON request bodies with a recording in base64.

The base64 text of the recording is decoded straight into a file. Everything else must be small.
So no JSON body costs more time or memory than a recording of the same length.
"""

import codecs
import json
import re
from collections.abc import Callable
from typing import IO, Any

from werkzeug.datastructures import FileStorage

from undertone.errors import BadRequest, NotJson
from undertone.web.base64_text import RecordingText
from undertone.web.body_errors import CutOff

RECORDING_KEY = "audio"
MAX_OTHER_CHARS = 64 * 1024
PIECE_BYTES = 64 * 1024
_TOKEN = re.compile(
    r'[ \t\r\n]++|[{}\[\],:]|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^ \t\r\n{}\[\],:"]++', re.DOTALL
)
# Text up to a closing quote or an incomplete escape sequence.
_TEXT = re.compile(r'[^"\\]*+(?:\\(?:u[0-9A-Fa-f]{4}|[^u])[^"\\]*+)*+', re.DOTALL)
_LONGEST_ESCAPE = len(r"\u0000")


def read_json(stream: IO[bytes], open_file: Callable[[], IO[bytes]]) -> Any:
    """Read a JSON body with a recording in base64 in its member ``audio``.

    Parameters
    ----------
    stream : file
        The request body.
    open_file : callable
        Opens a file for the decoded recording.

    Returns
    -------
    object
        The parsed JSON. If the top-level member ``audio`` is a non-empty string, it is replaced by
        a `FileStorage` with the decoded recording.

    Raises
    ------
    NotJson
        The body is not JSON, or holds too much beside the recording.
    NotBase64
        The recording is not valid base64.
    CutOff
        The body ends within the recording.
    """
    try:
        return _Reader(_Text(stream), open_file).read()
    except RecursionError:
        raise NotJson("The JSON is nested too deeply to be read.") from None
    except ValueError as error:
        raise NotJson(f"The body cannot be read as JSON: {str(error)[:100]}.") from error


class _Text:
    """Text of a stream, decoded on demand."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        head = stream.read(PIECE_BYTES)
        self._decoder = codecs.getincrementaldecoder(json.detect_encoding(head))()
        self.buffer = self._decoder.decode(head)
        self.at = 0
        self.is_over = not head

    @property
    def n_ahead(self) -> int:
        """Number of unused characters in memory."""
        return len(self.buffer) - self.at

    def read_more(self) -> bool:
        """Read one more piece; return False at the end of the stream."""
        piece = self._stream.read(PIECE_BYTES)
        self.is_over = not piece
        self.buffer = self.buffer[self.at :] + self._decoder.decode(piece, self.is_over)
        self.at = 0
        return not self.is_over


class _Reader:
    """Incremental reader of one JSON text."""

    def __init__(self, text: _Text, open_file: Callable[[], IO[bytes]]) -> None:
        self._text = text
        self._open_file = open_file
        self._kept: list[str] = []  # the JSON, with "" in place of the recording
        self._n_kept = 0
        self._recording: FileStorage | None = None

    def read(self) -> Any:
        """Read to the end and return the object."""
        depth, root, previous = 0, "", ""
        while token := self._next_token():
            self._keep(token)
            if token.isspace():
                continue
            root = root or token
            depth += (token in "{[") - (token in "}]")
            if (token, depth, root) == (":", 1, "{") and json.loads(previous) == RECORDING_KEY:
                self._read_recording()
            previous = token
        document = json.loads("".join(self._kept))
        if self._recording is not None:
            document[RECORDING_KEY] = self._recording
        return document

    def _next_token(self) -> str:
        """Take the next token; it may be incomplete at the end of the text, and empty after it."""
        text = self._text
        while True:
            match = _TOKEN.match(text.buffer, text.at)
            if text.is_over or (match and match.end() < len(text.buffer)):
                break
            if text.n_ahead > MAX_OTHER_CHARS:
                raise _too_much()
            text.read_more()
        token = match.group() if match else text.buffer[text.at :]
        text.at += len(token)
        return token

    def _keep(self, token: str) -> None:
        self._n_kept += len(token)
        if self._n_kept > MAX_OTHER_CHARS:
            raise _too_much()
        self._kept.append(token)

    def _read_recording(self) -> None:
        """Decode the value of ``audio`` if it is a string."""
        text = self._text
        while text.n_ahead or text.read_more():
            if text.buffer[text.at] not in " \t\r\n":
                break
            self._keep(text.buffer[text.at])
            text.at += 1
        if not text.buffer.startswith('"', text.at):
            return
        if self._recording is not None:
            raise BadRequest(f"The JSON holds '{RECORDING_KEY}' twice; send one recording.")
        text.at += 1
        file = self._open_file()
        decoder = RecordingText(file.write)
        while not self._decode_piece(decoder):
            if not text.read_more():
                raise CutOff("The JSON ends within the recording: it was cut off. Send it again.")
        decoder.end()
        self._keep('""')
        if not decoder.is_empty:
            file.seek(0)
            self._recording = FileStorage(file, "", RECORDING_KEY)

    def _decode_piece(self, decoder: RecordingText) -> bool:
        """Decode the part of the recording in memory; return True at its closing quote."""
        text = self._text
        match = _TEXT.match(text.buffer, text.at)
        piece = match.group() if match else ""
        text.at += len(piece)
        # PHP escapes slashes, and .NET escapes the plus sign.
        decoder.feed(json.loads(f'"{piece}"', strict=False) if "\\" in piece else piece)
        if text.buffer.startswith('"', text.at):
            text.at += 1
            return True
        if text.n_ahead >= _LONGEST_ESCAPE:
            raise ValueError("invalid escape")
        return False


def _too_much() -> NotJson:
    return NotJson(
        f"The JSON holds more than {MAX_OTHER_CHARS // 1024} kB beside the recording in "
        f"'{RECORDING_KEY}'; send nothing but that and the options of the call."
    )
