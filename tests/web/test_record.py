"""What a request leaves behind: its number, one line of the log with the decision, a mail after a burst; nothing of any subject."""

from __future__ import annotations

import logging
import re

import pytest

from tests.actions.screening import screen_recipient
from tests.web.site import ADMINISTRATOR, settings_for, text
from trialcrf.actions import NotClean
from trialcrf.core.rhythm import RHYTHMS
from trialcrf.core.wording import Message
from trialcrf.jobs import Job, Means
from trialcrf.jobs.clock import wake
from trialcrf.jobs.deliver import deliver
from trialcrf.store import outbox, sites
from trialcrf.store.audit import Who
from trialcrf.web import record

STUDY = "/studies/msc_ssc"


def lines(caplog) -> list[dict[str, object]]:
    return [one.fields for one in caplog.records if getattr(one, "event", "") == "request"]


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO, "trialcrf.request")
    return caplog


def test_every_answer_has_a_number_of_its_own_that_the_log_has_too(house, logged):
    stranger = house.app.test_client()
    first, second = stranger.get("/sign-in", headers={"X-Request-Id": "forged-by-somebody"}), stranger.get("/nowhere")
    numbers = [one.headers["X-Request-Id"] for one in (first, second)]
    assert all(re.fullmatch(r"[0-9a-f]{16}", one) for one in numbers)
    assert [one["request"] for one in lines(logged)] == numbers
    assert numbers[1] in text(second)


def test_only_a_proxy_of_ours_may_number_a_request(house):
    house.app.config["PROXIES"] = 1
    stranger = house.app.test_client()
    assert stranger.get("/sign-in", headers={"X-Request-Id": "0123-abcd.proxy"}).headers["X-Request-Id"] == "0123-abcd.proxy"
    assert stranger.get("/sign-in", headers={"X-Request-Id": "a b"}).headers["X-Request-Id"] != "a b"


def test_every_decision_is_logged_with_its_verb_and_without_the_subject(house, logged):
    subject = screen_recipient(house.world)
    cora, olga, sam = (house.client(name) for name in ("cora", "olga", "sam"))
    logged.clear()
    for one in (cora, olga, sam):
        one.get(f"{STUDY}/subjects/{subject.key}?find=Dupont")
    house.app.test_client().get(f"{STUDY}/subjects/{subject.key}")
    told_ = [(one.get("account"), one["status"], one["verb"], one["authorisation"], one["route"]) for one in lines(logged)]
    rule, verb = "/studies/<study>/subjects/<subject>", "casebook.open"
    assert told_ == [
        (house.account("cora"), 200, verb, "allowed", rule),
        (house.account("olga"), 404, verb, "refused", rule),
        (house.account("sam"), 403, verb, "refused", rule),
        (None, 302, verb, "refused", rule),
    ]
    assert lines(logged)[0]["site"] == "01" and lines(logged)[0]["study"] == "msc_ssc"
    everything = str([vars(one) for one in logged.records if one.name.startswith("trialcrf")])
    assert subject.key not in everything and "Dupont" not in everything and "cora" not in everything


def test_a_failure_is_logged_under_the_number_that_its_page_shows(house, logged, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("Dupont")

    monkeypatch.setattr(sites, "all_of", broken)
    cora = house.client("cora")
    answer = cora.get(f"{STUDY}/subjects")
    (failed,) = [one for one in logged.records if getattr(one, "event", "") == "error"]
    assert answer.status_code == 500
    assert failed.fields["request"] == answer.headers["X-Request-Id"]
    assert failed.fields["request"] in text(answer)
    assert "Dupont" not in answer.text + failed.getMessage()


def test_many_refusals_of_one_account_are_told_to_administrators_once(each_house):
    sam = each_house.client("sam")
    for _ in range(record.MANY * 2 + 1):
        assert sam.get("/people").status_code == 403
    with each_house.world.read() as tx:
        mails = [one for one in outbox.all_of(tx) if one.kind == "refusals"]
    assert [one.username for one in mails] == [ADMINISTRATOR]


def test_few_refusals_are_told_to_nobody(house):
    sam = house.client("sam")
    for _ in range(record.MANY - 1):
        sam.get("/people")
    for _ in range(record.MANY):
        assert sam.get("/account").status_code == 200
    with house.world.read() as tx:
        assert not [one for one in outbox.all_of(tx) if one.kind == "refusals"]


def test_a_broken_chain_is_told_to_administrators_once_a_day_and_the_mails_can_be_read(each_house, tmp_path):
    def found(_means: object, _now: object) -> Message:
        raise NotClean(Message("Chain x, record 3: the record was altered."))

    sam = each_house.client("sam")
    for _ in range(record.MANY):
        sam.get("/people")
    means = Means.of(settings_for(str(each_house.world.engine.url), tmp_path), each_house.world.engine)
    for _ in range(2):
        wake(means, Job(RHYTHMS["audit-verify"], found))
    deliver(each_house.world.engine, means.post, "http://here", Who.system("jobs"))
    with each_house.world.read() as tx:
        assert {one.kind: (one.username, one.state) for one in outbox.all_of(tx)} == {
            "alarm": (ADMINISTRATOR, outbox.SENT),
            "refusals": (ADMINISTRATOR, outbox.SENT),
        }
    mails = [path.read_text() for path in sorted(means.settings.mail_folder.glob("*.eml"))]
    assert len(mails) == 2
