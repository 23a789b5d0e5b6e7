"""Training recipe of the encoder family: the mean of frozen and fine-tuned upper blocks.

Whisper's convolutions and first block stay frozen. Its next two blocks are used twice: as
pretrained, under small networks, and fine-tuned. Fine-tuning starts from a linear head on the
pretrained blocks (Kumar et al., "Fine-tuning can distort pretrained features and underperform
out-of-distribution", ICLR 2022). The fine-tuned blocks are better on acted English, the pretrained
ones on other languages.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray

from undertone.onnx import one_thread_session
from undertone.recognition.calibration import Answers
from undertone.recognition.classifiers import Head
from undertone.sound.audio import Audio
from undertone.training.augmentation import Augmentation
from undertone.training.familiarity import Familiarity
from undertone.training.frozen_states import FrozenStates
from undertone.training.linear_head import LinearHead, fit_head
from undertone.training.mlp_head import MeanOfHeads, MlpSettings, export_heads, fit_mlps
from undertone.training.network_training import NetworkTraining
from undertone.training.pretrained import whisper_base
from undertone.training.recipe import History
from undertone.training.upper_blocks import EncoderSettings, EncoderTrainee, TunedBranch
from undertone.training.utterances import Utterances
from undertone.training.whisper import (
    N_FEATURES,
    SpeechEncoderNetwork,
    export_encoder,
    load_whisper,
)

Floats32 = NDArray[np.float32]

EXTRACTOR_ID = "whisper-base-3-twice"
# Raise these if a code change alters the hidden states, the training or the exported files. Results
# of the older code are then no longer used.
STATES_VERSION = 2
TRAINING_VERSION = 4
EXPORT_VERSION = 4  # version of the files exported from the same trained networks


class FineTuning:
    """Recipe of the encoder family; see `undertone.training.recipe.Recipe`.

    Parameters
    ----------
    cache_dir : Path
        Folder for pretrained weights, hidden states and training checkpoints.
    augmentation : Augmentation, optional
        Changes made to training utterances.
    n_jobs : int
        Number of threads for hidden states.
    seed : int
    settings : EncoderSettings, optional
        Settings of the fine-tuned blocks.
    head_settings : MlpSettings, optional
        Settings of the networks on the pretrained blocks.
    """

    family = "encoder"

    def __init__(
        self,
        cache_dir: Path,
        augmentation: Augmentation | None = None,
        n_jobs: int = 1,
        seed: int = 0,
        settings: EncoderSettings | None = None,
        head_settings: MlpSettings | None = None,
    ) -> None:
        self.settings = settings or EncoderSettings()
        self.head_settings = head_settings or MlpSettings()
        self._cache_dir, self._seed = cache_dir, seed
        augmentation = augmentation or Augmentation()
        n_copies, duration_s = self.settings.n_copies, self.settings.duration_s
        states = str(joblib.hash([STATES_VERSION, n_copies, duration_s, *augmentation.noises]))
        said = [states, TRAINING_VERSION, asdict(self.settings), seed]
        self._training_id = str(joblib.hash(said))
        self.fingerprint = str(
            joblib.hash(
                [
                    self._training_id,
                    asdict(self.head_settings),
                    EXPORT_VERSION,
                ]
            )
        )
        self.extractor: dict[str, Any] = {
            "id": EXTRACTOR_ID,
            "n_features": 2 * N_FEATURES,
            "scaler": "standard, folded into the head",
        }
        self._trunk, self._branch = load_whisper(whisper_base(cache_dir / "pretrained"))
        self._frozen = FrozenStates(
            self._trunk,
            self._branch,
            augmentation,
            n_copies=n_copies,
            duration_s=duration_s,
            folder=cache_dir / "states" / states,
            n_jobs=n_jobs,
        )

    def prepare(self, utterances: Utterances) -> None:
        """Compute the hidden states shared by all trainings."""
        self._frozen.prepare(utterances)

    def fit(self, training: Utterances) -> "FittedEncoder":
        """Fit heads to the pretrained blocks and fine-tune a copy of the blocks.

        An interrupted training is resumed.
        """
        self.prepare(training)
        torch.set_num_threads(1)  # faster for matrices of this size, and folds run side by side
        features = self._frozen.features[:, self._frozen.rows(training)]
        tuned, history = self._tune(training, features)
        untouched = fit_mlps(features, training, self.head_settings, self._seed)
        network = SpeechEncoderNetwork(self._trunk, [self._branch, tuned.branch])
        known = Familiarity(features, training.corpora)
        heads = MeanOfHeads([untouched, [tuned.head_as_is()]], known)
        return FittedEncoder(network, heads, tuned.labels, history)

    def _tune(self, training: Utterances, features: Floats32) -> tuple["TunedBranch", History]:
        """Fine-tune a copy of the blocks, starting from a linear head on the pretrained ones."""
        digest = joblib.hash([self._training_id, training.digest])
        path = self._cache_dir / "networks" / f"encoder-{digest}.pt"
        torch.manual_seed(self._seed)
        dropout = self.settings.dropout
        network = TunedBranch(deepcopy(self._branch), training.labels, features, dropout)
        if not path.exists():
            network.begin_with(self._linear_head(training, features))
        trainee = EncoderTrainee(network, self._frozen, training, self.settings)
        run = NetworkTraining(trainee, training, self.settings.schedule, self._seed, path)
        network.load_state_dict(run.run().state_dict())
        return network, run.history

    def _linear_head(self, training: Utterances, features: Floats32) -> LinearHead:
        return fit_head(
            features.reshape(-1, N_FEATURES),
            np.tile(training.emotions, len(features)),
            np.tile(training.corpora, len(features)),
            strength=self.settings.strength,
        )


class FittedEncoder:
    """The encoder and the mean of its heads in their exported form: int8, run by ONNX Runtime.

    Parameters
    ----------
    network : SpeechEncoderNetwork
    heads : MeanOfHeads
        Heads of the network's branches.
    labels : tuple of str
        Emotions in the order of the columns.
    history : list of dict
        Training log.
    """

    def __init__(
        self,
        network: SpeechEncoderNetwork,
        heads: MeanOfHeads,
        labels: tuple[str, ...],
        history: History,
    ) -> None:
        self.labels = labels
        self.history = history
        with TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("encoder.onnx", "head.onnx")]
            export_encoder(network, paths[0], EXTRACTOR_ID)
            export_heads(heads, len(heads.heads) * N_FEATURES, paths[1])
            self._files = {path.name: path.read_bytes() for path in paths}
            self._encoder, self._head = one_thread_session(paths[0]), Head(paths[1])

    def answers(self, utterances: Sequence[Audio] | Utterances) -> Answers:
        """Return the answers to utterances cut to their spoken part."""
        embeddings = [self._encoder.run(None, {"samples": u.samples[None]})[0] for u in utterances]
        return self._head.answers(utterances, np.concatenate(embeddings))

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write ``encoder.onnx`` and ``head.onnx`` into `folder`."""
        for name, content in self._files.items():
            (folder / name).write_bytes(content)
        return tuple(self._files)
