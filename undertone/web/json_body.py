"""JSON bodies with a recording in them, read piece by piece.

The rule: the recording's base64 goes straight into a file, and everything else is small. So no
JSON costs more time or memory than a recording of its length.
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
# Text up to a quote or an incomplete escape.
_TEXT = re.compile(r'[^"\\]*+(?:\\(?:u[0-9A-Fa-f]{4}|[^u])[^"\\]*+)*+', re.DOTALL)
_LONGEST_ESCAPE = len(r"\u0000")


def read_json(stream: IO[bytes], open_file: Callable[[], IO[bytes]]) -> Any:
    """Read a JSON body whose member ``audio`` is a recording in base64.

    Parameters
    ----------
    stream : file
        The body.
    open_file : callable
        Opens a file for the recording.

    Returns
    -------
    object
        The JSON. A text that is the top-level member ``audio`` is a `FileStorage` with the decoded
        recording instead, unless it is empty.

    Raises
    ------
    NotJson
        It is not JSON, or holds too much beside the recording.
    NotBase64
        The recording is not base64.
    CutOff
        It ends within the recording.
    """
    try:
        return _Reader(_Text(stream), open_file).read()
    except RecursionError:
        raise NotJson("The JSON is nested too deeply to be read.") from None
    except ValueError as error:
        raise NotJson(f"The body cannot be read as JSON: {str(error)[:100]}.") from error


class _Text:
    """Text of a stream, decoded as far as it is needed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        head = stream.read(PIECE_BYTES)
        self._decoder = codecs.getincrementaldecoder(json.detect_encoding(head))()
        self.buffer = self._decoder.decode(head)
        self.at = 0
        self.is_over = not head

    @property
    def n_ahead(self) -> int:
        """Number of characters that are in memory and not used."""
        return len(self.buffer) - self.at

    def read_more(self) -> bool:
        """Read one more piece; return whether there was any."""
        piece = self._stream.read(PIECE_BYTES)
        self.is_over = not piece
        self.buffer = self.buffer[self.at :] + self._decoder.decode(piece, self.is_over)
        self.at = 0
        return not self.is_over


class _Reader:
    """One JSON text on its way into an object."""

    def __init__(self, text: _Text, open_file: Callable[[], IO[bytes]]) -> None:
        self._text = text
        self._open_file = open_file
        self._kept: list[str] = []  # the JSON, with "" for the recording
        self._n_kept = 0
        self._recording: FileStorage | None = None

    def read(self) -> Any:
        """Read to the end."""
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
        """Take a token; an unfinished one at the end; an empty one after the end."""
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
        """Decode the text that follows, if it is one."""
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
        """Decode what is in memory of the recording; return whether it has ended."""
        text = self._text
        match = _TEXT.match(text.buffer, text.at)
        piece = match.group() if match else ""
        text.at += len(piece)
        # PHP escapes slashes, .NET the plus sign.
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
