"""Voice measurements in plain words, each compared with its usual range.

A usual range without a published source is that of acted, neutral sentences, measured in the same
way: `profile` of 600 neutral clips by the 91 actors of CREMA-D, from the 10th to the 90th
percentile.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from undertone.drawing.words import ENGLISH, Words
from undertone.messages import translatable

BAKEN = "Fitch & Holbrook 1970, in Baken & Orlikoff, Clinical Measurement of Speech and Voice, 2000"
CAMPIONE = "Campione & Véronis, Speech Prosody 2002"
CREMA_D = translatable("neutral sentences of CREMA-D (Cao et al. 2014), measured in the same way")


@dataclass(frozen=True)
class Scale:
    """Displayed range of a measurement, with its usual ranges.

    Attributes
    ----------
    low, high : float
        Ends of the scale; values beyond are shown at its end.
    usual : tuple of (low, high, speakers)
        Usual ranges.
    source : str
        Source of the usual ranges; empty without any.
    is_log : bool
        True for a logarithmic scale.
    """

    low: float
    high: float
    usual: tuple[tuple[float, float, str], ...] = ()
    source: str = ""
    is_log: bool = False

    def place(self, value: float) -> float:
        """Return the place of a value on the scale, clipped to 0 to 1."""
        ends: tuple[float, ...] = (self.low, value, self.high)
        if self.is_log:
            ends = tuple(float(np.log(max(end, 1e-9))) for end in ends)
        low, at, high = ends
        return min(1.0, max(0.0, (at - low) / (high - low)))


@dataclass(frozen=True)
class Finding:
    """One measurement in words.

    Attributes
    ----------
    name, value, sentence : str
        Such as "Pitch", "182 Hz", and an explanation.
    place : float
        Place on its scale, 0 to 1.
    usual : tuple of (start, end, speakers)
        Usual ranges on the scale, 0 to 1.
    ends : tuple of str
        Values at the ends of the scale, with their unit.
    source : str
        Source of the usual ranges; empty without any.
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
    sentence: Callable[[float, Mapping[str, float], Words], str]
    factor: float = 1.0  # from the stored to the displayed value


def describe(profile: Mapping[str, float], words: Words = ENGLISH) -> list[Finding]:
    """Describe the measurements of `voice_profile.profile`; missing ones are left out."""
    found = (measure for measure in MEASURES if measure.key in profile)
    return [_finding(measure, profile, words) for measure in found]


def _finding(measure: _Measure, profile: Mapping[str, float], words: Words) -> Finding:
    value, scale = profile[measure.key] * measure.factor, measure.scale
    unit = words.translate(measure.unit)
    return Finding(
        name=words.translate(measure.name),
        value=f"{words.number(value, measure.digits)} {unit}",
        sentence=measure.sentence(value, profile, words),
        place=scale.place(value),
        usual=tuple(
            (scale.place(low), scale.place(high), words.translate(who))
            for low, high, who in scale.usual
        ),
        ends=(f"{words.number(scale.low)} {unit}", f"{words.number(scale.high)} {unit}"),
        source=words.translate(scale.source) if scale.source else "",
    )


_NEUTRAL = translatable("neutral sentences")
PITCH = Scale(
    60, 500, ((85, 155, translatable("men")), (165, 255, translatable("women"))), BAKEN, is_log=True
)
PITCH_RANGE = Scale(0, 16, ((2.0, 8.0, _NEUTRAL),), CREMA_D)
LOUDNESS = Scale(-60, 0)
SPREAD = Scale(0, 30, ((14.0, 22.0, _NEUTRAL),), CREMA_D)
PACE = Scale(0, 7, ((1.6, 3.6, _NEUTRAL),), CREMA_D)
PAUSES = Scale(0, 60)


