"""The measurements of a voice in plain words, each against what is usual.

A usual range without a published source is that of acted, neutral sentences, measured in the same
way as everything here: `profile` of 600 neutral clips by the 91 actors of CREMA-D, from the tenth
to the ninetieth percentile.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

BAKEN = "Fitch & Holbrook 1970, in Baken & Orlikoff, Clinical Measurement of Speech and Voice, 2000"
CAMPIONE = "Campione & Véronis, Speech Prosody 2002"
CREMA_D = "neutral sentences of CREMA-D (Cao et al. 2014), measured in the same way"


@dataclass(frozen=True)
class Scale:
    """From where to where a measurement is shown, and what is usual on the way.

    Attributes
    ----------
    low, high : float
        Ends of the scale; what lies beyond is shown at its end.
    usual : tuple of (low, high, whose)
        Usual ranges.
    source : str
        Where the ranges are from; empty where there are none.
    is_log : bool
        Whether equal ratios are equal steps.
    """

    low: float
    high: float
    usual: tuple[tuple[float, float, str], ...] = ()
    source: str = ""
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, 0 to 1."""
        ends: tuple[float, ...] = (self.low, value, self.high)
        if self.is_log:
            ends = tuple(float(np.log(max(end, 1e-9))) for end in ends)
        low, at, high = ends
        return min(1.0, max(0.0, (at - low) / (high - low)))


@dataclass(frozen=True)
class Finding:
    """One measurement, ready to be told.

    Attributes
    ----------
    name, value, sentence : str
        Such as "Pitch", "182 Hz", and what that means.
    place : float
        On its scale, 0 to 1.
    usual : tuple of (start, end, whose)
        Usual ranges on the scale, 0 to 1.
    ends : tuple of str
        What the ends of the scale are.
    source : str
        Where the usual ranges are from; empty where there are none.
    """

    name: str
    value: str
    sentence: str
    place: float
    usual: tuple[tuple[float, float, str], ...]
    ends: tuple[str, str]
    source: str


@dataclass(frozen=True)
class _Measure:
    key: str
    name: str
    unit: str
    digits: int
    scale: Scale
    sentence: Callable[[float, Mapping[str, float]], str]
    factor: float = 1.0  # from what is kept to what is shown


def describe(profile: Mapping[str, float]) -> list[Finding]:
    """What `voice_profile.profile` measured, in plain words; nothing of what it could not."""
    return [_finding(measure, profile) for measure in MEASURES if measure.key in profile]


def _finding(measure: _Measure, profile: Mapping[str, float]) -> Finding:
    value, scale = profile[measure.key] * measure.factor, measure.scale
    return Finding(
        name=measure.name,
        value=_with_unit(f"{value:.{measure.digits}f}", measure.unit),
        sentence=measure.sentence(value, profile),
        place=scale.place(value),
        usual=tuple((scale.place(low), scale.place(high), who) for low, high, who in scale.usual),
        ends=(
            _with_unit(f"{scale.low:g}", measure.unit),
            _with_unit(f"{scale.high:g}", measure.unit),
        ),
        source=scale.source,
    )


def _with_unit(number: str, unit: str) -> str:
    return f"{number.replace('-', '−')} {unit}"


PITCH = Scale(60, 500, ((85, 155, "men"), (165, 255, "women")), BAKEN, is_log=True)
PITCH_RANGE = Scale(0, 16, ((2.0, 8.0, "neutral sentences"),), CREMA_D)
LOUDNESS = Scale(-60, 0)
SPREAD = Scale(0, 30, ((14.0, 22.0, "neutral sentences"),), CREMA_D)
PACE = Scale(0, 7, ((1.6, 3.6, "neutral sentences"),), CREMA_D)
PAUSES = Scale(0, 60)


def _pitch_words(hz: float, _: Mapping[str, float]) -> str:
    (men_low, men_high, _men), (women_low, women_high, _women) = PITCH.usual
    if hz < men_low:
        where = "This voice is lower than either"
    elif hz <= men_high:
        where = "This voice lies in the first range"
    elif hz < women_low:
        where = "This voice lies between the two"
    elif hz <= women_high:
        where = "This voice lies in the second range"
    else:
        where = "This voice is higher than either, as children's are and raised ones"
    return (
        f"How high the voice is. Men usually speak at {men_low} to {men_high} Hz, women at "
        f"{women_low} to {women_high} Hz. {where}."
    )


def _against(value: float, scale: Scale, less: str, more: str) -> str:
    ((low, high, _),) = scale.usual
    if value < low:
        return less
    return more if value > high else "as in most"


def _range_words(semitones: float, _: Mapping[str, float]) -> str:
    ((low, high, _who),) = PITCH_RANGE.usual
    manner = _against(semitones, PITCH_RANGE, "flatter than most", "livelier than most")
    return (
        "How far the pitch moves up and down; twelve semitones are an octave. In neutral sentences "
        f"it is {low:g} to {high:g}: this is {manner}."
    )


def _loudness_words(dbfs: float, _: Mapping[str, float]) -> str:
    told = (
        "How strong the speech is in the recording; 0 is the most it can hold. It tells more of "
        "the microphone and its distance than of the voice, so there is no usual range."
    )
    if dbfs < -42:
        return told + " This is very quiet: closer to the microphone would be better."
    return told + " This is close to the limit and may be distorted." if dbfs > -9 else told


def _spread_words(spread_db: float, _: Mapping[str, float]) -> str:
    ((low, high, _who),) = SPREAD.usual
    manner = _against(spread_db, SPREAD, "more even than most", "more accented than most")
    return (
        "From the quiet to the loud parts of the speech. In neutral sentences it is "
        f"{low:g} to {high:g} dB: this is {manner}. Noise makes it smaller."
    )


def _pace_words(per_s: float, _: Mapping[str, float]) -> str:
    ((low, high, _who),) = PACE.usual
    manner = _against(per_s, PACE, "slower than most", "faster than most")
    return (
        "How fast the syllables follow each other between pauses, counted by loudness alone, which "
        f"misses some. In neutral sentences it is {low:g} to {high:g} a second: this is {manner}."
    )


def _pause_words(percent: float, profile: Mapping[str, float]) -> str:
    if percent == 0:
        return "There is no pause of 0.3 seconds or more."
    longest_s = profile.get("longest_pause_s", 0.0)
    return (
        "The part of the time from the first word to the last in which nothing is said for 0.3 "
        f"seconds or more. The longest pause lasts {longest_s:.1f} s; who reads aloud seldom "
        "pauses for more than one, who thinks while speaking does."
    )


MEASURES = (
    _Measure("pitch_median_hz", "Pitch", "Hz", 0, PITCH, _pitch_words),
    _Measure("pitch_range_semitones", "Melody", "semitones", 1, PITCH_RANGE, _range_words),
    _Measure("syllables_per_s", "Pace", "syllables/s", 1, PACE, _pace_words),
    _Measure("pause_share", "Pauses", "%", 0, PAUSES, _pause_words, factor=100),
    _Measure("loudness_dbfs", "Loudness", "dBFS", 0, LOUDNESS, _loudness_words),
    _Measure("loudness_spread_db", "Accents", "dB", 0, SPREAD, _spread_words),
)
