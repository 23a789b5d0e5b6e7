"""Streaming parser for forms, tolerant of small defects; errors give a reason.

The rule: only recordings may be large. Fields, part headers and all other bytes share one small
limit.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO
from urllib.parse import parse_qsl

from werkzeug.datastructures import FileStorage, Headers, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.sansio.multipart import Data, Field, File, MultipartDecoder, NeedData, Preamble, State

from undertone.web.body_errors import CutOff, EncodingRefused, FormDamaged, RequestTooLarge
from undertone.web.part_names import decoded, file_name

FIELDS_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
# These fields are recordings, even without a file name.
RECORDING_FIELDS = ("file", "audio")
_AS_IT_IS = ("", "7bit", "8bit", "binary", "identity")
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.IGNORECASE)

Parsed = tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]


@dataclass(frozen=True)
class FormLimits:
    """Size limits of a form.

    Attributes
    ----------
    parts : int
        Largest number of parts.
    fields_bytes : int
        Largest total size without the recordings, in bytes.
    """

    parts: int
    fields_bytes: int = FIELDS_BYTES

    def check_bytes(self, n_bytes: int) -> None:
        """Check the size of a form without its recordings.

        Raises
        ------
        RequestTooLarge
            The size is over the limit.
        """
        if n_bytes > self.fields_bytes:
            raise RequestTooLarge(
                f"The form holds more than {self.fields_bytes // 1024} kB beside the recording: "
                "fields and headers that are not needed here. Leave them out."
            )

    def too_many(self) -> RequestTooLarge:
        """Return the error for a form with too many parts."""
        return RequestTooLarge(f"The form has more than {self.parts} fields; leave some out.")


class FormParser(FormDataParser):
    """Replacement for the form parser of werkzeug.

    Parameters
    ----------
    content_type : str
        Unchanged value of the header.
    open_file : callable
        Function to open a file for each recording.
    limits : FormLimits
    """

    def __init__(
        self, content_type: str, open_file: Callable[[], IO[bytes]], limits: FormLimits
    ) -> None:
        super().__init__()
        self._content_type = content_type
        self._open_file = open_file
        self._limits = limits

    def parse(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> Parsed:
        """Read a form.

        Parameters
        ----------
        stream : file
            The request body.
        mimetype : str
            Media type of the body; types other than the two of forms give an empty form.
        content_length : int or None
            Announced length of the body in bytes.
        options : dict, optional
            Unused; part of werkzeug's interface.

        Returns
        -------
        tuple of (stream, fields, files)

        Raises
        ------
        RequestTooLarge
            The form has too many parts, or too many bytes apart from the recordings.
        FormDamaged
            The form cannot be read.
        CutOff
            The form ends in the middle.
        EncodingRefused
            A recording is compressed or encoded.
        """
        if mimetype == "multipart/form-data":
            return self._read_parts(stream, bool(content_length))
        if mimetype == "application/x-www-form-urlencoded":
            return stream, MultiDict(self._read_fields(stream)), MultiDict()
        return stream, MultiDict(), MultiDict()

    def _read_fields(self, stream: IO[bytes]) -> list[tuple[str, str]]:
        body = bytearray()
        while piece := stream.read(PIECE_BYTES):
            body += piece
            self._limits.check_bytes(len(body))
        try:
            return parse_qsl(
                body.decode("utf-8", "replace"),
                keep_blank_values=True,
                errors="replace",
                max_num_fields=self._limits.parts,
            )
        except ValueError:
            raise self._limits.too_many() from None

    def _read_parts(self, stream: IO[bytes], is_announced: bool) -> Parsed:
        piece = stream.read(PIECE_BYTES)
        if not piece and is_announced:
            raise _cut_off()
        if not piece:
            return stream, MultiDict(), MultiDict()
        parts = _Parts(_boundary(self._content_type), self._open_file, self._limits)
        while piece:
            parts.feed(piece)
            piece = stream.read(PIECE_BYTES)
        parts.end()
        return stream, MultiDict(parts.fields), MultiDict(parts.files)


class _Decoder(MultipartDecoder):
    """Decoder of werkzeug, extended to headers in any encoding."""

    def _parse_headers(self, data: bytes | bytearray) -> Headers:
        return super()._parse_headers(decoded(bytes(data)).encode())


class _Parts:
    """Parts of a multipart body, parsed as they arrive.

    Attributes
    ----------
    fields : list of (str, str)
    files : list of (str, FileStorage)
    """

    def __init__(
        self, boundary: bytes, open_file: Callable[[], IO[bytes]], limits: FormLimits
    ) -> None:
        self.fields: list[tuple[str, str]] = []
        self.files: list[tuple[str, FileStorage]] = []
        self._decoder = _Decoder(boundary, max_parts=limits.parts)
        self._open_file = open_file
        self._limits = limits
        self._n_bytes = 0  # without the recordings
        self._field = ("", bytearray())
        self._file: FileStorage | None = None

    def feed(self, piece: bytes) -> None:
        """Parse the next piece of the body."""
        self._decoder.receive_data(piece)
        try:
            while not isinstance(event := self._decoder.next_event(), NeedData):
                if isinstance(event, Field | File):
                    self._begin(event)
                elif isinstance(event, Data):
                    self._add(event)
                elif isinstance(event, Preamble):
                    self._count(len(event.data))
        except ValueError as error:
            raise FormDamaged(f"A part of the form cannot be read: {error}.") from None
        except RequestEntityTooLarge:
            raise self._limits.too_many() from None
        if self._decoder.state is State.EPILOGUE:
            self._decoder.buffer.clear()
        elif self._decoder.state in (State.PREAMBLE, State.PART):
            self._limits.check_bytes(self._n_bytes + len(self._decoder.buffer))

    def end(self) -> None:
        """Check that the body is complete, except for the mark at its very end."""
        state = self._decoder.state
        if state is State.PREAMBLE:
            raise FormDamaged(
                "The boundary that the Content-Type header names does not occur in the body. Let "
                "the HTTP library write that header."
            )
        is_within_part = state in (State.DATA_START, State.DATA)
        if is_within_part or (state is State.PART and self._decoder.buffer.strip(b"-\r\n\t ")):
            raise _cut_off()

    def _begin(self, part: Field | File) -> None:
        self._count(sum(len(name) + len(value) for name, value in part.headers))
        name = part.name or ""
        if isinstance(part, Field) and name not in RECORDING_FIELDS:
            self._file, self._field = None, (name, bytearray())
            return
        for header in ("Content-Transfer-Encoding", "Content-Encoding"):
            check_encoding(part.headers.get(header, ""), "The recording")
        # Without a name, FileStorage would use the name of the stream.
        filename = file_name(part.headers, part.filename if isinstance(part, File) else "")
        self._file = FileStorage(self._open_file(), filename, name, headers=part.headers)

    def _add(self, data: Data) -> None:
        if self._file is not None:
            self._file.stream.write(data.data)
            if not data.more_data:
                self._file.stream.seek(0)
                self.files.append((self._file.name or "", self._file))
            return
        name, value = self._field
        self._count(len(data.data))
        value += data.data
        if not data.more_data:
            self.fields.append((name, decoded(bytes(value))))

    def _count(self, n_bytes: int) -> None:
        self._n_bytes += n_bytes
        self._limits.check_bytes(self._n_bytes)


def _cut_off() -> CutOff:
    return CutOff("The form ends in the middle: it was cut off on the way. Send it again.")


def check_encoding(encoding: str, what: str) -> None:
    """Check that bytes are neither compressed nor otherwise encoded.

    Parameters
    ----------
    encoding : str
        Value of a header such as ``Content-Encoding``.
    what : str
        Subject of the error's sentence.

    Raises
    ------
    EncodingRefused
        The bytes are compressed, or otherwise encoded.
    """
    if encoding.strip().lower() not in _AS_IT_IS:
        raise EncodingRefused(
            f"{what} came as {encoding[:40]!r}. Send it as it is, without compressing or encoding "
            "it; a compressed audio format such as MP3 or Opus makes it smaller."
        )


def _boundary(content_type: str) -> bytes:
    found = _BOUNDARY.search(content_type)
    quoted, bare = found.groups() if found else ("", "")
    boundary = re.sub(r"\\(.)", r"\1", quoted) if quoted else (bare or "").strip()
    if not boundary:
        raise FormDamaged(
            "The Content-Type header names no boundary, so the parts of the form cannot be told "
            "apart. Let the HTTP library write that header."
        )
    return boundary.encode("latin-1", "replace")
