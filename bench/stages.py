"""CPU time of each step of an analysis, on this machine and in this process."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from secrets import token_urlsafe

import numpy as np
import onnxruntime

from emotion_recognizer import EmotionRecognizer
from undertone.analysis import Listener
from undertone.drawing import charts, sheets
from undertone.recognition.model_store import MODELS_DIR
from undertone.sound.audio import decode
from undertone.sound.isolation import Decoders
from undertone.sound.spectrogram import mel_spectrogram
from undertone.sound.speech import find_speech, spoken_part
from undertone.sound.voice_profile import profile
from undertone.store.history import History

REPEATS = 40


def stages(data: bytes) -> dict[str, float]:
    """Return the milliseconds of CPU for each step with a recording: the median of `REPEATS`."""
    recognizer = EmotionRecognizer()
    audio = decode(data)
    speech = find_speech(audio)
    analysis = Listener({"encoder": recognizer}, "encoder", 1800.0).hear(data, "clip.wav")
    with tempfile.TemporaryDirectory() as folder:
        sheets.prepare(Path(folder))
        history = History(f"sqlite:///{folder}/history.sqlite3")
        decoders = Decoders(1)
        steps: dict[str, Callable[[], object]] = {
            "decode": lambda: decode(data),
            "decode (this side)": lambda: decoders.decode(data, max_duration_s=1800.0),
            "find speech": lambda: find_speech(audio),
            "recognise": lambda: recognizer.predict(audio, speech),
            "voice profile": lambda: profile(audio, speech),
            "spectrogram": lambda: mel_spectrogram(audio),
            "store": lambda: history.add(replace(analysis, id=token_urlsafe(16))),
            "chart": lambda: charts.picture(analysis, "bars-and-pie"),
            "overview": lambda: charts.picture(analysis, "overview"),
        }
        took_ms = {name: _cpu_ms(step) for name, step in steps.items()}
        history.close()
        decoders.close()
    return took_ms


def by_threads(data: bytes) -> dict[int, tuple[float, float]]:
    """Measure the encoder on one and two threads; return milliseconds of CPU and wall clock."""
    audio = decode(data)
    samples = spoken_part(audio, find_speech(audio)).samples[np.newaxis]
    took = {}
    for n_threads in (1, 2):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.log_severity_level = 3
        path = str(MODELS_DIR / "encoder" / "encoder.onnx")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        def run(session: onnxruntime.InferenceSession = session) -> None:
            session.run(None, {"samples": samples})

        cpu_ms = _cpu_ms(run)
        began_s = time.perf_counter()
        for _ in range(REPEATS):
            run()
        took[n_threads] = cpu_ms, 1000 * (time.perf_counter() - began_s) / REPEATS
    return took


def _cpu_ms(step: Callable[[], object]) -> float:
    times_s = []
    for _ in range(REPEATS + 3):  # the first three do not count
        before_s = time.process_time()
        step()
        times_s.append(time.process_time() - before_s)
    return 1000 * statistics.median(times_s[3:])
