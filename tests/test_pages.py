"""The HTML pages, as a client without JavaScript sees them."""

import base64
import re
from dataclasses import replace

from flask import Flask
from flask.testing import FlaskClient

from tests import samples, sounds
from tests.conftest import upload, wav
from tests.test_error_shape import BROWSER
from undertone.drawing.svg_sheet import THEMES
from undertone.prediction import Segment

PAGES = ["/", "/nothing", "/docs"]


def test_upload_without_javascript(client: FlaskClient, voice_wav: bytes) -> None:
    response = client.post("/result", **upload(voice_wav, "ałb.wav"), headers=BROWSER)
    assert response.status_code == 303
    assert re.fullmatch(r"/results/[\w-]{22}", response.headers["Location"])
    page = client.get(response.headers["Location"], headers=BROWSER)
    assert page.status_code == 200
    html = page.get_data(as_text=True)
    assert "ałb.wav" in html
    embedded = re.findall(r'(?:src|srcset)="data:image/svg\+xml;base64,([^"]+)"', html)
    assert len(embedded) == 4  # bars and ring, for the dark and the light page
    assert all(base64.b64decode(svg).lstrip().startswith(b"<?xml") for svg in embedded)
    pictures = re.findall(r'(?:src|srcset)="(/results/[^"]+)"', html)
    names = [f"{kind}-{theme}.svg?lang=en" for kind in ("spectrogram", "mfcc") for theme in THEMES]
    assert sorted(url.rsplit("/", 1)[1] for url in pictures) == sorted(names)
    for url in pictures:
        assert client.get(url).mimetype == "image/svg+xml"
    report = re.search(r'href="(/download-report/[^"]+)"', html)[1]
    assert client.get(report).mimetype == "application/pdf"


def test_the_voice_is_told_in_words(client: FlaskClient, voice_wav: bytes) -> None:
    response = client.post("/result", **upload(voice_wav), headers=BROWSER, follow_redirects=True)
    html = response.get_data(as_text=True)
    for words in ("How the voice sounds", "85 to 155 Hz", "Pace", "Loudness", "Baken"):
        assert words in html
    assert re.search(r'class="voice-value">1[12]\d Hz<', html)


def test_an_old_result_has_a_page_too(app: Flask) -> None:
    app.extensions["undertone"].history.add(
        samples.analysis(profile={}, spectrogram=None, model_id="")
    )
    response = app.test_client().get("/results/id0000", headers=BROWSER)
    assert response.status_code == 200
    html = response.get_data(as_text=True)
    assert "How the voice sounds" not in html and "spectrogram" not in html


def test_a_long_recording_has_its_windows(client: FlaskClient) -> None:
    data = wav(sounds.voice(20.0))
    response = client.post("/result", **upload(data), headers=BROWSER, follow_redirects=True)
    html = response.get_data(as_text=True)
    assert "Through the recording" in html
    assert len(re.findall(r'<svg class="lane-picture"', html)) >= 1
    assert "passage" in html and 'data-at-s="' in html


def test_where_it_changes_the_answer_says_for_how_long_each_was_heard(app: Flask) -> None:
    parts = [replace(samples.PREDICTION, label=name, probabilities={name: 0.99, other: 0.01})
             for name, other in (("sad", "happy"), ("happy", "sad"))]  # fmt: skip
    segments = [Segment(i, i + 2.0, parts[i >= 30]) for i in range(40)]
    history = app.extensions["undertone"].history
    for number, windows in enumerate((segments, segments[:20])):
        changes = {"segments": tuple(windows), "speech": ((0.0, 41.0),), "duration_s": 41.0}
        history.add(samples.analysis(number, uncertain=True, **changes))
    pages = [
        app.test_client().get(f"/results/id000{n}", headers=BROWSER).get_data(as_text=True)
        for n in range(2)
    ]
    turns = re.findall(r"<strong>(\w+)</strong> for (\d+)", pages[0])
    assert turns == [("Sad", "74"), ("Happy", "26")]  # until 30.5 s of 41
    assert "since it changes" in pages[0] and "Perhaps also" not in pages[0]
    assert "It changes" not in pages[1] and "Perhaps also" in pages[1]


def test_file_names_are_escaped(client: FlaskClient, voice_wav: bytes) -> None:
    name = "<img src=x onerror=alert(1)>.wav"
    response = client.post(
        "/result", **upload(voice_wav, name), headers=BROWSER, follow_redirects=True
    )
    html = response.get_data(as_text=True)
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_nothing_inline_and_nothing_from_elsewhere(client: FlaskClient, voice_wav: bytes) -> None:
    result = client.post("/result", **upload(voice_wav), headers=BROWSER).headers["Location"]
    for path in [*PAGES, result]:
        response = client.get(path, headers=BROWSER)
        html = response.get_data(as_text=True)
        policy = response.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in policy
        assert "default-src 'none'" in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)", html)
        assert not re.search(r"\sstyle=|\son[a-z]+=", html)
        assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", html)


def test_the_page_tells_its_limits(client: FlaskClient) -> None:
    html = client.get("/").get_data(as_text=True)
    assert 'data-max-bytes="2097152"' in html  # the configured limit, not the default
    assert 'name="file"' in html
    assert 'enctype="multipart/form-data"' in html
