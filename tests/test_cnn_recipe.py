from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests import sounds
from undertone.sound.audio import Audio
from undertone.training.corpora import Clip
from undertone.training.utterances import Utterances

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from undertone.training.cnn import N_CHROMA, N_MFCC, EmotionNetwork, Features, export_cnn  # noqa: E402
from undertone.training.cnn_recipe import CnnRecipe, CnnSettings, FittedCnn  # noqa: E402
from undertone.training.network_training import NetworkTraining, Schedule  # noqa: E402
from undertone.training.power_augmentation import augment, cut, power_spectrogram  # noqa: E402

SHORT = CnnSettings(Schedule(8, 8, n_looks=4, held_out_share=0.34), max_frames=60)
TALKERS = {"angry": (260.0, 0.14), "calm": (85.0, 0.4), "sad": (130.0, 0.3)}


def utterances(n_per_emotion: int = 3, corpus: str = "own") -> Utterances:
    clips, samples = [], []
    for emotion, (f0_hz, syllable_s) in TALKERS.items():
        for index in range(n_per_emotion):
            talk = sounds.voice(0.6, f0_hz + index, syllable_s=syllable_s, seed=index)
            clips.append(Clip(Path(f"{emotion}{index}"), emotion, f"s{index % 3}", corpus))
            samples.append(np.int16(talk * 2**15))
    return Utterances(clips, samples)


def same(one: FittedCnn, other: FittedCnn) -> bool:
    weights = zip(one.network.parameters(), other.network.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in weights)


# --- features -------------------------------------------------------------------------------


def test_both_ways_to_a_power_spectrogram_agree() -> None:
    samples = sounds.voice(0.7)
    by_convolution = Features().power(torch.from_numpy(samples[None]))[0]
    assert by_convolution.shape == (201, 70)
    peak = float(by_convolution.max())
    np.testing.assert_allclose(by_convolution, power_spectrogram(samples), atol=1e-5 * peak)


def test_mfcc_are_a_cosine_transform_of_the_log_mel_spectrogram() -> None:
    from scipy.fft import dct

    log_mel, tracks = Features()(power_spectrogram(sounds.voice(0.5))[None])
    expected = dct(log_mel[0].numpy(), axis=0, norm="ortho")[1:N_MFCC]
    np.testing.assert_allclose(tracks[0, 1:N_MFCC], expected, atol=1e-4)


def test_chroma_says_which_pitch_class_sounds() -> None:
    _, tracks = Features()(power_spectrogram(sounds.tone(0.5, 880.0))[None])
    chroma = tracks[0, N_MFCC:].mean(dim=1)
    assert chroma.shape == (N_CHROMA,)
    assert int(chroma.argmax()) == 9  # A
    assert float(chroma.sum()) == pytest.approx(1, abs=0.02)


# --- the network ----------------------------------------------------------------------------


def test_the_level_changes_nothing() -> None:
    network = EmotionNetwork(8).eval()
    samples = torch.from_numpy(sounds.voice(0.6)[None])
    with torch.inference_mode():
        np.testing.assert_allclose(network(samples), network(samples * 0.05), atol=1e-4)


