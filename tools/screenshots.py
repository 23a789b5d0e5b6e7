"""Take screenshots of the pages' main states: ``python -m tools.screenshots``.

The voices are clips by actresses of TESS if the data set is available, otherwise synthetic ones.
"""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests import live, sounds
from tests.samples import analysis
from undertone.emotions import EMOTIONS
from undertone.settings import ROOT
from undertone.sound.audio import Samples, decode
from undertone.store.history import History

DOCS = ROOT / "docs"
# The model was trained on these voices: the screenshots show the pages, not its accuracy.
TESS = ROOT.parent / "shared/datasets/tess"
CLIP = "YAF_door_happy"  # "Say the word door"
TALK = [
    f"OAF_{word}_{mood}"
    for mood in ("neutral", "sad", "angry", "happy")
    for word in ("back", "bar", "base", "bath", "bean")
]
DESKTOP = {"width": 1280, "height": 860}
PHONE: Mapping[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "is_mobile": True, "device_scale_factor": 2,
}  # fmt: skip


def main() -> None:
    """Write the screenshots to docs/*.png."""
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        _fill(Path(folder))
        voice = Path(folder) / "voice.wav"
        voice.write_bytes(_wav(_talk()))
        microphone = (
            "--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={voice}",
        )  # fmt: skip
        with live.running_server(Path(folder), UNDERTONE_KEEP_AUDIO="7d") as server:
            browser = live.launch_chromium(playwright, *microphone)
            _take(browser, server.url)
            browser.close()


def _take(browser: Browser, url: str) -> None:
    page = _open(browser, url, viewport=DESKTOP)
    _save(page, "page.png")
    short = _hear(page, _clip())
    _save(page, "result.png")
    page = _open(browser, url, viewport=DESKTOP, color_scheme="dark")
    talk = {"name": "interview.wav", "mimeType": "audio/wav", "buffer": _wav(_talk())}
    long = _hear(page, talk)
    page.locator("#timeline-title").evaluate("(title) => title.scrollIntoView()")
    _save(page, "timeline.png")
    _save(_open(browser, f"{url}/history", viewport=DESKTOP), "history.png")
    pair = f"{url}/compare?id={short.rpartition('/')[2]}&id={long.rpartition('/')[2]}"
    _save(_open(browser, pair, viewport=DESKTOP, color_scheme="dark"), "compare.png")
    _save(_open(browser, f"{url}/models", viewport=DESKTOP), "models.png")
    _save(_open(browser, f"{long}?lang=de", **PHONE), "phone.png")
    page = _open(browser, f"{url}/listen", **PHONE, color_scheme="dark", permissions=["microphone"])
    page.get_by_role("button", name="Listen to me").click()
    page.wait_for_timeout(12_000)  # until there is something to see
    _save(page, "live.png", wait=False)


def _fill(data_dir: Path) -> None:
    """Fill the history with two weeks of analyses."""
    history = History(f"sqlite:///{data_dir}/undertone.sqlite3")
    labels = [name for name in EMOTIONS if name != "calm"]
    for number in range(24):
        history.add(
            analysis(
                number,
                label=labels[number * 5 % 7],
                filename=f"interview-{number + 1:02}.wav",
                created_at=datetime.now(UTC) - timedelta(hours=14 * number + 9),
                segments=(),
            )
        )
    history.close()


def _open(browser: Browser, url: str, **options: Any) -> Page:
    page = browser.new_context(reduced_motion="reduce", **options).new_page()
    page.goto(url, wait_until="networkidle")
    return page


def _hear(page: Page, file: Any) -> str:
    """Upload a recording and return the URL of its result."""
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Hear the emotion").click()
    page.wait_for_url("**/results/*", timeout=120_000)
    page.get_by_role("button", name="Play the recording").wait_for()
    return page.url


def _clip() -> Any:
    path = TESS / f"{CLIP}.opus"
    if path.exists():
        return path
    return {"name": "voice.wav", "mimeType": "audio/wav", "buffer": _wav(sounds.voice(4.0))}


def _talk() -> Samples:
    """Return audio with several moods in a row [shape=(n,), dtype=float32]."""
    pause = sounds.silence(0.4)
    paths = [TESS / f"{name}.opus" for name in TALK]
    clips = [decode(path.read_bytes()).samples for path in paths if path.exists()]
    parts = [part for clip in clips or [sounds.voice(20.0)] for part in (clip, pause)]
    return np.concatenate(parts)


def _wav(samples: Samples) -> bytes:
    return sounds.with_soundfile(samples, sounds.SAMPLE_RATE, "WAV")


def _save(page: Page, name: str, wait: bool = True) -> None:
    if wait:
        page.wait_for_load_state("networkidle")  # the charts are loaded separately
    page.screenshot(path=DOCS / name)
    _shrink(DOCS / name)
    print(f"docs/{name}")


def _shrink(path: Path) -> None:
    """Reduce the picture to 128 colours, enough for pages: a third of the size."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
