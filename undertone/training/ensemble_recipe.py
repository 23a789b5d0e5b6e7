"""Training recipe of the classical ensemble: one SVM and one random forest for each emotion.

A corpus without surprise is no evidence about surprise. A neutral clip may sound calm if its
corpus has no calm. Each emotion's members are therefore trained only on clips with evidence for or
against it.

The comparison is with one SVM and one forest over RAVDESS and CREMA-D together. With each emotion's
members trained only on corpora with this emotion, the UAR of an SVM changed from 54.4 to 58.6 % on
RAVDESS and from 58.4 to 57.6 % on CREMA-D. The UAR of a forest changed from 40.6 to 48.4 %. All
figures are on held-out training speakers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from tqdm import tqdm

from undertone.onnx import one_thread_session
from undertone.recognition.calibration import Answers
from undertone.recognition.model_store import sha256
from undertone.sound.audio import Audio
from undertone.training.acoustic_vectors import FeatureExtractor, acoustic_vectors, source_digest
from undertone.training.augmentation import Augmentation
from undertone.training.corpus_emotions import corpus_emotions
from undertone.training.ensemble_onnx import Members, export_ensemble
from undertone.training.recipe import History
from undertone.training.utterances import Utterances

Strings = NDArray[np.str_]
Bools = NDArray[np.bool_]

FILE_NAME = "ensemble.onnx"


@dataclass(frozen=True)
class EnsembleSettings:
    """Hyperparameters of the ensemble, chosen on held-out training speakers.

    Attributes
    ----------
    n_copies : int
        Augmented copies (noise, rooms, microphones) of each utterance in training.
    gamma : float
        Gamma of the RBF kernel, times the number of features.
    n_landmarks : int
        Number of utterances used to approximate the kernel (Nystroem's method).
    svm_c : float
        Inverse of the SVMs' L2 penalty.
    n_trees, min_samples_leaf, max_leaf_nodes : int
        Parameters of each emotion's forest.
    """

    n_copies: int = 1
    gamma: float = 0.5
    n_landmarks: int = 2000
    svm_c: float = 1.0
    n_trees: int = 60
    min_samples_leaf: int = 2
    max_leaf_nodes: int = 400


class EnsembleRecipe:
    """Recipe of the ensemble; the same seed gives the same model.

    Parameters
    ----------
    extractor : FeatureExtractor
        `feature_extractor.AudioFeatureExtractor`.
    cache_dir : Path
        Folder of the feature cache.
    n_jobs : int
        Number of processes for feature computation.
    seed : int
    augmentation : Augmentation, optional
        Changes made to the copies. The default adds synthetic noise only.
    settings : EnsembleSettings, optional
    """

    family = "ensemble"

    def __init__(
        self,
        extractor: FeatureExtractor,
        cache_dir: Path,
        n_jobs: int = 1,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        settings: EnsembleSettings | None = None,
    ) -> None:
        self.settings = settings or EnsembleSettings()
        self.extractor: dict[str, Any] = {
            "id": extractor.extractor_id,
            "n_features": len(extractor.feature_names),
            "scaler": "median imputation and standardisation, in the ensemble",
        }
        self._vectors = _Vectors(extractor, cache_dir, n_jobs, augmentation)
        self._seed = seed
        here = Path(__file__)
        sources = [
            sha256(here),
            sha256(here.with_name("corpus_emotions.py")),
            sha256(here.with_name("ensemble_onnx.py")),
        ]
        said = [sources, self._vectors.digest, asdict(self.settings), seed]
        self.fingerprint = str(joblib.hash(said))

    def prepare(self, utterances: Utterances) -> None:
        """Compute and cache the features of all utterances and their copies."""
        for copy in range(self.settings.n_copies + 1):
            self._vectors(utterances, copy)

    def fit(self, training: Utterances) -> "FittedEnsemble":
        """Train on all of `training` and its copies."""
        n_times = self.settings.n_copies + 1
        vectors = np.vstack([self._vectors(training, copy) for copy in range(n_times)])
        members = fit_ensemble(
            vectors,
            np.tile(training.emotions, n_times),
            np.tile(training.corpora, n_times),
            self.settings,
            self._seed,
        )
        return FittedEnsemble(members, self._vectors)


@dataclass(frozen=True)
class _Vectors:
    """Cached features of utterances."""

    extractor: FeatureExtractor
    cache_dir: Path
    n_jobs: int
    augmentation: Augmentation | None

    @property
    def digest(self) -> str:
        """Digest of the code and the augmentation behind the features."""
        return f"{source_digest(self.extractor)} {joblib.hash(self.augmentation)}"

    def __call__(self, utterances: Utterances, copy: int = 0) -> NDArray[np.float32]:
        return acoustic_vectors(
            self.extractor, utterances, self.cache_dir, self.n_jobs, copy, self.augmentation
        )


class FittedEnsemble:
    """A trained ensemble in its exported form; see `undertone.training.recipe.Fitted`.

    Parameters
    ----------
    members : Members
    vectors : _Vectors
    """

    def __init__(self, members: Members, vectors: _Vectors) -> None:
        self.labels = members.labels
        self.history: History = []
        self._vectors = vectors
        with TemporaryDirectory() as folder:
            path = Path(folder) / FILE_NAME
            export_ensemble(members, path)
            self._file, self._session = path.read_bytes(), one_thread_session(path)

    def answers(self, utterances: Sequence[Audio] | Utterances) -> Answers:
        """Return the answers to utterances cut to their spoken part."""
        if isinstance(utterances, Utterances):
            vectors = self._vectors(utterances)
        else:
            found = [self._vectors.extractor.vector(audio) for audio in utterances]
            vectors = np.array(found, np.float32)
        return Answers.to(utterances, self._session.run(None, {"features": vectors})[0])

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write ``ensemble.onnx`` into `folder`."""
        (folder / FILE_NAME).write_bytes(self._file)
        return (FILE_NAME,)


def fit_ensemble(
    vectors: NDArray[np.float32],
    emotions: Strings,
    corpora: Strings,
    settings: EnsembleSettings,
    seed: int,
) -> Members:
    """Fit all members.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, n_features), dtype=float32]
        Features; NaN for unmeasurable ones.
    emotions, corpora : np.ndarray [shape=(n,), dtype=str]
        Label and corpus of each row.
    settings : EnsembleSettings
    seed : int
    """
    labels = tuple(str(label) for label in np.unique(emotions))
    scaler: Pipeline = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    standard = scaler.fit_transform(vectors.astype(np.float64))
    kernel = Nystroem(
        gamma=settings.gamma / standard.shape[1],
        n_components=min(settings.n_landmarks, len(standard)),
        random_state=seed,
    )
    similar = kernel.fit_transform(standard)
    rows_by_label = list(_rows_by_label(labels, emotions, corpora))
    weights, biases, forests = [], [], []
    for label, rows in tqdm(rows_by_label, desc="fitting", unit="emotion"):
        is_it = emotions[rows] == label
        svm = LinearSVC(C=settings.svm_c, class_weight="balanced", dual=False, tol=1e-2)
        svm.fit(similar[rows], is_it)
        weights.append(svm.coef_[0])
        biases.append(svm.intercept_[0])
        forests.append(_forest(settings, seed).fit(standard[rows].astype(np.float32), is_it))
    return Members(labels, scaler, kernel, np.array(weights).T, np.array(biases), forests)


def _forest(settings: EnsembleSettings, seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(
        settings.n_trees,
        min_samples_leaf=settings.min_samples_leaf,
        max_leaf_nodes=settings.max_leaf_nodes,
        class_weight="balanced",
        random_state=seed,
        n_jobs=1,
    )


def _rows_by_label(
    labels: tuple[str, ...], emotions: Strings, corpora: Strings
) -> Iterator[tuple[str, Bools]]:
    """Yield each label with a mask [n] of the rows with evidence for or against it.

    Raises
    ------
    ValueError
        The corpora with a label have no other emotion, so there is nothing to distinguish.
    """
    known = corpus_emotions(emotions, corpora, labels)
    for column, label in enumerate(labels):
        is_it = emotions == label
        rows = known.speaks[:, column] & (is_it | ~known.may_be[:, column])
        if is_it[rows].all():
            raise ValueError(f"Corpora with {label} have no other emotion; add one that has.")
        yield label, rows
