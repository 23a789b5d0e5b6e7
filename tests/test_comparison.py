"""Two recordings side by side."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.samples import analysis
from tests.test_error_shape import BROWSER, assert_error


@pytest.fixture
def two(app: Flask) -> str:
    """The address that compares two results."""
    history = app.extensions["undertone"].history
    for number, label in enumerate(("happy", "sad")):
        voice = {"pitch_median_hz": 123.4}
        history.add(analysis(number, label=label, filename=f"<b>{label}.wav", profile=voice))
    return "/compare?id=id0001&id=id0000"


def test_the_page(client: FlaskClient, two: str) -> None:
    html = client.get(two, headers=BROWSER).get_data(as_text=True)
    first, second = html.index("&lt;b&gt;sad.wav"), html.index("&lt;b&gt;happy.wav")
    assert first < second  # in the order asked for
    assert "<b>" not in html
    assert html.count("123 Hz") == 2


@pytest.mark.parametrize("query", ["", "?id=id0000", "?id=id0000&id=id0001&id=id0000"])
def test_not_two(client: FlaskClient, two: str, query: str) -> None:
    assert_error(client.get(f"/compare{query}"), 400, "bad-request")


def test_one_that_is_not_there(client: FlaskClient, two: str) -> None:
    assert_error(client.get("/compare?id=id0000&id=none"), 404, "analysis-not-found")
