"""The history over HTTP: JSON, page, files, deleting."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from tests.conftest import upload
from tests.samples import PREDICTION, START, analysis, put_many
from tests.test_error_shape import BROWSER, assert_error
from undertone.errors import StoreError
from undertone.prediction import Segment
from undertone.settings import Settings
from undertone.store.database import open_engine
from undertone.store.history import History
from undertone.store.listing import Filter

LISTED = "http://localhost:3000"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), cors_origins=(LISTED,))
    application = create_app(settings)
    yield application
    application.extensions["undertone"].history.close()


@pytest.fixture
def history(app: Flask) -> Iterator[History]:
    store = app.extensions["undertone"].history
    yield store
    store.delete_all(Filter())


def fill(history: History, n: int, **changes: object) -> None:
    for number in range(n):
        history.add(analysis(number, **changes))


def names(answer: dict[str, Any]) -> list[str]:
    return [entry["filename"] for entry in answer["history"]]


def page(client: FlaskClient, path: str = "/history") -> str:
    response = client.get(path, headers=BROWSER)
    assert response.status_code == 200
    assert response.mimetype == "text/html"
    return response.get_data(as_text=True)


class TestJson:
    def test_what_is_analysed_is_listed(
        self, client: FlaskClient, history: History, voice_wav: bytes
    ) -> None:
        answer = client.post("/upload", **upload(voice_wav, "Głos.wav")).get_json()
        response = client.get("/history")
        assert response.mimetype == "application/json"
        assert "Accept" in response.headers["Vary"]
        body = response.get_json()
        assert set(body) == {"history", "total", "next", "previous"}
        assert (body["total"], body["next"], body["previous"]) == (1, None, None)
        (entry,) = body["history"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", entry["timestamp"])
        assert entry["filename"] == "Głos.wav"
        assert entry["predicted_emotion"] == answer["predicted_emotion"]
        assert entry["recording"] is None
        for name in ("id", "confidence", "probabilities", "uncertain", "sentiment", "model",
                     "duration_s"):  # fmt: skip
            assert entry[name] == answer[name], name
        ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
        assert list(json.loads(entry["top_3_probabilities"]).items()) == ranked[:3]

    def test_every_field(self, client: FlaskClient, history: History) -> None:
        history.add(analysis(1, created_at=START.replace(hour=14, minute=30, second=25)))
        (entry,) = client.get("/history").get_json()["history"]
        assert entry == {
            "id": "id0001",
            "timestamp": "2025-11-21 14:30:25",
            "created_at": "2025-11-21T14:30:25Z",
            "filename": "clip1.wav",
            "predicted_emotion": "happy",
            "confidence": 0.75,
            "uncertain": False,
            "top_3_probabilities": '{"happy": 0.75, "sad": 0.25}',
            "probabilities": {"sad": 0.25, "happy": 0.75},
            "sentiment": {"label": "positive", "score": 0.475},
            "model": "encoder",
            "model_id": "0123456789ab",
            "duration_s": 12.5,
            "recording": None,
        }

    def test_nothing(self, client: FlaskClient) -> None:
        empty = {"history": [], "total": 0, "next": None, "previous": None}
        assert client.get("/history").get_json() == empty

    def test_pages_follow_each_other(self, client: FlaskClient, history: History) -> None:
        fill(history, 5)
        first = client.get("/history?limit=2&search=CLIP&emotion=happy&emotion=sad").get_json()
        assert names(first) == ["clip4.wav", "clip3.wav"]
        assert first["total"] == 5
        second = client.get(first["next"]).get_json()
        assert names(second) == ["clip2.wav", "clip1.wav"]
        third = client.get(second["next"]).get_json()
        assert names(third) == ["clip0.wav"]
        assert third["next"] is None
        assert client.get(second["previous"]).get_json() == first

    def test_filters(self, client: FlaskClient, history: History) -> None:
        history.add(analysis(0, label="sad", filename="Interview.wav"))
        history.add(analysis(24, label="fear", uncertain=True))
        history.add(analysis(48, label="happy", model="cnn"))
        for query, found in (
            ("search=interv", [0]),
            ("emotion=sad&emotion=happy", [48, 0]),
            ("model=cnn", [48]),
            ("uncertain=true", [24]),
            ("uncertain=false", [48, 0]),
            ("from=2025-11-22&to=2025-11-22", [24]),
            ("from=2025-11-22", [48, 24]),
            ("search=&emotion=&model=&uncertain=&from=&to=&before=", [48, 24, 0]),
            ("_=cache-buster", [48, 24, 0]),
        ):
            answer = client.get(f"/history?{query}").get_json()
            found_ids = [int(entry["id"].removeprefix("id")) for entry in answer["history"]]
            assert found_ids == found, query

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=many", "limit"),
            ("emotion=joy", "'joy' is none of angry"),
            ("from=yesterday", "'yesterday' is no day"),
            ("to=2026-02-30", "no day"),
            ("from=2025-11-22&to=2025-11-21", "exchange them"),
            ("uncertain=perhaps", "uncertain"),
            ("before=here", "no place in the history"),
            ("before=1-a&after=1-a", "together"),
            ("search=" + "x" * 201, "search"),
            ("search=a&search=b", "search"),
        ],
    )
    def test_what_cannot_be_used_is_refused(
        self, client: FlaskClient, query: str, words: str
    ) -> None:
        for path in ("/history", "/history.csv", "/history.json"):
            if path != "/history" and re.match("limit|before", query):
                continue
            response = client.get(f"{path}?{query}")
            assert_error(response, 400, "bad-request")
            assert words in response.get_json()["error"]

    @pytest.mark.parametrize("path", ["/history", "/history.csv", "/history.json"])
    def test_a_store_that_fails_is_a_503(
        self, client: FlaskClient, history: History, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        fill(history, 1)
        monkeypatch.setattr(history, "_engine", open_engine("sqlite:////dev/null"))
        assert_error(client.get(path), 503, "store-unavailable")


class TestFiles:
    def test_csv(self, client: FlaskClient, history: History) -> None:
        fill(history, 3)
        response = client.get("/history.csv?search=clip1")
        assert response.content_type == "text/csv; charset=utf-8"
        assert "attachment; filename=undertone-history.csv" in response.headers.values()
        assert response.headers["Cache-Control"] == "private, no-store"
        lines = list(csv.DictReader(io.StringIO(response.get_data(as_text=True)[1:])))
        assert [line["filename"] for line in lines] == ["clip1.wav"]

    def test_json(self, client: FlaskClient, history: History) -> None:
        fill(history, 3)
        response = client.get("/history.json?emotion=happy")
        assert response.content_type == "application/json; charset=utf-8"
        assert "attachment; filename=undertone-history.json" in response.headers.values()
        assert response.get_json() == {"history": client.get("/history").get_json()["history"]}

    def test_nothing(self, client: FlaskClient) -> None:
        assert client.get("/history.json").get_json() == {"history": []}
        assert client.get("/history.csv").get_data(as_text=True).count("\n") == 1

    def test_more_than_is_read_at_a_time(self, client: FlaskClient, history: History) -> None:
        put_many(history, 1201)
        assert len(client.get("/history.json").get_json()["history"]) == 1201
        assert client.get("/history.csv").get_data(as_text=True).count("\n") == 1202


class TestDeleting:
    def test_one(self, client: FlaskClient, history: History) -> None:
        fill(history, 2)
        assert client.delete("/results/id0001").get_json() == {"deleted": 1}
        assert_error(client.get("/results/id0001"), 404, "analysis-not-found")
        assert_error(client.delete("/results/id0001"), 404, "analysis-not-found")
        assert client.get("/results/id0000").status_code == 200

    def test_all_that_is_wanted(self, client: FlaskClient, history: History) -> None:
        fill(history, 3)
        history.add(analysis(3, label="sad"))
        assert client.delete("/history?emotion=happy").get_json() == {"deleted": 3}
        assert names(client.get("/history").get_json()) == ["clip3.wav"]
        assert client.delete("/history").get_json() == {"deleted": 1}
        assert client.delete("/history").get_json() == {"deleted": 0}

    @pytest.mark.parametrize("query", ["emotoin=sad", "limit=1", "to=nonsense"])
    def test_what_is_misspelt_deletes_nothing(
        self, client: FlaskClient, history: History, query: str
    ) -> None:
        fill(history, 2)
        assert_error(client.delete(f"/history?{query}"), 400, "bad-request")
        form = dict([query.split("=")])
        assert_error(client.post("/history/delete", data=form), 400, "bad-request")
        assert client.get("/history").get_json()["total"] == 2

    def test_a_search_for_what_no_name_holds_deletes_nothing(
        self, client: FlaskClient, history: History
    ) -> None:
        fill(history, 2)
        assert client.delete("/history?search=%00").get_json() == {"deleted": 0}
        assert client.get("/history").get_json()["total"] == 2

    def test_by_the_pages_forms(self, client: FlaskClient, history: History) -> None:
        fill(history, 4)
        here = {"search": "clip", "emotion": ["happy", "sad"], "limit": "2"}
        response = client.post("/results/id0002/delete", data=here)
        assert response.status_code == 303
        assert response.headers["Location"] == (
            "/history?search=clip&emotion=happy&emotion=sad&limit=2"
        )
        response = client.post("/history/delete", data={"search": "clip1"})
        assert (response.status_code, response.headers["Location"]) == (303, "/history")
        assert names(client.get("/history").get_json()) == ["clip3.wav", "clip0.wav"]
        assert_error(client.post("/results/none/delete"), 404, "analysis-not-found")

    def test_a_form_that_was_tampered_with_leads_nowhere_else(
        self, client: FlaskClient, history: History
    ) -> None:
        fill(history, 1)
        form = {"search": "//evil.example", "next": "https://evil.example"}
        location = client.post("/results/id0000/delete", data=form).headers["Location"]
        assert location == "/history?search=//evil.example"


class TestPage:
    def test_nothing_yet(self, client: FlaskClient) -> None:
        html = page(client)
        assert "Analyse a recording" in html
        assert "<form" not in html

    def test_entries(self, client: FlaskClient, history: History) -> None:
        history.add(analysis(1, uncertain=True, filename="<b>bold</b>.wav"))
        html = page(client)
        assert "1 recording, the newest first" in html
        assert "&lt;b&gt;bold&lt;/b&gt;.wav" in html
        assert "<b>bold" not in html
        assert "75&#8239;%" in html
        assert "(a guess)" in html
        assert 'href="/results/id0001"' in html
        assert "21 Nov 2025, 13:30" in html
        assert 'aria-label="Through the recording: ' in html

    def test_a_small_timeline(self, client: FlaskClient, history: History) -> None:
        sad = Segment(0.0, 6.0, PREDICTION), Segment(6.0, 12.5, PREDICTION)
        history.add(analysis(1, segments=sad, label="sad"))
        history.add(analysis(2, segments=(), label="sad"))
        html = page(client)
        colours = re.findall(r'<rect x="0" width="60" height="1" class="([\w-]+)"', html)
        assert colours == ["emotion-happy"]  # what its windows say
        assert '<rect width="60" height="1" class="emotion-sad"/>' in html  # the short one's own

    def test_what_was_asked_for_stays_in_the_form(
        self, client: FlaskClient, history: History
    ) -> None:
        fill(history, 3)
        history.add(analysis(3, model="cnn", uncertain=True))
        html = page(
            client, "/history?search=%22clip&emotion=sad&from=2025-11-20&uncertain=true&model=cnn"
        )
        assert 'value="&#34;clip"' in html
        assert 'value="sad" checked' in html
        assert 'value="2025-11-20"' in html
        assert "<option selected>cnn" in html
        assert '<details class="more" open>' in html
        assert "0 recordings match" in html
        assert "Nothing matches" in html

    def test_links_keep_what_was_asked_for(self, client: FlaskClient, history: History) -> None:
        fill(history, 3)
        html = page(client, "/history?search=clip&emotion=happy&limit=1")
        assert 'href="/history.csv?search=clip&amp;emotion=happy"' in html
        assert 'href="/history.json?search=clip&amp;emotion=happy"' in html
        older = re.search(r'rel="next" href="([^"]+)"', html)[1].replace("&amp;", "&")
        assert "clip1.wav" in page(client, older)
        assert html.count('<input type="hidden" name="search" value="clip">') == 2

    def test_an_error_is_a_page_too(self, client: FlaskClient) -> None:
        response = client.get("/history?from=yesterday", headers=BROWSER)
        assert (response.status_code, response.mimetype) == (400, "text/html")
        assert "is no day" in response.get_data(as_text=True)

    def test_every_page_leads_to_it(self, client: FlaskClient) -> None:
        for path in ("/", "/nothing", "/history"):
            html = client.get(path, headers=BROWSER).get_data(as_text=True)
            assert '<a href="/history"' in html
        assert '<a href="/history" aria-current="page">' in html


class TestCrossSite:
    """Another site's page may send forms here; they change nothing (CSRF)."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},  # another port of the same machine
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
            {"Origin": "https://evil.example"},
            {"Origin": "http://localhost:8080"},
            {"Origin": "null"},
        ],
    )
    def test_refused(self, client: FlaskClient, history: History, headers: dict[str, str]) -> None:
        fill(history, 1)
        for send, path in (
            (client.post, "/history/delete"),
            (client.post, "/results/id0000/delete"),
            (client.delete, "/history"),
            (client.post, "/upload"),
        ):
            assert_error(send(path, headers=headers), 403, "cross-site")
        assert client.get("/history", headers=headers).get_json()["total"] == 1

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
            {"Sec-Fetch-Site": "none"},
            {"Origin": "http://localhost"},
            {"Origin": LISTED, "Sec-Fetch-Site": "same-site"},
            {"Origin": LISTED.upper()},
            {"Origin": "https://localhost"},  # a proxy that speaks TLS stands before us
        ],
    )
    def test_let_through(
        self, client: FlaskClient, history: History, headers: dict[str, str]
    ) -> None:
        fill(history, 1)
        assert client.delete("/history", headers=headers).get_json() == {"deleted": 1}


def test_a_stream_that_breaks_is_not_taken_for_whole(
    client: FlaskClient, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(history, 1)
    entries = list(history.entries(Filter()))

    def break_off(_: object) -> Any:
        yield from entries
        raise StoreError("Gone in the middle.")

    monkeypatch.setattr(history, "entries", break_off)
    with pytest.raises(StoreError):  # what a server turns into a connection that is cut
        client.get("/history.json").get_data()


def test_an_old_day_is_no_trouble(client: FlaskClient, history: History) -> None:
    history.add(analysis(0, created_at=START - timedelta(days=300 * 365)))
    assert client.get("/history?from=0001-01-01&to=9999-12-31").get_json()["total"] == 1
