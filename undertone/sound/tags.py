"""ID3v2 tags in front of files other than MP3, as written by some taggers."""

from undertone.recording_bytes import RecordingBytes

_ID3V2_HEAD = 10
_HAS_FOOTER = 0x10


def leading_tags(data: bytes | RecordingBytes) -> int:
    """Return the length in bytes of the ID3v2 tags in front of a file.

    It is 0 if nothing would be left.

    Examples
    --------
    >>> leading_tags(b"ID3" + bytes([4, 0, 0, 0, 0, 0, 2]) + b"..RIFF and so on")
    12
    """
    start = 0
    while n_bytes := _tag_bytes(data[start : start + _ID3V2_HEAD]):
        start += n_bytes
    return start if start < len(data) else 0


def _tag_bytes(head: bytes) -> int:
    """Return the length of the tag beginning with these 10 bytes; 0 if there is none."""
    if len(head) < _ID3V2_HEAD or not head.startswith(b"ID3"):
        return 0
    major, minor, flags, *size = head[3:]
    if major == 0xFF or minor == 0xFF or any(byte > 0x7F for byte in size):
        return 0
    n_bytes = 0
    for byte in size:  # seven bits in each
        n_bytes = n_bytes << 7 | byte
    return _ID3V2_HEAD + n_bytes + (_ID3V2_HEAD if flags & _HAS_FOOTER else 0)
