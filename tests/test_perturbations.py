import numpy as np
import pytest
import scipy
import soxr

from tests import sounds
from undertone.sound.audio import SAMPLE_RATE, Audio
from undertone.training import perturbations
from undertone.training.perturbations import Perturbation

VOICE = Audio(sounds.voice(1.5))
SEEDS = range(12)  # enough that every setting is drawn by some
CHANNELS: dict[str, Perturbation] = {
    "downward tilt": perturbations.downward_tilt,
    "upward tilt": perturbations.upward_tilt,
    "phone": perturbations.phone,
    "microphone": perturbations.microphone,
    "reference room": perturbations.reference_room,
    "room": perturbations.room,
    "reference position": perturbations.reference_position,
    "position": perturbations.position,
}
EVERY = perturbations.SMALL_CHANGES | CHANNELS


def changed(change: Perturbation, audio: Audio = VOICE, seed: int = 0) -> np.ndarray:
    return change(audio, np.random.default_rng(seed)).samples.astype(np.float64)


def level_db(samples: np.ndarray) -> float:
    return float(20 * np.log10(perturbations.rms(samples)))


def gain_db(change: Perturbation, frequency_hz: float, seed: int = 0) -> float:
    """How much louder a tone becomes, at its steady middle."""
    tone = sounds.tone(1.0, frequency_hz, peak=0.1)
    middle = slice(4000, 12000)
    return level_db(changed(change, Audio(tone), seed)[middle]) - level_db(tone[middle])


def response_db(response: np.ndarray, frequency_hz: float) -> float:
    _, value = scipy.signal.freqz(response, worN=[frequency_hz], fs=SAMPLE_RATE)
    return float(20 * np.log10(np.abs(value[0])))


@pytest.mark.parametrize("name", EVERY)
def test_a_change_is_a_recording_and_the_same_for_the_same_seed(name: str) -> None:
    recordings = [EVERY[name](VOICE, np.random.default_rng(seed)) for seed in (1, 1)]
    first, again = (recording.samples for recording in recordings)
    assert first.dtype == np.float32
    assert np.isfinite(first).all() and np.abs(first).max() <= 1
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(VOICE.samples) or not np.array_equal(first, VOICE.samples)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_keeps_level_and_length_unless_that_exceeds_full_scale(name: str) -> None:
    through = changed(CHANNELS[name])
    assert len(through) == len(VOICE.samples)
    is_full = np.abs(through).max() > 0.999
    assert is_full or level_db(through) == pytest.approx(level_db(VOICE.samples), abs=0.01)


def test_the_tone_is_where_and_as_loud_as_it_is_said() -> None:
    drawn_db = set()
    for seed in SEEDS:
        added = changed(perturbations.additive_tone, seed=seed) - VOICE.samples
        peak_hz = np.abs(scipy.fft.rfft(added)).argmax() * SAMPLE_RATE / len(added)
        assert 4999 <= peak_hz <= 7001
        drawn_db.add(round(level_db(VOICE.samples) - level_db(added), 1))
    assert drawn_db == {40.0, 45.0, 50.0}


def test_white_noise_has_its_snr_and_a_flat_spectrum() -> None:
    drawn_db = set()
    for seed in SEEDS:
        added = changed(perturbations.white_noise, seed=seed) - VOICE.samples
        drawn_db.add(round(level_db(VOICE.samples) - level_db(added)))
        low, high = np.array_split(np.abs(scipy.fft.rfft(added)) ** 2, 2)
        assert low.mean() == pytest.approx(high.mean(), rel=0.1)
    assert drawn_db == {35, 40, 45}


@pytest.mark.parametrize("seed", SEEDS)
def test_zeros_and_crops_change_the_ends_only(seed: int) -> None:
    original = VOICE.samples
    appended = changed(perturbations.append_zeros, seed=seed)
    n = len(appended) - len(original)
    assert n in (100, 500, 1000) and not appended[-n:].any()
    np.testing.assert_array_equal(appended[:-n], original)
    prepended = changed(perturbations.prepend_zeros, seed=seed)
    np.testing.assert_array_equal(prepended, np.roll(appended, n))
    np.testing.assert_array_equal(changed(perturbations.crop_beginning, seed=seed), original[n:])
    np.testing.assert_array_equal(changed(perturbations.crop_end, seed=seed), original[:-n])


def test_clipping_clips_the_share_it_should() -> None:
    shares = set()
    for seed in SEEDS:
        clipped = changed(perturbations.clipping, seed=seed)
        shares.add(round(float(np.mean(clipped != VOICE.samples)), 4))
        assert np.abs(clipped).max() < np.abs(VOICE.samples).max()
    assert shares == {0.001, 0.002, 0.003}


def test_gain_is_one_or_two_db_and_never_leaves_full_scale() -> None:
    drawn_db = {round(gain_db(perturbations.gain, 440.0, seed), 2) for seed in SEEDS}
    assert drawn_db == {-2.0, -1.0, 1.0, 2.0}
    loud = Audio(sounds.voice(0.5, peak=1.0))
    assert max(np.abs(changed(perturbations.gain, loud, seed)).max() for seed in SEEDS) == 1.0


