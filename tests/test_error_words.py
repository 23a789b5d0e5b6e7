"""Errors on pages: words for visitors, and the exact message folded away."""

import json
import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

import app as _everything_that_raises  # noqa: F401
from tests import samples, sounds
from tests.conftest import upload, wav
from tests.jobs.test_views import until_over
from tests.test_error_shape import BROWSER
from undertone import errors
from undertone.errors import UndertoneError
from undertone.jobs.runner import Stopped
from undertone.web.error_words import OTHER, SENTENCES
from undertone.web.languages import words

GERMAN = {**BROWSER, "Accept-Language": "de"}
# Raised by the command line, by clients, or at the start alone; or never told to anybody.
NOT_ON_PAGES = {
    errors.SettingsError, errors.FileUnusable, errors.ClusterUnusable, errors.TableUnusable,
    errors.ServerUnreachable, errors.ServerAnswerUnusable, errors.OutputUnwritable, Stopped,
}  # fmt: skip
OF_LIBRARIES = {"not-found", "method-not-allowed"}


def tree(kind: type[UndertoneError] = UndertoneError) -> Iterator[type[UndertoneError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def test_every_error_that_a_visitor_can_meet_has_its_sentence() -> None:
    met = {kind for kind in tree() if not kind.__module__.startswith("undertone.training")}
    codes = {kind.code for kind in met - NOT_ON_PAGES}
    assert codes | OF_LIBRARIES == set(SENTENCES)


@pytest.mark.parametrize("code", ["", *SENTENCES])
def test_sentences_say_something_without_numbers(code: str) -> None:
    text = SENTENCES.get(code, OTHER)
    for sentence in (text, words("de").translate(text)):
        assert sentence.endswith(".")
        assert not re.search(r"\d", sentence.replace("MP3", "").replace("M4A", ""))


def told(html: str, place: str) -> tuple[str, str]:
    """What is said in a place of a page: in its language, and the folded message in English."""
    found = re.search(rf"<(\w+)[^>]*{place}[^>]*>(.*?)</\1>", html, re.DOTALL)
    assert found, html
    first, _, details = found.group(2).partition(' <details class="original"><summary>')
    original = details.partition('</summary><span lang="en">')[2]
    return first.strip(), unescape(original.removesuffix("</span></details>").strip())


# What nobody says in a conversation about recordings.
JARGON = re.compile(
    r"\b(dBFS|Hz|bytes?|MiB|kB|HTTP|JSON|base64|multipart|decoder|webhook|job|Auftrag|Bytes)\b"
)


def test_sentences_are_for_people_and_messages_are_folded_away(app: Flask) -> None:
    errors_by_code = {kind.code: kind for kind in tree()}
    client = app.test_client()

    @app.get("/raise/<code>")
    def fail(code: str) -> None:
        raise errors_by_code[code]("The peak is -200.0 dBFS; at least -60 is needed.")

    for code in set(SENTENCES) - OF_LIBRARIES:
        for headers, language in ((BROWSER, "en"), (GERMAN, "de")):
            html = client.get(f"/raise/{code}", headers=headers).get_data(as_text=True)
            first, original = told(html, 'class="lead"')
            assert first == words(language).translate(SENTENCES[code])
            assert not JARGON.search(first), first
            assert original == "The peak is -200.0 dBFS; at least -60 is needed."
            assert html.count("dBFS") == 1


def test_the_page_of_an_error(client: FlaskClient) -> None:
    """Its message adds nothing to the sentence, and so is left out."""
    for headers, language in ((GERMAN, "de"), (BROWSER, "en")):
        html = client.get("/nothing", headers=headers).get_data(as_text=True)
        sentence = words(language).translate(SENTENCES["not-found"])
        assert told(html, 'class="lead"') == (sentence, "")
        assert 'lang="en"' not in html.split("<main")[1].split("</main>")[0]


def test_an_error_of_a_library_that_nobody_thought_of(app: Flask) -> None:
    @app.get("/teapot")
    def teapot() -> None:
        from flask import abort

        abort(418)

    html = app.test_client().get("/teapot", headers=GERMAN).get_data(as_text=True)
    first, original = told(html, 'class="lead"')
    assert first == words("de").translate(OTHER)
    assert "teapot" in original


def test_the_form_with_an_error(client: FlaskClient) -> None:
    for headers, language in ((GERMAN, "de"), (BROWSER, "en")):
        html = client.post("/result", **upload(b"words"), headers=headers).get_data(as_text=True)
        first, original = told(html, 'id="problem"')
        assert first == words(language).translate(SENTENCES["not-audio"])
        assert original == client.post("/upload", **upload(b"words")).get_json()["error"]


def test_a_job_with_errors(app: Flask) -> None:
    client = app.test_client()
    silence = wav(sounds.silence(2.0))
    job = client.post("/jobs", **upload(silence)).get_json()["id"]
    item = until_over(client, job)["items"][0]
    html = client.get(f"/jobs/{job}", headers=GERMAN).get_data(as_text=True)
    first, original = told(html, 'class="job-words"')
    assert first == words("de").translate(SENTENCES["recording-silent"])
    assert original == item["error"]["error"]


def test_the_page_that_listens_knows_them_by_code(client: FlaskClient) -> None:
    for headers, language in ((GERMAN, "de"), (BROWSER, "en")):
        html = client.get("/listen", headers=headers).get_data(as_text=True)
        (by_code,) = re.findall(r'data-errors="([^"]*)"', html)
        by_code = json.loads(unescape(by_code))
        assert by_code == {
            code: words(language).translate(SENTENCES.get(code, OTHER)) for code in ("", *SENTENCES)
        }


def test_what_programs_are_told_stays_english(app: Flask) -> None:
    app.extensions["undertone"].history.add(samples.analysis(spectrogram=None))
    client = app.test_client()
    for path in ("/nothing", "/results/none", "/results/id0000/pictures/mfcc.png?lang=de"):
        for headers in ({}, {"Accept-Language": "de"}):
            answer = client.get(path, headers=headers).get_json()
            assert answer["error"].startswith(("There is", "This recording was", "No analysis"))
