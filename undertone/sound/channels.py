"""Down-mix weights for the channels of a recording, chosen by the speech in them.

Each channel has one fixed weight, so no voice comes and goes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from undertone.errors import NoSpeech
from undertone.sound.levels import Levels
from undertone.sound.samples import SAMPLE_RATE, SILENT_PEAK, Audio, Samples
from undertone.sound.speech import Speech, find_speech

# Up to this many seconds of all channels together (32 MB) are judged in full, more in excerpts.
JUDGED_S = 500.0
EXCERPT_WINDOWS = 40  # 4 s
MIN_EXCERPTS = 4
FRAME = 512  # samples: 32 ms
BANDS = 64  # of 125 Hz
# A band of a frame is lost if the mix has under a tenth of the energy of the channel's share. A
# frame is lost if more than half of the voices' energy in it is lost.
LOST_UNDER = 0.1
LOST_FRAME = 0.5
AUDIBLE = 1e-4  # of the loudest frame: 40 dB under it
TOLERATED = 0.02  # of all frames with speech
# Quieter backgrounds make no difference; a candidate must be better by 6 dB to be preferred.
BEST_CLARITY = 1e4
CLEARLY_BETTER = 4.0


@dataclass(frozen=True, eq=False)
class _Voices:
    """Speech energy in some channels, by frame and frequency band.

    Attributes
    ----------
    reference : np.ndarray [shape=(frames, bands), dtype=float32]
        Energy of the loudest channel with speech, above the background of this channel.
    spoken : np.ndarray [shape=(frames,), dtype=bool]
        Frames with audible speech.
    """

    reference: Samples
    spoken: npt.NDArray[np.bool_]


def windows_to_judge(levels: Levels) -> npt.NDArray[np.bool_]:
    """Select the windows used to judge the channels [shape=(windows,)].

    A short recording is judged in full. A long one is judged by excerpts of 4 s. In turn, these
    come from the loudest parts of each channel, from the parts with the most cancellation, and from
    anywhere.
    """
    energies = levels.energies
    n_windows, n_channels = energies.shape
    n_judged = round(10 * JUDGED_S / n_channels)
    wanted = np.ones(n_windows, np.bool_)
    if n_windows <= n_judged:
        return wanted
    n_excerpts = n_windows // EXCERPT_WINDOWS
    whole = slice(0, n_excerpts * EXCERPT_WINDOWS)
    cancelled = energies.mean(axis=1) - levels.mix_energies
    by_kind = np.column_stack([energies, cancelled])[whole]
    by_kind = by_kind.reshape(n_excerpts, EXCERPT_WINDOWS, -1).sum(axis=1)
    rankings = [*np.argsort(-by_kind, axis=0, kind="stable").T]
    rankings.append(np.argsort(np.arange(n_excerpts) * 0.618034 % 1.0))  # spread evenly
    in_turn = np.stack(rankings, axis=1).ravel().tolist()
    chosen = list(dict.fromkeys(in_turn))[: max(MIN_EXCERPTS, n_judged // EXCERPT_WINDOWS)]
    excerpts = np.zeros(n_excerpts, np.bool_)
    excerpts[chosen] = True
    wanted[:] = False
    wanted[whole] = np.repeat(excerpts, EXCERPT_WINDOWS)
    return wanted


def weights_by_speech(channels: Samples) -> Samples | None:
    """Choose the weights of the channels in the analysed mix.

    Only channels with speech are mixed. If their mean loses a voice in opposite phase, the single
    channel with the smallest loss is used. Another candidate wins if its voices are much clearer.
    An example is the difference of two channels with the same hum.

    Parameters
    ----------
    channels : np.ndarray [shape=(channels, n), dtype=float32]
        At 16 kHz, without offset.

    Returns
    -------
    np.ndarray [shape=(channels,), dtype=float32] or None
        None for the mean of all channels.
    """
    speech = {
        index: found for index in range(len(channels)) if (found := _speech_in(channels[index]))
    }
    clear = {index: found for index, found in speech.items() if not found.is_doubtful}
    speech = clear or speech
    if not speech:
        return _without_speech(channels)
    spoken = sorted(speech, key=lambda index: -float(np.square(channels[index]).mean()))
    powers = {index: _powers(channels[index]) for index in spoken}
    voices = _voices(powers, speech)
    candidates = list(_candidates(channels, spoken))
    scores = []
    for weights in candidates:
        used = np.flatnonzero(weights)
        power = powers[used[0]] if len(used) == 1 else _powers(weights @ channels)
        scores.append(_score(power, weights, voices))
    least_lost = min(lost for lost, _ in scores)
    allowed = [index for index, (lost, _) in enumerate(scores) if lost <= least_lost + TOLERATED]
    clearest = max(scores[index][1] for index in allowed)
    chosen = next(index for index in allowed if CLEARLY_BETTER * scores[index][1] >= clearest)
    if chosen == 0 and len(spoken) == len(channels):
        return None
    return candidates[chosen]


def clear_speech_s(audio: Audio) -> float:
    """Seconds of speech in a recording, divided by ten if the speech is doubtful."""
    speech = _speech_in(audio.samples)
    if speech is None:
        return 0.0
    return sum(end_s - start_s for start_s, end_s in speech) * (0.1 if speech.is_doubtful else 1)


def _candidates(channels: Samples, spoken: list[int]) -> Iterator[Samples]:
    """Yield candidate weights, the most usual first."""
    yield _mean_of(spoken, len(channels))
    if len(spoken) > 1:
        for index in spoken:
            yield _mean_of([index], len(channels))
        yield _aligned(channels, spoken)


def _mean_of(indices: list[int], n_channels: int) -> Samples:
    weights = np.zeros(n_channels, np.float32)
    weights[indices] = 1 / len(indices)
    return weights


def _aligned(channels: Samples, indices: list[int]) -> Samples:
    """Weights of the mean of some channels; a channel in opposite phase to the first is inverted.

    The comparison uses second differences. In these, hum is 40 dB or more under a voice.
    """
    weights = _mean_of(indices, len(channels))
    first = np.diff(channels[indices[0]], 2)
    for index in indices[1:]:
        if np.dot(first, np.diff(channels[index], 2)) < 0:
            weights[index] *= -1
    return weights


def _without_speech(channels: Samples) -> Samples | None:
    """Choose weights if no single channel has speech: a mix with speech, else the mean.

    If the mean has far less energy than unrelated channels would leave, use the loudest channel.
    """
    energies = np.square(channels).mean(axis=1)
    by_level = [int(index) for index in np.argsort(-energies, kind="stable")]
    mean = channels.mean(axis=0)
    aligned = _aligned(channels, by_level)
    if _speech_in(mean):
        return None
    if (aligned < 0).any() and _speech_in(aligned @ channels):
        return aligned
    if float(np.square(mean).mean()) < 0.1 * energies.sum() / len(channels) ** 2:
        return _mean_of(by_level[:1], len(channels))
    return None


def _speech_in(samples: Samples) -> Speech | None:
    """Return the stretches of speech; None if there are none."""
    if not len(samples) or np.ptp(samples) / 2 < SILENT_PEAK:
        return None
    try:
        return find_speech(Audio(samples))
    except NoSpeech:
        return None


def _powers(samples: Samples) -> Samples:
    """Energy of each frame and band [shape=(frames, bands), dtype=float32]."""
    n_frames = len(samples) // FRAME
    window = np.hanning(FRAME).astype(np.float32)
    powers = np.empty((n_frames, BANDS), np.float32)
    for first in range(0, n_frames, 2048):
        frames = samples[first * FRAME : (first + 2048) * FRAME]
        frames = frames[: len(frames) // FRAME * FRAME].reshape(-1, FRAME)
        spectrum = np.abs(scipy.fft.rfft(frames * window))[:, 1:] ** 2
        powers[first : first + len(frames)] = spectrum.reshape(len(frames), BANDS, -1).sum(axis=2)
    return powers


def _voices(powers: dict[int, Samples], speech: dict[int, Speech]) -> _Voices:
    reference = np.zeros_like(next(iter(powers.values())))
    for index, power in powers.items():
        background = np.quantile(power, 0.2, axis=0) if len(power) else 0.0
        speaks = np.zeros(len(power), np.bool_)
        for start_s, end_s in speech[index]:
            first, last = (round(edge_s * SAMPLE_RATE / FRAME) for edge_s in (start_s, end_s))
            speaks[first:last] = True
        voice = np.maximum(power - 2 * background, 0) * speaks[:, None]
        np.maximum(reference, voice, out=reference)
    total = reference.sum(axis=1)
    return _Voices(reference, total > AUDIBLE * total.max(initial=0.0))


def _score(power: Samples, weights: Samples, voices: _Voices) -> tuple[float, float]:
    """Return the share of speech frames lost by a candidate, and the clarity of its speech.

    Clarity is the energy of speech frames relative to the quietest tenth of all frames.

    Parameters
    ----------
    power : np.ndarray [shape=(frames, bands), dtype=float32]
        Energy of the candidate mix.
    weights : np.ndarray [shape=(channels,), dtype=float32]
        Weights of the candidate.
    voices : _Voices
        Speech energy to compare with.
    """
    if not voices.spoken.any():
        return 0.0, 1.0
    share = float(np.square(weights[weights != 0]).min())
    reference = voices.reference[voices.spoken]
    lost = np.where(power[voices.spoken] < LOST_UNDER * share * reference, reference, 0)
    is_lost = lost.sum(axis=1) > LOST_FRAME * reference.sum(axis=1)
    total = power.sum(axis=1)
    loud, quiet = float(total[voices.spoken].mean()), float(np.quantile(total, 0.1))
    clarity = min(loud / max(quiet, 1e-30), BEST_CLARITY) if loud else 0.0
    return float(is_lost.mean()), clarity
