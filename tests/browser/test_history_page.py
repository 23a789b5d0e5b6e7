"""The history: looking for a recording, opening it, playing what is kept, deleting."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests import live
from tests.browser.steps import expect_result, scrolls_sideways, submit
from tests.samples import analysis
from undertone.store.history import History
from undertone.store.listing import Filter

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[live.Server, History]]:
    """A server that keeps recordings, and its history."""
    data_dir = tmp_path_factory.mktemp("data")
    history = History(f"sqlite:///{data_dir}/undertone.sqlite3")
    with live.running_server(data_dir, UNDERTONE_KEEP_AUDIO="7d") as running:
        yield running, history
    history.close()


@pytest.fixture
def filled(keeping: tuple[live.Server, History]) -> live.Server:
    """The server, with sixty results."""
    server, history = keeping
    history.delete_all(Filter())
    for number in range(60):
        label = "sad" if number % 20 == 0 else "happy"
        history.add(analysis(number, label=label, filename=f"Take {number}.wav"))
    return server


def expect_count(page: Page, words: str) -> None:
    expect(page.get_by_role("status")).to_have_text(re.compile(f"^{words}"))


def rows(page: Page) -> object:
    return page.locator(".entry")


@pytest.mark.parametrize("javascript", [True, False])
def test_search_filter_and_delete(open_page, filled, javascript):
    page = open_page(filled.url, java_script_enabled=javascript)
    page.get_by_role("link", name="History").first.click()
    expect_count(page, "60 recordings")
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(rows(page)).to_have_count(10)
    page.get_by_role("link", name="Newer").click()
    expect(rows(page)).to_have_count(50)

    page.get_by_label("File name contains").fill("TAKE 4")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(11)  # 4 and 40 to 49
    page.get_by_text("Emotion, date and more").click()
    page.get_by_role("checkbox", name="Sad").check()
    page.get_by_role("button", name="Show").click()
    expect_count(page, "1 recording matches")
    expect(page.get_by_role("checkbox", name="Sad")).to_be_checked()
    expect(page.get_by_role("link", name="Take 40.wav")).to_be_visible()

    page.get_by_label("Delete Take 40.wav").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    expect(page.get_by_label("File name contains")).to_have_value("TAKE 4")
    page.get_by_role("checkbox", name="Sad").uncheck()
    page.get_by_role("button", name="Show").click()
    expect(rows(page)).to_have_count(10)
    page.get_by_text("Delete 10 recordings…").click()
    page.get_by_role("button", name="Delete 10 recordings for good").click()
    expect_count(page, "49 recordings")


def test_export(open_page, filled):
    page = open_page(filled.url, path="/history?emotion=sad")
    with page.expect_download() as download:
        page.get_by_role("link", name="Table (CSV)").click()
    assert download.value.suggested_filename == "undertone-history.csv"
    lines = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 1 + 3


def test_open_play_and_delete_a_result(open_page, filled, voice_wav):
    page = open_page(filled.url)
    page.set_input_files("#file", voice_wav)
    submit(page)
    expect_result(page)
    expect(
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Analyse")
    ).not_to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="History").first.click()
    page.get_by_role("link", name="voice.wav").click()
    expect_result(page)
    expect(page.get_by_text("is kept until")).to_be_visible()
    page.get_by_role("button", name="Play the recording").click()
    expect(page.get_by_role("button", name="Pause the recording")).to_be_visible()
    position = page.get_by_role("slider", name="Position in the recording")
    position.focus()
    page.keyboard.press("End")
    expect(position).to_have_attribute("aria-valuetext", "4.0 s of 4.0 s")

    page.get_by_text("Delete this result").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("History")
    expect_count(page, "60 recordings")


def test_a_kept_recording_without_javascript(open_page, filled, voice_wav):
    page = open_page(filled.url, java_script_enabled=False)
    page.set_input_files("#file", voice_wav)
    submit(page)
    expect_result(page)
    expect(page.locator("audio.preview")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_phone(open_page, filled, scheme):
    page = open_page(
        filled.url, path="/history?emotion=happy",
        viewport={"width": 320, "height": 640}, color_scheme=scheme,
    )  # fmt: skip
    assert not scrolls_sideways(page)
    page.get_by_label("Delete Take 59.wav").click()
    assert not scrolls_sideways(page)


def test_keyboard_alone(open_page, filled):
    page = open_page(filled.url, path="/history")
    page.get_by_role("link", name="Take 59.wav").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Compare Take 59.wav")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Delete Take 59.wav")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Delete for good")).to_be_focused()
    page.keyboard.press("Enter")
    expect_count(page, "59 recordings")


@pytest.mark.parametrize("javascript", [True, False])
def test_compare(open_page, filled, javascript):
    page = open_page(filled.url, path="/history", java_script_enabled=javascript)
    page.get_by_label("Compare Take 59.wav").check()
    if javascript:
        page.get_by_role("button", name="Compare the two").click()
        expect(page.get_by_text("Tick two recordings")).to_be_visible()
    page.get_by_label("Compare Take 57.wav").check()
    if javascript:
        expect(page.get_by_label("Compare Take 58.wav")).to_be_disabled()
    page.get_by_role("button", name="Compare the two").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Side by side")
    expect(page.get_by_role("link", name="Take 59.wav")).to_be_visible()
    expect(page.get_by_role("link", name="Take 57.wav")).to_be_visible()
    assert not scrolls_sideways(page)
