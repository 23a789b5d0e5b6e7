"""A result as JSON and as CSV."""

import csv
import io

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.samples import ANALYSIS
from tests.test_error_shape import assert_error


@pytest.fixture
def stored(app: Flask) -> None:
    app.extensions["undertone"].history.add(ANALYSIS)


def test_json_is_what_programs_get(client: FlaskClient, stored: None) -> None:
    response = client.get("/results/abc.json")
    assert "attachment" in response.headers["Content-Disposition"]
    assert response.get_json() == client.get("/results/abc").get_json()


def test_csv_has_the_whole_its_passages_and_its_windows(client: FlaskClient, stored: None) -> None:
    response = client.get("/results/abc.csv")
    assert response.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(response.get_data().decode("utf-8-sig"))))
    assert [row["part"] for row in rows] == ["recording", "passage", "passage", "window", "window"]
    whole, passage, _, window, _ = rows
    assert (whole["start_s"], whole["end_s"], whole["emotion"]) == ("0.0", "12.5", "happy")
    assert (whole["p_happy"], whole["p_sad"], whole["p_calm"]) == ("0.75", "0.25", "")
    assert (passage["start_s"], passage["end_s"], passage["p_happy"]) == ("0.0", "5.0", None)
    assert (window["end_s"], window["uncertain"]) == ("6.0", "false")


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_nothing_there(client: FlaskClient, kind: str) -> None:
    assert_error(client.get(f"/results/none.{kind}"), 404, "analysis-not-found")
