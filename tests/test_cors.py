"""Pages of other origins: none may call until they are listed, and then only those."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from app import create_app
from tests.conftest import upload
from undertone.errors import SettingsError
from undertone.settings import Settings

LISTED = ("https://example.org", "http://localhost:3000", "http://[::1]:3000")
NOT_LISTED = (
    "https://example.org.evil.com",
    "https://evil-example.org",
    "http://example.org",
    "https://example.org:8443",
    "https://exampleXorg",
    "http://:3000",
    "null",
)
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "Content-Type",
}


@pytest.fixture(scope="module")
def open_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("data"), cors_origins=LISTED))
    yield app.test_client()
    app.extensions["undertone"].history.close()


def cors_headers(headers: object) -> set[str]:
    return {name for name, _ in headers if name.startswith("Access-Control-")}


def test_off_until_origins_are_listed(client: FlaskClient) -> None:
    for origin in LISTED:
        for response in (
            client.get("/health", headers={"Origin": origin}),
            client.options("/upload", headers={"Origin": origin, **PREFLIGHT}),
        ):
            assert not cors_headers(response.headers)


@pytest.mark.parametrize("origin", LISTED)
def test_preflight(open_client: FlaskClient, origin: str) -> None:
    response = open_client.options("/record", headers={"Origin": origin, **PREFLIGHT})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Access-Control-Allow-Headers"].lower() == "content-type"
    assert "Origin" in response.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", LISTED)
def test_simple_requests(open_client: FlaskClient, voice_wav: bytes, origin: str) -> None:
    for response, status in (
        (open_client.get("/health", headers={"Origin": origin}), 200),
        (open_client.post("/api/predict", headers={"Origin": origin}, **upload(voice_wav)), 200),
        (open_client.post("/api/predict", headers={"Origin": origin}, **upload(b"x")), 415),
        (open_client.get("/nothing", headers={"Origin": origin}), 404),
    ):
        assert response.status_code == status
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in response.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", NOT_LISTED)
def test_other_origins(open_client: FlaskClient, origin: str) -> None:
    for response in (
        open_client.get("/health", headers={"Origin": origin}),
        open_client.options("/record", headers={"Origin": origin, **PREFLIGHT}),
    ):
        assert not cors_headers(response.headers)


def test_programs_are_not_told_of_origins(open_client: FlaskClient) -> None:
    assert not cors_headers(open_client.get("/health").headers)


def test_the_setting() -> None:
    settings = Settings.from_env(
        {"UNDERTONE_CORS_ORIGINS": " https://Example.org , http://localhost:3000,"}
    )
    assert settings.cors_origins == ("https://example.org", "http://localhost:3000")
    assert Settings.from_env({"UNDERTONE_CORS_ORIGINS": ""}).cors_origins == ()


@pytest.mark.parametrize(
    "value", ["*", "https://*.example.org", "example.org", "https://example.org/", "null",
              "https://a.org https://b.org", "file://x", "https://a.org:port", ".*"]
)  # fmt: skip
def test_a_wrong_setting(value: str) -> None:
    with pytest.raises(SettingsError, match="UNDERTONE_CORS_ORIGINS"):
        Settings.from_env({"UNDERTONE_CORS_ORIGINS": value})
