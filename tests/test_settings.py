from datetime import timedelta
from pathlib import Path

import pytest

from undertone.errors import SettingsError
from undertone.settings import Settings


def test_it_works() -> None:
    settings = Settings.from_env({})
    assert (settings.host, settings.port, settings.debug) == ("127.0.0.1", 5000, False)
    assert settings.store_url == f"sqlite:///{settings.data_dir}/undertone.sqlite3"


def test_every_kind_of_value_is_read() -> None:
    settings = Settings.from_env(
        {
            "UNDERTONE_HOST": "0.0.0.0",
            "UNDERTONE_PORT": "8080",
            "UNDERTONE_DATA_DIR": "/somewhere",
            "UNDERTONE_MODEL": "other",
            "UNDERTONE_MAX_UPLOAD_MB": "1.5",
            "UNDERTONE_MAX_DURATION_S": "60",
            "UNDERTONE_DEBUG": "true",
            "DATABASE_URL": "sqlite://",
        }
    )
    assert settings.host == "0.0.0.0"
    assert settings.port == 8080
    assert settings.data_dir == Path("/somewhere")
    assert settings.model == "other"
    assert settings.max_upload_bytes == 1_572_864
    assert settings.max_duration_s == 60
    assert settings.debug
    assert settings.store_url == "sqlite://"


def test_older_names_are_honoured() -> None:
    settings = Settings.from_env({"FLASK_DEBUG": "1", "MAX_CONTENT_LENGTH": "1048576"})
    assert settings.debug
    assert settings.max_upload_mb == 1


def test_the_current_name_wins_over_the_older() -> None:
    environ = {"UNDERTONE_DEBUG": "0", "FLASK_DEBUG": "1"}
    environ |= {"UNDERTONE_MAX_UPLOAD_MB": "3", "MAX_CONTENT_LENGTH": "1048576"}
    settings = Settings.from_env(environ)
    assert not settings.debug
    assert settings.max_upload_mb == 3


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0", timedelta(0)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        (" 7D ", timedelta(days=7)),
        ("8w", timedelta(weeks=8)),
    ],
)
def test_how_long_recordings_stay(text: str, duration: timedelta) -> None:
    assert Settings.from_env({"UNDERTONE_KEEP_AUDIO": text}).keep_audio == duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [("forever", None), ("1h", timedelta(hours=1)), ("36500d", timedelta(days=36_500))],
)
def test_how_long_results_stay(text: str, duration: timedelta | None) -> None:
    assert Settings.from_env({"UNDERTONE_KEEP_HISTORY": text}).keep_history == duration


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UNDERTONE_KEEP_AUDIO", "7"),
        ("UNDERTONE_KEEP_AUDIO", "-1d"),
        ("UNDERTONE_KEEP_AUDIO", "1.5h"),
        ("UNDERTONE_KEEP_AUDIO", "٧d"),
        ("UNDERTONE_KEEP_AUDIO", "forever"),
        ("UNDERTONE_KEEP_AUDIO", "9999999w"),
        ("UNDERTONE_KEEP_AUDIO", ""),
        ("UNDERTONE_KEEP_HISTORY", "0"),
        ("UNDERTONE_KEEP_HISTORY", "59m"),
        ("UNDERTONE_KEEP_HISTORY", "always"),
        ("UNDERTONE_PORT", "http"),
        ("UNDERTONE_PORT", "70000"),
        ("UNDERTONE_PORT", "-1"),
        ("UNDERTONE_HOST", " "),
        ("UNDERTONE_DATA_DIR", ""),
        ("UNDERTONE_MAX_UPLOAD_MB", "nan"),
        ("UNDERTONE_MAX_UPLOAD_MB", "0"),
        ("UNDERTONE_MAX_DURATION_S", "half an hour"),
        ("UNDERTONE_DEBUG", "maybe"),
        ("FLASK_DEBUG", "2"),
        ("MAX_CONTENT_LENGTH", "50MB"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({name: value})
    assert name in refused.value.message
    assert repr(value) in refused.value.message
