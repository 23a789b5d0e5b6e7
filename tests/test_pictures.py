import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import samples
from tests.conftest import upload
from tests.test_error_shape import BROWSER, assert_error
from undertone.drawing import charts
from undertone.drawing.pictures import Pictures
from undertone.drawing.words import ENGLISH, Words
from undertone.prediction import Analysis
from undertone.web.languages import words


class Painter:
    """Draws pictures of 100 bytes and remembers which."""

    def __init__(self) -> None:
        self.drawn: list[tuple[str, str]] = []

    def __call__(self, analysis: Analysis, kind: str, words: Words) -> bytes:
        self.drawn.append((analysis.id, kind))
        return f"{analysis.id} {kind} {words.language}".encode().ljust(100)


def test_a_picture_is_drawn_once() -> None:
    painter = Painter()
    pictures = Pictures(draw=painter)
    first, second = samples.analysis(1), samples.analysis(2)
    for _ in range(3):
        assert pictures.get(first, "bars").startswith(b"id0001 bars")
        assert pictures.get(first, "pie").startswith(b"id0001 pie")
        assert pictures.get(second, "bars").startswith(b"id0002 bars")
    assert len(painter.drawn) == 3


def test_each_language_has_its_own() -> None:
    painter = Painter()
    pictures = Pictures(draw=painter)
    for _ in range(2):
        for language in (ENGLISH, words("de")):
            drawn = pictures.get(samples.ANALYSIS, "bars", language)
            assert drawn.startswith(b"abc bars " + language.language.encode())
    assert len(painter.drawn) == 2


def test_what_was_asked_for_longest_ago_is_dropped_first() -> None:
    painter = Painter()
    pictures = Pictures(max_bytes=250, draw=painter)
    for number in (1, 2, 1, 3):  # 2 goes when 3 comes
        pictures.get(samples.analysis(number), "bars")
    del painter.drawn[:]
    pictures.get(samples.analysis(1), "bars")
    assert not painter.drawn
    pictures.get(samples.analysis(2), "bars")
    assert painter.drawn == [("id0002", "bars")]


def test_simultaneous_requests_draw_once() -> None:
    painter, begun, may_end = Painter(), Event(), Event()

    def slowly(analysis: Analysis, kind: str, words: Words) -> bytes:
        begun.set()
        assert may_end.wait(30)
        return painter(analysis, kind, words)

    pictures = Pictures(draw=slowly)
    together = Barrier(5)

    def ask(_: int) -> bytes:
        together.wait(30)
        return pictures.get(samples.ANALYSIS, "bars")

    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(ask, range(4))
        together.wait(30)
        assert begun.wait(30)
        may_end.set()
        assert len(set(answers)) == 1
    assert painter.drawn == [("abc", "bars")]


def test_after_a_failure_it_is_tried_again() -> None:
    failures = [RuntimeError("no ink")]

    def draw(analysis: Analysis, kind: str, words: Words) -> bytes:
        if failures:
            raise failures.pop()
        return b"png"

    pictures = Pictures(draw=draw)
    with pytest.raises(RuntimeError, match="no ink"):
        pictures.get(samples.ANALYSIS, "bars")
    assert pictures.get(samples.ANALYSIS, "bars") == b"png"


def stored(client: FlaskClient, data: bytes) -> str:
    """The address of the pictures of a recording just analysed."""
    return f"/results/{client.post('/upload', **upload(data)).get_json()['id']}/pictures"


@pytest.mark.parametrize("kind", charts.PICTURES)
def test_every_kind_has_its_url(client: FlaskClient, voice_wav: bytes, kind: str) -> None:
    response = client.get(f"{stored(client, voice_wav)}/{kind}.png")
    assert response.status_code == 200
    assert response.mimetype == "image/png"
    assert response.data.startswith(b"\x89PNG")
    assert response.headers["Cache-Control"] == "private, no-store"


