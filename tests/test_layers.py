"""The rule of the house: programs import `undertone`, never the other way round.

``undertone/__main__.py`` is a program too: it lies in the package because ``python -m undertone``
looks for it there.
"""

import ast
from pathlib import Path

import pytest

from undertone.settings import ROOT

TOP_LEVEL = {path.stem for path in ROOT.glob("*.py")}
MAIN = ROOT / "undertone" / "__main__.py"
PACKAGE = [*ROOT.glob("undertone/**/*.py")]
TRAINING = [*ROOT.glob("undertone/training/*.py")]
SOURCES = [*ROOT.glob("*.py"), *PACKAGE, *ROOT.glob("tools/*.py")]
# Which folders of the package a folder may import; what lies beside them, all may.
MAY_IMPORT = {
    "sound": set(),
    "recognition": {"sound"},
    "store": {"recognition"},
    "drawing": {"sound", "recognition"},
    "jobs": {"store", "recognition", "drawing"},
    "web": {"sound", "store", "recognition", "drawing", "jobs"},
    "cli": {"sound", "drawing", "batch"},
    "batch": {"sound", "store", "cli"},
    "training": {"sound", "recognition"},
}
FOLDERS = [path for path in PACKAGE if path.parent.name in MAY_IMPORT]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.name)
def test_the_package_never_imports_the_top_level(path: Path) -> None:
    assert path == MAIN or not roots(path) & TOP_LEVEL


def test_every_folder_of_the_package_has_its_rule() -> None:
    assert {path.parent.name for path in ROOT.glob("undertone/*/__init__.py")} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_folders_import_only_what_lies_under_them(path: Path) -> None:
    folder = path.parent.name
    others = {name.split(".")[1] for name in imported(path) if name.startswith("undertone.")}
    assert others & set(MAY_IMPORT) <= MAY_IMPORT[folder] | {folder}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nobody_imports_the_program_in_the_package(path: Path) -> None:
    assert "undertone.__main__" not in imported(path)


def test_the_program_in_the_package_only_passes_on_what_is_above() -> None:
    assert roots(MAIN) & TOP_LEVEL == {"emotion_recognizer"}
    assert len(MAIN.read_text(encoding="utf-8").splitlines()) <= 40


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nobody_imports_app(path: Path) -> None:
    assert "app" not in roots(path)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nobody_draws_with_pyplot_or_loads_pickles(path: Path) -> None:
    forbidden = {"matplotlib.pyplot", "pickle", "joblib.load", "dill", "shelve"}
    assert not imported(path) & forbidden
    assert "joblib.load(" not in path.read_text(encoding="utf-8")


def test_the_web_process_never_needs_training_packages() -> None:
    served = [ROOT / f"{name}.py" for name in ("app", "feature_extractor", "emotion_recognizer")]
    for path in [*served, *set(PACKAGE).difference(TRAINING)]:
        assert not roots(path) & {"torch", "onnx", "sklearn", "seaborn", "pandas"}, path
        assert not any(name.startswith("undertone.training") for name in imported(path)), path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_module_is_one_idea(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
