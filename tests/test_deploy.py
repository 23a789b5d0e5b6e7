"""What is deployed, as far as it can be checked without an engine for containers."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from yamllint import linter
from yamllint.config import YamlLintConfig

from tests import brokers
from tests.brokers import running_redis, running_worker
from tests.conftest import multipart
from tests.databases import Database
from tests.jobs.conftest import add
from tests.live import Server, running_server
from tools.build_image import image_files
from undertone.jobs.store import Jobs, Limits
from undertone.keys import KeyRing
from undertone.settings import ROOT, Settings, variable
from undertone.store.history import History

DEPLOY = ROOT / "deploy"
YAMLS = sorted(DEPLOY.rglob("*.yaml"))
STYLE = """
extends: default
rules:
  braces: {max-spaces-inside: 0}
  comments: {min-spaces-from-content: 1}
  document-start: disable
  line-length: {max: 110}
"""
Asked = Callable[..., tuple[int, bytes]]
NOT_OURS = ("AWS_", "POSTGRES_")


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [found for path in YAMLS for found in documents(path) if found.get("kind") == kind]


def containers() -> list[dict[str, Any]]:
    return [c for d in of_kind("Deployment") for c in d["spec"]["template"]["spec"]["containers"]]


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.name)
def test_style(path: Path) -> None:
    assert [str(p) for p in linter.run(path.read_text(), YamlLintConfig(STYLE))] == []


def test_settings_are_known_and_can_be_used() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    (config,) = of_kind("ConfigMap")
    for environ in (compose["x-undertone"]["environment"], config["data"]):
        given = {name: str(value) for name, value in environ.items() if "${" not in str(value)}
        ours = {name for name in environ if not name.startswith(NOT_OURS)}
        assert ours <= {variable(field) for field in Settings.__dataclass_fields__}
        settings = Settings.from_env(given)
        assert settings.broker_url and settings.drain_s and settings.audio_url
        assert settings.rate_limit_storage.startswith("redis://")


def test_probes_ask_what_is_there(app: Flask) -> None:
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    asked = re.findall(r"127\.0\.0\.1:5000(/[\w/]*)", (ROOT / "Dockerfile").read_text())
    for container in containers():
        probes = [value for name, value in container.items() if name.endswith("Probe")]
        asked += [probe["httpGet"]["path"] for probe in probes if "httpGet" in probe]
    assert asked
    assert set(asked) <= routes


def test_nobody_has_more_rights_than_needed() -> None:
    for deployment in of_kind("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
    for container in containers():
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
    assert "\nUSER 10001\n" in (ROOT / "Dockerfile").read_text()


def test_keys_are_in_a_folder_that_is_mounted() -> None:
    """They are changed by replacing the file, which the mount of a file would not show."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name in ("web", "worker", "keys"):
        path = Path(services[name]["environment"]["UNDERTONE_API_KEYS_FILE"])
        mounts = [mount.split(":") for mount in services[name]["volumes"]]
        (source,) = [source for source, target, *_ in mounts if target == str(path.parent)]
        assert source == "./keys"
        assert str(path) not in {target for _, target, *_ in mounts}
    assert "deploy/keys/" in (ROOT / ".gitignore").read_text().split()
    (config,) = of_kind("ConfigMap")
    path = Path(config["data"]["UNDERTONE_API_KEYS_FILE"])
    (web,) = [container for container in containers() if container["name"] == "web"]
    (mount,) = [mount for mount in web["volumeMounts"] if mount["name"] == "keys"]
    assert mount["mountPath"] == str(path.parent)
    assert "subPath" not in mount


