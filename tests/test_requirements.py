"""Every version is pinned once, and what runs in production with its hashes."""

import re
from pathlib import Path

import pytest

from undertone.settings import ROOT

LOCKS = sorted(ROOT.glob("*.lock"))
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.M)


def pins(path: Path) -> dict[str, str]:
    found = PIN.findall(path.read_text())
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


CONSTRAINTS = pins(ROOT / "constraints.txt")


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.txt")), ids=lambda path: path.name)
def test_what_is_required_is_constrained_to_the_same_version(path: Path) -> None:
    required = pins(path)
    assert required
    assert {name: CONSTRAINTS.get(name) for name in required} == required
    lines = path.read_text().splitlines()
    assert all("==" in line or line.startswith(("#", "-")) or not line for line in lines)


def test_torch_is_pinned() -> None:
    assert CONSTRAINTS["torch"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_what_runs_is_pinned_with_hashes(path: Path) -> None:
    locked = pins(path)
    assert locked.keys() >= pins(path.with_suffix(".txt")).keys()
    assert {name: CONSTRAINTS.get(name) for name in locked} == locked
    entries = re.split(r"^(?=\S+==)", path.read_text(), flags=re.M)[1:]
    assert len(entries) == len(locked)
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_server_and_the_image_are_installed_from_a_lock() -> None:
    for name in ("Makefile", "Dockerfile"):
        assert re.search(r"--require-hashes\s", (ROOT / name).read_text())
