"""Nothing sticks out of its box or of the page: every label, language and width of a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests import live
from tests.browser import seeds
from tests.browser.overflow import overflows
from undertone.emotions import EMOTIONS
from undertone.web.languages import languages, words

pytestmark = pytest.mark.browser
WIDTHS = (320, 344, 360, 375, 390, 412, 430, 600, 768, 800, 1024, 1440)
LANGUAGES = tuple(languages())
# One of each kind of page; those with a label in large letters are tried with every label.
PAGES = ("/", "/history", "/models", "/listen", "/nothing", "/compare", f"/jobs/{seeds.JOB}")


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Server]:
    """A server with results in every label."""
    data_dir = tmp_path_factory.mktemp("data")
    seeds.fill(data_dir)
    with live.running_server(data_dir) as running:
        yield running


def check_all_widths(page: Page) -> None:
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert overflows(page) == [], (page.url, width)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_of_every_kind(open_page, seeded, language):
    page = open_page(seeded.url, locale=language)
    for path in PAGES:
        page.goto(seeded.url + path)
        check_all_widths(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_label_in_large_letters(open_page, seeded, language):
    page = open_page(seeded.url, locale=language)
    for label in EMOTIONS:
        for path in (
            f"/results/short-{label}",
            f"/results/long-{label}",
            f"/compare?id=short-{label}&id=long-{label}",
        ):
            page.goto(seeded.url + path)
            title = words(language).emotion(label)
            expect(page.get_by_role("heading", name=title, exact=True).first).to_be_visible()
            check_all_widths(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_label_while_it_listens(open_page, seeded, language):
    page = open_page(seeded.url, path="/listen", locale=language)
    for label in EMOTIONS:
        page.evaluate(
            """async ([script, title]) => {
              const { LivePicture } = await import(script);
              const root = document.querySelector("[data-live]");
              new LivePicture(root).words("", title);
              root.querySelector("[data-share]").textContent = ">\\u202f99\\u202f%";
            }""",
            [f"{seeded.url}/static/js/live_picture.js", words(language).emotion(label)],
        )
        check_all_widths(page)
