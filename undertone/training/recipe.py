"""Interface of a model family to the trainer: a recipe and the fitted model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from undertone.recognition.calibration import Answers
from undertone.sound.audio import Audio
from undertone.training.utterances import Utterances

Floats = NDArray[np.float64]
History = list[dict[str, float]]


class Fitted(Protocol):
    """A trained model of some family, not yet calibrated."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Sorted emotions, in the order of the columns."""
        ...

    @property
    def history(self) -> History:
        """Training history, one row per measurement (``step``, ``training_loss``, ...).

        Empty for models fitted in one go.
        """
        ...

    def answers(self, utterances: Sequence[Audio] | Utterances) -> Answers:
        """Return the answers to utterances already cut to their spoken part."""
        ...

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write the weights into `folder` and return the names of the files."""
        ...


class Recipe(Protocol):
    """Training recipe of a model family. The same seed gives the same model.

    Attributes
    ----------
    family : str
        Name of the family, as in ``model.json``.
    extractor : dict
        Id and settings of the feature extractor, for ``model.json``.
    fingerprint : str
        Changes whenever the same utterances would give another model.
    """

    family: str
    fingerprint: str
    extractor: dict[str, Any]

    def prepare(self, utterances: Utterances) -> None:
        """Precompute everything shared by trainings on parts of `utterances`."""
        ...

    def fit(self, training: Utterances) -> Fitted:
        """Train on all of `training`. Long trainings save their state and resume from it."""
        ...
