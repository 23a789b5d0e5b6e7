"""Speaking live: what is heard, stopping, refusals, a connection that breaks."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests import live
from tests.browser.steps import SPY_ON_MEDIA

pytestmark = pytest.mark.browser
EMOTION = re.compile("^(Angry|Disgust|Fear|Happy|Neutral|Sad|Surprise)$")
SLOWLY_MS = 30_000


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Server]:
    """A server with one live session."""
    with live.running_server(
        tmp_path_factory.mktemp("data"), UNDERTONE_LIVE_SESSIONS="1"
    ) as running:
        yield running


def listen(page: Page) -> None:
    page.get_by_role("button", name="Listen to me").click()


def expect_an_emotion(page: Page) -> None:
    expect(page.locator("[data-emotion]")).to_have_text(EMOTION, timeout=SLOWLY_MS)


def microphone_is_off(page: Page) -> bool:
    return page.evaluate(
        """opened.streams.every((s) => s.getTracks().every((t) => t.readyState === 'ended'))
           && opened.contexts.every((context) => context.state === 'closed')"""
    )


def test_speak_and_stop(open_page, single):
    page = open_page(
        single.url, path="/listen", script=SPY_ON_MEDIA, permissions=["microphone"],
        viewport={"width": 320, "height": 700},
    )  # fmt: skip
    listen(page)
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    expect_an_emotion(page)
    expect(page.locator("[data-timer]")).to_have_text(re.compile("0:0[3-9]"), timeout=SLOWLY_MS)
    assert page.locator("[data-strip] rect").count() > 3
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Listen to me")).to_be_focused()
    assert microphone_is_off(page)
    listen(page)
    expect_an_emotion(page)


def test_all_sessions_are_taken(open_page, single):
    first = open_page(single.url, path="/listen", permissions=["microphone"])
    listen(first)
    expect_an_emotion(first)
    second = open_page(single.url, path="/listen", script=SPY_ON_MEDIA, permissions=["microphone"])
    listen(second)
    expect(second.get_by_role("alert")).to_contain_text("live sessions of this server are taken")
    expect(second.get_by_role("button", name="Listen to me")).to_be_visible()
    assert microphone_is_off(second)
    first.get_by_role("button", name="Stop").click()
    for _ in range(20):  # the server sees within a second that the first is gone
        listen(second)
        either = second.locator("[data-state=on], [data-problem]:not([hidden])")
        expect(either.first).to_be_visible(timeout=SLOWLY_MS)
        if second.locator("[data-state=on]").count():
            break
    expect_an_emotion(second)


def test_a_server_that_goes_and_comes_back(open_page, tmp_path):
    with live.running_server(tmp_path) as gone:
        page = open_page(gone.url, path="/listen", permissions=["microphone"])
        listen(page)
        expect_an_emotion(page)
        gone.stop()
        expect(page.locator("[data-kicker]")).to_contain_text("trying again", timeout=SLOWLY_MS)
    with live.running_server(tmp_path, port=int(gone.url.rpartition(":")[2])):
        expect_an_emotion(page)


def test_microphone_refused(open_page, single):
    page = open_page(single.url, path="/listen", permissions=[])
    listen(page)
    expect(page.get_by_role("alert")).to_contain_text("was not allowed")
    expect(page.get_by_role("button", name="Listen to me")).to_be_visible()


def test_without_javascript(open_page, single):
    page = open_page(single.url, path="/listen", java_script_enabled=False)
    expect(page.locator("noscript a")).to_be_visible()
    expect(page.get_by_role("button", name="Listen to me")).to_be_hidden()