@pytest.mark.parametrize(
    ("change", "cutoffs_hz", "stopped_hz"),
    [
        (perturbations.high_pass, perturbations.HIGH_PASS_HZ, 10.0),
        (perturbations.low_pass, perturbations.LOW_PASS_HZ, 7950.0),
    ],
)
def test_filters_have_3_db_at_their_cut_off(
    change: Perturbation, cutoffs_hz: tuple[int, ...], stopped_hz: float
) -> None:
    for seed in SEEDS:
        at_cutoffs = [gain_db(change, hz, seed) for hz in cutoffs_hz]
        assert min(abs(db + 3.01) for db in at_cutoffs) < 0.1
        assert gain_db(change, 1000.0, seed) > -0.2
        assert gain_db(change, stopped_hz, seed) < -10


def test_tilts_are_linear_in_amplitude() -> None:
    noise = Audio(sounds.noise(2.0))
    for change, at_khz in (
        (perturbations.downward_tilt, (6, 2)),
        (perturbations.upward_tilt, (2, 6)),
    ):
        hz, before = scipy.signal.welch(noise.samples, SAMPLE_RATE)
        ratio = np.sqrt(scipy.signal.welch(changed(change, noise), SAMPLE_RATE)[1] / before)
        weak, strong = (ratio[np.abs(hz - 1000 * khz).argmin()] for khz in at_khz)
        assert strong / weak == pytest.approx(3.0, rel=0.05)


def test_a_phone_is_narrow_and_hisses_but_keeps_the_voice() -> None:
    through = changed(perturbations.phone)
    hz, power = scipy.signal.welch(through, SAMPLE_RATE, nperseg=1024)
    # Above 4 kHz there is only the hiss, which is as strong in the voice's pauses.
    assert power[hz > 4500].mean() < 1e-2 * power[(hz > 300) & (hz < 3400)].mean()
    low = {"btype": "lowpass", "fs": SAMPLE_RATE, "output": "sos"}
    band = scipy.signal.butter(4, 3000, **low)
    voice, heard = (scipy.signal.sosfilt(band, x) for x in (VOICE.samples, through))
    likeness = scipy.signal.correlate(heard, voice) / np.linalg.norm(heard) / np.linalg.norm(voice)
    delay = int(likeness.argmax()) - (len(voice) - 1)
    assert likeness.max() > 0.7
    assert 0 < delay < 0.01 * SAMPLE_RATE  # what the codec looks ahead


def test_the_compressor_lessens_differences_of_level() -> None:
    quiet, loud = (sounds.tone(1.0, 500.0, peak, 8000) for peak in (0.01, 1.0))
    levels_db = [level_db(perturbations._compressed(x)[4000:]) for x in (quiet, loud)]
    assert levels_db[0] - level_db(quiet) == pytest.approx(4.0, abs=0.1)
    assert levels_db[1] - level_db(loud) == pytest.approx(0.0, abs=0.7)


def test_the_codec_loses_something_but_not_the_level() -> None:
    narrow = soxr.resample(VOICE.samples, SAMPLE_RATE, 8000)
    coded = perturbations._amr_nb(narrow)
    assert len(coded) == len(narrow)
    assert level_db(coded) == pytest.approx(level_db(narrow), abs=1.5)
    assert level_db(coded[39:] - narrow[:-39]) > level_db(narrow) - 20


@pytest.mark.parametrize(
    ("t60_s", "ratio_db"), [perturbations.BOOTH, *perturbations.ROOMS.values()]
)
def test_rooms_decay_by_60_db_in_their_t60(t60_s: float, ratio_db: float) -> None:
    response = perturbations.room_response(t60_s, ratio_db)
    direct, tail = response[0] ** 2, np.sum(response[1:] ** 2)
    assert 10 * np.log10(direct / tail) == pytest.approx(ratio_db, abs=0.1)
    # Schroeder's backward integration from -5 to -35 dB, extrapolated to -60.
    energy = np.cumsum(response[:0:-1] ** 2)[::-1]
    decay_db = 10 * np.log10(energy / energy[0])
    first, last = (int(np.flatnonzero(decay_db < db)[0]) for db in (-5, -35))
    assert 2 * (last - first) / SAMPLE_RATE == pytest.approx(t60_s, rel=0.1)


def test_farther_talkers_have_less_direct_sound() -> None:
    shares = []
    for distance_m in (1.0, 2.0, 3.0):
        response = perturbations.position_response(distance_m, 0.0)
        assert response[0] == pytest.approx(1 / distance_m)
        shares.append(response[0] ** 2 / np.sum(response**2))
    assert shares == sorted(shares, reverse=True)
    assert perturbations.REFERENCE_POSITION not in perturbations.POSITIONS
    assert len(perturbations.POSITIONS) == 8


def test_the_first_reflection_comes_when_geometry_says() -> None:
    # Floor and ceiling: 1.4 and 1.6 m from talker and microphone, which are 1 m apart.
    response = perturbations.position_response(1.0, 0.0)
    early = np.flatnonzero(response[: round(perturbations.TAIL_S * SAMPLE_RATE)])
    paths_m = [np.hypot(1.0, 2 * 1.4), np.hypot(1.0, 2 * 1.6)]
    expected = [round((path - 1.0) / 343 * SAMPLE_RATE) for path in paths_m]
    assert early[:3].tolist() == [0, *expected]


@pytest.mark.parametrize("kind", perturbations.MICROPHONES)
def test_microphones_have_the_shape_that_is_stated(kind: str) -> None:
    response = perturbations.microphone_response(kind)
    for hz, db in perturbations.MICROPHONES[kind]:
        if 300 <= hz <= 7000:  # a FIR of 32 ms smoothes what is steeper
            assert response_db(response, hz) == pytest.approx(db, abs=1.0)
    np.testing.assert_allclose(response, response[::-1], atol=1e-12)