def test_the_command_of_compose_makes_keys(tmp_path: Path) -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["keys"]
    assert "user" not in service  # so that it is the image's, as for those who read the file
    program, *arguments = service["entrypoint"]
    assert program == "python"
    path = tmp_path / "keys.json"
    environ = {**os.environ, **service["environment"], "UNDERTONE_API_KEYS_FILE": str(path)}
    command = [sys.executable, *arguments, "make", "Eva", "--role", "admin"]
    made = subprocess.run(command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    assert KeyRing(path).find(made.stdout.decode().strip()).role == "admin"


def test_there_is_time_to_drain() -> None:
    (config,) = of_kind("ConfigMap")
    drain_s = float(config["data"]["UNDERTONE_DRAIN_S"])
    (web,) = [d for d in of_kind("Deployment") if d["metadata"]["name"] == "web"]
    assert web["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= drain_s + 30


def test_every_manifest_is_applied() -> None:
    folder = DEPLOY / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert {path.name for path in folder.glob("*.yaml")} == {*listed, "kustomization.yaml"}


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not here")
def test_manifests_fit_together() -> None:
    command = ["kubectl", "kustomize", str(DEPLOY / "kubernetes")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    built = list(yaml.safe_load_all(done.stdout))
    assert {found["metadata"].get("namespace") for found in built} == {"undertone", None}
    images = {c["image"] for c in containers()}
    assert images == {"undertone", "redis:7-alpine"}
    assert "image: undertone\n" not in done.stdout


def test_what_workers_are_scaled_by_is_what_waits(database: Database) -> None:
    (scaled,) = of_kind("ScaledObject")
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]
    history = History(database.url)
    add(Jobs(history.engine, Limits(50, 5000)), "j", ["a", "b", "c"])
    history.close()
    assert database.execute(query) == [(3,)]


def test_the_image_holds_all_that_runs(tmp_path: Path, voice_wav: bytes) -> None:
    """The steps of the Dockerfile in a clean folder that nobody may write to."""
    for path in image_files():
        place = tmp_path / "app" / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert {"en", *os.listdir(ROOT / "translations")} == set(re.findall(r"'(\w\w)\*'", dockerfile))
    for names in re.findall(r"^COPY (requirements.*) \./$", dockerfile, re.M):
        assert all((tmp_path / "app" / name).exists() for name in names.split())
    data = tmp_path / "data"
    data.mkdir()
    before = sorted((tmp_path / "app").rglob("*"))
    environ = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(data)}
    with running_server(data, cwd=tmp_path / "app", only=environ) as server:
        body, content_type = multipart(voice_wav)
        asked = urllib.request.Request(f"{server.url}/upload", body, {"Content-Type": content_type})
        with urllib.request.urlopen(asked, timeout=60) as response:
            assert response.status == 200
        (check,) = re.findall(r'"-c", "(.*)"\]', dockerfile)
        command = [sys.executable, "-c", check.replace("http://127.0.0.1:5000", server.url)]
        subprocess.run(command, check=True)
    assert sorted((tmp_path / "app").rglob("*")) == before


@contextmanager
def running_nginx(folder: Path, *upstreams: str) -> Iterator[str]:
    """The proxy of compose.yaml before these servers: its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = (DEPLOY / "nginx.conf").read_text()
    servers = "".join(f"server {url.removeprefix('http://')};" for url in upstreams)
    changes = {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "resolver 127.0.0.11 valid=5s;": f"upstream replicas {{ {servers} }}",
        "http://web:5000": "http://replicas",
        "/tmp/nginx": f"{folder}/nginx",
    }
    for old, new in changes.items():
        assert old in config
        config = config.replace(old, new)
    path = folder / "nginx.conf"
    path.write_text(config)
    # Root's folders are for root alone, as those of tests are.
    more = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    command = ["nginx", "-c", str(path), "-p", str(folder), "-g", more]
    subprocess.run([*command, "-t", "-q"], check=True)
    process = subprocess.Popen(command)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def layout(tmp_path: Path, postgres_server: Any) -> Iterator[tuple[list[Server], str, Asked]]:
    """All of compose.yaml with its own settings: web processes, the proxy's URL, who asks them."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    keys = KeyRing(tmp_path / "keys.json")
    key = keys.make("Eva")
    program, *command = compose["services"]["worker"]["command"]
    assert program == "python"
    folders = {name: tmp_path / name for name in ("one", "other", "third", "fourth", "shared")}
    for folder in folders.values():
        folder.mkdir()
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis(tmp_path))
        environ = {k: str(v) for k, v in compose["x-undertone"]["environment"].items()} | {
            "DATABASE_URL": postgres_server.new_database(),
            "UNDERTONE_BROKER_URL": redis.url,
            "UNDERTONE_RATE_LIMIT_STORAGE": redis.url,
            "UNDERTONE_AUDIO_URL": str(folders["shared"]),
            "UNDERTONE_API_KEYS_FILE": str(keys.path),
            "UNDERTONE_WEBHOOK_SECRET": "",
        }
        # Nobody waits for anybody, as where all are started together.
        for name in ("third", "fourth"):
            stack.enter_context(running_worker(folders[name], command, **environ))
        servers = [
            stack.enter_context(running_server(folders[name], **{**environ, **more}))
            for name, more in {"one": {}, "other": {"UNDERTONE_DRAIN_S": "0"}}.items()
        ]
        url = stack.enter_context(running_nginx(tmp_path, *(server.url for server in servers)))
        yield servers, url, partial(ask, key)


def ask(key: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of an answer; 0 where there is none."""
    headers = {"X-API-Key": key}
    if body:
        headers["Content-Type"] = multipart(b"")[1]
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, body, headers), timeout=60
        ) as found:
            return found.status, found.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except urllib.error.URLError as error:
        return 0, str(error).encode()


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not here (apt-get install nginx)")
@pytest.mark.skipif(not brokers.is_installed(), reason="Redis is not here")
def test_all_of_compose_of_which_a_web_process_ends(
    layout: tuple[list[Server], str, Asked], voice_wav: bytes
) -> None:
    (ends, stays), url, asked = layout
    body = multipart(voice_wav)[0]
    deadline_s = time.monotonic() + 60
    while asked(f"{url}/health/ready")[0] != 200 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert asked(f"{url}/metrics")[0] == 404
    assert ask("", f"{url}/upload", body)[0] == 401
    heard = json.loads(asked(f"{ends.url}/upload", body)[1])
    job_id = json.loads(asked(f"{url}/jobs", body)[1])["id"]
    while not (job := json.loads(asked(f"{url}/jobs/{job_id}")[1]))["finished_at"]:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    (item,) = job["items"]
    assert item["confidence"] == heard["confidence"]
    assert asked(f"{url}/results/{item['analysis_id']}")[0] == 200  # by the key of the job
    for path in (f"results/{heard['id']}", f"jobs/{job_id}/results.csv"):
        assert asked(f"{ends.url}/{path}") == asked(f"{stays.url}/{path}")
        assert asked(f"{url}/{path}")[0] == 200
    ends.process.terminate()
    found = []
    while ends.process.poll() is None:
        found.append(asked(f"{url}/upload", body)[0])
    found += [asked(f"{url}/upload", body)[0] for _ in range(4)]
    assert set(found) == {200}