def _pitch_words(hz: float, _: Mapping[str, float], words: Words) -> str:
    translate = words.translate
    (men_low, men_high, _men), (women_low, women_high, _women) = PITCH.usual
    if hz < men_low:
        where = translate("This voice is lower than either.")
    elif hz <= men_high:
        where = translate("This voice lies in the first range.")
    elif hz < women_low:
        where = translate("This voice lies between the two.")
    elif hz <= women_high:
        where = translate("This voice lies in the second range.")
    else:
        where = translate("This voice is higher than either, as children's are and raised ones.")
    told = translate(
        "How high the voice is. Men usually speak at %(a)g to %(b)g Hz, women at %(c)g to %(d)g Hz."
    ) % {"a": men_low, "b": men_high, "c": women_low, "d": women_high}
    return f"{told} {where}"


def _against(value: float, scale: Scale, less: str, usual: str, more: str) -> str:
    ((low, high, _),) = scale.usual
    if value < low:
        return less
    return more if value > high else usual


def _range_words(semitones: float, _: Mapping[str, float], words: Words) -> str:
    translate = words.translate
    ((low, high, _who),) = PITCH_RANGE.usual
    told = translate(
        "How far the pitch moves up and down; twelve semitones are an octave. In neutral sentences "
        "it is %(low)g to %(high)g:"
    ) % {"low": low, "high": high}
    manner = _against(
        semitones,
        PITCH_RANGE,
        translate("this is flatter than most."),
        translate("this is as in most."),
        translate("this is livelier than most."),
    )
    return f"{told} {manner}"


def _loudness_words(dbfs: float, _: Mapping[str, float], words: Words) -> str:
    translate = words.translate
    told = translate(
        "How strong the speech is in the recording; 0 is the most it can hold. It tells more of "
        "the microphone and its distance than of the voice, so there is no usual range."
    )
    if dbfs < -42:
        return f"{told} " + translate(
            "This is very quiet: closer to the microphone would be better."
        )
    if dbfs > -9:
        return f"{told} " + translate("This is close to the limit and may be distorted.")
    return told


def _spread_words(spread_db: float, _: Mapping[str, float], words: Words) -> str:
    translate = words.translate
    ((low, high, _who),) = SPREAD.usual
    told = translate(
        "From the quiet to the loud parts of the speech. In neutral sentences it is %(low)g to "
        "%(high)g dB:"
    ) % {"low": low, "high": high}
    manner = _against(
        spread_db,
        SPREAD,
        translate("this is more even than most."),
        translate("this is as in most."),
        translate("this is more accented than most."),
    )
    return f"{told} {manner} " + translate("Noise makes it smaller.")


def _pace_words(per_s: float, _: Mapping[str, float], words: Words) -> str:
    translate = words.translate
    ((low, high, _who),) = PACE.usual
    told = translate(
        "How fast the syllables follow each other between pauses, counted by loudness alone, which "
        "misses some. In neutral sentences it is %(low)s to %(high)s a second:"
    ) % {"low": words.number(low, 1), "high": words.number(high, 1)}
    manner = _against(
        per_s,
        PACE,
        translate("this is slower than most."),
        translate("this is as in most."),
        translate("this is faster than most."),
    )
    return f"{told} {manner}"


def _pause_words(percent: float, profile: Mapping[str, float], words: Words) -> str:
    translate = words.translate
    if percent == 0:
        return translate("There is no pause of 0.3 seconds or more.")
    return translate(
        "The part of the time from the first word to the last in which nothing is said for 0.3 "
        "seconds or more. The longest pause lasts %(longest)s s; who reads aloud seldom "
        "pauses for more than one, who thinks while speaking does."
    ) % {"longest": words.number(profile.get("longest_pause_s", 0.0), 1)}


MEASURES = (
    _Measure("pitch_median_hz", translatable("Pitch"), "Hz", 0, PITCH, _pitch_words),
    _Measure(
        "pitch_range_semitones",
        translatable("Melody"),
        translatable("semitones"),
        1,
        PITCH_RANGE,
        _range_words,
    ),
    _Measure(
        "syllables_per_s", translatable("Pace"), translatable("syllables/s"), 1, PACE, _pace_words
    ),
    _Measure("pause_share", translatable("Pauses"), "%", 0, PAUSES, _pause_words, factor=100),
    _Measure("loudness_dbfs", translatable("Loudness"), "dBFS", 0, LOUDNESS, _loudness_words),
    _Measure("loudness_spread_db", translatable("Accents"), "dB", 0, SPREAD, _spread_words),
)
