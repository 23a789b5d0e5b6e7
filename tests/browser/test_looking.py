"""Moving about and looking: history of the browser, phones, dark mode, odd names."""

import base64
import re

import pytest
from playwright.sync_api import Page, expect

from tests import sounds
from tests.browser.steps import expect_result, scrolls_sideways, submit, wav_file

pytestmark = pytest.mark.browser


def test_back_and_forward(open_page, voice_wav):
    page = open_page()
    page.set_input_files("#file", voice_wav)
    submit(page)
    expect_result(page)
    page.go_back()
    expect(page.locator("#chosen-name")).to_have_text("voice.wav")
    page.go_forward()
    expect_result(page)
    page.reload()
    page.go_back()
    expect(page.get_by_text("Choose a recording")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_phone(open_page, scheme):
    page = open_page(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    assert not scrolls_sideways(page)
    name = "a_recording_whose_name_has_no_place_to_break_" * 4 + ".wav"
    page.set_input_files("#file", wav_file(sounds.voice(12.0), name))
    assert not scrolls_sideways(page)
    submit(page)
    expect_result(page)
    assert not scrolls_sideways(page)
    luminance = sum(map(int, re.findall(r"\d+", _background(page))[:3])) / 3
    assert (luminance > 200) == (scheme == "light")


def _background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


@pytest.mark.parametrize("name", ["تسجيل.wav", "<img src=x onerror=alert(1)>.wav"])
def test_file_names_are_shown_as_they_are(open_page, name):
    page = open_page()
    page.set_input_files("#file", wav_file(sounds.voice(2.0), name))
    expect(page.locator("#chosen-name")).to_have_text(name)
    submit(page)
    expect_result(page)
    expect(page.locator("dd bdi")).to_have_text(name)


def test_nothing_at_an_address(open_page):
    page = open_page(path="/results/none")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    page.get_by_role("link", name="Analyse a recording").click()
    expect(page.get_by_text("Choose a recording")).to_be_visible()


TEXT_PX = 16  # in the picture's own coordinates
READABLE_PX = 14


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 390, 430])
def test_charts_suit_the_screen_and_the_theme(open_page, scheme, width):
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.set_input_files("#file", wav_file(sounds.voice(2.0)))
    submit(page)
    expect_result(page)
    for summary in page.locator("details.more:has(picture) summary").all():
        summary.click()
    pictures = page.locator("picture img")
    assert pictures.count() == 4
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        source = picture.evaluate("i => i.currentSrc")
        svg = (
            picture.evaluate("i => fetch(i.currentSrc).then((r) => r.text())")
            if ("/pictures/" in source)
            else base64.b64decode(source.partition(",")[2]).decode()
        )
        drawn_px = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
        shown = picture.evaluate("i => i.getBoundingClientRect().width")
        assert TEXT_PX * shown / drawn_px >= READABLE_PX
        ink = "#eef0ed" if scheme == "dark" else "#161b26"
        assert ink in svg
