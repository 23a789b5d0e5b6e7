"""The page as its users meet it: in a real Chromium, on a real server."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, Request, expect, sync_playwright

from tests import live, sounds

pytestmark = pytest.mark.browser

RATE = sounds.SAMPLE_RATE
FIRST_VISIT_BYTES = 300_000
RESULT_URL = re.compile(r"/results/[\w-]+$")
# What a test looks at afterwards: is the microphone off, is its meter gone?
SPY_ON_MEDIA = """
  window.opened = { streams: [], contexts: [] };
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wish) => {
    const stream = await ask(wish);
    opened.streams.push(stream);
    return stream;
  };
  const Native = AudioContext;
  window.AudioContext = class extends Native {
    constructor(...options) { super(...options); opened.contexts.push(this); }
  };
"""


@pytest.fixture(scope="module")
def voice_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    path.write_bytes(sounds.with_soundfile(sounds.voice(4.0), RATE, "WAV"))
    return path


@pytest.fixture(scope="module")
def browser(voice_wav: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            chromium = live.launch_chromium(
                playwright,
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={voice_wav}",
                "--autoplay-policy=no-user-gesture-required",
            )
        except Error as error:
            reason = f"no Chromium could be started: {error.message}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Server]:
    with live.running_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def open_page(browser: Browser, server: live.Server) -> Iterator[Callable[..., Page]]:
    """Opens the page in a fresh profile; afterwards nothing may have been complained of."""
    contexts, complaints = [], []

    def open_one(
        url: str = server.url, *, script: str = "", path: str = "/", **options: object
    ) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(15_000)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(url + path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    # Chromium itself notes each answer that is an error, and each that does not come.
    own = [text for text in complaints if not text.startswith("Failed to load resource")]
    assert own == []


def submit(page: Page) -> None:
    page.get_by_role("button", name="Hear the emotion").click()


def expect_result(page: Page) -> None:
    expect(page).to_have_url(RESULT_URL, timeout=20_000)
    expect(page.get_by_role("heading", level=1)).to_have_text(
        re.compile("^(Angry|Disgust|Fear|Happy|Neutral|Sad|Surprise)$")
    )


def wav_file(samples: object, name: str = "voice.wav") -> dict[str, object]:
    data = sounds.with_soundfile(samples, RATE, "WAV")
    return {"name": name, "mimeType": "audio/wav", "buffer": data}


def drop(page: Page, *names: str, text: str = "") -> None:
    """Drop files of a second of a hum, or a text, on the page's body."""
    page.evaluate(
        """([names, text, bytes]) => {
          const transfer = new DataTransfer();
          for (const name of names) {
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "audio/wav" }));
          }
          if (text) transfer.items.add(text, "text/plain");
          for (const type of ["dragenter", "dragover", "drop"]) {
            const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent(type, options));
          }
        }""",
        [names, text, list(sounds.with_soundfile(sounds.voice(2.0), RATE, "WAV"))],
    )


def scrolls_sideways(page: Page) -> bool:
    return bool(
        page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    )


# --- The ways in --------------------------------------------------------------------------


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
    expect(page.get_by_text("was not kept")).to_be_visible()
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
    drop(page, "one.wav", "two.wav")
    expect(page.get_by_role("alert")).to_contain_text("2 files were dropped")
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
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Play the recording")).to_be_focused()


# --- What can go wrong --------------------------------------------------------------------


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


def test_cancel(open_page, voice_wav):
    page = open_page()
    page.route("**/result", lambda route: None)  # never goes on
    page.set_input_files("#file", voice_wav)
    submit(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#submit")).to_be_focused()
    expect(page.get_by_role("alert")).to_be_hidden()


# --- Moving about and looking ---------------------------------------------------------------


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
