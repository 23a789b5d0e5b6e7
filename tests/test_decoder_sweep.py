"""No file of any codec, container, number or order of channels and sample rate ends a decoder.

``python -m tests.sweep 600`` decodes far more of them by hand.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest

from tests.sweep import decode_all, files
from undertone.sound.isolation import Decoders

N_FILES = 200


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(1)
    yield made
    made.close()


def test_no_file_ends_a_decoder(decoders: Decoders) -> None:
    outcomes = Counter(
        outcome for _, outcome in decode_all(decoders, islice(files(seed=1), N_FILES))
    )
    assert outcomes["decoder-died"] == 0
    assert outcomes["decoded"] > 0.8 * N_FILES, outcomes
