"""What is on the page stays: takes, chosen files, queries; through taps, languages and leaving."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests import live, sounds
from tests.browser import seeds
from tests.browser.steps import expect_result, submit, wav_file

pytestmark = pytest.mark.browser
DESKTOP = {"width": 1280, "height": 720}
PHONE = {"width": 390, "height": 844}
SMALL_PHONE = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Server]:
    """A server with results in every label, and a small limit for files."""
    data_dir = tmp_path_factory.mktemp("data")
    seeds.fill(data_dir)
    with live.running_server(data_dir, UNDERTONE_MAX_UPLOAD_MB="0.2") as running:
        yield running


def record(page: Page, *, button: str = "Record your voice", seconds: int = 1) -> None:
    page.locator("#timer").evaluate("(timer) => (timer.textContent = '')")
    page.get_by_role("button", name=button).click()
    expect(page.locator("#timer")).to_have_text(f"0:0{seconds}")


def file_size(page: Page) -> int:
    return int(page.evaluate("document.querySelector('#file').files[0]?.size ?? 0"))


def asks_before_leaving(page: Page) -> bool:
    """Whether the browser would ask; the answer is to stay."""
    asked = page.evaluate("!dispatchEvent(new Event('beforeunload', { cancelable: true }))")
    return bool(asked)


def double_tap(page: Page, name: str, *, touch: bool) -> None:
    """Tap twice where the button is, whatever is there by the second time."""
    page.get_by_role("button", name=name).scroll_into_view_if_needed()
    box = page.get_by_role("button", name=name).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if touch:
        page.touchscreen.tap(x, y)
        page.wait_for_timeout(150)
        page.touchscreen.tap(x, y)
    else:
        page.mouse.dblclick(x, y, delay=80)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, SMALL_PHONE], ids=lambda v: v["width"])
@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
def test_two_taps_on_stop_keep_the_take(open_page, viewport, touch):
    page = open_page(permissions=["microphone"], viewport=viewport, has_touch=touch)
    page.route("**/result", lambda route: None)
    record(page)
    double_tap(page, "Stop", touch=touch)
    expect(page.locator("#chosen-name")).to_have_text("recording.webm")
    size = file_size(page)
    page.wait_for_timeout(700)
    assert page.locator("#recording-form").get_attribute("data-state") == "ready"
    assert file_size(page) == size > 0
    # A tap that is meant for it still records again.
    page.get_by_role("button", name="Record again").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()


@pytest.mark.parametrize("name", ["Record your voice", "Record again", "Discard"])
def test_two_taps_do_what_one_does(open_page, name):
    page = open_page(permissions=["microphone"])
    if name != "Record your voice":
        record(page)
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#chosen-name")).to_have_text("recording.webm")
        page.wait_for_timeout(600)
    if name == "Discard":
        record(page, button="Record again")
    double_tap(page, name, touch=False)
    state = "ready" if name == "Discard" else "record"
    form = page.locator("#recording-form")
    expect(form).to_have_attribute("data-state", state)
    page.wait_for_timeout(700)
    expect(form).to_have_attribute("data-state", state)


def test_a_key_that_is_held_presses_one_button(open_page):
    page = open_page(permissions=["microphone"])
    page.route("**/result", lambda route: None)
    record(page)
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    page.keyboard.down("Enter")
    expect(page.locator("#submit")).to_be_focused()
    for _ in range(3):  # as a key repeats
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    expect(page.locator("#recording-form")).to_have_attribute("data-state", "ready")


def test_two_taps_start_listening_and_do_not_stop_it(open_page):
    page = open_page(path="/listen", permissions=["microphone"])
    double_tap(page, "Listen to me", touch=False)
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.wait_for_timeout(500)
    expect(page.get_by_role("button", name="Stop")).to_be_visible()


def test_leaving_is_asked_about_only_while_a_take_would_be_lost(open_page, voice_wav):
    page = open_page(permissions=["microphone"])
    assert not asks_before_leaving(page)
    page.set_input_files("#file", voice_wav)  # it is still where it was chosen
    expect(page.locator("#submit")).to_be_visible()
    assert not asks_before_leaving(page)
    page.get_by_role("button", name="Start over").click()
    record(page)
    assert asks_before_leaving(page)
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("#record")).to_be_visible()
    assert not asks_before_leaving(page)
    record(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#submit")).to_be_visible()
    assert asks_before_leaving(page)
    submit(page)
    expect_result(page)
    assert not asks_before_leaving(page)
    page.go_back()
    expect(page.locator("#chosen-name")).to_have_text("recording.webm")
    assert not asks_before_leaving(page)


def test_the_browser_asks_and_staying_keeps_the_take(open_page):
    page = open_page(permissions=["microphone"])
    record(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#submit")).to_be_visible()
    kinds = []

    def stay(dialog):
        kinds.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.get_by_role("link", name="History").click(no_wait_after=True)
    page.wait_for_timeout(500)
    assert kinds == ["beforeunload"]
    expect(page.locator("#chosen-name")).to_have_text("recording.webm")


def test_a_running_take_is_kept_when_an_earlier_page_is_shown(open_page, voice_wav):
    page = open_page(permissions=["microphone"])
    page.set_input_files("#file", voice_wav)
    submit(page)
    expect_result(page)
    page.go_back()
    page.get_by_role("button", name="Start over").click()
    record(page)
    page.go_forward()
    expect_result(page)
    page.go_back()
    expect(page.locator("#chosen-name")).to_have_text("recording.webm")


QUERIES = (
    "/compare?id=short-sad&id=long-fear",
    "/history?emotion=sad&emotion=fear&search=a",
    "/history?limit=3",
    "/?model=cnn",
    "/models#model-cnn",
    "/results/short-sad",
)


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("path", QUERIES)
def test_a_language_keeps_the_address(open_page, seeded, path, javascript):
    page = open_page(seeded.url, path=path, locale="en", java_script_enabled=javascript)
    before = page.locator("main").get_by_role("link").count()
    page.get_by_role("link", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    address, _, anchor = path.partition("#")
    url = page.url.removeprefix(seeded.url)
    assert url.partition("#")[0] == f"{address}{'&' if '?' in address else '?'}lang=de"
    assert not javascript or url.partition("#")[2] == anchor
    assert page.locator("main").get_by_role("link").count() == before
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert page.url.count("lang=") == 1


def test_a_language_keeps_the_place_in_the_list(open_page, seeded):
    page = open_page(seeded.url, path="/history?limit=3", locale="en")
    page.get_by_role("link", name="Older").click()
    names = page.locator(".entry-name").all_text_contents()
    page.get_by_role("link", name="Deutsch").click()
    expect(page.get_by_role("link", name="Ältere")).to_be_visible()
    assert page.locator(".entry-name").all_text_contents() == names


def test_a_language_is_that_of_the_result_just_shown(open_page, voice_wav):
    page = open_page(locale="en")
    page.set_input_files("#file", voice_wav)
    submit(page)
    expect_result(page)
    path = page.url
    page.get_by_role("link", name="Deutsch").click()
    expect(page).to_have_url(f"{path}?lang=de")


def test_a_language_keeps_what_is_chosen(open_page, voice_wav):
    page = open_page(locale="en")
    page.set_input_files("#file", [wav_file(sounds.voice(1.0), f"{n}.wav") for n in (1, 2)])
    page.locator("#model").select_option("cnn")
    page.get_by_role("link", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("link", name="Deutsch")).to_be_focused()
    expect(page.locator("#chosen-name")).to_have_text("2 Aufnahmen")
    expect(page.get_by_role("navigation", name="Haupt").get_by_role("link")).to_have_count(4)
    expect(page.locator("#model")).to_have_value("cnn")
    page.get_by_role("button", name="Neu beginnen").click()
    page.set_input_files("#file", {"name": "a.wav", "mimeType": "audio/wav", "buffer": b""})
    expect(page.get_by_role("alert")).to_contain_text("ist leer")
    page.set_input_files("#file", voice_wav)
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    submit(page)
    expect_result(page)


def test_a_language_keeps_an_unsent_take(open_page):
    page = open_page(locale="en", permissions=["microphone"])
    record(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#submit")).to_be_visible()
    size = file_size(page)
    page.get_by_role("link", name="Deutsch").click()
    expect(page.locator("#chosen-name")).to_have_text("recording.webm")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert file_size(page) == size
    assert asks_before_leaving(page)
    page.get_by_role("button", name="Noch einmal aufnehmen").click()
    expect(page.get_by_role("button", name="Beenden")).to_be_focused()


def test_one_bad_file_does_not_hold_up_the_others(open_page, seeded):
    page = open_page(seeded.url)
    big = wav_file(sounds.voice(20.0), "big.wav")
    empty = {"name": "empty.wav", "mimeType": "audio/wav", "buffer": b""}
    good = [wav_file(sounds.voice(2.0), f"good{n}.wav") for n in (1, 2)]
    page.set_input_files("#file", [good[0], big, empty, good[1]])
    expect(page.locator("#chosen-name")).to_have_text("2 recordings")
    expect(page.get_by_role("alert")).to_contain_text("2 recordings cannot be sent")
    listed = page.locator("#chosen-list li")
    expect(listed).to_have_count(4)
    expect(listed.nth(1)).to_contain_text("big.wav")
    expect(listed.nth(1)).to_contain_text("at most 205 kB are accepted")
    expect(listed.nth(2)).to_contain_text("empty.wav is empty")
    page.get_by_role("button", name="Start over").click()
    page.set_input_files("#file", [big, *good])
    expect(page.get_by_role("alert")).to_contain_text("big.wav has")
    expect(page.get_by_role("alert")).to_contain_text("The others are ready to be sent.")
    submit(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Heard", timeout=60_000)
    expect(page.get_by_text("2 of 2 could be heard.")).to_be_visible()


def test_one_bad_file_without_javascript(open_page, seeded):
    page = open_page(seeded.url, java_script_enabled=False)
    big = wav_file(sounds.voice(20.0), "big.wav")
    empty = {"name": "empty.wav", "mimeType": "audio/wav", "buffer": b""}
    text = {"name": "poem.wav", "mimeType": "audio/wav", "buffer": b"Roses are red."}
    page.set_input_files("#file", [big, wav_file(sounds.voice(2.0), "good.wav"), empty, text])
    submit(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Heard", timeout=60_000)
    expect(page.get_by_text("1 of 4 could be heard.")).to_be_visible()
    for name in ("big.wav", "empty.wav", "poem.wav"):
        failed = page.locator(".item[data-state=failed]").filter(has_text=name)
        expect(failed).to_have_count(1)
