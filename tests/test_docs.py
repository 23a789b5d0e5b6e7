"""README and docs/ say what is there: every setting, every route, the measured numbers."""

import re
from dataclasses import fields

from flask import Flask

from undertone.recognition.model_store import load_info
from undertone.settings import ROOT, Settings, variable

README = (ROOT / "README.md").read_text(encoding="utf-8")
ACCURACY = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")


def rows(page: str) -> list[list[str]]:
    """Cells of the table on a page of docs/."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_settings_table() -> None:
    documented = {row[0].strip("`"): row[2] for row in rows("settings.md")}
    expected = {variable(setting.name): setting.metadata["meaning"] for setting in fields(Settings)}
    assert documented == expected


def test_api_table(app: Flask) -> None:
    documented = {tuple(row[0].strip("`").split(" ")) for row in rows("api.md")}
    routes = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    assert documented == routes


def test_calls_and_pages_that_the_readme_names_are_there() -> None:
    calls = {row[0].strip("`").replace("<analysis_id>", "<id>") for row in rows("api.md")}
    named = re.findall(r"`((?:GET|POST|DELETE) /[^`]*)`", README)
    assert {call.replace("/<filename>", "/<id>") for call in calls} >= set(named)
    for page in re.findall(r"\]\(([^)#:]+\.md)", README):
        assert (ROOT / page).is_file(), page


def test_the_accuracy_stated_is_the_accuracy_measured() -> None:
    scores = load_info("encoder").scores
    for title, figures in scores.items():
        low, high = figures["uar_interval_95"]
        stated = f"| {title} | {figures['uar']:.1%} | {low:.1%} to {high:.1%} |"
        assert stated in ACCURACY, stated


def test_the_readme_repeats_some_of_it() -> None:
    repeated = re.findall(r"^\| \S+, \d emotions \| .*\|$", README, re.M)
    assert len(repeated) >= 4
    for line in repeated:
        assert line in ACCURACY, line


def test_the_papers_stay_short() -> None:
    assert len(README.split()) < 900
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 110


def test_every_picture_is_there() -> None:
    for text, folder in ((README, ROOT), (_card(), ROOT / "models" / "encoder")):
        for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
            assert (folder / path).is_file(), path


def _card() -> str:
    return (ROOT / "models" / "encoder" / "MODEL_CARD.md").read_text(encoding="utf-8")
