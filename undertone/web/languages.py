"""The languages of the pages: which one a visitor wants, and its words, with Flask-Babel.

English is in the sources; ``translations/`` has the others. Answers to programs, reports, pictures
and logs stay English.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.messages.pofile import read_po
from babel.units import format_unit
from flask import Flask, Response, g, request
from flask_babel import Babel, format_date, format_datetime, format_decimal, get_locale, gettext

from undertone.emotions import EMOTIONS
from undertone.settings import ROOT

TRANSLATIONS = ROOT / "translations"
SOURCE = "en"
COOKIE = "lang"
A_YEAR_S = 365 * 24 * 3600


@cache
def languages() -> Mapping[str, str]:
    """Code of each language to its name in that language."""
    codes = (SOURCE, *sorted(path.parent.parent.name for path in TRANSLATIONS.glob("*/*/*.po")))
    return {code: str(Locale.parse(code).get_display_name(code)).title() for code in codes}


def language() -> str:
    """Code of the language of the current request: asked for, chosen before, or preferred."""
    if "language" not in g:
        wishes = (request.args.get("lang"), request.cookies.get(COOKIE))
        chosen = next((wish for wish in wishes if wish in languages()), None)
        preferred = list(request.accept_languages.values())
        g.language = chosen or negotiate_locale(preferred, languages(), sep="-") or SOURCE
    return str(g.language)


def number(value: float, digits: int = 0, signed: bool = False) -> str:
    """A number as the language writes it, with so many digits after the point."""
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    sign = "−" if value < 0 else "+" if signed else ""
    return sign + str(format_decimal(abs(value), format=pattern))


def moment_of_day(moment: datetime, short: bool = False) -> str:
    """A date with its time, in UTC."""
    return str(format_datetime(moment, "d MMM y, HH:mm" if short else "d MMMM y, HH:mm"))


def in_words(duration: timedelta) -> str:
    """A duration such as "7 days", "36 hours" or "1 minute"."""
    minutes = round(duration.total_seconds() / 60)
    units = {24 * 60: "day", 60: "hour", 1: "minute"}
    length = next(length for length in units if minutes % length == 0)
    return str(format_unit(minutes // length, f"duration-{units[length]}", locale=get_locale()))


def emotion(name: str) -> str:
    """An emotion as it is shown; a name that is not known stays as it is."""
    return str(gettext(EMOTIONS[name].title)) if name in EMOTIONS else name


def day(moment: date) -> str:
    """A day without the year."""
    return str(format_date(moment, "d MMM"))


def set_up(app: Flask) -> None:
    """Give templates and answers their language."""
    Babel(app, default_translation_directories=str(TRANSLATIONS), locale_selector=language)
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.filters |= {
        "number": number, "moment_of_day": moment_of_day, "day": day, "in_words": in_words,
        "emotion": emotion,
    }  # fmt: skip
    app.jinja_env.globals |= {
        "languages": languages,
        "language": language,
        "text_direction": lambda: get_locale().text_direction,
        "words_for_scripts": lambda: words_for_scripts(language()),
    }
    app.after_request(_tell)


def _tell(response: Response) -> Response:
    """Say the page's language, and remember one that was asked for."""
    if response.mimetype == "text/html":
        response.content_language.add(language())
        response.vary.update(("Accept-Language", "Cookie"))
        if request.args.get("lang") in languages():
            response.set_cookie(
                COOKIE, language(), max_age=A_YEAR_S, samesite="Lax", httponly=True,
                secure=request.is_secure,
            )  # fmt: skip
    return response


@cache
def words_for_scripts(code: str) -> Mapping[str, str | list[str]]:
    """English to translated messages of ``static/js``; plurals as lists. Empty for English."""
    if code == SOURCE:
        return {}
    with (TRANSLATIONS / code / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file, locale=code)
    found: dict[str, str | list[str]] = {}
    for message in catalogue:
        if any(Path(place).suffix == ".js" for place, _ in message.locations):
            if isinstance(message.id, str):
                found[message.id] = str(message.string)
            else:
                found[message.id[0]] = [str(form) for form in message.string or ()]
    return found
