"""AudioFeatureExtractor: named acoustic features. SpeechEncoder: an embedding from a network.

Rule: a feature has a name, a unit and a meaning, all three from `TRACKS`, `STATISTICS` and
`SCALARS`. A feature without a valid measurement is NaN, never a made-up number.

    python feature_extractor.py clip.wav [--json]
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertone.errors import OutputUnwritable, RecordingTooShort, UndertoneError
from undertone.onnx import one_thread_session
from undertone.sound.acoustics import N_LOG_MEL, N_MFCC, Floats, Tracks, measure, rhythm
from undertone.sound.audio import SAMPLE_RATE, Audio, decode
from undertone.sound.pace import FRAMES_PER_S
from undertone.standard_output import prepare_streams, writing_output


class Feature(NamedTuple):
    """Description of a feature: a stable name, its unit ("1" for none) and its meaning."""

    name: str
    unit: str
    meaning: str


class Statistic(NamedTuple):
    """Statistic from a track [shape=(k, n)] to numbers [shape=(k,)].

    In `unit` and `words`, ``{}`` stands for those of the track.
    """

    compute: Callable[[Floats], Floats]
    unit: str
    words: str


class Track(NamedTuple):
    """Track of `undertone.sound.acoustics` with its frames, statistics and names of rows."""

    name: str
    unit: str
    words: str
    frames: str
    statistics: tuple[str, ...]
    rows: tuple[str, ...] = ()


def _slope(track: Floats) -> Floats:
    time_s = np.arange(track.shape[1]) / FRAMES_PER_S
    time_s -= time_s.mean()
    return np.asarray(track @ time_s / (time_s @ time_s))


def _range(track: Floats) -> Floats:
    return np.asarray(np.subtract(*np.quantile(track, (0.9, 0.1), axis=1)))


def _modulation(track: Floats, low_hz: int) -> Floats:
    """Return the track's modulation level in dB in the octave from `low_hz`; NaN if too short."""
    n_frames = track.shape[1]
    if n_frames * low_hz < FRAMES_PER_S:
        return np.full(len(track), np.nan)
    n_fft = max(512, n_frames)
    hz = np.fft.rfftfreq(n_fft, 1 / FRAMES_PER_S)
    moving = np.abs(np.fft.rfft(track - track.mean(axis=1, keepdims=True), n_fft))
    octave = moving[:, (hz >= low_hz) & (hz < 2 * low_hz)].mean(axis=1)
    return np.asarray(20 * np.log10(octave / np.sqrt(n_frames) + 1e-6))


STATISTICS = {
    "mean": Statistic(lambda track: np.asarray(track.mean(axis=1)), "{}", "mean of {}"),
    "std": Statistic(lambda track: np.asarray(track.std(axis=1)), "{}", "standard deviation of {}"),
    "median": Statistic(partial(np.median, axis=1), "{}", "median of {}"),
    "p10": Statistic(partial(np.quantile, q=0.1, axis=1), "{}", "10th percentile of {}"),
    "p90": Statistic(partial(np.quantile, q=0.9, axis=1), "{}", "90th percentile of {}"),
    "range": Statistic(_range, "{}", "10th to 90th percentile range of {}"),
    "slope": Statistic(_slope, "{}/s", "linear trend of {}"),
}
for _hz in (1, 2, 4, 8, 16):
    STATISTICS[f"modulation_{_hz}hz"] = Statistic(
        partial(_modulation, low_hz=_hz), "dB", f"modulation at {_hz} to {2 * _hz} Hz of {{}}"
    )
_SPREAD = ("mean", "std", "p10", "p90")
_ROBUST = ("p10", "p90", "slope")
_FULL = ("mean", "std", *_ROBUST)
_MODULATION = tuple(name for name in STATISTICS if name.startswith("modulation"))
_NUMBERS = tuple(str(number) for number in range(N_MFCC))
_PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_CONTRAST = ("under 200 Hz", *(f"from {200 * 2**octave} Hz" for octave in range(6)))
_SLOPES = ("at 0 to 500 Hz", "at 500 to 1500 Hz", "at 0 to 5000 Hz")

