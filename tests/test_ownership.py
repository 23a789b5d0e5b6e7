"""Each key sees and changes what it made, over every route of the application."""

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from tests import samples
from tests.conftest import upload
from tests.owners import OLD, OWNERS, PEOPLE, ROLES, House, house, spectrogram
from tests.test_error_shape import BROWSER, assert_error
from undertone.keys import Role
from undertone.settings import ROOT
from undertone.store.listing import Filter

__all__ = ["house", "spectrogram"]  # fixtures

# What each route is about. A route that is not here fails a test below.
OPEN = {("GET", "/health"), ("GET", "/health/live"), ("GET", "/health/ready")}
FILES = {("GET", "/static/<path:filename>")}
NUMBERS = {("GET", "/metrics")}
OF_NOBODY = {
    ("GET", "/"): 200,
    ("GET", "/models"): 200,
    ("GET", "/models/info"): 200,
    ("GET", "/models/<name>/<picture>"): 404,  # with names that do not exist
    ("GET", "/openapi.json"): 200,
    ("GET", "/docs"): 200,
    ("GET", "/listen"): 200,
    ("GET", "/live"): 426,
}
MAKING = {
    ("POST", "/upload"), ("POST", "/predict"), ("POST", "/api/predict"), ("POST", "/record"),
    ("POST", "/analyze"), ("POST", "/classify_audio"), ("POST", "/classify_audio_both"),
    ("POST", "/result"), ("POST", "/jobs"),
}  # fmt: skip
RESULT_READING = {
    ("GET", "/results/<analysis_id>"): 200,
    ("GET", "/results/<analysis_id>.json"): 200,
    ("GET", "/results/<analysis_id>.csv"): 200,
    ("GET", "/results/<analysis_id>/pictures/<kind>.png"): 200,
    ("GET", "/results/<analysis_id>/pictures/<kind>-<theme>.svg"): 200,
    ("GET", "/visualizations/<analysis_id>.png"): 200,
    ("GET", "/static/visualizations/<analysis_id>.png"): 200,
    ("GET", "/download-report/<filename>"): 200,
    ("GET", "/recordings/<analysis_id>"): 200,
    ("GET", "/compare"): 200,
}
RESULT_CHANGING = {
    ("DELETE", "/results/<analysis_id>"): 200,
    ("POST", "/results/<analysis_id>/delete"): 303,
}
JOB_READING = {
    ("GET", "/jobs/<job_id>"): 200,
    ("GET", "/jobs/<job_id>/results.json"): 200,
    ("GET", "/jobs/<job_id>/results.csv"): 200,
    ("GET", "/jobs/<job_id>/reports.zip"): 200,
}
JOB_CHANGING = {("POST", "/jobs/<job_id>/cancel"): 200, ("DELETE", "/jobs/<job_id>"): 204}
LISTING = {
    ("GET", "/history"), ("GET", "/history.csv"), ("GET", "/history.json"), ("GET", "/jobs"),
}  # fmt: skip
CLEARING = {("DELETE", "/history"), ("POST", "/history/delete")}
KINDS = (
    OPEN, FILES, NUMBERS, OF_NOBODY, MAKING, RESULT_READING, RESULT_CHANGING, JOB_READING,
    JOB_CHANGING, LISTING, CLEARING,
)  # fmt: skip
Route = tuple[str, str]


def path_of(rule: str, owner: str, n: int = 0, job: str = "done") -> str:
    """The address of something that somebody owns."""
    path = (
        rule.replace("<analysis_id>", f"{owner}-{n}")
        .replace("<kind>", "bars")
        .replace("<theme>", "dark")
    )
    path = path.replace("<filename>", f"{owner}-{n}").replace("<job_id>", f"{owner}-{job}")
    if rule == "/compare":
        path += f"?id={owner}-0&id={owner}-1"
    return path.replace("<name>", "none").replace("<picture>", "none.png")


