"""An analyser on the settings' database and folders, as web processes and workers both have it."""

from collections.abc import Mapping

from undertone.analysis import Analyzer, Decode, Recognizer
from undertone.settings import Settings
from undertone.store.history import History
from undertone.store.shared_audio import open_recordings


def open_analyzer(
    settings: Settings, recognizers: Mapping[str, Recognizer], decode: Decode
) -> Analyzer:
    """The analyser, its history open.

    Raises
    ------
    SettingsError
        The database's URL cannot be used.
    StoreError
        The database cannot be reached or written, or is of a newer Undertone.
    """
    recordings = open_recordings(settings)
    return Analyzer(
        recognizers=recognizers,
        default_model=settings.model,
        history=History(settings.store_url, forget=recordings.forget),
        recordings=recordings,
        max_duration_s=settings.max_duration_s,
        decode=decode,
    )
