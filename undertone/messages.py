"""A mark for texts that are translated where they are shown."""


def translatable(text: str) -> str:
    """The text itself: ``make messages`` finds it by this call, `languages.gettext` translates."""
    return text