def routes(app: Flask) -> set[Route]:
    return {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_route_is_classified(house: House) -> None:
    classified = [route for kind in KINDS for route in kind]
    assert len(classified) == len(set(classified))
    assert routes(house.app) == set(classified)


@pytest.mark.parametrize("route", sorted({**RESULT_READING, **JOB_READING}))
def test_reading(house: House, route: Route) -> None:
    method, rule = route
    status = {**RESULT_READING, **JOB_READING}[route]
    for owner in OWNERS:
        for name in PEOPLE:
            answer = house.ask(name, method, path_of(rule, owner))
            if name in (owner, "root"):
                assert answer.status_code == status, (name, owner)
                answer.close()
            else:
                as_if_there_were_none(house, name, route, path_of(rule, owner))


def as_if_there_were_none(house: House, name: str, route: Route, path: str) -> None:
    """Both as a program and in a browser."""
    method, rule = route
    for headers in ({}, BROWSER):
        answer = house.ask(name, method, path, headers=headers)
        nothing = house.ask(name, method, path_of(rule, "nobody"), headers=headers)
        assert answer.status_code == nothing.status_code == 404
        assert without_ids(answer.data, path) == without_ids(nothing.data, path_of(rule, "nobody"))


def without_ids(body: bytes, path: str) -> bytes:
    """The page without the address that was asked for, which the form for languages may hold."""
    for part in sorted(path.replace("?", "/").replace("&", "/").split("/"), key=len)[::-1]:
        if "-" in part:
            body = body.replace(part.removeprefix("id=").encode(), b"")
    return body


@pytest.mark.parametrize("pair", [("alice-0", "bob-0"), ("bob-0", "alice-0"), ("alice-0", "old-0")])
def test_two_results_of_which_one_is_another_s_are_not_compared(
    house: House, pair: tuple[str, str]
) -> None:
    path = f"/compare?id={pair[0]}&id={pair[1]}"
    assert_error(house.ask("alice", "GET", path), 404, "analysis-not-found")
    assert house.ask("root", "GET", path).status_code == 200


@pytest.mark.parametrize("route", sorted({**RESULT_CHANGING, **JOB_CHANGING}))
def test_changing(house: House, route: Route) -> None:
    method, rule = route
    status = {**RESULT_CHANGING, **JOB_CHANGING}[route]
    before = house.state()
    for job in ("done", "waits"):
        for owner in OWNERS:
            for name in ("alice", "bob"):
                if name != owner:
                    as_if_there_were_none(house, name, route, path_of(rule, owner, job=job))
    assert house.state() == before
    for owner, name in (("alice", "alice"), ("bob", "root"), (OLD, "root")):
        answer = house.ask(name, method, path_of(rule, owner, job="waits"))
        assert answer.status_code == status
        assert house.state() != before
        before = house.state()


def listed(answer: TestResponse) -> set[str]:
    """Which ids a list holds, whatever it is."""
    assert answer.status_code == 200
    text = answer.get_data(as_text=True)
    owners = [f"{owner}-{what}" for owner in OWNERS for what in IDS]
    return {an_id for an_id in owners if an_id in text}


IDS = ("0", "1", "done", "waits")


@pytest.mark.parametrize("route", sorted(LISTING))
@pytest.mark.parametrize("headers", [{}, BROWSER], ids=["program", "browser"])
def test_lists(house: House, route: Route, headers: dict[str, str]) -> None:
    if route[1] == "/jobs" and headers:
        headers = {}  # it is no page
    found = {name: listed(house.ask(name, *route, headers=headers)) for name in PEOPLE}
    for name in ("alice", "bob"):
        assert found[name]
        assert {an_id.split("-")[0] for an_id in found[name]} == {name}
    assert found["root"] >= found["alice"] | found["bob"]
    assert {an_id.split("-")[0] for an_id in found["root"]} == {"alice", "bob", OLD}


def test_counts_filters_and_pages_of_a_list(house: House) -> None:
    for name, n_results, n_jobs in (("alice", 3, 2), ("bob", 3, 2), ("root", 9, 6)):
        assert house.ask(name, "GET", "/history").get_json()["total"] == n_results
        assert house.ask(name, "GET", "/jobs").get_json()["total"] == n_jobs
        for path, key in (("/history", "history"), ("/jobs", "jobs")):
            seen = list(pages(house, name, path, key))
            assert len(seen) == len(set(seen)) == (n_results if key == "history" else n_jobs)
    other = {"alice": "bob", "bob": "alice"}
    for name, stranger in other.items():
        for query in (
            f"search={stranger}",
            f"model=model-of-{stranger}",
            f"model=model-of-{OLD}",
            "search=old",
        ):
            answer = house.ask(name, "GET", f"/history?{query}").get_json()
            assert (answer["history"], answer["total"]) == ([], 0)
        page = house.ask(name, "GET", "/history", headers=BROWSER).get_data(as_text=True)
        assert stranger not in page  # in the list, the filters and what is drawn
        assert f"model-of-{OLD}" not in page
        assert f"model-of-{name}" in page


def pages(house: House, name: str, path: str, key: str) -> Iterator[str]:
    """The ids of a list, one a page."""
    before = ""
    while before is not None:
        answer = house.ask(name, "GET", f"{path}?limit=1&before={before}").get_json()
        yield from (entry["id"] for entry in answer[key])
        more = answer["next"]
        before = more and more.rpartition("before=")[2].partition("&")[0]


def test_a_place_in_another_s_list_shows_nothing_of_it(house: House) -> None:
    first = house.ask("root", "GET", "/history?limit=1").get_json()["next"]
    for path in (first, first.replace("before=", "after=")):
        answer = house.ask("alice", "GET", path)
        assert listed(answer) <= {"alice-0", "alice-1", "alice-done"}


def test_the_trend_counts_one_s_own(house: House) -> None:
    history = house.app.extensions["undertone"].history
    for name, n in (("alice", 3), ("bob", 3)):
        mine = history.within(house.scope(name))
        assert sum(day.total for day in mine.trend(Filter())) == n
        assert mine.models() == ["encoder", f"model-of-{name}"]
    assert sum(day.total for day in history.trend(Filter())) == 9


@pytest.mark.parametrize("route", sorted(CLEARING))
def test_clearing_the_history_leaves_what_others_have(house: House, route: Route) -> None:
    assert house.ask("alice", *route).status_code in (200, 303)
    left = house.ids()
    assert {an_id for an_id in left if an_id.startswith("alice")} == {"alice-done", "alice-waits"}
    assert left >= {"bob-0", "bob-1", "old-0", "old-1"}
    recordings = house.app.config["SETTINGS"].data_dir / "recordings"
    assert {path.name for path in recordings.iterdir()} == {"bob-0", "bob-1", "old-0", "old-1"}
    assert house.ask("root", *route).status_code in (200, 303)
    assert house.app.extensions["undertone"].history.page(Filter(), 1).total == 0


def test_a_report_by_name_is_on_one_s_own(house: House) -> None:
    """The newest of a name is another's: that one does not stand before one's own."""
    reports = {
        name: house.ask(name, "GET", "/download-report/recording.wav").data for name in PEOPLE
    }
    assert all(pdf.startswith(b"%PDF") for pdf in reports.values())
    history = house.app.extensions["undertone"].history
    for name in ("alice", "bob"):
        assert history.within(house.scope(name)).newest_named("recording.wav").id == f"{name}-1"
    assert history.newest_named("recording.wav").id == "old-1"
    assert_error(house.ask("alice", "GET", "/download-report/bob.wav"), 404, "analysis-not-found")


@pytest.mark.parametrize("route", sorted(MAKING))
@pytest.mark.parametrize("name", ["alice", "root"])
def test_what_is_made_belongs_to_its_key(
    house: House, route: Route, name: str, voice_wav: bytes
) -> None:
    before = house.ids()
    assert house.ask(name, *route, **recording(route[1], voice_wav)).status_code in (200, 202, 303)
    made = house.ids() - before
    assert made
    for an_id in made:
        kind = "jobs" if route[1] == "/jobs" else "results"
        path = f"/{kind}/{an_id}"
        assert house.ask(name, "GET", path).status_code == 200
        assert house.ask("root", "GET", path).status_code == 200
        assert house.ask("bob", "GET", path).status_code == 404


def recording(path: str, wav: bytes) -> dict[str, Any]:
    """Arguments of a request with a recording."""
    if path == "/record":
        return {"json": {"audio": base64.b64encode(wav).decode()}}
    if path == "/classify_audio":
        return upload(wav, field="audio", model_type="cnn")
    return upload(wav, field="audio" if "classify" in path else "file")


def test_several_files_of_the_page_are_a_job_of_the_key(house: House, voice_wav: bytes) -> None:
    files = [(io.BytesIO(voice_wav), f"{n}.wav") for n in range(2)]
    answer = house.ask("bob", "POST", "/result", data={"file": files}, headers=BROWSER)
    assert answer.status_code == 303
    path = answer.headers["Location"]
    assert house.ask("bob", "GET", path).status_code == 200
    assert house.ask("alice", "GET", path).status_code == 404


def test_what_workers_make_belongs_to_the_key_of_the_job(house: House) -> None:
    (item,) = house.ask("alice", "GET", "/jobs/alice-done").get_json()["items"]
    assert house.ask("alice", "GET", f"/results/{item['analysis_id']}").status_code == 200
    assert house.ask("bob", "GET", f"/results/{item['analysis_id']}").status_code == 404


def some_path(route: Route) -> str:
    return path_of(route[1], "alice").replace("<path:filename>", "base.css")


@pytest.mark.parametrize("route", sorted(route for kind in KINDS for route in kind))
def test_roles_on_every_route(house: House, route: Route) -> None:
    method, path = route[0], some_path(route)
    before = house.ids()
    answer = house.ask("prometheus", method, path)
    if route in OPEN | FILES | NUMBERS:
        assert answer.status_code == 200
        answer.close()
    else:
        assert_error(answer, 403, "role-refused")
    if route in NUMBERS:
        assert_error(house.ask("alice", method, path), 403, "role-refused")
        assert house.ask("root", method, path).status_code == 200
    if route in OF_NOBODY:
        for name in ("alice", "root"):
            assert house.ask(name, method, path).status_code == OF_NOBODY[route]
    assert house.ids() == before
    client = house.app.test_client()
    answer = client.open(path, method=method)
    assert answer.status_code == (200 if route in OPEN | FILES else 401)
    answer.close()


@pytest.mark.parametrize("path", ["/nothing", "/results", "/metrics/", "/jobs/x/y"])
def test_a_metrics_key_gets_nothing_where_nothing_is(house: House, path: str) -> None:
    assert house.ask("prometheus", "GET", path).status_code == 403
    assert house.ask("alice", "GET", path).status_code == 404


def test_a_new_key_of_an_old_name_owns_nothing(house: House) -> None:
    house.ring.revoke("alice")
    house.secrets["alice"] = house.ring.make("alice")
    assert house.ask("alice", "GET", "/history").get_json()["total"] == 0
    assert house.ask("alice", "GET", "/jobs").get_json()["total"] == 0
    assert house.ask("alice", "GET", "/results/alice-0").status_code == 404
    assert house.ask("root", "GET", "/results/alice-0").status_code == 200


def test_another_role_changes_what_is_seen_at_once(house: House) -> None:
    house.ring.set_role("alice", Role.ADMIN)
    assert house.ask("alice", "GET", "/results/old-0").status_code == 200
    house.ring.set_role("alice", Role.USER)
    assert house.ask("alice", "GET", "/results/old-0").status_code == 404
    assert house.ask("alice", "GET", "/results/alice-0").status_code == 200


def test_keys_of_an_earlier_version_are_users_of_their_own(house: House) -> None:
    entries = json.loads(house.ring.path.read_text())
    for entry in entries:
        del entry["role"], entry["id"]
    house.ring.path.write_text(json.dumps(entries))
    for name in ROLES:
        assert house.ask(name, "GET", "/history").get_json()["total"] == 0
    house.app.extensions["undertone"].within(house.scope("bob")).history.add(
        samples.analysis(id="newer")
    )
    house.ring.set_role("root", Role.ADMIN)  # writes all entries with role and id
    for name, status in (("bob", 200), ("alice", 404), ("root", 200), ("prometheus", 404)):
        assert house.ask(name, "GET", "/results/newer").status_code == status
    assert house.ask("root", "GET", "/history").get_json()["total"] == 10


def test_a_picture_that_a_browser_has_is_not_confirmed_to_another_key(house: House) -> None:
    path = "/results/alice-0/pictures/bars.png"
    tag = house.ask("alice", "GET", path).headers["ETag"]
    assert house.ask("alice", "GET", path, headers={"If-None-Match": tag}).status_code == 304
    assert house.ask("bob", "GET", path, headers={"If-None-Match": tag}).status_code == 404


def test_without_keys_everything_is_everybody_s(house: House) -> None:
    settings = replace(house.app.config["SETTINGS"], api_keys_file=None)
    app = create_app(settings)
    client = app.test_client()
    assert client.get("/history").get_json()["total"] == 9
    assert client.get("/jobs").get_json()["total"] == 6
    assert client.delete("/results/bob-0").status_code == 200
    assert client.get("/metrics").status_code == 200
    app.extensions["undertone"].history.close()


def test_views_get_history_and_jobs_with_their_scope_only() -> None:
    """The two helpers apply the scope; nothing else in the web layer reaches behind them."""
    sources = {path.name: path.read_text() for path in (ROOT / "undertone/web").glob("*.py")}
    sources["app.py"] = (ROOT / "app.py").read_text()

    def found(text: str) -> set[str]:
        return {name for name, source in sources.items() if text in source}

    # In app.py a signal's handler and the start, which act for nobody.
    assert found('extensions["undertone"]') == {"request.py", "app.py"}
    assert found('extensions["undertone.jobs"]') == {"job_views.py", "app.py"}
    assert found("history.engine") == {"metrics.py"}
