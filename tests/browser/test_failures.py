"""What can go wrong: microphones, files, servers."""

import re

import pytest
from playwright.sync_api import expect

from tests import live, sounds
from tests.browser.steps import expect_result, submit, wav_file

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "was not allowed"),
        ("NotFoundError", "No microphone was found"),
        ("NotReadableError", "another program may be using it"),
        ("OverconstrainedError", "cannot record what is needed"),
        ("UnheardOfError", "UnheardOfError"),
    ],
)
def test_microphone_refused(open_page, name, words):
    refuse = f"async () => {{ throw new DOMException('', '{name}'); }}"
    page = open_page(script=f"navigator.mediaDevices.getUserMedia = {refuse}")
    page.get_by_role("button", name="Record your voice").click()
    expect(page.get_by_role("alert")).to_contain_text(words)
    expect(page.get_by_role("button", name="Record your voice")).to_be_focused()


def test_microphone_denied_by_the_browser(open_page):
    page = open_page(permissions=[])
    page.get_by_role("button", name="Record your voice").click()
    expect(page.get_by_role("alert")).to_contain_text("was not allowed")


def test_microphone_on_an_insecure_page(open_page):
    page = open_page(script="Object.defineProperty(window, 'isSecureContext', { value: false })")
    page.get_by_role("button", name="Record your voice").click()
    expect(page.get_by_role("alert")).to_contain_text("over https")


def test_microphone_without_sound(open_page):
    silent = "new AudioContext().createMediaStreamDestination().stream"
    page = open_page(script=f"navigator.mediaDevices.getUserMedia = async () => {silent}")
    page.get_by_role("button", name="Record your voice").click()
    expect(page.locator("#level-hint")).to_contain_text("No sound is arriving")


def test_browser_that_cannot_record(open_page):
    page = open_page(script="delete window.MediaRecorder")
    expect(page.get_by_text("Choose a recording")).to_be_visible()
    expect(page.get_by_role("button", name="Record your voice")).to_be_hidden()


def test_file_that_is_no_recording(open_page, voice_wav):
    page = open_page()
    text = {"name": "poem.wav", "mimeType": "audio/wav", "buffer": b"Roses are red."}
    page.set_input_files("#file", text)
    expect(page.get_by_text("cannot play this format")).to_be_visible()
    submit(page)
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.locator("#file")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Start over").click()
    expect(page.get_by_role("alert")).to_be_hidden()
    page.set_input_files("#file", voice_wav)
    submit(page)
    expect_result(page)


def test_silent_file(open_page):
    page = open_page()
    page.set_input_files("#file", wav_file(sounds.silence(2.0)))
    submit(page)
    expect(page.get_by_role("alert")).to_contain_text(re.compile("silen", re.IGNORECASE))


def test_empty_file(open_page):
    page = open_page()
    page.set_input_files("#file", {"name": "none.wav", "mimeType": "audio/wav", "buffer": b""})
    expect(page.get_by_role("alert")).to_contain_text("none.wav is empty")


def test_limits_and_a_server_that_goes_away(open_page, tmp_path):
    limits = {"UNDERTONE_MAX_UPLOAD_MB": "0.1", "UNDERTONE_MAX_DURATION_S": "2"}
    with live.running_server(tmp_path, **limits) as small:
        page = open_page(small.url, permissions=["microphone"])
        page.get_by_role("button", name="Record your voice").click()
        expect(page.locator("#chosen-name")).to_have_text("recording.webm")
        page.get_by_role("button", name="Start over").click()
        page.set_input_files("#file", wav_file(sounds.voice(5.0)))
        expect(page.get_by_role("alert")).to_contain_text("at most 102 kB are accepted")
        page.set_input_files("#file", wav_file(sounds.voice(2.0)))
        small.stop()
        submit(page)
        expect(page.get_by_role("alert")).to_contain_text("Your recording is still here")
        expect(page.locator("#submit")).to_be_visible()


def test_answer_that_is_no_page(open_page, voice_wav):
    page = open_page()
    page.route("**/result", lambda route: route.fulfill(status=502, body="Bad Gateway"))
    page.set_input_files("#file", voice_wav)
    submit(page)
    expect(page.get_by_role("alert")).to_contain_text("status 502")


def test_slow_network(open_page, voice_wav):
    page = open_page()
    slow = {"offline": False, "latency": 400, "downloadThroughput": 5e4, "uploadThroughput": 5e4}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    page.reload()
    page.set_input_files("#file", voice_wav)
    submit(page)
    bar = page.get_by_role("progressbar")
    expect(bar).to_be_visible()
    expect(bar).to_have_attribute("value", re.compile(r"0\.\d+|1"))
    expect_result(page, timeout=60_000)


def test_cancel(open_page, voice_wav):
    page = open_page()
    page.route("**/result", lambda route: None)  # never goes on
    page.set_input_files("#file", voice_wav)
    submit(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#submit")).to_be_focused()
    expect(page.get_by_role("alert")).to_be_hidden()