def test_who_has_it_does_not_get_it_again(
    app: Flask, voice_wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app.test_client()
    url = f"{stored(client, voice_wav)}/timeline.png"
    tag = client.get(url).headers["ETag"]
    painter = Painter()
    monkeypatch.setitem(app.extensions, "undertone.pictures", Pictures(draw=painter))
    again = client.get(url, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert not painter.drawn
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    assert len(painter.drawn) == 1


def test_only_the_address_decides_on_the_language(client: FlaskClient, voice_wav: bytes) -> None:
    url = f"{stored(client, voice_wav)}/bars.png"
    client.set_cookie("lang", "de")
    english = client.get(url, headers={"Accept-Language": "de"})
    german = client.get(f"{url}?lang=de", headers={"If-None-Match": english.headers["ETag"]})
    assert german.status_code == 200
    assert english.data == client.get(f"{url}?lang=en").data != german.data
    assert english.headers["ETag"] != german.headers["ETag"]
    again = client.get(url, headers={"If-None-Match": german.headers["ETag"]})
    assert (again.status_code, again.data) == (200, english.data)
    assert_error(client.get(f"{url}?lang=klingon"), 400, "bad-request")


def test_charts_in_answers_are_in_the_language_of_the_address(
    client: FlaskClient, voice_wav: bytes
) -> None:
    headers = {"Accept-Language": "de"}
    usual, english, german = (
        client.post(f"/upload{query}", **upload(voice_wav), headers=headers).get_json()
        for query in ("", "?lang=en", "?lang=de")
    )
    assert usual["chart_url"] == english["chart_url"] != german["chart_url"]
    assert usual["probabilities"] == german["probabilities"]
    plots = client.post("/analyze?lang=de", **upload(voice_wav)).get_json()
    other = client.post("/analyze", **upload(voice_wav)).get_json()
    assert plots["emotion_plot"] != other["emotion_plot"]
    assert plots["emotion_probs"].keys() == other["emotion_probs"].keys()


def test_a_page_shows_pictures_in_its_own_language(client: FlaskClient, voice_wav: bytes) -> None:
    page = stored(client, voice_wav).removesuffix("/pictures")
    for language in ("de", "en"):
        html = client.get(f"{page}?lang={language}", headers=BROWSER).get_data(as_text=True)
        addresses = re.findall(
            r'(?:src|srcset|href)="([^"]*(?:pictures/|download-report)[^"]*)"', html
        )
        assert len(addresses) == 5
        assert all(address.endswith(f"?lang={language}") for address in addresses)


def test_a_new_way_of_drawing_has_another_tag(
    client: FlaskClient, voice_wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{stored(client, voice_wav)}/bars.png"
    tag = client.get(url).headers["ETag"]
    monkeypatch.setattr("undertone.web.picture_views.DRAWING_VERSION", 1000)
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_a_deleted_analysis_has_no_pictures(app: Flask, voice_wav: bytes) -> None:
    client = app.test_client()
    url = f"{stored(client, voice_wav)}/bars.png"
    tag = client.get(url).headers["ETag"]
    app.extensions["undertone"].history.delete(url.split("/")[2])
    assert_error(client.get(url), 404, "analysis-not-found")
    assert_error(client.get(url, headers={"If-None-Match": tag}), 404, "analysis-not-found")


def test_what_is_not_there(app: Flask, voice_wav: bytes) -> None:
    client = app.test_client()
    pictures = stored(client, voice_wav)
    assert_error(client.get(f"{pictures}/heat.png"), 404, "unknown-picture")
    assert_error(client.get(f"{pictures}/bars.jpg"), 404, "not-found")
    assert_error(client.get("/results/none/pictures/bars.png"), 404, "analysis-not-found")
    app.extensions["undertone"].history.add(samples.analysis(spectrogram=None))
    assert_error(client.get("/results/id0000/pictures/mfcc.png"), 404, "picture-unavailable")
