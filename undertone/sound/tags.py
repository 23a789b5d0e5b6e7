"""ID3v2 tags in front of a file that is no MP3, as some taggers write them."""

_ID3V2_HEAD = 10
_HAS_FOOTER = 0x10


def without_leading_tags(data: bytes) -> bytes:
    """Return a file without the ID3v2 tags in front of it.

    A tag that claims more bytes than there are is left in place.

    Examples
    --------
    >>> without_leading_tags(b"ID3" + bytes([4, 0, 0, 0, 0, 0, 2]) + b"..RIFF and so on")
    b'RIFF and so on'
    """
    start = 0
    while n_bytes := _tag_bytes(data[start : start + _ID3V2_HEAD]):
        start += n_bytes
    return data[start:] if 0 < start < len(data) else data


def _tag_bytes(head: bytes) -> int:
    """Return the length of the tag that begins with these 10 bytes; 0 if none does."""
    if len(head) < _ID3V2_HEAD or not head.startswith(b"ID3"):
        return 0
    major, minor, flags, *size = head[3:]
    if major == 0xFF or minor == 0xFF or any(byte > 0x7F for byte in size):
        return 0
    n_bytes = 0
    for byte in size:  # seven bits in each
        n_bytes = n_bytes << 7 | byte
    return _ID3V2_HEAD + n_bytes + (_ID3V2_HEAD if flags & _HAS_FOOTER else 0)
