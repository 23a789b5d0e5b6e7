"""Perturbations: changes to a recording that should not change the recognised emotion.

Each perturbation is a function (Audio, rng) -> Audio. It draws its setting from `rng`. Its result
fits into a file: mono, 16 kHz, -1 to 1. The kinds and settings are those of audEERING's ser-tests.
In place of the recorded impulse responses of ser-tests, these models are used:

- **room**: exponentially decaying noise of a stated T60 (Polack's model) after the direct sound,
  at a stated ratio of direct to reverberant energy. Both values are of the order reported for
  booths, offices, meeting and lecture rooms, but belong to no particular room.
- **position**: a shoebox room with the direct sound, its six reflections of first order and a
  diffuse tail, for a talker 1 to 3 m away, in front or 30 degrees to the side.
- **microphone**: linear-phase FIR filters with the typical response of a kind of microphone.

References
----------
audEERING, ser-tests, https://audeering.github.io/ser-tests/method-tests.html.
Polack, "Playing billiards in the concert hall", Applied Acoustics 38 (1993), 235-244.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache

import av
import numpy as np
import scipy
import soxr
from av.filter import Graph
from numpy.typing import NDArray

from undertone.sound.audio import SAMPLE_RATE, Audio

Floats = NDArray[np.floating]
Perturbation = Callable[[Audio, np.random.Generator], Audio]

TONE_HZ = (5000, 7000)
TONE_SNR_DB = (40.0, 45.0, 50.0)
N_EDGE_SAMPLES = (100, 500, 1000)
CLIPPED_SHARE = (0.001, 0.002, 0.003)
GAIN_DB = (-2.0, -1.0, 1.0, 2.0)
HIGH_PASS_HZ = (50, 100, 150)
LOW_PASS_HZ = (6500, 7000, 7500)
WHITE_NOISE_SNR_DB = (35.0, 40.0, 45.0)
TILT_TAPS = 1023

PHONE_RATE_HZ = 8000
AMR_NB_BIT_RATE = 7400
AMR_NB_FRAME = 160
# 4 dB louder below -20 dB of the peak; above it, 0.8 dB more for each dB. This is the compressor
# with "ratio 0.8" of ser-tests. Times in seconds, levels in dB.
COMPRESSOR = "attacks=0.01:decays=0.02:points=-20/-16|0/0:soft-knee=4"
LINE_NOISE_DB = -25.0  # peak, before the high-pass
LINE_NOISE_HIGH_PASS_HZ = 3000

# T60 in s and ratio of direct to reverberant energy in dB.
BOOTH = (0.1, 10.0)
ROOMS = {"meeting": (0.25, 0.0), "office": (0.45, -3.0), "lecture": (0.8, -5.0)}
DIRECT_S = 0.0025  # anything earlier belongs to the direct sound (Zahorik, 2002)

SOUND_M_PER_S = 343.0
REFERENCE_POSITION = (1.0, 0.0)  # distance in m, angle in degrees
POSITIONS = tuple(
    (distance_m, angle)
    for distance_m in (1.0, 2.0, 3.0)
    for angle in (0.0, -30.0, 30.0)
    if (distance_m, angle) != REFERENCE_POSITION
)
SHOEBOX_M = np.array([6.0, 5.0, 3.0])
MICROPHONE_M = np.array([2.0, 2.5, 1.4])
WALL_REFLECTION = 0.7  # share of the amplitude
SHOEBOX_T60_S = 0.35
CRITICAL_DISTANCE_M = 1.0  # at this distance, the direct sound is as strong as the tail
TAIL_S = 0.01  # most first-order reflections have arrived by then

# Typical shapes, (Hz, dB): no particular product was measured.
MICROPHONES = {
    "phone": ((0, -40), (80, -24), (200, -6), (500, 0), (3500, 6), (6000, 2), (8000, -9)),
    "laptop": ((0, -30), (100, -15), (300, -3), (800, 0), (2500, 5), (4500, -4), (8000, -6)),
    "boundary": ((0, -12), (60, -3), (150, 0), (700, -3), (1500, 1), (5000, 5), (8000, 3)),
}  # fmt: skip
MICROPHONE_TAPS = 511


# --- small changes ---------------------------------------------------------------------------


def additive_tone(audio: Audio, rng: np.random.Generator) -> Audio:
    """Add a sine of 5 to 7 kHz, 40 to 50 dB below the recording (RMS)."""
    frequency_hz = int(rng.integers(TONE_HZ[0], TONE_HZ[1], endpoint=True))
    amplitude = np.sqrt(2) * rms(audio.samples) * 10 ** (-rng.choice(TONE_SNR_DB) / 20)
    time_s = np.arange(len(audio.samples)) / SAMPLE_RATE
    return _as_in_a_file(audio.samples + amplitude * np.sin(2 * np.pi * frequency_hz * time_s))


def append_zeros(audio: Audio, rng: np.random.Generator) -> Audio:
    """Append 100, 500 or 1000 zeros to the recording."""
    return Audio(np.pad(audio.samples, (0, rng.choice(N_EDGE_SAMPLES))))


def prepend_zeros(audio: Audio, rng: np.random.Generator) -> Audio:
    """Prepend 100, 500 or 1000 zeros to the recording."""
    return Audio(np.pad(audio.samples, (rng.choice(N_EDGE_SAMPLES), 0)))


def crop_beginning(audio: Audio, rng: np.random.Generator) -> Audio:
    """Remove the first 100, 500 or 1000 samples."""
    return Audio(audio.samples[rng.choice(N_EDGE_SAMPLES) :])


def crop_end(audio: Audio, rng: np.random.Generator) -> Audio:
    """Remove the last 100, 500 or 1000 samples."""
    return Audio(audio.samples[: -rng.choice(N_EDGE_SAMPLES)])


def clipping(audio: Audio, rng: np.random.Generator) -> Audio:
    """Clip the loudest 0.1, 0.2 or 0.3 % of the samples to the level of the next loudest."""
    n_clipped = int(rng.choice(CLIPPED_SHARE) * len(audio.samples))
    highest = np.partition(np.abs(audio.samples), -n_clipped - 1)[-n_clipped - 1]
    return Audio(np.clip(audio.samples, -highest, highest))


def gain(audio: Audio, rng: np.random.Generator) -> Audio:
    """Make the recording 1 or 2 dB louder or softer; clip at full scale, as in a file."""
    return _as_in_a_file(audio.samples * 10 ** (rng.choice(GAIN_DB) / 20))


def high_pass(audio: Audio, rng: np.random.Generator) -> Audio:
    """Apply a first-order Butterworth high-pass at 50, 100 or 150 Hz."""
    return _butterworth(audio, int(rng.choice(HIGH_PASS_HZ)), "highpass")


def low_pass(audio: Audio, rng: np.random.Generator) -> Audio:
    """Apply a first-order Butterworth low-pass at 6.5, 7 or 7.5 kHz."""
    return _butterworth(audio, int(rng.choice(LOW_PASS_HZ)), "lowpass")


def white_noise(audio: Audio, rng: np.random.Generator) -> Audio:
    """Add Gaussian white noise at 35, 40 or 45 dB SNR (RMS)."""
    level = rms(audio.samples) * 10 ** (-rng.choice(WHITE_NOISE_SNR_DB) / 20)
    return _as_in_a_file(audio.samples + level * rng.standard_normal(len(audio.samples)))


SMALL_CHANGES: dict[str, Perturbation] = {
    "additive tone": additive_tone,
    "append zeros": append_zeros,
    "clipping": clipping,
    "crop beginning": crop_beginning,
    "crop end": crop_end,
    "gain": gain,
    "high-pass": high_pass,
    "low-pass": low_pass,
    "prepend zeros": prepend_zeros,
    "white noise": white_noise,
}


# --- channels --------------------------------------------------------------------------------


def downward_tilt(audio: Audio, rng: np.random.Generator) -> Audio:
    """Tilt the spectrum downward and keep the level.

    Amplitudes fall linearly over frequency, to 0 at 8 kHz (-6 dB at 4 kHz).
    """
    return _through(audio, scipy.signal.firwin2(TILT_TAPS, (0, 1), (1, 0)))


def upward_tilt(audio: Audio, rng: np.random.Generator) -> Audio:
    """Tilt the spectrum upward and keep the level.

    Amplitudes rise linearly over frequency, from 0 at 0 Hz (6 dB per octave).
    """
    return _through(audio, scipy.signal.firwin2(TILT_TAPS, (0, 1), (0, 1)))


def phone(audio: Audio, rng: np.random.Generator) -> Audio:
    """Simulate a poor telephone line and keep the level.

    The chain: a compressor, AMR-NB at 7.4 kbit/s and 8 kHz, and line hiss. The hiss is pink noise,
    high-passed at 3 kHz. Its peak is 25 dB below the peak of the voice.
    """
    narrow = soxr.resample(audio.samples, SAMPLE_RATE, PHONE_RATE_HZ)
    coded = _amr_nb(_compressed(narrow / _peak(narrow)))
    wide = soxr.resample(coded, PHONE_RATE_HZ, SAMPLE_RATE)
    wide = np.pad(wide, (0, max(0, len(audio.samples) - len(wide))))[: len(audio.samples)]
    high_pass = scipy.signal.butter(2, LINE_NOISE_HIGH_PASS_HZ, "highpass", fs=SAMPLE_RATE)
    hiss = 10 ** (LINE_NOISE_DB / 20) * _pink_noise(len(wide), rng)
    return at_level_of(audio, wide / _peak(wide) + scipy.signal.lfilter(*high_pass, hiss))


def microphone(audio: Audio, rng: np.random.Generator) -> Audio:
    """Simulate the microphone of a phone or laptop, or a boundary microphone; keep the level."""
    return _through(audio, microphone_response(str(rng.choice(list(MICROPHONES)))))


def reference_room(audio: Audio, rng: np.random.Generator) -> Audio:
    """Simulate a recording booth (T60 0.1 s) and keep the level."""
    return _in_room(audio, room_response(*BOOTH))


def room(audio: Audio, rng: np.random.Generator) -> Audio:
    """Simulate a meeting room, an office or a lecture hall, and keep the level.

    Their T60 is 0.25, 0.45 and 0.8 s.
    """
    return _in_room(audio, room_response(*ROOMS[str(rng.choice(list(ROOMS)))]))


def reference_position(audio: Audio, rng: np.random.Generator) -> Audio:
    """Simulate a talker 1 m in front of the microphone and keep the level."""
    return _in_room(audio, position_response(*REFERENCE_POSITION))


def position(audio: Audio, rng: np.random.Generator) -> Audio:
    """Simulate a talker at another position and keep the level.

    The talker is 1, 2 or 3 m away, in front or 30 degrees to either side.
    """
    return _in_room(audio, position_response(*POSITIONS[rng.integers(len(POSITIONS))]))


# --- impulse responses -----------------------------------------------------------------------


@cache
def microphone_response(kind: str) -> Floats:
    """Return the FIR filter [511] of a kind in `MICROPHONES`."""
    hz, db = np.array(MICROPHONES[kind], dtype=np.float64).T
    # Interpolate linearly between the points: dB over Hz.
    grid_hz = np.linspace(0, SAMPLE_RATE / 2, 257)
    response = scipy.signal.firwin2(
        MICROPHONE_TAPS, grid_hz, 10 ** (np.interp(grid_hz, hz, db) / 20), fs=SAMPLE_RATE
    )
    return np.asarray(response)


@cache
def room_response(t60_s: float, direct_to_reverberant_db: float) -> Floats:
    """Return an impulse response [n] at 16 kHz: direct sound and decaying tail.

    The direct sound has amplitude 1. The tail decays by 60 dB in `t60_s` seconds.
    """
    tail = _tail(t60_s, DIRECT_S, seed=round(1000 * t60_s))
    tail *= 10 ** (-direct_to_reverberant_db / 20)
    tail[0] = 1.0
    return tail


@cache
def position_response(distance_m: float, angle_degrees: float) -> Floats:
    """Return an impulse response [n] at 16 kHz for a talker in a room of 6 x 5 x 3 m.

    It has the direct sound, the first-order reflections and a tail. Amplitudes are 1 at a distance
    of 1 m. The response begins with the arrival of the direct sound.
    """
    angle = np.deg2rad(angle_degrees)
    talker_m = MICROPHONE_M + distance_m * np.array([np.cos(angle), np.sin(angle), 0.0])
    response = _tail(SHOEBOX_T60_S, TAIL_S, seed=round(100 * distance_m + angle_degrees))
    response /= CRITICAL_DISTANCE_M
    response[0] += 1 / distance_m
    for axis, length_m in enumerate(SHOEBOX_M):
        for wall_m in (0.0, length_m):
            image_m = talker_m.copy()
            image_m[axis] = 2 * wall_m - talker_m[axis]
            path_m = float(np.linalg.norm(image_m - MICROPHONE_M))
            delay = round((path_m - distance_m) / SOUND_M_PER_S * SAMPLE_RATE)
            response[delay] += WALL_REFLECTION / path_m
    return response


def _tail(t60_s: float, start_s: float, seed: int) -> Floats:
    """Return noise of unit energy: silent before `start_s`, decaying by 60 dB in `t60_s`."""
    time_s = np.arange(round(1.2 * t60_s * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(seed).standard_normal(len(time_s))
    tail = noise * 10 ** (-3 * time_s / t60_s) * (time_s >= start_s)
    return np.asarray(tail / np.linalg.norm(tail))


# --- levels, filters and codecs --------------------------------------------------------------


def rms(samples: Floats) -> float:
    """Return the root mean square, at least 1e-10."""
    return max(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))), 1e-10)


def at_level_of(audio: Audio, samples: Floats) -> Audio:
    """Scale samples [n] to the level (RMS) of a recording, or lower to stay within full scale."""
    scaled = samples * (rms(audio.samples) / rms(samples))
    return Audio(scaled / max(1.0, float(np.abs(scaled).max())))


def _peak(samples: Floats) -> float:
    return max(float(np.abs(samples).max()), 1e-10)


def _as_in_a_file(samples: Floats) -> Audio:
    return Audio(np.clip(samples, -1.0, 1.0))


def _butterworth(audio: Audio, cutoff_hz: int, kind: str) -> Audio:
    coefficients = scipy.signal.butter(1, cutoff_hz, kind, fs=SAMPLE_RATE)
    return _as_in_a_file(scipy.signal.lfilter(*coefficients, audio.samples))


def _through(audio: Audio, linear_phase: Floats) -> Audio:
    """Filter the recording with a symmetric FIR filter, without its delay."""
    return at_level_of(audio, scipy.signal.fftconvolve(audio.samples, linear_phase, mode="same"))


def _in_room(audio: Audio, response: Floats) -> Audio:
    reverberant = scipy.signal.fftconvolve(audio.samples, response)[: len(audio.samples)]
    return at_level_of(audio, reverberant)


def _pink_noise(n_samples: int, rng: np.random.Generator) -> Floats:
    """Return pink noise: power proportional to 1 / frequency, peak 1."""
    spectrum = scipy.fft.rfft(rng.standard_normal(n_samples))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = scipy.fft.irfft(spectrum, n_samples)
    return np.asarray(noise / _peak(noise))


def _frame(samples: NDArray[np.float32] | NDArray[np.int16], kind: str) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format=kind, layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = PHONE_RATE_HZ, 0, Fraction(1, PHONE_RATE_HZ)
    return frame


def _compressed(samples: Floats) -> Floats:
    """Compress samples at 8 kHz with FFmpeg's compressor; clip to -1 to 1."""
    graph = Graph()
    source = graph.add_abuffer(
        format="flt", sample_rate=PHONE_RATE_HZ, layout="mono", time_base=Fraction(1, PHONE_RATE_HZ)
    )
    graph.link_nodes(source, graph.add("compand", COMPRESSOR), graph.add("abuffersink"))
    graph.configure()
    graph.push(_frame(samples.astype(np.float32), "flt"))
    graph.push(None)
    blocks = []
    while True:
        try:
            blocks.append(graph.pull().to_ndarray()[0])
        except av.error.EOFError:
            return np.asarray(np.clip(np.concatenate(blocks), -1.0, 1.0))


def _amr_nb(samples: Floats) -> Floats:
    """Encode and decode samples at 8 kHz with OpenCORE's AMR-NB codec. The delay is 5 ms."""
    integers = np.round(32767 * samples).astype(np.int16)
    integers = np.pad(integers, (0, -len(integers) % AMR_NB_FRAME))
    encoder = av.CodecContext.create("libopencore_amrnb", "w")
    encoder.sample_rate, encoder.layout, encoder.format = PHONE_RATE_HZ, "mono", "s16"
    encoder.bit_rate, encoder.time_base = AMR_NB_BIT_RATE, Fraction(1, PHONE_RATE_HZ)
    decoder = av.CodecContext.create("libopencore_amrnb", "r")
    decoder.sample_rate, decoder.layout = PHONE_RATE_HZ, "mono"
    decoded = []
    for frame_of_samples in integers.reshape(-1, AMR_NB_FRAME):
        for packet in encoder.encode(_frame(frame_of_samples, "s16")):
            decoded += [frame.to_ndarray()[0] for frame in decoder.decode(packet)]
    return np.concatenate(decoded)[: len(samples)] / 32768.0
