import pytest

from undertone.file_names import MAX_CHARS, MAX_KEY_CHARS, display_name, search_key


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("clip.wav", "clip.wav"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\voice.wav", "voice.wav"),
        ("a\x00b\r\n.wav", "ab.wav"),
        ("", "recording"),
        ("/", "recording"),
        ("x" * 999, "x" * MAX_CHARS),
        ("نسخة.wav", "نسخة.wav"),
    ],
)
def test_display_name(given: str, shown: str) -> None:
    assert display_name(given) == shown


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("Clip.WAV", "clip.wav"),
        ("ŁÓDŹ", "łódź"),
        ("e\u0301t\u00e9", "\u00e9t\u00e9"),
        ("Straße", "strasse"),
        ("a\x00b", "ab"),
        ("ΐ" * MAX_CHARS, ("ΐ" * MAX_CHARS)[:MAX_KEY_CHARS]),
    ],
)
def test_search_key(given: str, key: str) -> None:
    assert search_key(given) == key
