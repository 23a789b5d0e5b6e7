"""Speech detection with the Silero voice activity detector.

The rule: the result depends neither on the level of the recording nor on its polarity.

The network is Silero's, rearranged to process many windows at once (``tools/make_detector.py``).
Its original form takes one window at a time, 10 ms of CPU for 4 s of sound instead of 2.

Measured on all clips of RAVDESS (speech and song), CREMA-D, TESS and nEMO, 10 of 14,770 are
refused, most of them screamed. Of ESC-10's 400 non-speech sounds, 365 are refused. Of the others,
28 are sneezes and babies, and these are human voices. Of real words cut to 0.3 s, 0.4 % are
refused; cut to 1 s, none. Refusing real speech is the worse mistake of the two. So a doubtful
recording is analysed, but its emotion is marked as a guess (`Speech.is_doubtful`).
"""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import soxr

from undertone.errors import NoSpeech
from undertone.onnx import one_thread_session
from undertone.progress import Progress, nobody
from undertone.sound.pitch import steady, track_pitch
from undertone.sound.samples import SAMPLE_RATE, Audio, Samples, excerpt

DETECTOR = Path(__file__).parent / "detector" / "silero.onnx"
WINDOW_SAMPLES = 512  # length of a window; each gets one probability
CONTEXT_SAMPLES = 64  # input before a window
WINDOW_S = WINDOW_SAMPLES / SAMPLE_RATE
# The input of the detector is scaled to this level. Its answers hardly differ from 0.1 to 0.9. The
# level is the peak of the fourth loudest window: a knock on the microphone must not make the voice
# small.
DETECTOR_PEAK = 0.3
LEVEL_RANK = 4
START_PROBABILITY = 0.5  # speech begins here ...
STOP_PROBABILITY = 0.35  # ... and ends under this
MIN_STRETCH_S = 0.1  # shorter ones are clicks
MIN_SPEECH_S = 0.2  # in total; a third of clips under 0.6 s
MIN_GAP_S = 0.3  # shorter pauses belong to the speech around them
PADDING_S = 0.15  # for soft beginnings and ends, detected late
# The detector waits for an onset. A short clip may be cut from the middle of a word and have none.
# Silence put before it makes one. (Of 0.3 s cuts from words, 8 % are refused without this and 0.4 %
# with it. Longer clips do not need it, and with it more noises pass.)
SHORT_CLIP_S = 1.0
LEAD_WINDOWS = 2
BLOCK_WINDOWS = 1024  # processed at once: half a minute, 15 ms of CPU, some MB
# The detector knows few voices as high as a scream. So a refused recording is tried again more
# slowly, with a lower pitch. (Of 62 shouted clips refused otherwise, this saves 53.)
SLOWER = 1.5
MAX_REPLAY_S = 60.0  # nobody screams for longer

# Kept around the speech: the quiet before and after it shows its loudness relative to the room.
CONTEXT_S = 0.5

# Under this mean probability it may be no voice. This holds for 21 of the 35 sounds of ESC-10 let
# through, for 0.9 % of real clips, and for 4 % of words cut to 0.3 to 0.8 s.
DOUBTFUL_UNDER = 0.7
# Over this mean probability it is a voice. Between the two, the pitch decides. As high as this are
# none of 925 clips of the four corpora, one of 918 words cut to half a second, and two of three
# dogs.
CLEAR_FROM = 0.95
HIGH_HZ = 450.0
MIN_PITCH_FRAMES = 20  # 0.2 s

Stretch = tuple[float, float]  # start_s, end_s


class Speech(tuple[Stretch, ...]):
    """Stretches of speech in order.

    Attributes
    ----------
    probability : float
        Probability of speech, 0 to 1: the mean over the windows of the stretches.
    is_high : bool
        True if the speech is not clear and its pitch is above normal voices.
    """

    probability: float = 1.0
    is_high: bool = False

    @property
    def is_doubtful(self) -> bool:
        """True if it may well be a sneeze, a dog or a machine."""
        return self.probability < DOUBTFUL_UNDER or self.is_high


def find_speech(audio: Audio, progress: Progress = nobody) -> Speech:
    """Find the stretches of speech in a recording.

    Parameters
    ----------
    audio : Audio
        Recording at 16 kHz.
    progress : Progress, optional
        Called with the finished share.

    Returns
    -------
    Speech
        Separate stretches within the recording, padded by 0.15 s on either side.

    Raises
    ------
    NoSpeech
        There is less than 0.2 s of speech in total, or a third of a clip under 0.6 s.

    Examples
    --------
    >>> find_speech(decode(Path("hello.wav").read_bytes()))  # doctest: +SKIP
    ((0.01, 1.28),)
    """
    needed_s = min(MIN_SPEECH_S, audio.duration_s / 3)
    stretches, probability = _listen(audio.samples, progress=progress)
    if _sum_s(stretches) < needed_s:
        if audio.duration_s < SHORT_CLIP_S:
            stretches, probability = _listen(audio.samples, n_lead=LEAD_WINDOWS)
        elif audio.duration_s <= MAX_REPLAY_S:
            stretches, probability = _listen(audio.samples, slower=SLOWER)
    if not stretches or _sum_s(stretches) < needed_s:
        raise NoSpeech(
            f"In {audio.duration_s:.1f} s of sound, {_sum_s(stretches):.2f} s are speech; "
            f"at least {needed_s:.2f} s are needed. Speak closer to the microphone, "
            "or send a recording in which somebody speaks."
        )
    speech = Speech(
        (
            round(max(0.0, start_s - PADDING_S), 3),
            round(min(audio.duration_s, end_s + PADDING_S), 3),
        )
        for start_s, end_s in _merged(stretches)
    )
    speech.probability = probability
    if probability < CLEAR_FROM and audio.duration_s <= MAX_REPLAY_S:
        speech.is_high = _is_high(audio.samples, stretches)
    return speech


