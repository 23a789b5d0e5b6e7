"""Which kind of file a recording is, by its first bytes: for names, never for decoding."""

import re

# Extension and media type by what the bytes begin with; the first that fits is taken.
_KINDS = [
    (re.compile(pattern, re.DOTALL), extension, media_type)
    for pattern, extension, media_type in (
        (rb"(RIFF|RF64).{4}WAVE", "wav", "audio/wav"),
        (rb"FORM.{4}AIF[FC]", "aiff", "audio/aiff"),
        (rb"fLaC", "flac", "audio/flac"),
        (rb"OggS", "ogg", "audio/ogg"),
        (rb"\x1a\x45\xdf\xa3.{0,60}webm", "webm", "audio/webm"),
        (rb"\x1a\x45\xdf\xa3", "mka", "audio/x-matroska"),
        (rb".{4}ftyp(M4A|M4B)", "m4a", "audio/mp4"),
        (rb".{4}ftyp3g", "3gp", "audio/3gpp"),
        (rb".{4}ftypqt", "mov", "video/quicktime"),
        (rb".{4}ftyp", "mp4", "audio/mp4"),
        (rb"#!AMR", "amr", "audio/amr"),
        (rb"caff", "caf", "audio/x-caf"),
        (rb"\.snd", "au", "audio/basic"),
        (rb"\x30\x26\xb2\x75", "wma", "audio/x-ms-wma"),
        # Both begin with eleven or twelve set bits; of AAC the two after are the "layer" 0.
        (rb"\xff[\xf0\xf1\xf8\xf9]", "aac", "audio/aac"),
        (rb"ID3|\xff[\xe2-\xff]", "mp3", "audio/mpeg"),
    )
]


def extension(data: bytes) -> str:
    """The usual ending of such a file's name, without the dot; ``bin`` where it is not known.

    Examples
    --------
    >>> extension(b"OggS and so on")
    'ogg'
    """
    return _kind(data)[0]


def media_type(data: bytes) -> str:
    """The media type a browser plays such a file by.

    Examples
    --------
    >>> media_type(b"#!AMR-WB and so on")
    'audio/amr'
    """
    return _kind(data)[1]


def _kind(data: bytes) -> tuple[str, str]:
    for pattern, ending, media in _KINDS:
        if pattern.match(data[:128]):
            return ending, media
    return "bin", "application/octet-stream"
