"""Who is let in: by host, by key, by how often."""

import base64
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from tests.conftest import upload
from tests.test_error_shape import BROWSER, assert_error
from undertone.errors import KeysUnusable
from undertone.keys import KeyRing
from undertone.settings import Settings
from undertone.web.access import is_loopback, open_to_all

Header = dict[str, str]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Any]:
    """A client of an application with these settings."""
    apps = []

    def serve(**settings: Any) -> FlaskClient:
        apps.append(create_app(Settings(data_dir=tmp_path / "data", **settings)))
        return apps[-1].test_client()

    yield serve
    for each in apps:
        each.extensions["undertone"].history.close()


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys.json")


def basic(user: str, password: str) -> Header:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class TestKeys:
    def test_every_way_to_send_one(self, serving: Any, ring: KeyRing, voice_wav: bytes) -> None:
        secret = ring.make("Eva")
        client = serving(api_keys_file=ring.path)
        for headers in (
            {"Authorization": f"Bearer {secret}"},
            {"X-API-Key": secret},
            basic("anybody", secret),
            basic("", secret),
        ):
            assert client.get("/models/info", headers=headers).status_code == 200
            assert client.get("/", headers={**headers, **BROWSER}).status_code == 200
        response = client.post("/api/predict", headers={"X-API-Key": secret}, **upload(voice_wav))
        assert response.status_code == 200

    @pytest.mark.parametrize("path", ["/", "/models/info", "/results/abc", "/nothing"])
    def test_without_a_good_one_there_is_nothing(
        self, serving: Any, ring: KeyRing, path: str
    ) -> None:
        secret = ring.make("Eva")
        client = serving(api_keys_file=ring.path)
        for headers in (
            {},
            {"Authorization": f"Bearer {secret}x"},
            {"Authorization": secret},
            {"Authorization": "Bearer"},
            {"Authorization": "Basic !"},
            {"X-API-Key": ""},
            {"X-API-Key": "é"},
            basic(secret, ""),
        ):
            response = client.get(path, headers=headers)
            assert_error(response, 401, "key-needed")
            schemes = [value.split()[0] for value in response.headers.getlist("WWW-Authenticate")]
            assert schemes == ["Bearer", "Basic"]

    def test_nothing_is_analysed_without_one(
        self, serving: Any, ring: KeyRing, voice_wav: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ring.make("Eva")
        client = serving(api_keys_file=ring.path)
        monkeypatch.setattr(client.application.extensions["undertone"], "analyse", pytest.fail)
        assert_error(client.post("/upload", **upload(voice_wav)), 401, "key-needed")

    def test_what_is_open(self, serving: Any, ring: KeyRing) -> None:
        ring.make("Eva")
        client = serving(api_keys_file=ring.path)
        assert client.get("/health").status_code == 200
        assert client.get("/static/base.css", buffered=True).status_code == 200
        assert client.options("/upload").status_code == 200

    def test_a_browser_gets_a_page_that_says_so(self, serving: Any, ring: KeyRing) -> None:
        ring.make("Eva")
        response = serving(api_keys_file=ring.path).get("/", headers=BROWSER)
        assert response.status_code == 401
        assert "A key is needed" in response.get_data(as_text=True)

    def test_revoked_while_it_runs(self, serving: Any, ring: KeyRing) -> None:
        headers = {"X-API-Key": ring.make("Eva")}
        client = serving(api_keys_file=ring.path)
        assert client.get("/models/info", headers=headers).status_code == 200
        ring.revoke("Eva")
        assert client.get("/models/info", headers=headers).status_code == 401

    def test_a_file_that_goes_away_is_a_503(self, serving: Any, ring: KeyRing) -> None:
        headers = {"X-API-Key": ring.make("Eva")}
        client = serving(api_keys_file=ring.path)
        ring.path.unlink()
        assert_error(client.get("/models/info", headers=headers), 503, "keys-unusable")
        assert client.get("/health").status_code == 200

    def test_a_file_that_is_not_there_stops_the_start(self, serving: Any, ring: KeyRing) -> None:
        with pytest.raises(KeysUnusable):
            serving(api_keys_file=ring.path)


class TestHosts:
    @pytest.mark.parametrize(
        "host", ["localhost", "127.0.0.1:5000", "[::1]:5000", "LOCALHOST:80", "[::1]"]
    )
    def test_loopback_answers_to_its_names(self, serving: Any, host: str) -> None:
        assert serving().get("/health", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "host",
        ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil@localhost.x",
         "[::2]", "[", "localhost:x:y", "xlocalhost", "\xff"],
    )  # fmt: skip
    @pytest.mark.parametrize("headers", [{}, BROWSER])
    def test_loopback_answers_to_no_other(self, serving: Any, host: str, headers: Header) -> None:
        response = serving().get("/health", headers={"Host": host, **headers})
        assert response.status_code == 400
        if not headers:
            assert_error(response, 400, "wrong-host")
            assert "UNDERTONE_TRUSTED_HOSTS" in response.get_json()["error"]

    def test_the_names_of_the_setting(self, serving: Any) -> None:
        client = serving(host="0.0.0.0", trusted_hosts=("voice.example.org", ".inside.example"))
        for host, status in (
            ("voice.example.org", 200),
            ("Voice.Example.org:8080", 200),
            ("a.b.inside.example", 200),
            ("inside.example", 200),
            ("notinside.example", 400),
            ("x.voice.example.org", 400),
            ("localhost", 400),
        ):
            assert client.get("/health", headers={"Host": host}).status_code == status, host

    def test_on_another_address_all_names_will_do(self, serving: Any) -> None:
        client = serving(host="0.0.0.0")
        assert client.get("/health", headers={"Host": "any.example"}).status_code == 200


