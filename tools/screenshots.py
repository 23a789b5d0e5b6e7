"""Takes the README's pictures of the page: ``python -m tools.screenshots``.

The voice is a clip of an actress from TESS where the data sets are at hand, else a synthetic one.
"""

import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests import live, sounds

DOCS = live.ROOT / "docs"
# "Say the word door", played happily: from a corpus that the model was not trained on.
CLIP = live.ROOT.parent / "shared/datasets/tess/YAF_door_happy.opus"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def main() -> None:
    """Write docs/page.png, result.png, result-dark.png and phone.png."""
    DOCS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data_dir,
        live.running_server(Path(data_dir)) as server,
        sync_playwright() as playwright,
    ):
        browser = live.launch_chromium(playwright)
        page = _open(browser, server.url, viewport=DESKTOP)
        _save(page, "page.png")
        result_url = _hear(page)
        _save(page, "result.png", full_page=True)
        dark = _open(browser, result_url, viewport=DESKTOP, color_scheme="dark")
        _save(dark, "result-dark.png")
        phone = _open(browser, server.url, viewport=PHONE, is_mobile=True, device_scale_factor=2)
        _hear(phone)
        _save(phone, "phone.png")
        browser.close()


def _open(browser: Browser, url: str, **options: Any) -> Page:
    page = browser.new_context(reduced_motion="reduce", **options).new_page()
    page.goto(url, wait_until="networkidle")
    return page


def _hear(page: Page) -> str:
    """Send the clip; the address of its result."""
    page.set_input_files("#file", _clip())
    page.get_by_role("button", name="Hear the emotion").click()
    page.wait_for_url("**/results/*")
    page.get_by_role("button", name="Play the recording").wait_for()
    return page.url


def _clip() -> Any:
    if CLIP.exists():
        return CLIP
    wav = sounds.with_soundfile(sounds.voice(4.0), sounds.SAMPLE_RATE, "WAV")
    return {"name": "voice.wav", "mimeType": "audio/wav", "buffer": wav}


def _save(page: Page, name: str, **options: Any) -> None:
    page.wait_for_load_state("networkidle")  # the charts come by themselves
    page.screenshot(path=DOCS / name, **options)
    print(f"docs/{name}")


if __name__ == "__main__":
    main()
