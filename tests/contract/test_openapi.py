"""The OpenAPI document: valid, complete, and true of what the server answers."""

import base64
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode

from tests.conftest import upload, wav
from tests.sounds import voice

# What is a page, serves one, is the document itself, or no HTTP (docs/live.md).
NOT_DESCRIBED = {
    "/",
    "/result",
    "/docs",
    "/openapi.json",
    "/live",
    "/static/<path:filename>",
    "/static/visualizations/<analysis_id>.png",
    "/compare",
    "/listen",
    "/models",
    "/models/<name>/<picture>",
    "/history/delete",
    "/results/<analysis_id>/delete",
}
CALLS = [
    ("POST", "/upload"),
    ("POST", "/predict"),
    ("POST", "/api/predict"),
    ("POST", "/record"),
    ("POST", "/analyze"),
    ("POST", "/classify_audio"),
    ("POST", "/classify_audio_both"),
    ("POST", "/jobs"),
    ("GET", "/jobs"),
    ("GET", "/jobs/{job_id}"),
    ("GET", "/jobs/{job_id}/results.json"),
    ("GET", "/jobs/{job_id}/results.csv"),
    ("GET", "/jobs/{job_id}/reports.zip"),
    ("POST", "/jobs/{job_id}/cancel"),
    ("DELETE", "/jobs/{job_id}"),
    ("GET", "/results/{analysis_id}"),
    ("DELETE", "/results/{analysis_id}"),
    ("GET", "/results/{analysis_id}.json"),
    ("GET", "/results/{analysis_id}.csv"),
    ("GET", "/recordings/{analysis_id}"),
    ("GET", "/history"),
    ("GET", "/history.csv"),
    ("GET", "/history.json"),
    ("DELETE", "/history"),
    ("GET", "/results/{analysis_id}/pictures/{kind}.png"),
    ("GET", "/results/{analysis_id}/pictures/{kind}-{theme}.svg"),
    ("GET", "/download-report/{filename}"),
    ("GET", "/visualizations/{analysis_id}.png"),
    ("GET", "/models/info"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
]
VOICE = wav(voice(1.0))


@pytest.fixture(scope="module")
def document(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/openapi.json")
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    return response.get_json()


@pytest.fixture(scope="module")
def api(app: Flask) -> Any:
    config = SchemathesisConfig.from_dict({"cache": {"enabled": False}, "seed": 0})
    return schemathesis.openapi.from_wsgi("/openapi.json", app, config=config)


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    validate(document, cls=OpenAPIV31SpecValidator)


def test_every_call_is_described(app: Flask, document: dict[str, Any]) -> None:
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert described == set(CALLS)
    routes = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule not in NOT_DESCRIBED
    }
    assert described == routes


def test_every_field_and_error_has_its_meaning(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            assert told["summary"].endswith("."), path
            assert told["operationId"]
            assert told["tags"]
            for parameter in told["parameters"]:
                assert parameter["description"], (method, path, parameter["name"])
            for status, response in told["responses"].items():
                if status >= "400" and "allOf" in response["content"]["application/json"]["schema"]:
                    _, narrowed = response["content"]["application/json"]["schema"]["allOf"]
                    assert narrowed["properties"]["status"] == {"const": int(status)}
                    for code in narrowed["properties"]["code"]["oneOf"]:
                        assert code["description"].endswith(".")


@pytest.mark.parametrize("fits", [True, False])
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_what_it_says_is_so(
    api: Any, client: FlaskClient, method: str, path: str, fits: bool
) -> None:
    """Requests that can be answered and requests that cannot: answers fit the document."""
    ids = {
        "analysis_id": client.post("/api/predict", **upload(VOICE)).get_json()["id"],
        "job_id": client.post("/jobs", **upload(VOICE)).get_json()["id"],
    }
    operation = api[path][method]
    may_be_wrong = bool(operation.body) or bool(list(operation.query))
    mode = GenerationMode.NEGATIVE if may_be_wrong and not fits else GenerationMode.POSITIVE

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=10,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Case) -> None:
        if fits:
            _fill_in(case, ids)
        case.call_and_validate()

    check()


def _fill_in(case: Case, ids: dict[str, str]) -> None:
    """Put in what no schema can say: a recording, what is stored, a model that is there."""
    for name, value in {**ids, "kind": "waveform"}.items():
        if name in case.path_parameters:
            case.path_parameters[name] = value
    for fields in (case.body, case.query):
        for name, value in (("model", "encoder"), ("webhook", ""), ("before", "")):
            if isinstance(fields, dict) and name in fields:
                fields[name] = value
    for not_with_the_other in ("after", "to"):
        (case.query or {}).pop(not_with_the_other, None)
    if isinstance(case.body, dict) and case.media_type == "application/json":
        case.body["audio"] = base64.b64encode(VOICE).decode()
    elif isinstance(case.body, dict):
        (field,) = {"file", "audio"} & set(case.body)
        case.body[field] = [VOICE] if isinstance(case.body[field], list) else VOICE
