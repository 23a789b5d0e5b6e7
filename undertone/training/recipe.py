"""What each family of models offers to the trainer: a recipe to fit, and what was fitted."""

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
    """A model of some family, trained and not yet calibrated."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Emotions in the order of the columns, sorted."""
        ...

    @property
    def history(self) -> History:
        """What was seen while training, a row for each look (``step``, ``training_loss``, ...).

        Empty for what is fitted at once.
        """
        ...

    def answers(self, utterances: Sequence[Audio] | Utterances) -> Answers:
        """What it says of utterances cut to their spoken part."""
        ...

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write the weights into `folder`; names of the files."""
        ...


class Recipe(Protocol):
    """How models of a family are trained; same seed, same model.

    Attributes
    ----------
    family : str
        As in ``model.json``.
    extractor : dict
        Id and settings of what turns audio into the classifier's input, for ``model.json``.
    fingerprint : str
        Differs whenever the same utterances would give another model.
    """

    family: str
    fingerprint: str
    extractor: dict[str, Any]

    def prepare(self, utterances: Utterances) -> None:
        """Compute once what all trainings on parts of `utterances` share."""
        ...

    def fit(self, training: Utterances) -> Fitted:
        """Train on all of `training`. Long trainings keep their state and go on where they were."""
        ...