def spoken_part(audio: Audio, speech: tuple[Stretch, ...]) -> Audio:
    """Cut a recording from the first to the last speech, with up to half a second around it.

    Models are trained on this part and get only this part. So silence of any length before or after
    the speech changes little.
    """
    start_s, end_s = speech[0][0] - CONTEXT_S, speech[-1][1] + CONTEXT_S
    first = max(0, round(start_s * audio.sample_rate))
    last = round(end_s * audio.sample_rate)
    return Audio(audio.samples[first:last], audio.sample_rate)


def _is_high(samples: Samples, stretches: list[Stretch]) -> bool:
    """Return True if the pitch in these stretches is above normal voices; False without pitch."""
    edges = [(round(s * SAMPLE_RATE), round(e * SAMPLE_RATE)) for s, e in stretches]
    pitch_hz = track_pitch(np.concatenate([samples[first:last] for first, last in edges]))
    pitch_hz = pitch_hz[steady(pitch_hz)]
    return len(pitch_hz) >= MIN_PITCH_FRAMES and bool(np.median(pitch_hz) > HIGH_HZ)


def _listen(
    samples: Samples, n_lead: int = 0, slower: float = 1.0, progress: Progress = nobody
) -> tuple[list[Stretch], float]:
    """Detect stretches of speech and their mean probability.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        At 16 kHz.
    n_lead : int
        Number of silent windows put before the recording.
    slower : float
        Factor by which the recording is slowed down.
    progress : Progress, optional
        Called with the finished share.
    """
    if slower != 1.0:
        samples = soxr.resample(samples, SAMPLE_RATE, slower * SAMPLE_RATE)
    probabilities = _probabilities(samples, n_lead, progress)
    stretches = _stretches(probabilities)
    heard = [
        probability
        for start_s, end_s in stretches
        for probability in probabilities[round(start_s / WINDOW_S) : round(end_s / WINDOW_S)]
    ]
    mean = sum(heard) / max(len(heard), 1)
    return [(start_s / slower, end_s / slower) for start_s, end_s in stretches], mean


def _probabilities(samples: Samples, n_lead: int, progress: Progress) -> list[float]:
    """Probability of speech in each window [length=ceil(n / 512)].

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        At 16 kHz.
    n_lead : int
        Number of silent windows put before the recording; not in the result.
    progress : Progress
        Called with the finished share.
    """
    gain = DETECTOR_PEAK / max(_level(samples), 1e-9)
    n_windows = -(-len(samples) // WINDOW_SAMPLES)
    hidden = cell = np.zeros((1, 1, 128), np.float32)
    heard: list[float] = []
    for first in range(-n_lead, n_windows, BLOCK_WINDOWS):
        progress(max(0, first) / n_windows)
        end = min(first + BLOCK_WINDOWS, n_windows) * WINDOW_SAMPLES
        part = excerpt(samples, first * WINDOW_SAMPLES - CONTEXT_SAMPLES, end)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.clip(part * gain, -1.0, 1.0), CONTEXT_SAMPLES + WINDOW_SAMPLES
        )[::WINDOW_SAMPLES]
        inputs = {"windows": windows, "hidden": hidden, "cell": cell}
        probabilities, hidden, cell = _detector().run(None, inputs)
        heard += probabilities.tolist()
    return heard[n_lead:]


def _level(samples: Samples) -> float:
    """Peak of the fourth loudest window, 0 to 1."""
    starts = np.arange(0, len(samples), WINDOW_SAMPLES)
    highest, lowest = np.maximum.reduceat(samples, starts), np.minimum.reduceat(samples, starts)
    loudest = np.sort(np.maximum(highest, -lowest))[-LEVEL_RANK:]
    return float(loudest.min(initial=1.0))


@cache
def _detector() -> onnxruntime.InferenceSession:
    return one_thread_session(DETECTOR)


def _stretches(probabilities: list[float]) -> list[Stretch]:
    """Stretches (start_s, end_s) from a window of 0.5 to one under 0.35, if longer than 0.1 s."""
    speaks = np.zeros(len(probabilities), np.bool_)
    speaking = False
    for index, probability in enumerate(probabilities):
        speaking = probability >= (STOP_PROBABILITY if speaking else START_PROBABILITY)
        speaks[index] = speaking
    edges_s = (np.flatnonzero(np.diff(speaks, prepend=False, append=False)) * WINDOW_S).tolist()
    stretches = zip(edges_s[::2], edges_s[1::2], strict=True)
    return [(start_s, end_s) for start_s, end_s in stretches if end_s - start_s > MIN_STRETCH_S]


def _merged(stretches: list[Stretch]) -> list[Stretch]:
    """Merge stretches with pauses under 0.3 s between them."""
    merged: list[Stretch] = []
    for start_s, end_s in stretches:
        if merged and start_s - merged[-1][1] < MIN_GAP_S:
            start_s = merged.pop()[0]
        merged.append((start_s, end_s))
    return merged


def _sum_s(stretches: list[Stretch]) -> float:
    return sum(end_s - start_s for start_s, end_s in stretches)
