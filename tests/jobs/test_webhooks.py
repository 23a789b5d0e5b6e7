import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.jobs.conftest import add
from tests.jobs.test_posting import Receiver, running_receiver
from undertone.errors import JobNotFound, WebhookRefused
from undertone.jobs import webhooks as module
from undertone.jobs.claims import Claims
from undertone.jobs.store import Jobs
from undertone.jobs.webhooks import PAUSES, Webhooks
from undertone.store.history import History

SECRET = "a secret of sixteen characters"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def webhooks(history: History, jobs: Jobs, receiver: Receiver) -> Webhooks:
    receiver.got.clear()
    receiver.answers.clear()
    return Webhooks(history.engine, jobs, SECRET, allow_private=True)


class Clock:
    """A clock that can be set forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta(0)
        monkeypatch.setattr(module, "datetime", self)

    def now(self, zone: object) -> datetime:
        return datetime.now(zone) + self.ahead


def test_it_works(webhooks: Webhooks, jobs: Jobs, claims: Claims, receiver: Receiver) -> None:
    add(jobs, "j", ["a.wav"], webhook=receiver.url)
    assert not webhooks.step()
    assert jobs.get("j").webhook.state == "waiting"
    jobs.cancel("j")
    assert webhooks.any_unfinished()
    assert webhooks.step()
    assert not webhooks.step()
    assert not webhooks.any_unfinished()

    told = jobs.get("j").webhook
    assert (told.state, told.attempts, told.problem) == ("delivered", 1, "")
    ((_, headers, body),) = receiver.got
    event = json.loads(body)
    job = jobs.get("j").to_dict()
    assert event["type"] == "job.cancelled"
    assert event["timestamp"] == job["finished_at"]
    assert {**event["data"], "webhook": None} == {**job, "webhook": None}
    assert headers["Content-Type"] == "application/json"


def test_the_signature(webhooks: Webhooks, jobs: Jobs, receiver: Receiver) -> None:
    """As a receiver checks it who knows only what docs/jobs.md says."""
    add(jobs, "j", ["a.wav"], webhook=receiver.url)
    jobs.cancel("j")
    webhooks.step()
    ((_, headers, body),) = receiver.got
    assert headers["webhook-id"] == "j"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 600
    signed = b"j." + headers["webhook-timestamp"].encode() + b"." + body
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())
    assert headers["webhook-signature"] == f"v1,{expected.decode()}"


def test_trying_again(
    webhooks: Webhooks, jobs: Jobs, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    receiver.answers = [500, 302]
    add(jobs, "j", ["a.wav"], webhook=receiver.url)
    jobs.cancel("j")
    for attempt, pause in enumerate(PAUSES[:2], 1):
        assert webhooks.step()
        assert not webhooks.step()
        told = jobs.get("j").webhook
        assert (told.state, told.attempts) == ("due", attempt)
        assert webhooks.any_unfinished()
        clock.ahead += pause - timedelta(seconds=1)
        assert not webhooks.step()
        clock.ahead += timedelta(seconds=1)
    assert told.problem == "Answered with 302; other addresses are not followed."
    assert webhooks.step()
    told = jobs.get("j").webhook
    assert (told.state, told.attempts, told.problem) == ("delivered", 3, "")
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1


def test_giving_up(
    webhooks: Webhooks, jobs: Jobs, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    receiver.answers = [500] * 100
    add(jobs, "j", ["a.wav"], webhook=receiver.url)
    jobs.cancel("j")
    while webhooks.step():
        clock.ahead += timedelta(days=1)
    told = jobs.get("j").webhook
    assert (told.state, told.attempts) == ("given up", len(PAUSES) + 1)
    assert told.problem == "Answered with 500."
    assert not webhooks.any_unfinished()


def test_one_who_wants_no_more(webhooks: Webhooks, jobs: Jobs, receiver: Receiver) -> None:
    receiver.answers = [410]
    add(jobs, "j", ["a.wav"], webhook=receiver.url)
    jobs.cancel("j")
    webhooks.step()
    assert jobs.get("j").webhook.state == "given up"


def test_one_who_dies_on_the_way_is_followed_by_another(
    webhooks: Webhooks, jobs: Jobs, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    add(jobs, "j", ["a.wav"], webhook=receiver.url)
    jobs.cancel("j")

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as dying, pytest.raises(SystemExit):
        dying.setattr(module.posting, "post", die)
        webhooks.step()
    assert not webhooks.step()
    clock.ahead += module.LEASE
    assert webhooks.step()
    assert jobs.get("j").webhook.state == "delivered"


def test_a_job_that_is_deleted_meanwhile(
    webhooks: Webhooks, jobs: Jobs, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(jobs, "j", ["a.wav"], webhook=receiver.url)
    jobs.cancel("j")
    monkeypatch.setattr(module.posting, "post", lambda *_: jobs.delete("j"))
    assert webhooks.step()
    assert not webhooks.any_unfinished()
    with pytest.raises(JobNotFound):
        jobs.get("j")


def test_only_with_a_secret(history: History, jobs: Jobs, receiver: Receiver) -> None:
    none = Webhooks(history.engine, jobs, "", allow_private=True)
    none.check("")
    with pytest.raises(WebhookRefused, match="UNDERTONE_WEBHOOK_SECRET"):
        none.check(receiver.url)


def test_only_to_the_outside_unless_allowed(
    history: History, jobs: Jobs, webhooks: Webhooks, receiver: Receiver
) -> None:
    webhooks.check(receiver.url)
    strict = Webhooks(history.engine, jobs, SECRET, allow_private=False)
    with pytest.raises(WebhookRefused, match="inner network"):
        strict.check(receiver.url)
    # What was allowed once is looked at again each time.
    add(jobs, "j", ["a.wav"], webhook=receiver.url)
    jobs.cancel("j")
    strict.step()
    assert jobs.get("j").webhook.state == "given up"
    assert not receiver.got
    assert datetime.now(UTC) > jobs.get("j").finished_at
