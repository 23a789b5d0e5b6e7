"""An application that has all three models, the two slow ones as small stand-ins."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from emotion_recognizer import EmotionRecognizer
from tests import models
from undertone.settings import Settings


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EmotionRecognizer]:
    folder = tmp_path_factory.mktemp("models")
    models.write_ensemble(folder)
    models.write_cnn(folder)
    return {name: EmotionRecognizer(name, folder) for name in ("ensemble", "cnn")}


@pytest.fixture(scope="session")
def app(
    small_models: dict[str, EmotionRecognizer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    data_dir = tmp_path_factory.mktemp("data")
    application = create_app(Settings(data_dir=data_dir, max_upload_mb=2.0))
    application.extensions["undertone"].recognizers.update(small_models)
    yield application
    application.extensions["undertone.jobs"].engine.stop()
    application.extensions["undertone"].history.close()


@pytest.fixture(scope="session")
def client(app: Flask) -> FlaskClient:
    return app.test_client()