def test_it_is_small_and_gives_probabilities() -> None:
    network = EmotionNetwork(8).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) < 2_000_000
    for duration_s in (0.1, 0.55, 2.0):
        with torch.inference_mode():
            log_p = network(torch.from_numpy(sounds.noise(duration_s)[None]))
        assert log_p.shape == (1, 8)
        assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_the_exported_network_answers_the_same(tmp_path: Path) -> None:
    network = EmotionNetwork(3).eval()
    export_cnn(network, tmp_path / "cnn.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "cnn.onnx"))
    for duration_s in (0.3, 1.7):
        samples = sounds.voice(duration_s)[None]
        (log_p,) = session.run(None, {"samples": samples})
        with torch.inference_mode():
            np.testing.assert_allclose(log_p, network(torch.from_numpy(samples)), atol=1e-4)


# --- augmentation ---------------------------------------------------------------------------


def test_a_changed_batch_is_power_and_repeatable() -> None:
    power = cut([power_spectrogram(sounds.voice(0.6, seed=n)) for n in range(8)], 70,
                np.random.default_rng(0))  # fmt: skip
    assert power.shape == (8, 201, 70)
    one, other, third = (augment(power, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, other)
    assert not torch.equal(one, third)
    assert one.shape == power.shape
    assert bool((one >= 0).all()) and bool(one.isfinite().all())


def test_a_stretch_is_cut_out_or_laid_in_silence() -> None:
    power = power_spectrogram(sounds.noise(0.6))
    rng = np.random.default_rng(0)
    short, long = cut([power], 20, rng)[0], cut([power], 100, rng)[0]
    assert any(torch.equal(short, power[:, start : start + 20]) for start in range(41))
    assert float(long.sum()) == pytest.approx(float(power.sum()), rel=1e-4)


def test_noise_is_as_loud_as_it_is_said_to_be() -> None:
    from undertone.training.power_augmentation import _noise

    power = torch.ones(64, 201, 100)
    added = _noise(power, np.random.default_rng(0)).mean(dim=(1, 2)) - 1
    snr_db = -10 * torch.log10(added)
    assert 4 < float(snr_db.min()) < 10
    assert 30 < float(snr_db.max()) < 37


# --- training -------------------------------------------------------------------------------


def test_it_learns_and_says_how_it_went(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    settings = CnnSettings(Schedule(40, 9, n_looks=4, ema_decay=0.8), max_frames=60)
    heard = utterances()
    fitted = CnnRecipe(tmp_path, settings=settings).fit(heard)
    assert fitted.labels == ("angry", "calm", "sad")
    assert [row["step"] for row in fitted.history] == [10, 20, 30, 40]
    assert fitted.history[-1]["training_loss"] < fitted.history[0]["training_loss"]
    log_p = fitted.answers(heard).log_probabilities
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, atol=1e-5)
    assert np.mean(np.array(fitted.labels)[log_p.argmax(axis=1)] == heard.emotions) > 0.8


def test_a_killed_training_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    heard = utterances()
    straight = CnnRecipe(tmp_path / "straight", settings=SHORT).fit(heard)
    learn = NetworkTraining._learn

    def killed(self: NetworkTraining, step: int) -> float:
        if step == 5:
            raise KeyboardInterrupt
        return learn(self, step)

    monkeypatch.setattr(NetworkTraining, "_learn", killed)
    with pytest.raises(KeyboardInterrupt):
        CnnRecipe(tmp_path / "killed", settings=SHORT).fit(heard)
    monkeypatch.setattr(NetworkTraining, "_learn", learn)
    resumed = CnnRecipe(tmp_path / "killed", settings=SHORT).fit(heard)
    assert same(straight, resumed)
    assert resumed.history == straight.history
    assert all("validation_uar" in row for row in straight.history)
    # A finished one is there at once, with the same weights; another seed has others.
    monkeypatch.setattr(NetworkTraining, "_learn", None)
    assert same(CnnRecipe(tmp_path / "killed", settings=SHORT).fit(heard), straight)
    monkeypatch.setattr(NetworkTraining, "_learn", learn)
    other = CnnRecipe(tmp_path / "killed", seed=1, settings=SHORT)
    assert other.fingerprint != CnnRecipe(tmp_path / "killed", settings=SHORT).fingerprint
    assert not same(other.fit(heard), straight)


@pytest.mark.filterwarnings("ignore")
def test_a_saved_network_answers_the_same(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    fitted = CnnRecipe(tmp_path, settings=SHORT).fit(utterances())
    assert fitted.save(tmp_path) == ("cnn.onnx",)
    session = onnxruntime.InferenceSession(str(tmp_path / "cnn.onnx"))
    audio = Audio(sounds.voice(0.6))
    (log_p,) = session.run(None, {"samples": audio.samples[None]})
    np.testing.assert_allclose(log_p, fitted.answers([audio]).log_probabilities, atol=1e-3)
