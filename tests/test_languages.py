"""The pages' languages: every text can be translated, and is; which language a visitor gets."""

import re
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask.testing import FlaskClient

from tests.test_error_shape import BROWSER
from undertone.settings import ROOT
from undertone.web.languages import SOURCE, TRANSLATIONS, languages, words, words_for_scripts

OTHERS = [code for code in languages() if code != SOURCE]
PLACEHOLDER = re.compile(r"%\(\w+\)|%%")
# Names, units and formats that are the same in every language.
SAME_EVERYWHERE = {"Undertone", "JSON", "CSV", "MB", "UTC", "s"}


def catalogue(code: str) -> Catalog:
    with (TRANSLATIONS / code / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=code)


@pytest.fixture(scope="module")
def texts() -> set[str | tuple[str, ...]]:
    """All texts of the pages, as `make messages` finds them."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = dict.fromkeys(("_", "gettext", "translatable", "translate")) | {"ngettext": (1, 2)}
    found = extract_from_dir(str(ROOT), methods, options, keywords=keywords)
    return {message for _, _, message, _, _ in found}


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_is_translated(texts: set[str | tuple[str, ...]], code: str) -> None:
    known = {m.id: m for m in catalogue(code) if m.id}
    assert texts - set(known) == set(), "run `make messages` and translate what is empty"
    assert set(known) - texts == set(), "run `make messages`: these are no longer needed"
    for message in known.values():
        forms = [message.string] if isinstance(message.string, str) else list(message.string)
        assert all(forms), message.id
        assert not message.fuzzy, message.id


@pytest.mark.parametrize("code", OTHERS)
def test_what_is_filled_in_is_the_same(code: str) -> None:
    for message in catalogue(code):
        ids = [message.id] if isinstance(message.id, str) else message.id
        forms = [message.string] if isinstance(message.string, str) else message.string
        if message.id:
            wanted = sorted(PLACEHOLDER.findall(ids[-1]))
            assert all(sorted(PLACEHOLDER.findall(form)) == wanted for form in forms), message.id


@pytest.mark.parametrize("code", OTHERS)
def test_what_is_compiled_is_what_is_written(code: str) -> None:
    compiled = BytesIO()
    write_mo(compiled, catalogue(code))
    there = (TRANSLATIONS / code / "LC_MESSAGES" / "messages.mo").read_bytes()
    assert there == compiled.getvalue(), "run `make messages`"


@pytest.mark.parametrize("code", OTHERS)
def test_scripts_know_one_rule_for_plurals(code: str) -> None:
    assert catalogue(code).plural_expr == "(n != 1)", "static/js/words.js knows no other"


@pytest.mark.parametrize("path", sorted(ROOT.glob("templates/*.html")), ids=lambda path: path.name)
def test_no_text_in_templates_is_left_out(path: Path) -> None:
    if path.name == "docs.html":
        return  # made of the document, and so in English; its `lang` says so
    html = path.read_text(encoding="utf-8")
    html = re.sub(r"{#.*?#}|{%-? *trans.*?endtrans *-?%}", " ", html, flags=re.DOTALL)
    html = re.sub(r"{{.*?}}|{%.*?%}", " ", html, flags=re.DOTALL)
    spoken = re.findall(r'(?:aria-label|alt|title|placeholder)="([^"]*)"', html)
    html = re.sub(r"<!--.*?-->|<[^>]*>|&#?\w+;", " ", html, flags=re.DOTALL)
    words = set(re.findall(r"[^\W\d_]+", " ".join([html, *spoken])))
    assert words - SAME_EVERYWHERE == set()


@pytest.mark.parametrize("path", sorted(ROOT.glob("static/js/*.js")), ids=lambda path: path.name)
def test_no_text_in_scripts_is_left_out(texts: set[str | tuple[str, ...]], path: Path) -> None:
    code = re.sub(r'"\s*\+\s*"', "", path.read_text(encoding="utf-8"))
    code = re.sub(r"^\s*(//|/?\*).*$", "", code, flags=re.MULTILINE)
    sentences = re.findall(r'["`]([A-Z][^"`\n]* [^"`\n]*)["`]', code)
    assert set(sentences) - texts == set()


@pytest.mark.parametrize(
    ("wish", "cookie", "preferred", "language"),
    [
        ("", "", "de-AT,en;q=0.5", "de"),
        ("", "", "fr,en;q=0.5", "en"),
        ("", "", "fr", "en"),
        ("", "de", "en", "de"),
        ("en", "de", "de", "en"),
        ("klingon", "", "de", "de"),
        ("", "../../etc", "en", "en"),
    ],
)
def test_which_language(
    client: FlaskClient, wish: str, cookie: str, preferred: str, language: str
) -> None:
    if cookie:
        client.set_cookie("lang", cookie)
    headers = {**BROWSER, "Accept-Language": preferred}
    response = client.get(f"/?lang={wish}" if wish else "/", headers=headers)
    html = response.get_data(as_text=True)
    assert f'<html lang="{language}" dir="ltr">' in html
    assert ("Das Gefühl unter den Worten" in html) == (language == "de")
    assert response.headers["Content-Language"] == language
    assert {"Accept-Language", "Cookie"} <= set(response.vary)
    # Only who chooses a language is given a cookie.
    assert ("Set-Cookie" in response.headers) == (wish in languages())


def test_dates_and_numbers_are_as_the_language_writes_them() -> None:
    moment = datetime(2025, 3, 1, 9, 5, tzinfo=UTC)
    english, german = words(SOURCE), words("de")
    assert english.moment(moment) == "1 March 2025, 09:05"
    assert german.moment(moment) == "1. März 2025, 09:05"
    assert (english.moment(moment, True), english.day(moment)) == ("1 Mar 2025, 09:05", "1 Mar")
    assert (german.moment(moment, True), german.day(moment)) == ("01.03.2025, 09:05", "1. März")
    assert (english.number(-1234.56, 1), german.number(-1234.56, 1)) == ("−1,234.6", "−1.234,6")
    assert (english.number(0.5, 2, signed=True), german.number(0.5, 2)) == ("+0.50", "0,50")
    assert german.test("cremad-si, 6 emotions") == "cremad-si, 6 Gefühle"
    assert german.test("leave-one-out") == "leave-one-out"


def test_programs_get_english(client: FlaskClient) -> None:
    answer = client.get("/nothing", headers={"Accept-Language": "de"})
    assert answer.get_json()["error"] == "There is nothing at this address."


def test_words_for_scripts_are_those_of_scripts() -> None:
    words = words_for_scripts("de")
    assert words["Play the recording"] == "Aufnahme abspielen"
    assert "What it listens for" not in words
    assert words_for_scripts(SOURCE) == {}
