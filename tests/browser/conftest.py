"""A real Chromium with a fake microphone, on a real server."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests import live, sounds
from tests.browser.steps import RATE


@pytest.fixture(scope="session")
def voice_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    path.write_bytes(sounds.with_soundfile(sounds.voice(4.0), RATE, "WAV"))
    return path


@pytest.fixture(scope="session")
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
    usual = ("Failed to load resource", "WebSocket connection to")
    own = [text for text in complaints if not text.startswith(usual)]
    assert own == []