class TestRates:
    def test_beyond_the_limit_it_says_when_to_come_back(self, serving: Any) -> None:
        client = serving(rate_limit="3 per minute")
        for _ in range(3):
            assert client.get("/models/info").status_code == 200
        response = client.get("/")  # the limit is for all addresses together
        assert_error(response, 429, "too-many-requests")
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert "3 per 1 minute" in response.get_json()["error"]
        assert client.get("/", headers=BROWSER).status_code == 429
        assert client.get("/health").status_code == 200
        assert client.get("/static/base.css", buffered=True).status_code == 200

    def test_each_client_has_its_own(self, serving: Any) -> None:
        client = serving(rate_limit="1 per minute")
        for address in ("192.0.2.1", "192.0.2.2"):
            statuses = [
                client.get("/models/info", environ_base={"REMOTE_ADDR": address}).status_code
                for _ in range(2)
            ]
            assert statuses == [200, 429]

    def test_each_key_has_its_own(self, serving: Any, ring: KeyRing) -> None:
        often, seldom = ring.make("often", "4 per minute"), ring.make("seldom")
        client = serving(api_keys_file=ring.path, rate_limit="2 per minute")

        def n_answered(secret: str) -> int:
            headers = {"X-API-Key": secret}
            answers = [client.get("/models/info", headers=headers) for _ in range(6)]
            return [answer.status_code for answer in answers].count(200)

        assert n_answered(often) == 4
        assert n_answered(seldom) == 2

    def test_guessing_keys_is_limited_too(self, serving: Any, ring: KeyRing) -> None:
        ring.make("Eva")
        client = serving(api_keys_file=ring.path, rate_limit="3 per minute")
        statuses = [
            client.get("/models/info", headers={"X-API-Key": f"guess{n}"}).status_code
            for n in range(5)
        ]
        assert statuses == [401, 401, 401, 429, 429]

    def test_addresses_behind_a_proxy(self, serving: Any) -> None:
        client = serving(rate_limit="1 per minute", proxies=1)

        def status(forwarded: str) -> int:
            return client.get("/", headers={"X-Forwarded-For": forwarded}).status_code

        assert [status("192.0.2.1"), status("192.0.2.2"), status("192.0.2.1")] == [200, 200, 429]
        # What the client itself claims comes first, and is not believed.
        assert status("198.51.100.9, 192.0.2.1") == 429

    def test_without_a_proxy_nobody_is_believed(self, serving: Any) -> None:
        client = serving(rate_limit="1 per minute")
        statuses = [
            client.get("/", headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code
            for n in range(2)
        ]
        assert statuses == [200, 429]

    def test_a_redis_that_is_away_is_no_trouble(self, serving: Any) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        client = serving(rate_limit="2 per minute", rate_limit_storage=f"redis://127.0.0.1:{port}")
        assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]

    @pytest.mark.skipif(not shutil.which("redis-server"), reason="Redis is not installed")
    def test_servers_that_share_a_redis_count_together(self, serving: Any, tmp_path: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        try:
            while "Ready to accept" not in process.stdout.readline():
                assert process.poll() is None
            storage = f"redis://127.0.0.1:{port}/0"
            one = serving(rate_limit="3 per minute", rate_limit_storage=storage)
            two = serving(rate_limit="3 per minute", rate_limit_storage=storage)
            statuses = [client.get("/models/info").status_code for client in (one, two) * 2]
            assert statuses == [200, 200, 200, 429]
        finally:
            process.terminate()
            process.communicate()


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("localhost", True), ("::1", True),
     ("[::1]", True), ("0.0.0.0", False), ("::", False), ("192.0.2.1", False),
     ("example.org", False)],
)  # fmt: skip
def test_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


def test_who_is_open_to_all_is_warned() -> None:
    public = Settings(host="0.0.0.0")
    assert "without API keys" in open_to_all(public)
    assert not open_to_all(replace(public, api_keys_file=Path("keys.json")))
    assert not open_to_all(Settings())


def test_a_key_beside_another_authorization(serving: Any, ring: KeyRing) -> None:
    """Either place will do: a proxy in front may need the other for itself."""
    secret, other = ring.make("Eva"), ring.make("Ute")
    client = serving(api_keys_file=ring.path)
    proxies = [basic("proxy", "its own"), {"Authorization": "Bearer of-the-proxy"},
               {"Authorization": "Digest username=x"}, {"Authorization": "nonsense"},
               {"Authorization": ""}, basic("", "")]  # fmt: skip
    for headers in proxies:
        assert (
            client.get("/models/info", headers={**headers, "X-API-Key": secret}).status_code == 200
        )
        assert (
            client.get("/models/info", headers={**headers, "X-API-Key": "bad"}).status_code == 401
        )
    for key in ("bad", other):
        headers = {**basic("", secret), "X-API-Key": key}
        assert client.get("/models/info", headers=headers).status_code == 200
