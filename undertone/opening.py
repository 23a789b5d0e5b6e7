"""Open an analyser on the configured database and folders, for web processes and workers."""

from collections.abc import Mapping

from undertone.analysis import Analyzer, Decode, Recognizer
from undertone.settings import Settings
from undertone.store.history import History
from undertone.store.shared_audio import open_recordings


def open_analyzer(
    settings: Settings, recognizers: Mapping[str, Recognizer], decode: Decode
) -> Analyzer:
    """Open the history and return an analyser on it.

    Parameters
    ----------
    settings : Settings
        All settings.
    recognizers : mapping of str to Recognizer
        Recognisers by model name.
    decode : Decode
        Decoder of recordings.

    Raises
    ------
    SettingsError
        The database URL cannot be used.
    StoreError
        The database cannot be reached or written, or comes from a newer Undertone.
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
