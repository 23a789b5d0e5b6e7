"""The ways in: choosing, dropping, recording, without JavaScript, by keyboard."""

import pytest
from playwright.sync_api import Request, expect

from tests.browser.steps import FIRST_VISIT_BYTES, SPY_ON_MEDIA, drop, expect_result, submit

pytestmark = pytest.mark.browser


def test_first_visit_is_light_and_asks_nobody_else(open_page, server):
    requests: list[Request] = []
    page = open_page("about:blank", path="")
    page.on("requestfinished", lambda request: requests.append(request))
    page.goto(server.url, wait_until="networkidle")
    assert all(request.url.startswith(server.url) for request in requests)
    assert all(request.response().status == 200 for request in requests)
    n_bytes = sum(request.sizes()["responseBodySize"] for request in requests)
    assert n_bytes < FIRST_VISIT_BYTES


def test_choose_a_file(open_page, voice_wav):
    page = open_page()
    page.set_input_files("#file", voice_wav)
    expect(page.locator("#chosen-name")).to_have_text("voice.wav")
    assert page.evaluate(
        """() => new Promise((resolve) => {
          const audio = document.querySelector("#preview");
          if (audio.readyState) resolve(audio.duration);
          audio.addEventListener("loadedmetadata", () => resolve(audio.duration));
        })"""
    ) == pytest.approx(4.0, abs=0.1)
    submit(page)
    expect_result(page)
    expect(page.locator("h1")).to_be_focused()
    assert page.title().startswith(page.locator("h1").text_content())

    page.get_by_role("button", name="Play the recording").click()
    expect(page.get_by_role("button", name="Pause the recording")).to_be_visible()
    position = page.get_by_role("slider", name="Position in the recording")
    position.focus()
    page.keyboard.press("End")
    expect(position).to_have_attribute("aria-valuetext", "4.0 s of 4.0 s")

    page.reload()
    expect(page.get_by_text("is not kept")).to_be_visible()
    expect(page.get_by_role("button", name="Play the recording")).to_be_hidden()
    page.get_by_text("The numbers as a table").click()
    expect(page.get_by_role("row")).to_have_count(8)


def test_drop_a_file(open_page):
    page = open_page()
    drop(page, "dropped.wav")
    expect(page.locator("#chosen-name")).to_have_text("dropped.wav")
    submit(page)
    expect_result(page)


def test_drop_what_cannot_be_taken(open_page):
    page = open_page()
    drop(page, text="a poem")
    expect(page.get_by_role("alert")).to_contain_text("not a file")
    expect(page.locator("#drop-veil")).to_be_hidden()


def test_record(open_page):
    page = open_page(script=SPY_ON_MEDIA, permissions=["microphone"])
    page.get_by_role("button", name="Record your voice").click()
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    picture = "document.querySelector('#level').toDataURL()"
    page.wait_for_timeout(600)
    before = page.evaluate(picture)
    expect(page.locator("#timer")).to_have_text("0:03")
    assert page.evaluate(picture) != before
    page.get_by_role("button", name="Stop").click()

    expect(page.locator("#chosen-name")).to_have_text("recording.webm")
    expect(page.locator("#submit")).to_be_focused()
    assert page.evaluate(
        "opened.streams.every((s) => s.getTracks().every((t) => t.readyState === 'ended'))"
    )
    assert page.evaluate("opened.contexts.map((context) => context.state)") == ["closed"]
    page.evaluate("document.querySelector('#preview').play()")
    page.wait_for_timeout(500)
    assert page.evaluate("document.querySelector('#preview').currentTime") > 0.1
    submit(page)
    expect_result(page)
    expect(page.get_by_role("button", name="Play the recording")).to_be_visible()


def test_record_again_and_discard(open_page):
    page = open_page(script=SPY_ON_MEDIA, permissions=["microphone"])
    page.get_by_role("button", name="Record your voice").click()
    page.wait_for_timeout(300)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Record again").click()
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("#chosen-name")).to_have_text("recording.webm")
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("#file")).to_be_focused()
    assert page.evaluate("document.querySelector('#file').files.length") == 0
    assert page.evaluate(
        "opened.streams.every((s) => s.getTracks().every((t) => t.readyState === 'ended'))"
    )


def test_microphone_unplugged_while_recording(open_page):
    page = open_page(script=SPY_ON_MEDIA, permissions=["microphone"])
    page.get_by_role("button", name="Record your voice").click()
    expect(page.locator("#timer")).to_have_text("0:01")
    page.evaluate("opened.streams[0].getTracks()[0].stop()")
    expect(page.locator("#chosen-name")).to_have_text("recording.webm")
    assert page.evaluate("opened.contexts[0].state") == "closed"


def test_without_javascript(open_page, voice_wav):
    page = open_page(java_script_enabled=False)
    expect(page.get_by_role("button", name="Record your voice")).to_be_hidden()
    page.set_input_files("#file", {"name": "a.wav", "mimeType": "audio/wav", "buffer": b"text"})
    submit(page)
    expect(page.get_by_role("alert")).not_to_be_empty()
    page.set_input_files("#file", voice_wav)
    submit(page)
    expect_result(page)


def test_keyboard_alone(open_page, voice_wav):
    page = open_page()
    page.on("filechooser", lambda chooser: chooser.set_files(voice_wav))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#file")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#submit")).to_be_focused()
    page.keyboard.press("Enter")
    expect_result(page)
    play = page.get_by_role("button", name="Play the recording")
    expect(play).to_be_visible()
    page.keyboard.press("Tab")
    expect(play).to_be_focused()
