"""Marker for texts translated at display time."""


def translatable(text: str) -> str:
    """Return the text; ``make messages`` finds it by this call, `languages.gettext` translates."""
    return text
