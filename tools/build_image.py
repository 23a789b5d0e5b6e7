"""Test of the Dockerfile without a container engine: run its steps in a clean folder.

``python -m tools.build_image FOLDER`` builds the contents of the image and runs them. It waits for
the health check, analyses a recording and prints the largest packages. As root, it runs them as
the image's user; ``--python`` must then be executable by other users. The contents of the base
image and the creation of the user are left out.
"""

import argparse
import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import sounds
from tests.conftest import wav
from undertone.client import Client
from undertone.settings import ROOT

PORT = "5087"
START_LIMIT_S = 60
N_LARGEST = 15


@dataclass
class Image:
    """Settings in the last stage of a Dockerfile."""

    environ: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)
    user: int = 0


def main() -> None:
    """Build the image's contents, run them and print their sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for all of it; must not exist yet")
    parser.add_argument("--requirements", help="the Dockerfile's argument of that name")
    parser.add_argument("--python", type=Path, default=Path(sys.base_prefix, "bin", "python3"))
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True)
    image = build(folder, options.python, options.requirements)
    hear(folder, image)
    tell_sizes(folder / "app")


def build(folder: Path, python: Path, requirements: str | None = None) -> Image:
    """Run the steps of the Dockerfile, with ``/app`` inside a folder.

    Parameters
    ----------
    folder : Path
        Folder for ``/app`` and the programs.
    python : Path
        Interpreter in place of the base image's.
    requirements : str, optional
        Value for the Dockerfile's ``ARG``.
    """
    image = Image()
    environ = {**os.environ, "PATH": f"{_python_alone(folder, python)}:{os.environ['PATH']}"}
    app, n_stage = folder / "app", 0
    app.mkdir()
    for name, rest in _instructions((ROOT / "Dockerfile").read_text()):
        print(f"{name} {rest[:100]}", flush=True)
        match name:
            case "FROM":
                n_stage += 1
            case "ARG":
                key, _, value = rest.partition("=")
                environ[key] = requirements or value
            case "RUN" if n_stage == 1:
                subprocess.run(["sh", "-ec", rest], cwd=app, env=environ, check=True)
            case "COPY" if n_stage == 1:
                _copy(rest.split()[:-1], app)
            case "ENV" if n_stage == 1:
                environ |= _assignments(rest)
            case "ENV":
                image.environ = _assignments(rest)
            case "USER":
                image.user = int(rest)
            case "ENTRYPOINT" | "CMD":
                image.command += json.loads(rest)
            case "HEALTHCHECK":
                image.health_check = json.loads(rest[rest.index("CMD ") + 4 :])
    return image


def hear(folder: Path, image: Image) -> None:
    """Run the result, analyse a recording with each model and import the worker."""
    check = [part.replace(":5000", f":{PORT}") for part in image.health_check]
    with _running(folder, image, image.command) as process:
        deadline_s = time.monotonic() + START_LIMIT_S
        while _run(folder, image, check, stderr=subprocess.DEVNULL):
            if process.poll() is not None or time.monotonic() > deadline_s:
                sys.exit("It did not become healthy.")
            time.sleep(0.5)
        client = Client(f"http://127.0.0.1:{PORT}")
        for model in client.models():
            began_s = time.monotonic()
            heard = client.analyse(wav(sounds.voice(2.0)), "clip.wav", model=model).prediction
            print(f"{model} heard {heard.label} first after {time.monotonic() - began_s:.1f} s")
    if _run(folder, image, ["python", "-c", "import worker"]):
        sys.exit("A worker cannot start.")


def tell_sizes(app: Path) -> None:
    """Print the total size and the largest packages."""
    print(f"{_size_mb(app):.0f} MB in all, {_size_mb(app / 'models'):.0f} MB of models")
    (packages,) = app.glob(".venv/lib/python*/site-packages")
    sizes = sorted(((_size_mb(path), path.name) for path in packages.iterdir()), reverse=True)
    for size_mb, name in sizes[:N_LARGEST]:
        print(f"{size_mb:6.0f} MB  {name}")


def image_files() -> list[Path]:
    """Return the files allowed into the image by .dockerignore."""
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    found = []
    for path in (ROOT / rule[1:] for rule in rules if rule.startswith("!")):
        assert path.exists(), path
        found += [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return [path for path in found if not fnmatch.fnmatch(str(path), "*/__pycache__/*")]


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the arguments of each instruction."""
    text = re.sub(r"^#.*\n", "", dockerfile, flags=re.M).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        yield name, " ".join(rest.split())


def _assignments(rest: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in shlex.split(rest))


def _python_alone(folder: Path, python: Path) -> Path:
    """Create a folder with an interpreter under the name ``python``, as in the base image."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(python)
    return programs


def _copy(names: list[str], app: Path) -> None:
    for path in image_files():
        relative = path.relative_to(ROOT)
        if "." in names or str(relative) in names:
            (app / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, app / relative)


def _environ(folder: Path, image: Image) -> dict[str, str]:
    """Return only the image's environment variables, with its folders replaced by local ones."""
    here = {"/app": f"{folder}/app", "/data": f"{folder}/data", "$PATH": os.environ["PATH"]}
    found = {"UNDERTONE_PORT": PORT, "UNDERTONE_BROKER_URL": ""}
    for name, value in image.environ.items():
        for there, place in here.items():
            value = value.replace(there, place)
        found[name] = value
    return found | {"UNDERTONE_HOST": "127.0.0.1"}


@contextmanager
def _running(
    folder: Path, image: Image, command: list[str], **how: Any
) -> Iterator[subprocess.Popen[bytes]]:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    environ = _environ(folder, image)
    program = shutil.which(command[0], path=environ["PATH"])
    how |= {"cwd": folder / "app", "env": environ}
    if os.geteuid() == 0:
        os.chown(data, image.user, image.user)
        how |= {"user": image.user, "group": image.user, "extra_groups": []}
    try:
        process = subprocess.Popen([program or command[0], *command[1:]], **how)
    except PermissionError as error:
        sys.exit(f"User {image.user} may not run this: {error}. See --python.")
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _run(folder: Path, image: Image, command: list[str], **how: Any) -> int:
    with _running(folder, image, command, **how) as process:
        return process.wait()


def _size_mb(folder: Path) -> float:
    paths = [folder, *folder.rglob("*")] if folder.is_dir() else [folder]
    return sum(path.lstat().st_blocks * 512 for path in paths) / 1e6


if __name__ == "__main__":
    main()