# All decibels are relative to the recording's own level. More statistics of the higher
# coefficients (MFCC 13 and up) cost 1 point of UAR on held-out speakers of RAVDESS.
TRACKS = (
    Track("mfcc", "dB", "cepstral coefficient {}", "active", ("mean", "std"), _NUMBERS),
    Track("mfcc", "dB", "cepstral coefficient {}", "active", _ROBUST, _NUMBERS[:13]),
    Track("mfcc", "dB", "cepstral coefficient {}", "spoken", _MODULATION, _NUMBERS[:13]),
    Track("mfcc_delta", "dB", "10 ms change of MFCC {}", "active", ("mean", "std"), _NUMBERS),
    Track("mfcc_delta2", "dB", "acceleration of MFCC {}", "active", ("std",), _NUMBERS[:13]),
    Track("log_mel_db", "dB", "level of band {} of 16", "active", _FULL, _NUMBERS[:N_LOG_MEL]),
    Track("chroma", "1", "share of pitch class {}", "active", ("mean", "std"), _PITCH_CLASSES),
    Track("centroid_hz", "Hz", "spectral centroid (brightness)", "active", _FULL),
    Track("bandwidth_hz", "Hz", "spread around the spectral centroid", "active", _FULL),
    Track("rolloff_hz", "Hz", "frequency under which 85 % of the spectrum lie", "active", _FULL),
    Track("contrast_db", "dB", "spectral peaks over valleys {}", "active", _FULL, _CONTRAST),
    Track("flatness", "1", "spectral flatness (tone 0, noise over 0.5)", "active", _FULL),
    Track("zero_crossing_rate", "1", "sign changes per sample", "active", _FULL),
    Track("flux", "1", "10 ms change of the spectrum's shape", "voiced", _SPREAD),
    Track("slope_db_per_khz", "dB/kHz", "tilt of the spectrum {}", "voiced", _SPREAD, _SLOPES),
    Track("alpha_ratio_db", "dB", "energy over 1 kHz against under", "voiced", _SPREAD),
    Track("hammarberg_db", "dB", "highest peak under 2 kHz over that above", "voiced", _SPREAD),
    Track("h1_h2_db", "dB", "first harmonic over the second (breathiness)", "voiced", _SPREAD),
    Track("rms_db", "dB", "level against the peak", "active", (*_FULL, "median", "range")),
    Track("level_step_db", "dB", "10 ms change of level (like shimmer)", "steady", ("mean", "p90")),
    Track("f0_hz", "Hz", "pitch", "voiced", ("mean", "std", "median", "p10", "p90")),
    Track("f0_semitones", "semitones", "pitch", "voiced", ("std", "range", "slope")),
    Track("f0_step_semitones", "semitones", "10 ms change of pitch", "steady", ("mean", "p90")),
    Track("hnr_db", "dB", "harmonics over noise (clear, not hoarse)", "voiced", _SPREAD),
)
SCALARS = (
    Feature("tempo_bpm", "1/min", "tempo of the onsets"),
    Feature("tempo_strength", "1", "how regular the onsets are, 0 to 1"),
    Feature("speaking_rate_per_s", "1/s", "syllable nuclei per second, pauses included"),
    Feature("articulation_rate_per_s", "1/s", "syllable nuclei per second between pauses"),
    Feature("voiced_fraction", "1", "share of the sound in which the vocal folds vibrate"),
    Feature("pause_fraction", "1", "share of pauses of 0.3 s or more between first and last sound"),
    Feature("pause_rate_per_s", "1/s", "pauses per second"),
    Feature("longest_pause_s", "s", "longest pause, 0 without one"),
)


class AudioFeatureExtractor:
    """Named acoustic features of an utterance; deterministic and thread-safe.

    Levels are relative to the recording's own. Gain, polarity and silence before or after the
    speech therefore change next to nothing. Features without a valid measurement are NaN: pitch
    without a voiced frame, rates in less than 0.5 s, tempo in less than 2 s or without a beat, and
    all of them in silence. Models trained on them must impute, such as the training set's median.

    Examples
    --------
    >>> time_s = np.arange(16_000) / 16_000
    >>> tone = Audio(0.5 * np.sin(2 * np.pi * 220 * time_s))
    >>> round(AudioFeatureExtractor().extract(tone)["f0_hz_median"])
    220
    """

    extractor_id = "acoustic-1"
    # The nine frames of a delta's fit.
    min_samples = 1600
    # Statistics over less than 50 ms would be meaningless.
    min_frames = 5

    def describe(self) -> list[Feature]:
        """Return name, unit and meaning of all features, in the order of `vector`."""
        return [*(feature for track in TRACKS for feature in _features_of(track)), *SCALARS]

    @property
    def feature_names(self) -> list[str]:
        """Names in the order of `extract` and `vector`."""
        return [feature.name for feature in self.describe()]

    @property
    def n_features(self) -> int:
        """Length of `vector`."""
        return len(self.describe())

    def extract(self, audio: Audio) -> dict[str, float]:
        """Return the features by name, NaN without a valid measurement.

        Parameters
        ----------
        audio : Audio
            At 16 kHz and at least 0.1 s long; meant for one utterance, but of any length.

        Raises
        ------
        RecordingTooShort
            The audio is shorter than 0.1 s.
        ValueError
            The audio has another sample rate.
        """
        return dict(zip(self.feature_names, self.vector(audio).tolist(), strict=True))

    def vector(self, audio: Audio) -> NDArray[np.float64]:
        """Return the features as an array [shape=(n_features,), dtype=float64].

        They are in the order of `feature_names`. Errors are those of `extract`.
        """
        if audio.sample_rate != SAMPLE_RATE:
            raise ValueError(f"Features need {SAMPLE_RATE} Hz, not {audio.sample_rate} Hz.")
        if len(audio.samples) < self.min_samples:
            raise RecordingTooShort(
                f"The recording lasts {audio.duration_s:.2f} s; features need at least "
                f"{self.min_samples / SAMPLE_RATE} s. Record a few words."
            )
        tracks = measure(audio)
        parts = [self._summarise(tracks, track) for track in TRACKS]
        scalars = rhythm(tracks)
        return np.concatenate([*parts, [scalars.get(feature.name, np.nan) for feature in SCALARS]])

    def _summarise(self, tracks: Tracks, track: Track) -> Floats:
        """Return the statistics of a track [shape=(rows * statistics,)], row by row."""
        rows = tracks.values[track.name][: len(track.rows) or 1, tracks.frames(track.frames)]
        if rows.shape[1] < self.min_frames:
            return np.full(len(rows) * len(track.statistics), np.nan)
        numbers = [STATISTICS[name].compute(rows.astype(np.float64)) for name in track.statistics]
        return np.stack(numbers, axis=1).ravel()


