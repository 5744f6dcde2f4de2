"""A monitoring visit on the screen: planned, held, told in a letter that site and sponsor read, followed up and closed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.web.site import Browser, House, text
from tests.web.test_verification import CONSENT, VISIT, form_id, seen
from trialcrf.actions.records import report
from trialcrf.core.packs.monitoring import MonitoringLetter
from trialcrf.store import audit, monitoring, replay, reports, sites

LIST = "/studies/msc_ssc/monitoring"
ONE = LIST + "/01/1"
PLAN = {"where": "01", "purpose": "routine", "day": "20", "month": "11", "year": "2026", "text": "Premiers sujets"}
PDF = b"%PDF-1.7 not a real one"


def ledger(house: House) -> list[str]:
    with house.world.read() as tx:
        where = sites.find(tx, "msc_ssc", "01")
        assert where
        found = monitoring.find(tx, where, 1)
    return [one.kind.value for one in found.entries] if found else []


def does(browser: Browser, house: House, act: str, **boxes: Any) -> int:
    return browser.post(f"{ONE}/{act}", {"seen": str(len(ledger(house))), **boxes}).status_code


DAY = {"day": "20", "month": "11", "year": "2026"}


def hold(house: House) -> House:
    """A visit of site 01 that is being held, with one recipient there."""
    house.world.enrol("recipient", "01", **CONSENT)
    mona = house.client("mona")
    assert mona.post(LIST, PLAN).status_code == 303
    assert does(mona, house, "sample") == 303 and does(mona, house, "held", **DAY, length="2", text="Ivan") == 303
    return house


@pytest.fixture
def held(house: House) -> House:
    return hold(house)


def test_a_visit_goes_from_its_plan_to_its_end_and_is_not_closed_over_an_open_action(each_house):
    held = hold(each_house)
    mona = held.client("mona")
    number = form_id(held)
    with held.world.read() as tx:
        [visit] = monitoring.all_of(tx, "msc_ssc")
    mona.post(VISIT, {"seen": seen(mona), f"q.{number}:ICF_LANG": "Langue ?", "during": str(visit.id)})
    assert does(mona, held, "finding", severity="major", subject="R-01-001", text="Version ancienne") == 303
    assert does(mona, held, "action", finding="6", owner="site", day="30", month="11", year="2026", text="Faire signer") == 303
    page = text(mona.get(ONE))
    assert "Version ancienne" in page and "Faire signer" in page and "R-01-001" in page
    assert does(mona, held, "close", text="") == 409, "its letter is not sent yet"
    assert does(mona, held, "sent", **DAY, text="Ivan", report="0") == 303
    assert does(mona, held, "finding", severity="minor", subject="", text="Trop tard") == 409
    assert does(mona, held, "close", text="") == 409, "an action is open"
    assert does(mona, held, "done", action="7", text="Vu au dossier") == 303
    assert does(mona, held, "close", text="Tout est fait") == 303
    kinds = ["planned", "sample", "held", "verified", "query", "finding", "action", "letter_sent", "follow_up_done", "closed"]
    assert ledger(held) == kinds
    with held.world.read() as tx:
        assert audit.broken(tx.connection) is None and not list(replay.differences(tx))


def test_the_letter_is_drawn_from_the_ledger_and_names_no_value(held):
    mona = held.client("mona")
    does(mona, held, "finding", severity="critical", subject="R-01-001", text="Consentement absent")
    assert mona.post(ONE + "/letter", {"seen": str(len(ledger(held))), "language": "fr"}).status_code == 303
    with held.world.read() as tx:
        [ordered] = reports.all_of(tx, "msc_ssc")
        value = report.value_of(tx, ordered)
    assert isinstance(value, MonitoringLetter)
    assert (value.site, value.number, value.monitor, [one.text for one in value.findings]) == ("01", 1, "Mona", ["Consentement absent"])
    assert value.sample and [one.subject for one in value.sample] == ["R-01-001"]
    assert report.file_of(ordered).startswith("msc_ssc-monitoring-01-visit1-")


def test_the_letter_is_read_by_monitor_site_and_sponsor_and_by_nobody_else(held):
    mona = held.client("mona")
    mona.post(ONE + "/letter", {"seen": str(len(ledger(held))), "language": "fr"})
    with held.world.read() as tx:
        [ordered] = reports.all_of(tx, "msc_ssc")
    folder = Path(held.app.config["DATA"]) / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "letter.pdf").write_bytes(PDF)
    with held.world.write("trialcrf") as tx:
        reports.drawn(tx, ordered.id, 1, "c" * 64, hashlib.sha256(PDF).hexdigest(), "letter.pdf")
    url = f"{ONE}/letter-{ordered.id}.pdf"
    assert url in mona.get(ONE).text
    for name in ("mona", "ivan", "cora", "sam"):
        assert held.client(name).get(url).data == PDF, name
    assert held.client("olga").get(url).status_code == 404
    assert held.client("lara").get(url).status_code in (403, 404)
    assert mona.get(f"{LIST}/01/2/letter-{ordered.id}.pdf").status_code == mona.get(f"{ONE}/letter-999.pdf").status_code == 404
    assert does(mona, held, "sent", **DAY, text="Ivan", report="999") == 422
    assert does(mona, held, "sent", **DAY, text="Ivan", report=str(ordered.id)) == 303


def test_who_only_reads_writes_nothing_and_another_site_sees_no_visit(held):
    for name in ("cora", "ivan", "dana", "sam"):
        someone = held.client(name)
        assert someone.post(LIST, PLAN).status_code == 403, name
        assert does(someone, held, "finding", severity="minor", subject="", text="x") in (403, 404), name
        page = someone.get(ONE)
        assert page.status_code == 200 and 'name="seen"' not in page.text, name
    olga = held.client("olga")
    assert olga.get(ONE).status_code == 404 and "no. 1" not in text(olga.get(LIST)) and olga.get(LIST + "?site=01").status_code == 404
    assert len(ledger(held)) == 3


def test_two_monitors_cannot_write_the_same_next_line(held):
    mona = held.client("mona")
    old = str(len(ledger(held)))
    assert does(mona, held, "finding", severity="minor", subject="", text="Premier") == 303
    assert mona.post(ONE + "/finding", {"seen": old, "severity": "minor", "subject": "", "text": "Second"}).status_code == 409
    assert ledger(held).count("finding") == 1


WRONG = [
    ("finding", {"severity": "huge", "text": "x"}, "severity"),
    ("finding", {"severity": "minor", "text": " "}, "text"),
    ("finding", {"severity": "minor", "subject": "R-02-001", "text": "x"}, "subject"),
    ("action", {"owner": "nobody", **DAY, "text": "x"}, "owner"),
    ("action", {"owner": "site", "day": "31", "month": "2", "year": "2026", "text": "x"}, "day"),
    ("sent", {**DAY, "year": "2199", "text": "Ivan"}, "day"),
    ("sent", {**DAY, "text": ""}, "text"),
]


def test_what_cannot_be_written_is_said_at_its_box(held):
    mona = held.client("mona")
    for act, boxes, field in WRONG:
        answer = mona.post(f"{ONE}/{act}", {"seen": "3", "finding": "0", **boxes})
        assert answer.status_code == 422 and f'id="error-{act}-{field}"' in answer.text, (act, field)
    assert len(ledger(held)) == 3


def test_a_visit_that_does_not_take_place_is_cancelled_with_a_reason(house):
    mona = house.client("mona")
    assert mona.post(LIST, {**PLAN, "where": "09"}).status_code == 422
    assert mona.post(LIST, {**PLAN, "day": ""}).status_code == 422
    assert mona.post(LIST, PLAN).status_code == 303
    assert does(mona, house, "letter", language="fr") == 409
    assert does(mona, house, "cancel", text="") == 422 and does(mona, house, "cancel", text="Grève") == 303
    assert does(mona, house, "held", **DAY, length="1", text="") == 409
    assert mona.post(ONE + "/nothing", {"seen": "2"}).status_code == 404
