"""Languages of the pages: choice by visitor, translations and formats, with Flask-Babel.

English is in the sources; ``translations/`` has the others. Pictures and reports take their
language from their URL, so no cache can mix them up. Without a language in the URL they are in
English. Responses to programs and logs are always in English.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_skeleton
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations
from babel.units import format_unit
from flask import Flask, Response, g, request, url_for
from flask_babel import Babel, get_locale

from undertone.drawing.words import ENGLISH, Words, sign
from undertone.settings import ROOT

TRANSLATIONS = ROOT / "translations"
SOURCE = "en"
COOKIE = "lang"
A_YEAR_S = 365 * 24 * 3600


@cache
def languages() -> Mapping[str, str]:
    """Return a map from language code to the name of the language in that language."""
    codes = (SOURCE, *sorted(path.parent.parent.name for path in TRANSLATIONS.glob("*/*/*.po")))
    return {code: str(Locale.parse(code).get_display_name(code)).title() for code in codes}


def language() -> str:
    """Return the language code of the request: from its URL, its cookie or ``Accept-Language``."""
    if "language" not in g:
        wishes = (request.args.get("lang"), request.cookies.get(COOKIE))
        chosen = next((wish for wish in wishes if wish in languages()), None)
        preferred = list(request.accept_languages.values())
        g.language = chosen or negotiate_locale(preferred, languages(), sep="-") or SOURCE
    return str(g.language)


class _Translated(Words):
    """Words from ``translations/``, read once; number and date formats from Unicode's CLDR."""

    def __init__(self, code: str) -> None:
        self.language = code
        self._catalogue = Translations.load(str(TRANSLATIONS), [code])

    def translate(self, text: str, **values: Any) -> str:
        return super().translate(self._catalogue.gettext(text), **values)

    def number(self, value: float, digits: int = 0, signed: bool = False) -> str:
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return sign(value, signed) + format_decimal(abs(value), pattern, self.language)

    def moment(self, moment: datetime, short: bool = False) -> str:
        day = format_date(moment, "medium" if short else "long", self.language)
        return f"{day}, {moment:%H:%M}"

    def day(self, moment: date) -> str:
        return str(format_skeleton("MMMd", moment, locale=self.language))


@cache
def words(code: str) -> Words:
    """Return the words of one of `languages`, for charts, reports and template filters."""
    return ENGLISH if code == SOURCE else _Translated(code)


def page_words() -> Words:
    """Return the words in the language of the current page."""
    return words(language())


def language_url(code: str) -> str:
    """Return the URL of the current page in another language.

    The URL is relative, so the path stays as the browser has it. The response to a submitted form
    has no URL of its own, so its language links lead to the start page.
    """
    if request.method not in ("GET", "HEAD"):
        return url_for("index", lang=code)
    query = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    return "?" + urlencode([*query, ("lang", code)])


def asked_words() -> Words:
    """Return the words in the language named in the current URL, else English; not for pages."""
    wish = request.args.get("lang", "")
    return words(wish) if wish in languages() else ENGLISH


def in_words(duration: timedelta) -> str:
    """Return a duration as text, such as "7 days", "36 hours" or "1 minute"."""
    minutes = round(duration.total_seconds() / 60)
    units = {24 * 60: "day", 60: "hour", 1: "minute"}
    length = next(length for length in units if minutes % length == 0)
    return str(format_unit(minutes // length, f"duration-{units[length]}", locale=get_locale()))


def set_up(app: Flask) -> None:
    """Register languages, template filters and response headers with the application."""
    Babel(app, default_translation_directories=str(TRANSLATIONS), locale_selector=language)
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.filters |= {
        "number": lambda *value, **how: page_words().number(*value, **how),
        "moment_of_day": lambda *moment, **how: page_words().moment(*moment, **how),
        "day": lambda moment: page_words().day(moment),
        "emotion": lambda name: page_words().emotion(name),
        "test_title": lambda title: page_words().test(title),
        "in_words": in_words,
    }
    app.jinja_env.globals |= {
        "languages": languages,
        "language": language,
        "language_url": language_url,
        "text_direction": lambda: get_locale().text_direction,
        "words_for_scripts": lambda: words_for_scripts(language()),
    }
    app.after_request(_tell)


def _tell(response: Response) -> Response:
    """Set the language headers of a page, and a cookie if its URL names a language."""
    if response.mimetype == "text/html":
        response.content_language.add(language())
        response.vary.update(("Accept-Language", "Cookie"))
        if request.args.get("lang") in languages():
            response.set_cookie(
                COOKIE, language(), max_age=A_YEAR_S, samesite="Lax", httponly=True,
                secure=request.is_secure, path=request.script_root or "/",
            )  # fmt: skip
    return response


@cache
def words_for_scripts(code: str) -> Mapping[str, str | list[str]]:
    """Return a map from English to translated messages of ``static/js``.

    Plural forms are lists. The map is empty for English.
    """
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
