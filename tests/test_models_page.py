"""The page of the models: any number of them, their figures and their pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.test_error_shape import BROWSER, assert_error
from undertone.recognition.model_store import MODELS_DIR, installed_models, load_info
from undertone.training.corpora import Clip
from undertone.training.corpus_names import CORPORA
from undertone.training.protocols import PROTOCOLS, protocols_for
from undertone.training.utterances import Utterances
from undertone.web import model_words


def page(client: FlaskClient, path: str) -> str:
    return client.get(path, headers=BROWSER).get_data(as_text=True)


def test_every_model_is_there_and_can_be_chosen(client: FlaskClient, app: Flask) -> None:
    html = page(client, "/models")
    for name in app.extensions["undertone"].recognizers:
        assert f'id="model-{name}"' in html
        assert f'href="/?model={name}"' in html


def test_the_form_offers_the_models(client: FlaskClient, app: Flask) -> None:
    names = list(app.extensions["undertone"].recognizers)
    html = page(client, f"/?model={names[-1]}")
    assert f"<option selected>{names[-1]}</option>" in html or len(names) == 1
    assert "<script>" not in page(client, "/?model=<script>")


@pytest.mark.parametrize("name", installed_models())
def test_the_figures_are_those_of_the_description(client: FlaskClient, name: str) -> None:
    info = load_info(name)
    measured = model_words.measured(info, MODELS_DIR / name)
    assert [each.title for each in measured] == list(info.scores)
    for each in measured:
        recall = [row[index] for index, row in enumerate(each.confusion)]
        assert recall == pytest.approx(list(each.scores["recall"].values()), abs=0.005)


def test_pictures_and_nothing_else_of_the_folder(client: FlaskClient) -> None:
    name = installed_models()[0]
    for picture in model_words.pictures(MODELS_DIR / name):
        with client.get(f"/models/{name}/{picture}") as response:
            assert response.mimetype == "image/png"
    for other in ("model.json", "none.png"):
        assert_error(client.get(f"/models/{name}/{other}"), 404, "unknown-picture")
    assert_error(client.get(f"/models/{name}/..%2fencoder%2fmodel.json"), 404, "not-found")
    assert_error(client.get("/models/none/reliability.png"), 404, "unknown-picture")


def test_the_corpora_are_those_of_the_trainer() -> None:
    told = {name: (words.title, words.licence) for name, words in model_words.CORPORA.items()}
    assert told == {name: (corpus.title, corpus.licence) for name, corpus in CORPORA.items()}


def test_every_protocol_of_the_trainer_is_told_in_words() -> None:
    corpora = ["crema_d", "nemo", "ravdess", "tess"]
    clips = [
        Clip(Path(f"{corpus}-{n}.wav"), "sad", f"{corpus}-{n}", corpus)
        for corpus in corpora for n in range(5)
    ]  # fmt: skip
    utterances = Utterances(clips, [np.zeros(8, np.int16)] * len(clips))
    names = [*json.loads(PROTOCOLS.read_text(encoding="utf-8")), "leave-one-corpus-out"]
    found = {protocol.name for protocol in protocols_for(names, utterances)}
    assert found == {
        "ravdess-emobox", "ravdess-luna", "cremad-si", *(f"leave-out-{name}" for name in corpora)
    }  # fmt: skip
    assert all(name.startswith(tuple(model_words.PROTOCOLS)) for name in found)


def test_what_to_expect_elsewhere_stands_beside_the_headline(client: FlaskClient) -> None:
    low, high = load_info("encoder").elsewhere or (0.0, 0.0)
    assert f"it reached {100 * low:.0f} to {100 * high:.0f} %" in page(client, "/models")


def test_a_model_of_which_nothing_is_measured_has_no_headline(tmp_path: Path) -> None:
    assert model_words.headline(()) is None
    assert model_words.pictures(tmp_path) == []
