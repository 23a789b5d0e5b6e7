"""Recordings that take long, and several at once: progress, cancelling, a server gone meanwhile."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests import live, sounds
from tests.browser.steps import RATE, drop, expect_result, scrolls_sideways, submit, wav_file

pytestmark = pytest.mark.browser
JOB_URL = re.compile(r"/jobs/[\w-]+$")
LONG_MS = 120_000
# Not by `wait_for_function`, which asks again by eval, and that the page forbids.
KNOWS_ITS_LENGTH = """(audio) => new Promise((done) => {
  const look = () => (audio.duration > 100 ? done() : setTimeout(look, 20));
  look();
})"""


@pytest.fixture(scope="module")
def long_file() -> dict[str, object]:
    """Three minutes of speech."""
    samples = np.tile(sounds.voice(30.0), 6)
    data = sounds.with_soundfile(samples, RATE, "MP3")
    return {"name": "talk.mp3", "mimeType": "audio/mpeg", "buffer": data}


def choose_long(page: Page, file: dict[str, object]) -> None:
    page.set_input_files("#file", file)
    expect(page.locator("#chosen-name")).to_have_text("talk.mp3")
    page.locator("#preview").evaluate(KNOWS_ITS_LENGTH)


def test_a_long_recording(open_page, long_file):
    page = open_page()
    choose_long(page, long_file)
    submit(page)
    expect(page).to_have_url(JOB_URL)
    expect(page.locator("h1")).to_be_focused()
    bar = page.get_by_role("progressbar", name="Listening…")
    expect(bar).to_have_attribute("value", re.compile(r"0\.[1-9]"), timeout=LONG_MS)
    expect_result(page, timeout=LONG_MS)
    expect(page.locator("h1")).to_be_focused()
    page.get_by_role("button", name="Play the recording").click()
    expect(page.get_by_role("button", name="Pause the recording")).to_be_visible()
    page.go_back()  # to the form, not to the progress
    expect(page.locator("#chosen-name")).to_have_text("talk.mp3")


def test_cancel_a_long_recording(open_page, long_file):
    page = open_page()
    choose_long(page, long_file)
    submit(page)
    expect(page).to_have_url(JOB_URL)
    job_url = page.url
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.locator("#chosen-name")).to_have_text("talk.mp3")
    expect(page.locator("#status")).to_contain_text("Cancelled")
    page.goto(job_url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancelled")
    page.get_by_role("link", name="Analyse another").click()
    expect(page.get_by_text("Choose a recording")).to_be_visible()


def test_leave_and_come_back(open_page, long_file):
    page = open_page()
    choose_long(page, long_file)
    submit(page)
    expect(page).to_have_url(JOB_URL)
    job_url = page.url
    page.goto("about:blank")
    page.goto(job_url)
    expect_result(page, timeout=LONG_MS)
    expect(page.get_by_text("is not kept")).to_be_visible()


def test_several_at_once(open_page, voice_wav):
    page = open_page()
    text = {"name": "poem.wav", "mimeType": "audio/wav", "buffer": b"Roses are red. " * 9}
    name = "a_name_without_a_place_to_break_" * 5 + ".wav"
    files = [wav_file(sounds.voice(2.0), name), text, wav_file(sounds.voice(3.0, 200), "c.wav")]
    page.set_input_files("#file", files)
    expect(page.locator("#chosen-name")).to_have_text("3 recordings")
    expect(page.locator("#preview")).to_be_hidden()
    submit(page)
    expect(page).to_have_url(JOB_URL)
    expect(page.get_by_role("heading", level=1)).to_have_text("Heard", timeout=LONG_MS)
    expect(page.get_by_text("2 of 3 could be heard.")).to_be_visible()
    items = page.get_by_role("listitem").filter(has=page.locator("bdi"))
    expect(items).to_have_count(3)
    expect(items.nth(1)).to_contain_text("poem.wav")
    expect(items.nth(1)).to_contain_text("cannot be read as sound")
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert not scrolls_sideways(page)
    items.nth(2).get_by_role("link").click()
    expect_result(page)
    expect(page.locator("dd bdi")).to_have_text("c.wav")
    page.go_back()
    expect(page.get_by_text("2 of 3 could be heard.")).to_be_visible()


def test_drop_several(open_page):
    page = open_page()
    drop(page, "one.wav", "two.wav")
    expect(page.locator("#chosen-name")).to_have_text("2 recordings")
    page.get_by_role("button", name="Start over").click()
    drop(page, "one.wav")
    expect(page.locator("#preview")).to_be_visible()


def test_limits_of_several(open_page, tmp_path):
    limits = {"UNDERTONE_JOB_FILES": "2", "UNDERTONE_JOB_MB": "0.1"}
    with live.running_server(tmp_path, **limits) as small:
        page = open_page(small.url)
        short = [wav_file(sounds.voice(0.5), f"{n}.wav") for n in range(3)]
        page.set_input_files("#file", short)
        expect(page.get_by_role("alert")).to_contain_text("at most 2 are accepted at once")
        page.set_input_files("#file", [wav_file(sounds.voice(2.0), f"{n}.wav") for n in range(2)])
        expect(page.get_by_role("alert")).to_contain_text("at most 102 kB are accepted at once")
        page.set_input_files("#file", short[:2])
        submit(page)
        expect(page).to_have_url(JOB_URL)


def test_a_server_that_is_gone_for_a_while(open_page, long_file, tmp_path):
    with live.running_server(tmp_path) as first:
        page = open_page(first.url)
        choose_long(page, long_file)
        submit(page)
        expect(page).to_have_url(JOB_URL)
        first.stop()
        expect(page.get_by_role("alert")).to_contain_text("does not answer just now")
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("alert")).to_contain_text("does not answer just now")
        with live.running_server(tmp_path, port=int(first.url.rsplit(":", 1)[1])):
            expect(page.get_by_role("alert")).to_be_hidden(timeout=LONG_MS)
            page.wait_for_url("**/results/*", timeout=LONG_MS)


def test_without_javascript(open_page, voice_wav):
    page = open_page(java_script_enabled=False)
    page.set_input_files("#file", [wav_file(sounds.voice(2.0), f"{n}.wav") for n in range(2)])
    submit(page)
    expect(page).to_have_url(JOB_URL)
    # The page asks for itself again until the job is over.
    expect(page.get_by_role("heading", level=1)).to_have_text("Heard", timeout=LONG_MS)
    page.locator(".item").get_by_role("link").first.click()
    expect_result(page)


def test_cancel_without_javascript(open_page, long_file):
    page = open_page(java_script_enabled=False)
    page.set_input_files("#file", [long_file, {**long_file, "name": "more.mp3"}])
    submit(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancelled")
    expect(page.get_by_role("listitem").get_by_text("cancelled")).to_have_count(2)