def _features_of(track: Track) -> list[Feature]:
    where = "" if track.frames in ("active", "spoken") else ", while voiced"
    return [
        Feature(
            f"{track.name}_{index:02d}_{name}" if track.rows else f"{track.name}_{name}",
            STATISTICS[name].unit.format(track.unit),
            STATISTICS[name].words.format(track.words.format(row)) + where,
        )
        for index, row in enumerate(track.rows or ("",))
        for name in track.statistics
    ]


# Whisper's first blocks as published, not trained on any corpus of emotional speech.
UNTOUCHED_ENCODER = "whisper-base-blocks-1-3"


class SpeechEncoder:
    """Embeddings from the first blocks of a pretrained speech encoder, as ONNX.

    Parameters
    ----------
    path : Path
        ``encoder.onnx``, from ``samples`` [shape=(1, n), dtype=float32] at 16 kHz to ``embedding``
        [shape=(1, n_features), dtype=float32].

    Notes
    -----
    The embedding depends neither on the level of the recording nor on its polarity. It is the
    mean and standard deviation over time of each block's output; see
    ``undertone/training/whisper.py``.
    """

    # The audio must hold one analysis frame of the log-mel spectrogram before it is reflected.
    min_samples = 400
    max_duration_s = 30.0

    def __init__(self, path: Path) -> None:
        self.path = path
        self._session = one_thread_session(path)

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        # A session cannot be pickled; its path can.
        return SpeechEncoder, (self.path,)

    @property
    def extractor_id(self) -> str:
        """Id of the embeddings from the file's metadata; `UNTOUCHED_ENCODER` without any."""
        known: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return known.get("extractor_id", UNTOUCHED_ENCODER)

    @property
    def n_features(self) -> int:
        """Length of an embedding."""
        return int(self._session.get_outputs()[0].shape[-1])

    def embed(self, audio: Audio) -> NDArray[np.float32]:
        """Return the embedding [shape=(n_features,), dtype=float32] of an utterance.

        Parameters
        ----------
        audio : Audio
            At most 30 s.

        Raises
        ------
        RecordingTooShort
            The audio is shorter than 25 ms.
        ValueError
            The audio is longer than 30 s.
        """
        if len(audio.samples) < self.min_samples:
            raise RecordingTooShort(f"The utterance has {audio.duration_s:.3f} s, too short.")
        if audio.duration_s > self.max_duration_s:
            raise ValueError(f"An utterance has at most 30 s, this one {audio.duration_s:.1f} s.")
        (embedding,) = self._session.run(None, {"samples": audio.samples[np.newaxis]})
        return np.asarray(embedding[0])


def main(arguments: list[str] | None = None) -> int:
    """Print the features of a recording; return 1 if it cannot be read or printed."""
    prepare_streams()
    parser = argparse.ArgumentParser(description="The acoustic features of a recording.")
    parser.add_argument("file", type=Path, help="a wav, mp3, flac, ogg, m4a, webm or similar file")
    parser.add_argument("--json", action="store_true", help="print JSON, with null for NaN")
    options = parser.parse_args(arguments)
    extractor = AudioFeatureExtractor()
    try:
        values = extractor.extract(decode(options.file.read_bytes()))
    except (OSError, UndertoneError) as error:
        reason = error.message if isinstance(error, UndertoneError) else error.strerror
        print(f"{options.file}: {reason}", file=sys.stderr)
        return 1
    try:
        with writing_output():
            _print_features(extractor, values, options.json)
    except OutputUnwritable as error:
        print(error.message, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    return 0


def _print_features(
    extractor: AudioFeatureExtractor, values: dict[str, float], as_json: bool
) -> None:
    """Print features as a table, or as JSON with null for NaN."""
    if as_json:
        numbers = {name: None if np.isnan(value) else value for name, value in values.items()}
        print(json.dumps({"extractor_id": extractor.extractor_id, "features": numbers}, indent=1))
        return
    for name, unit, meaning in extractor.describe():
        print(f"{name:34} {values[name]:12.4f} {unit:12} {meaning}")


if __name__ == "__main__":
    sys.exit(main())
