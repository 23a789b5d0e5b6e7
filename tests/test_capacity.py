"""What is too much is refused at once, and what was refused leaves nothing behind."""

import io
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from tests.conftest import upload
from tests.test_error_shape import BROWSER, assert_error
from undertone.errors import Busy, TooSlow
from undertone.settings import Settings
from undertone.web import capacity
from undertone.web.capacity import Body, Budget, Deadlines, Turns


def wait_until_full(turns: Turns) -> None:
    while turns._places._value:
        time.sleep(0.02)


class TestTurns:
    def test_who_comes_too_many_is_refused_at_once_and_who_waits_gets_a_turn(self) -> None:
        turns = Turns(n_at_once=2, n_waiting=1)
        n_inside, both, go_on = [], threading.Barrier(3), threading.Event()

        def hold() -> None:
            with turns.taken():
                n_inside.append(1)
                if len(n_inside) <= 2:
                    both.wait()
                go_on.wait()

        threads = [threading.Thread(target=hold) for _ in range(2)]
        for each in threads:
            each.start()
        both.wait()
        waiting = threading.Thread(target=hold)
        waiting.start()
        wait_until_full(turns)
        assert len(n_inside) == 2
        with pytest.raises(Busy), turns.taken():
            pass
        go_on.set()
        for each in (*threads, waiting):
            each.join()
        assert len(n_inside) == 3
        with turns.taken():
            pass

    def test_a_turn_that_fails_is_given_back(self) -> None:
        turns = Turns(1, 0)
        for _ in range(3):
            with pytest.raises(ValueError, match="x"), turns.taken():
                raise ValueError("x")


class TestBody:
    def test_what_is_held_counts_until_it_is_let_go(self) -> None:
        budget = Budget(100)
        disk = Budget(0)
        one, two, three = (Body(io.BytesIO(bytes(80)), budget, disk) for _ in range(3))
        assert one.read(60) == bytes(60)
        with pytest.raises(Busy):
            two.read(60)
        one.let_go()
        one.let_go()
        assert len(three.read(80)) == 80
        three.let_go()
        budget.take(100)

    def test_the_slowest_rate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now_s = [0.0]
        monkeypatch.setattr(capacity.time, "monotonic", lambda: now_s[0])
        body = Body(io.BytesIO(bytes(10**6)), Budget(10**6), Budget(0))
        body.read(32 * 1024)
        now_s[0] = 31.5  # 30 s, and 2 s more for what came
        assert body.read(1) == b"\0"
        now_s[0] = 33.0
        with pytest.raises(TooSlow):
            body.read(1)

    def test_deadlines_end_the_reading_from_outside(self) -> None:
        class Socket:
            ended = 0

            def shutdown(self, _how: int) -> None:
                self.ended += 1
                raise OSError("gone")

        late, early, done = Socket(), Socket(), Socket()
        deadlines = Deadlines()
        deadlines.set(late, -1.0)
        deadlines.set(early, 1000.0)
        deadlines.set(done, -1.0)
        deadlines.clear(done)
        deadlines.sweep()
        deadlines.sweep()
        assert (late.ended, early.ended, done.ended) == (1, 0, 0)


class _Stuck:
    """Analyses that last until they are let go."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on, self.begun = threading.Event(), threading.Semaphore(0)
        analyzer = app.extensions["undertone"]
        really = analyzer.analyse

        def analyse(*arguments: Any, **options: Any) -> Any:
            self.begun.release()
            self.go_on.wait()
            return really(*arguments, **options)

        monkeypatch.setattr(analyzer, "analyse", analyse)


def test_beyond_capacity_there_is_a_503_at_once(
    tmp_path: Path, voice_wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(Settings(data_dir=tmp_path, threads=1, waiting=1))
    stuck, answers = _Stuck(app, monkeypatch), []

    def send() -> None:
        answers.append(app.test_client().post("/api/predict", **upload(voice_wav)))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for each in threads:
        each.start()
    stuck.begun.acquire()
    wait_until_full(app.extensions["undertone.turns"])
    response = app.test_client().post("/upload", **upload(voice_wav))
    assert_error(response, 503, "busy")
    assert int(response.headers["Retry-After"]) > 0
    page = app.test_client().post("/result", headers=BROWSER, **upload(voice_wav))
    assert page.status_code == 503
    assert "waiting to be analysed" in page.get_data(as_text=True)
    assert app.test_client().get("/health").status_code == 200
    stuck.go_on.set()
    for each in threads:
        each.join()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert app.test_client().post("/upload", **upload(voice_wav)).status_code == 200
    app.extensions["undertone"].history.close()


def test_uploads_have_so_much_memory_and_give_it_back(
    tmp_path: Path, voice_wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path, max_upload_mb=1.0, uploads_mb=2.0)
    app = create_app(settings)
    stuck = _Stuck(app, monkeypatch)
    large = voice_wav + bytes(1_000_000 - len(voice_wav))
    threads = [
        threading.Thread(target=lambda: app.test_client().post("/upload", **upload(large)))
        for _ in range(2)
    ]
    for each in threads:
        each.start()
        stuck.begun.acquire()
    response = app.test_client().post("/upload", **upload(large))
    assert_error(response, 503, "busy")
    assert "received" in response.get_json()["error"]
    stuck.go_on.set()
    for each in threads:
        each.join()
    assert app.test_client().post("/upload", **upload(large)).status_code == 200
    app.extensions["undertone"].history.close()


def test_refusals_leave_no_memory_held(app: Flask, client: FlaskClient) -> None:
    for _ in range(6):  # of 4 MiB
        assert client.post("/upload", **upload(bytes(1_500_000))).status_code == 415
        assert client.post("/upload", **upload(bytes(3_000_000))).status_code == 413
        assert client.post("/nothing", **upload(bytes(1_500_000))).status_code == 404
