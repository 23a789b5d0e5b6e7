"""How long ``POST /upload`` with its chart takes, against a real server on this machine.

``make bench`` prints the median and 95th percentile over sequential requests with a 4 s clip,
and what the stages cost on one thread.
"""

import argparse
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emotion_recognizer import EmotionRecognizer
from tests import sounds
from tests.conftest import multipart, wav
from tests.live import running_server
from undertone import charts
from undertone.analysis import Listener
from undertone.audio import decode
from undertone.spectrogram import mel_spectrogram
from undertone.speech import find_speech
from undertone.voice_profile import profile


def percentiles(seconds: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    p50, p95 = 1000 * np.percentile(seconds, [50, 95])
    return f"p50 {p50:6.1f} ms   p95 {p95:6.1f} ms"


def timed(action: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each repeat, after three that are not counted."""
    seconds = []
    for index in range(repeats + 3):
        start = time.perf_counter()
        action()
        if index >= 3:
            seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, help="a recording; a synthesised voice if not given")
    parser.add_argument("--repeats", type=int, default=100)
    options = parser.parse_args()
    data = options.clip.read_bytes() if options.clip else wav(sounds.voice(4.0))
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        body, content_type = multipart(data)
        request = urllib.request.Request(
            f"{server.url}/upload", body, {"Content-Type": content_type}
        )

        def send() -> None:
            urllib.request.urlopen(request, timeout=60).read()

        print(f"POST /upload with chart   {percentiles(timed(send, options.repeats))}")
    recognizer = EmotionRecognizer()
    audio = decode(data)
    speech = find_speech(audio)
    analysis = Listener({"encoder": recognizer}, "encoder", 1800.0).hear(data, "clip.wav")
    stages: dict[str, Callable[[], object]] = {
        "decode": lambda: decode(data),
        "find speech": lambda: find_speech(audio),
        "recognise": lambda: recognizer.predict(audio, speech),
        "profile": lambda: profile(audio, speech),
        "spectrogram": lambda: mel_spectrogram(audio),
        "chart": lambda: charts.picture(analysis, "bars-and-pie"),
    }
    for name, action in stages.items():
        print(f"  {name:22s}  {percentiles(timed(action, options.repeats))}")


if __name__ == "__main__":
    main()
