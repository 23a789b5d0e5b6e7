"""Stand-in until the real one."""
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undertone.audio import Audio
from undertone.errors import RecordingTooShort
from undertone.onnx import one_thread_session


class SpeechEncoder:
    """Embeddings from the first blocks of a pretrained speech encoder, as ONNX.

    Parameters
    ----------
    path : Path
        ``encoder.onnx``: ``samples`` float32 [1, n] at 16 kHz to ``embedding`` float32
        [1, n_features].

    Notes
    -----
    The embedding does not depend on the level of the recording nor on its polarity. It is the
    mean and standard deviation over time of each block's output; see ``undertone/whisper.py``.
    """

    extractor_id = "whisper-base-blocks-1-3"
    # One analysis frame of the log-mel spectrogram must fit before its reflection.
    min_samples = 400
    max_duration_s = 30.0

    def __init__(self, path: Path) -> None:
        self._session = one_thread_session(path)

    @property
    def n_features(self) -> int:
        """Length of an embedding."""
        return int(self._session.get_outputs()[0].shape[-1])

    def embed(self, audio: Audio) -> NDArray[np.float32]:
        """Embedding [n_features] of an utterance.

        Parameters
        ----------
        audio : Audio
            At most 30 s.

        Raises
        ------
        RecordingTooShort
            It has less than 25 ms.
        ValueError
            It is longer than 30 s.
        """
        if len(audio.samples) < self.min_samples:
            raise RecordingTooShort(f"The utterance has {audio.duration_s:.3f} s, too short.")
        if audio.duration_s > self.max_duration_s:
            raise ValueError(f"An utterance has at most 30 s, this one {audio.duration_s:.1f} s.")
        (embedding,) = self._session.run(None, {"samples": audio.samples[np.newaxis]})
        return np.asarray(embedding[0])
