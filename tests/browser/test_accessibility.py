"""Every page and state by axe-core: no rule violated, dark or light, wide or narrow."""

from collections.abc import Iterator

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from tests import live, sounds
from tests.browser.overflow import overflows
from tests.browser.steps import expect_result, scrolls_sideways, submit, wav_file
from tests.samples import analysis
from undertone.store.history import History

pytestmark = pytest.mark.browser
# WCAG 2.2 AA, axe's best practices, and most of what axe leaves off by default. Not `p-as-heading`,
# which takes large figures for headings, nor `focus-order-semantics`, which wants a landmark for
# each table that scrolls.
ALL_RULES = {
    "resultTypes": ["violations"],
    "rules": dict.fromkeys(
        ("target-size", "css-orientation-lock", "label-content-name-mismatch",
         "table-fake-caption", "td-has-header"),
        {"enabled": True},
    ),
}  # fmt: skip
# What colours and room decide; the rest is the same however one looks.
BY_LOOK = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "rule", "values": ["color-contrast", "target-size"]},
}
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
Look = tuple[dict[str, int], str, dict[str, object]]
LOOKS: tuple[Look, ...] = (
    (DESKTOP, "light", ALL_RULES),
    (DESKTOP, "dark", BY_LOOK),
    (PHONE, "light", BY_LOOK),
    (PHONE, "dark", ALL_RULES),
)
# Another language changes words, and by them how much room they need.
OF_WORDS = LOOKS[:1]
SHIFTS = """
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) shifted += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Server]:
    """A server that keeps recordings, with results of several days."""
    data_dir = tmp_path_factory.mktemp("data")
    history = History(f"sqlite:///{data_dir}/undertone.sqlite3")
    for number, label in enumerate(("sad", "happy", "angry", "fear", "neutral")):
        history.add(analysis(20 * number, label=label, uncertain=label == "fear"))
    history.close()
    with live.running_server(
        data_dir, UNDERTONE_KEEP_AUDIO="7d", UNDERTONE_LIVE_SESSIONS="1"
    ) as running:
        yield running


@pytest.fixture
def look(open_page, keeping):
    """Opens a page of that server as it is looked at here."""

    def open_one(path: str = "/", **options: object) -> Page:
        options = {"reduced_motion": "reduce", "permissions": ["microphone"], **options}
        script = f"{AXE_SCRIPT}\n{options.pop('script', '')}"
        return open_page(keeping.url, path=path, script=script, **options)

    return open_one


def check(page: Page, *parts: str, looks: tuple[Look, ...] = LOOKS) -> None:
    """No violation in any of the ways to look at a page, and nothing that sticks out."""
    where = {"include": [[part] for part in parts or ("html",)]}
    for viewport, scheme, options in looks:
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = page.evaluate("([where, options]) => axe.run(where, options)", [where, options])
        told = [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found["violations"]]
        assert told == [], (page.url, scheme, viewport)
        assert not scrolls_sideways(page), page.url


@pytest.mark.parametrize(
    "path",
    ["/", "/history", "/history?search=nothing", "/models", "/listen", "/nothing",
     "/compare?id=id0000&id=id0020", "/compare?id=id0000&id=id0000", "/compare"],
)  # fmt: skip
def test_pages(look, path):
    page = look(path)
    for details in page.locator("details").all()[:20]:
        details.evaluate("(element) => (element.open = true)")
    check(page)


def test_pages_in_german(look, keeping):
    page = look("/?lang=de")
    for path in (
        "/", "/history", "/history?search=nothing", "/models", "/listen", "/nothing",
        "/results/id0000", "/compare?id=id0000&id=id0020", "/compare",
    ):  # fmt: skip
        page.goto(keeping.url + path)
        assert page.locator("html").get_attribute("lang") == "de"
        for details in page.locator("details").all()[:20]:
            details.evaluate("(element) => (element.open = true)")
        check(page, looks=OF_WORDS)


def test_errors_in_german(look, keeping):
    page = look("/?lang=de")
    poem = {"name": "poem.wav", "mimeType": "audio/wav", "buffer": b"Roses are red."}
    page.set_input_files("#file", poem)
    page.get_by_role("button", name="Gefühl hören").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Das ist keine lesbare Aufnahme")
    expect(alert.get_by_text("14 bytes")).to_be_hidden()
    alert.get_by_text("Technische Einzelheiten").click()
    expect(alert.locator(".original [lang=en]")).to_contain_text("14 bytes")
    expect(alert.get_by_text("14 bytes")).to_be_visible()
    check(page, looks=OF_WORDS)
    page.set_input_files("#file", [poem, wav_file(sounds.voice(2.0))])
    page.get_by_role("button", name="Gefühl hören").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Gehört", timeout=60_000)
    page.get_by_role("list").get_by_text("Technische Einzelheiten").click()
    expect(page.get_by_role("list").locator(".original [lang=en]")).to_be_visible()
    check(page, looks=OF_WORDS)
    job = page.request.post(f"{keeping.url}/jobs", multipart={"file": poem}).json()["id"]
    page.goto(f"{keeping.url}/jobs/{job}")
    expect(page.locator(".job-words .original")).to_be_visible()
    check(page, looks=OF_WORDS)


def test_the_page_of_the_api(look):
    # It is long, and its calls are all alike: the first of each kind is enough.
    check(look("/docs"), ".docs-head", ".docs-nav", ".docs-body article:first-of-type")


def test_the_form_in_its_states(look, voice_wav):
    page = look()
    empty = {"name": "none.wav", "mimeType": "audio/wav", "buffer": b""}
    page.set_input_files("#file", empty)
    expect(page.get_by_role("alert")).to_be_visible()
    check(page)
    name = "a_name_without_a_place_to_break_" * 5 + ".wav"
    several = [wav_file(sounds.voice(1.0), f"{number}{name}") for number in range(20)]
    page.set_input_files("#file", [{**empty, "name": name}, *several])
    expect(page.locator("#chosen-list")).to_be_visible()
    assert overflows(page) == []
    check(page)
    page.get_by_role("button", name="Start over").click()
    page.get_by_role("button", name="Record your voice").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Discard").click()
    page.set_input_files("#file", voice_wav)
    check(page)
    page.route("**/result", lambda route: None)  # never goes on
    submit(page)
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    check(page)


def test_a_result_that_is_played(look):
    page = look()
    samples = np.concatenate([sounds.voice(6.0), sounds.silence(4.0), sounds.voice(6.0)])
    page.set_input_files("#file", wav_file(samples))
    submit(page)
    expect_result(page, timeout=60_000)
    expect(page.get_by_role("heading", name="Through the recording")).to_be_visible()
    for details in page.locator("details").all():
        details.evaluate("(element) => (element.open = true)")
    page.get_by_role("button", name="Play from").first.click()
    expect(page.get_by_role("button", name="Pause the recording")).to_be_visible()
    page.get_by_role("button", name="Copy the link").click()
    check(page)


def test_a_job_of_several(look):
    page = look()
    voices = [wav_file(sounds.voice(2.0), f"{number}.wav") for number in range(2)]
    page.set_input_files("#file", [*voices, wav_file(sounds.silence(2.0), "silence.wav")])
    submit(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Heard", timeout=60_000)
    check(page)


def test_a_job_under_way(look):
    page = look()

    def hold(route):  # the page hears nothing new, and stays as it came
        if route.request.is_navigation_request():
            route.continue_()

    page.route("**/jobs/*", hold)
    page.set_input_files("#file", [wav_file(sounds.voice(3.0), f"{n}.wav") for n in range(4)])
    submit(page)
    expect(page.get_by_role("progressbar").first).to_be_visible()
    check(page)


@pytest.mark.parametrize("path", ["/", "/history", "/models", "/listen", "/compare"])
def test_read_from_the_right(look, path):
    page = look(path, viewport=PHONE)
    page.evaluate("document.documentElement.dir = 'rtl'")
    assert not scrolls_sideways(page)
    start = page.evaluate("document.querySelector('h1').getBoundingClientRect().right")
    assert start > PHONE["width"] / 2
    check(page)


def test_live_while_it_listens_and_when_it_is_refused(look):
    first, second = look("/listen"), look("/listen?lang=de")
    first.get_by_role("button", name="Listen to me").click()
    expect(first.locator("[data-tile] svg[class='live-none']")).to_have_count(0, timeout=30_000)
    check(first)
    second.get_by_role("button", name="Hör mir zu").click()
    alert = second.get_by_role("alert")
    expect(alert).to_contain_text("dass gerade kein Platz ist")
    expect(alert.locator(".original [lang=en]")).to_contain_text("All 1 live sessions")
    check(second)


@pytest.mark.parametrize("path", ["/", "/history", "/models", "/listen", "/results/id0000"])
def test_nothing_shifts(look, path):
    page = look(path, script=SHIFTS, viewport=PHONE)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("shifted") < 0.01


def test_nothing_moves_for_who_wants_no_motion(look):
    page = look()
    page.get_by_role("button", name="Record your voice").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0
