"""Noises for the robustness checks, and the levels at which they are mixed into speech.

This module contains no recorded sound. Environmental sounds, sneezes and the voices for the babble
are passed in. The corpora lack two sounds, so these are synthesised from fixed seeds:

- **music**: pieces of 8 s over a chord progression, with arpeggio, bass, melody (notes of decaying
  harmonics) and a hi-hat on each half beat; keys and tempi (80 to 140 beats a minute) differ;
- **coughs**: a burst of noise, a weaker stretch of noise and, in half of them, a hoarse voiced end,
  through four broad formants; 0.3 to 0.6 s.

Both are simpler than recordings. A model may pass on them and still fail on real music and coughs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import librosa
import numpy as np
import scipy

from undertone.sound.audio import SAMPLE_RATE, Audio, Samples, decode
from undertone.training.perturbations import Floats, Perturbation, at_level_of, rms

SNR_DB = 20.0
EVENT_SNR_DB = 10.0  # coughs and sneezes; RMS over the whole clip, though they last only part of it
N_VOICES = (4, 7)
VOICE_RANGE_DB = 7.0  # level range of the voices in the babble
SOUNDING = 0.1  # share of the peak; a stretch of noise begins at a sample at least this strong
SILENT_DB = 40.0  # below the loudest part; trimmed before and after a recorded noise

N_PIECES, PIECE_S = 6, 8.0
PROGRESSION = ((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12))  # I V vi IV, in semitones
PENTATONIC = (0, 2, 4, 7, 9, 12)
N_COUGHS = 40
COUGH_FORMANTS_HZ = (650, 1500, 2700, 4200)


@dataclass(frozen=True)
class Noises:
    """Sounds to mix into speech.

    Attributes
    ----------
    environment, sneezing : sequence of Audio
        Recorded sounds. Each sneeze is a single event.
    speech_for_babble : sequence of Audio
        At least seven recordings, preferably of speakers outside the test set.
    music, coughing : sequence of Audio
        Synthesised unless given.
    note : str
        Origin of the sounds, for readers of the results.
    """

    environment: Sequence[Audio]
    sneezing: Sequence[Audio]
    speech_for_babble: Sequence[Audio]
    music: Sequence[Audio] = field(default_factory=lambda: synthetic_music())
    coughing: Sequence[Audio] = field(default_factory=lambda: synthetic_coughs())
    note: str = "music and coughs are synthesised, the others recorded"

    def perturbations(self) -> dict[str, Perturbation]:
        """Return one perturbation for each kind of noise, by its name in ser-tests."""
        return {
            "babble": self._babble,
            "coughing": lambda audio, rng: _with_event(audio, self.coughing, rng),
            "environment": lambda audio, rng: _with_background(audio, self.environment, rng),
            "music": lambda audio, rng: _with_background(audio, self.music, rng),
            "sneezing": lambda audio, rng: _with_event(audio, self.sneezing, rng),
            "white noise": lambda audio, rng: mixed(
                audio, rng.standard_normal(len(audio.samples)), SNR_DB
            ),
        }

    def _babble(self, audio: Audio, rng: np.random.Generator) -> Audio:
        """Add babble of four to seven voices. Their levels differ by up to 7 dB."""
        n_voices = int(rng.integers(*N_VOICES, endpoint=True))
        chosen = rng.choice(len(self.speech_for_babble), n_voices, replace=False)
        babble = np.zeros(len(audio.samples))
        for index in chosen:
            voice = _stretch(self.speech_for_babble[int(index)], len(babble), rng)
            babble += voice / rms(voice) * 10 ** (-rng.uniform(0, VOICE_RANGE_DB) / 20)
        return mixed(audio, babble, SNR_DB)


def load_noises(esc10_folder: Path, speech: Sequence[Audio]) -> Noises:
    """Load noises from ESC-10 not used in training, and babble of the given voices.

    Every second recording of each class is used, beginning with the second. The others may be used
    in training. Recordings cut from the same source as one of those others are skipped.

    Parameters
    ----------
    esc10_folder : Path
        ESC-10, with a folder for each class, such as ``006 - Person sneeze``.
    speech : sequence of Audio
        Recordings for the babble; at least seven.

    Raises
    ------
    ValueError
        There are fewer than seven recordings in `speech`.
    """
    if len(speech) < N_VOICES[1]:
        raise ValueError(f"Babble needs at least {N_VOICES[1]} voices, not {len(speech)}.")
    environment, sneezing = [], []
    for folder in _classes(esc10_folder):
        for path in _not_heard_in_training(folder):
            audio = decode(path.read_bytes())
            if "sneeze" in folder.name.lower():
                sneezing.append(_loudest_event(audio))
            else:
                environment.append(Audio(librosa.effects.trim(audio.samples, top_db=SILENT_DB)[0]))
    return Noises(
        environment,
        sneezing,
        speech,
        note=(
            f"environment ({len(environment)}) and sneezes ({len(sneezing)}) from ESC-10, babble "
            "of other speakers; music and coughs are synthesised"
        ),
    )


def mixed(audio: Audio, noise: Floats, snr_db: float) -> Audio:
    """Mix a noise into a recording and keep the level of the recording.

    Parameters
    ----------
    audio : Audio
    noise : np.ndarray [shape=(n,), dtype=floating]
        As many samples as the recording has.
    snr_db : float
        Signal-to-noise ratio (of RMS values) in dB.
    """
    level = rms(audio.samples) / rms(noise) * 10 ** (-snr_db / 20)
    return at_level_of(audio, audio.samples + level * noise)


def _with_background(audio: Audio, choice: Sequence[Audio], rng: np.random.Generator) -> Audio:
    noise = choice[int(rng.integers(len(choice)))]
    return mixed(audio, _stretch(noise, len(audio.samples), rng), SNR_DB)


def _with_event(audio: Audio, choice: Sequence[Audio], rng: np.random.Generator) -> Audio:
    """Mix one event into the recording at a random place; cut events longer than it."""
    event = choice[int(rng.integers(len(choice)))].samples[: len(audio.samples)]
    start = int(rng.integers(len(audio.samples) - len(event), endpoint=True))
    noise = np.zeros(len(audio.samples))
    noise[start : start + len(event)] = event
    return mixed(audio, noise, EVENT_SNR_DB)


def _stretch(noise: Audio, n_samples: int, rng: np.random.Generator) -> Floats:
    """Return `n_samples` of a noise from a random audible start, repeated if it is too short."""
    magnitude = np.abs(noise.samples)
    start = int(rng.choice(np.flatnonzero(magnitude >= SOUNDING * magnitude.max())))
    return np.resize(np.roll(noise.samples, -start), n_samples).astype(np.float64)


def training_noises(esc10_folder: Path) -> list[Samples]:
    """Load the other half of ESC-10, to be mixed into training utterances."""
    return [
        decode(path.read_bytes()).samples
        for folder in _classes(esc10_folder)
        for path in _recordings(folder)[0::2]
    ]


def _classes(esc10_folder: Path) -> list[Path]:
    return sorted(path for path in esc10_folder.iterdir() if path.is_dir())


def _recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _not_heard_in_training(folder: Path) -> list[Path]:
    paths = _recordings(folder)
    # 1-28135-A and 1-28135-B are parts of recording 1-28135.
    heard = {path.stem.rpartition("-")[0] for path in paths[0::2]}
    return [path for path in paths[1::2] if path.stem.rpartition("-")[0] not in heard]


def _loudest_event(audio: Audio) -> Audio:
    """Return the stretch between pauses with the most energy."""
    events = [
        audio.samples[slice(*span)] for span in librosa.effects.split(audio.samples, top_db=30)
    ]
    return Audio(max(events, key=lambda samples: float(np.dot(samples, samples))))


# --- synthesis -------------------------------------------------------------------------------


def synthetic_music() -> tuple[Audio, ...]:
    """Synthesise short pieces of music, the same ones at each call."""
    return tuple(_piece(seed) for seed in range(N_PIECES))


def synthetic_coughs() -> tuple[Audio, ...]:
    """Synthesise single coughs, the same ones at each call."""
    return tuple(_cough(seed) for seed in range(N_COUGHS))


@cache
def _piece(seed: int) -> Audio:
    rng = np.random.default_rng(seed)
    beat_s = 60 / rng.uniform(80, 140)
    tonic_hz = 220 * 2 ** (rng.integers(-5, 7) / 12)
    piece = np.zeros(round((PIECE_S + 2) * SAMPLE_RATE))

    def play(at_s: float, semitones: int, duration_s: float, level: float) -> None:
        note = level * _note(tonic_hz * 2 ** (semitones / 12), duration_s)
        start = round(at_s * SAMPLE_RATE)
        piece[start : start + len(note)] += note

    for beat in range(int(PIECE_S / beat_s)):
        at_s = beat * beat_s
        chord = PROGRESSION[beat // 4 % len(PROGRESSION)]
        for index, semitones in enumerate(chord):
            play(at_s + index * beat_s / 4, semitones, 1.5 * beat_s, 0.5)
        play(at_s + beat_s / 2 * rng.integers(2), 12 + int(rng.choice(PENTATONIC)), beat_s, 0.7)
        if beat % 2 == 0:
            play(at_s, chord[0] - 24, 2 * beat_s, 1.0)
        for half in (0.0, 0.5):
            start = round((at_s + half * beat_s) * SAMPLE_RATE)
            hat = np.diff(rng.standard_normal(801)) * np.exp(-np.arange(800) / 160)
            piece[start : start + 800] += 0.15 * hat
    return _audio(piece[: round(PIECE_S * SAMPLE_RATE)])


def _note(f0_hz: float, duration_s: float) -> Floats:
    """Synthesise a note with the harmonics of a plucked string, up to 8 kHz.

    Higher harmonics are weaker and decay faster.
    """
    time_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    numbers = np.arange(1, min(10, int(0.5 * SAMPLE_RATE / f0_hz)) + 1)[:, np.newaxis]
    decay = np.exp(-time_s * (1.5 + 0.8 * numbers))
    harmonics = decay * np.sin(2 * np.pi * f0_hz * numbers * time_s) / numbers**1.2
    fade = np.clip((duration_s - time_s) / 0.03, 0, 1) * np.clip(time_s / 0.005, 0, 1)
    return np.asarray(fade * harmonics.sum(axis=0))


@cache
def _cough(seed: int) -> Audio:
    rng = np.random.default_rng(seed)
    duration_s = rng.uniform(0.3, 0.6)
    time_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    burst = np.exp(-time_s / rng.uniform(0.02, 0.04))
    breath = rng.uniform(0.15, 0.35) * np.exp(-time_s / (0.4 * duration_s))
    source = (burst + breath) * rng.standard_normal(len(time_s))
    if rng.uniform() < 0.5:
        f0_hz = rng.uniform(150, 350) * (1 - 0.4 * time_s / duration_s)
        jitter = 1 + 0.05 * rng.standard_normal(len(time_s))
        voice = scipy.signal.sawtooth(2 * np.pi * np.cumsum(f0_hz * jitter) / SAMPLE_RATE)
        middle_s, width_s = 0.65 * duration_s, 0.12 * duration_s
        source += 0.3 * voice * np.exp(-(((time_s - middle_s) / width_s) ** 2))
    shift = rng.uniform(0.85, 1.2)
    cough = 0.2 * source
    for formant_hz in COUGH_FORMANTS_HZ:
        # Bandwidths of a quarter of the frequency: the glottis is wide open.
        cough += scipy.signal.lfilter(
            *scipy.signal.iirpeak(formant_hz * shift, 4, fs=SAMPLE_RATE), source
        )
    return _audio(cough * np.clip((duration_s - time_s) / 0.05, 0, 1))


def _audio(samples: Floats) -> Audio:
    return Audio(0.5 * samples / np.abs(samples).max())
