"""What a person does on the page, and what the browser tests look at."""

import re

from playwright.sync_api import Page, expect

from tests import sounds

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


def submit(page: Page) -> None:
    page.get_by_role("button", name="Hear the emotion").click()


def expect_result(page: Page, timeout: int = 20_000) -> None:
    expect(page).to_have_url(RESULT_URL, timeout=timeout)
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
