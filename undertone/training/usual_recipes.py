"""Three common recipes of the field, reimplemented for comparison only; none is shipped.

They average librosa features, at default settings, over a whole clip at 22,050 Hz. Results are
mostly reported for random splits of clips, with every test speaker also in the training data.
`compare_splits` evaluates a recipe with both kinds of split.

``mfcc-forest``
    Means of 40 MFCC; a random forest of 100 trees.
``statistics-forest``
    61 statistics: mean and standard deviation of 13 MFCC, means of 12 chroma, 7 bands of spectral
    contrast and 6 of the tonnetz, mean and standard deviation of zero-crossing rate, RMS level,
    centroid, bandwidth and roll-off; a random forest of 100 trees.
``librosa180-cnn``
    180 means, of 40 MFCC, 12 chroma and 128 mel bands, as a signal of 180 samples; a network of
    two one-dimensional convolutions.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import librosa
import numpy as np
import soundfile
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from undertone.recognition.model_store import sha256
from undertone.training.corpora import Clip
from undertone.training.evaluation import uar
from undertone.training.protocols import Protocol

Floats = NDArray[np.float64]
Strings = NDArray[np.str_]
Samples = NDArray[np.float32]

SAMPLE_RATE = 22_050


def mfcc_means(samples: Samples) -> Floats:
    """Return the means [40] of 40 MFCC of samples [n] at 22,050 Hz."""
    return np.asarray(librosa.feature.mfcc(y=samples, n_mfcc=40).mean(axis=1))


def statistics(samples: Samples) -> Floats:
    """Return the 61 statistics of ``statistics-forest`` of samples [n] at 22,050 Hz."""
    magnitude = np.abs(librosa.stft(samples))
    chroma = librosa.feature.chroma_stft(S=magnitude**2)
    with_spread = [
        librosa.feature.mfcc(y=samples, n_mfcc=13),
        librosa.feature.zero_crossing_rate(samples),
        librosa.feature.rms(y=samples),
        librosa.feature.spectral_centroid(S=magnitude),
        librosa.feature.spectral_bandwidth(S=magnitude),
        librosa.feature.spectral_rolloff(S=magnitude),
    ]
    means_only = [
        chroma,
        librosa.feature.spectral_contrast(S=magnitude),
        librosa.feature.tonnetz(chroma=chroma),
    ]
    return np.concatenate(
        [
            *(track.mean(axis=1) for track in with_spread + means_only),
            *(track.std(axis=1) for track in with_spread),
        ]
    )


def librosa180(samples: Samples) -> Floats:
    """Return means [180] of samples [n] at 22,050 Hz for ``librosa180-cnn``.

    They are the means of 40 MFCC, 12 chroma (from magnitudes, as usual) and 128 mel bands.
    """
    magnitude = np.abs(librosa.stft(samples))
    return np.concatenate(
        [
            mfcc_means(samples),
            librosa.feature.chroma_stft(S=magnitude).mean(axis=1),
            librosa.feature.melspectrogram(y=samples).mean(axis=1),
        ]
    )


class ConvolutionalClassifier:
    """The common one-dimensional CNN on a feature vector, with scikit-learn's `fit` and `predict`.

    The features are standardised. Two convolutions of 64 and 128 channels and width 5 follow, each
    with ReLU, pooling by 4 and dropout, and then a dense layer. The optimiser is Adam.

    Parameters
    ----------
    seed : int
    n_epochs, batch_size : int
    """

    def __init__(self, seed: int, n_epochs: int = 60, batch_size: int = 32) -> None:
        self.seed, self.n_epochs, self.batch_size = seed, n_epochs, batch_size

    def fit(self, vectors: Floats, emotions: Strings) -> "ConvolutionalClassifier":
        """Train on features [n, n_features] and their emotions [n]; return the classifier."""
        import torch
        from torch.nn.functional import cross_entropy

        torch.manual_seed(self.seed)
        self.classes_, target = np.unique(emotions, return_inverse=True)
        n_features, n_classes = vectors.shape[1], len(self.classes_)
        self._network = _convolutions(n_features, n_classes)
        self._scaler = StandardScaler().fit(vectors)
        inputs = self._inputs(vectors)
        wanted = torch.as_tensor(target)
        optimiser = torch.optim.Adam(self._network.parameters(), lr=1e-3)
        self._network.train()
        for _ in range(self.n_epochs):
            for rows in torch.randperm(len(inputs)).split(self.batch_size):
                optimiser.zero_grad()
                cross_entropy(self._network(inputs[rows]), wanted[rows]).backward()
                optimiser.step()
        return self

    def predict(self, vectors: Floats) -> Strings:
        """Predict the emotions [n] of features [n, n_features]."""
        import torch

        self._network.eval()
        with torch.inference_mode():
            scores = self._network(self._inputs(vectors))
        return np.asarray(self.classes_[scores.argmax(dim=1).numpy()])

    def _inputs(self, vectors: Floats) -> Any:
        """Return standardised features as a tensor [n, 1, n_features]."""
        import torch

        standard = self._scaler.transform(vectors)
        return torch.as_tensor(standard, dtype=torch.float32)[:, None]


def _convolutions(n_features: int, n_classes: int) -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv1d(1, 64, 5, padding=2), nn.ReLU(), nn.MaxPool1d(4), nn.Dropout(0.2),
        nn.Conv1d(64, 128, 5, padding=2), nn.ReLU(), nn.MaxPool1d(4), nn.Dropout(0.2),
        nn.Flatten(), nn.Linear(128 * (n_features // 4 // 4), n_classes),
    )  # fmt: skip


@dataclass(frozen=True)
class UsualRecipe:
    """One recipe: feature extraction and classifier.

    Attributes
    ----------
    features : callable
        Maps samples [n] at 22,050 Hz to features [n_features].
    classifier : callable
        Maps a seed to a classifier with `fit` and `predict`.
    """

    features: Callable[[Samples], Floats]
    classifier: Callable[[int], Any]


def _forest(seed: int) -> Any:
    return RandomForestClassifier(100, random_state=seed, n_jobs=1)


def _cnn(seed: int) -> Any:
    return ConvolutionalClassifier(seed)


USUAL_RECIPES = {
    "mfcc-forest": UsualRecipe(mfcc_means, _forest),
    "statistics-forest": UsualRecipe(statistics, _forest),
    "librosa180-cnn": UsualRecipe(librosa180, _cnn),
}


@dataclass(frozen=True)
class Comparison:
    """Scores from 0 to 1 of a recipe, on known speakers and on held-out speakers.

    Attributes
    ----------
    random_accuracy, random_uar : float
        Mean over random splits. One in five clips is tested.
    speaker_accuracy, speaker_uar : float
        Scores over all clips together. Each clip is tested once, in the fold of its speaker.
    """

    random_accuracy: float
    random_uar: float
    speaker_accuracy: float
    speaker_uar: float


def measure_features(recipe: UsualRecipe, clips: Sequence[Clip], cache_dir: Path) -> Floats:
    """Compute the features of whole clips, each one once.

    Parameters
    ----------
    recipe : UsualRecipe
    clips : sequence of Clip
    cache_dir : Path
        Cache of the features.

    Returns
    -------
    np.ndarray [shape=(n, n_features), dtype=float64]
    """
    cached = joblib.Memory(cache_dir, verbose=0).cache(_features, ignore=["features"])
    source = sha256(Path(__file__))
    name = recipe.features.__name__
    rows = (
        cached(clip.path, clip.path.stat().st_mtime_ns, f"{name} {source}", recipe.features)
        for clip in clips
    )
    return np.array(list(tqdm(rows, total=len(clips), desc=name, unit="clip")))


def _features(
    path: Path, mtime_ns: int, digest: str, features: Callable[[Samples], Floats]
) -> Floats:
    """Compute the features of one file; `mtime_ns` and `digest` are only cache keys."""
    # Same as librosa.load. That function warns about its own imports.
    channels, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = channels.mean(axis=1)
    return features(librosa.resample(mono, orig_sr=sample_rate, target_sr=SAMPLE_RATE))


def compare_splits(
    recipe: UsualRecipe,
    clips: Sequence[Clip],
    protocol: Protocol,
    cache_dir: Path,
    seeds: Iterable[int] = range(5),
) -> Comparison:
    """Evaluate a recipe on random splits of the clips and on speaker-independent folds.

    Parameters
    ----------
    recipe : UsualRecipe
    clips : sequence of Clip
        Clips of one corpus.
    protocol : Protocol
        Speaker-independent folds for this corpus.
    cache_dir : Path
        Cache of the features.
    seeds : iterable of int
        One random, stratified split is drawn for each seed.
    """
    vectors = measure_features(recipe, clips, cache_dir)
    emotions = np.array([clip.emotion for clip in clips])
    speakers = np.array([clip.speaker for clip in clips])
    accuracies, uars = [], []
    for seed in seeds:
        split = StratifiedShuffleSplit(1, test_size=0.2, random_state=seed)
        train, test = next(split.split(vectors, emotions))
        model = recipe.classifier(seed).fit(vectors[train], emotions[train])
        answers = model.predict(vectors[test])
        accuracies.append(accuracy_score(emotions[test], answers))
        uars.append(uar(emotions[test], answers))
    answers = np.empty_like(emotions)
    for fold in protocol.folds:
        held_out = np.isin(speakers, list(fold.test_speakers))
        model = recipe.classifier(0).fit(vectors[~held_out], emotions[~held_out])
        answers[held_out] = model.predict(vectors[held_out])
    return Comparison(
        float(np.mean(accuracies)),
        float(np.mean(uars)),
        float(accuracy_score(emotions, answers)),
        uar(emotions, answers),
    )
