"""File kind of a recording, from its first bytes, to name files and to find them in folders.

The rule: decoding does not depend on this module.
"""

import re

from undertone.recording_bytes import RecordingBytes
from undertone.sound.tags import leading_tags

HEAD_BYTES = 256  # enough to recognise the kind, even past short tags
_UNKNOWN = ("bin", "application/octet-stream")

# Extension and media type by the first bytes. The first matching pattern wins.
_KINDS = [
    (re.compile(pattern, re.DOTALL), extension, media_type)
    for pattern, extension, media_type in (
        (rb"(RIFF|RF64).{4}WAVE|riff\x2e\x91\xcf\x11|NIST_1A", "wav", "audio/wav"),
        (rb"FORM.{4}AIF[FC]", "aiff", "audio/aiff"),
        (rb"fLaC", "flac", "audio/flac"),
        (rb"OggS", "ogg", "audio/ogg"),
        (rb"\x1a\x45\xdf\xa3.{0,60}webm", "webm", "audio/webm"),
        (rb"\x1a\x45\xdf\xa3", "mka", "audio/x-matroska"),
        (rb".{4}ftyp(M4A|M4B)", "m4a", "audio/mp4"),
        (rb".{4}ftyp3g", "3gp", "audio/3gpp"),
        (rb".{4}ftypqt", "mov", "video/quicktime"),
        (rb".{4}ftyp(?!hei|hev|mif1|msf1|avi[fs]|crx)", "mp4", "audio/mp4"),  # not photographs
        (rb"#!AMR", "amr", "audio/amr"),
        (rb"caff", "caf", "audio/x-caf"),
        (rb"\.snd", "au", "audio/basic"),
        (rb"\x30\x26\xb2\x75", "wma", "audio/x-ms-wma"),
        (rb"RIFF.{4}AVI ", "avi", "video/x-msvideo"),
        (rb"FLV\x01", "flv", "video/x-flv"),
        (rb"\x00\x00\x01\xba", "mpg", "video/mpeg"),
        (rb"G.{187}G|.{4}G.{191}G", "ts", "video/mp2t"),
        (rb"\x0b\x77", "ac3", "audio/ac3"),
        (rb"wvpk", "wv", "audio/x-wavpack"),
        (rb"TTA1", "tta", "audio/x-tta"),
        # Both begin with eleven or twelve set bits. In AAC, the next two are the "layer" 0.
        (rb"\xff[\xf0\xf1\xf8\xf9]", "aac", "audio/aac"),
        (
            rb"ID3|\xff[\xe2-\xfd]|\xff\xff[\0-\xef]",
            "mp3",
            "audio/mpeg",
        ),  # \xff\xfe begins a text in UTF-16
    )
]


def extension(data: bytes | RecordingBytes) -> str:
    """Return the usual file name extension without the dot; ``bin`` if unknown.

    Examples
    --------
    >>> extension(b"OggS and so on")
    'ogg'
    """
    return _kind(data)[0]


def media_type(data: bytes | RecordingBytes) -> str:
    """Return the media type for playback in a browser.

    Examples
    --------
    >>> media_type(b"#!AMR-WB and so on")
    'audio/amr'
    """
    return _kind(data)[1]


def is_known(data: bytes | RecordingBytes) -> bool:
    """Return True if the file may be a recording.

    Examples
    --------
    >>> is_known(b"plain words")
    False
    """
    return _kind(data) != _UNKNOWN


def _kind(data: bytes | RecordingBytes) -> tuple[str, str]:
    for start in (leading_tags(data), 0):
        head = data[start : start + HEAD_BYTES]
        for pattern, ending, media in _KINDS:
            if pattern.match(head):
                return ending, media
    return _UNKNOWN
