import io

import pytest
from PIL import Image

from tests.test_audio import KINDS
from undertone.sound.audio_kinds import is_known


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_that_is_read_is_known(kind: str) -> None:
    assert is_known(KINDS[kind]())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "AVIF", "PDF"])
def test_pictures_and_documents_are_no_recordings(kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, kind)
    assert not is_known(file.getvalue())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_texts_are_no_recordings(encoding: str) -> None:
    assert not is_known("Words, not sound. ".encode(encoding))
