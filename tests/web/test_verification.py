"""Verification on the screen: a monitor verifies a visit but for two exceptions, and a later change shows what was verified."""

from __future__ import annotations

import re

import pytest

from tests.actions.world import typed
from tests.web.site import Browser, House, text
from trialcrf.actions.oversight import lock
from trialcrf.core.document import FormKey
from trialcrf.core.workflow import QueryState
from trialcrf.store import audit, forms, query_lists, replay, verifications

CONSENT = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1976), "SEX_BIRTH": "F",
}  # fmt: skip
BASE = "/studies/msc_ssc"
VISIT = BASE + "/subjects/R-01-001/SCR/1/verification"


@pytest.fixture
def enrolled(house: House) -> House:
    house.world.enrol("recipient", "01", **CONSENT)
    return house


def seen(browser: Browser, url: str = VISIT) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', browser.get(url).text)
    return found[1] if found else ""


def form_id(house: House) -> int:
    with house.world.read() as tx:
        found = forms.read(tx, house.world.subject("R-01-001").id, FormKey("SCR", "RENROL"))
    assert found
    return found.id


def clean(house: House) -> bool:
    with house.world.read() as tx:
        return audit.broken(tx.connection) is None and not list(replay.differences(tx))


def test_a_visit_is_verified_with_two_exceptions_one_asks_and_a_correction_comes_back(each_house):
    each_house.world.enrol("recipient", "01", **CONSENT)
    enrolled = each_house
    mona, cora = enrolled.client("mona"), enrolled.client("cora")
    number = form_id(enrolled)
    read = text(mona.get(VISIT))
    assert "Date de signature du consentement" in read
    sent = {"seen": seen(mona), f"x.{number}:ICF_VERSION": "1", f"q.{number}:ICF_LANG": "La note du 2 novembre est en anglais"}
    answer = mona.post(VISIT, sent)
    assert answer.status_code == 303 and answer.location.endswith("done=verified_queries")
    with enrolled.world.read() as tx:
        held = verifications.of_forms(tx, [number])[number]
        asked = [one for one in query_lists.all_of(tx, "msc_ssc", ["01"], [QueryState.OPEN]) if not one.check]
    assert {place.item for place in held} >= {"ICF_DATE", "ICF_SIGNED", "BIRTH_MONTH", "ICF_TIME"}
    assert not {place.item for place in held} & {"ICF_VERSION", "ICF_LANG"}
    assert [(one.place.item, one.opened_by) for one in asked] == [("ICF_LANG", "mona")]
    enrolled.world.save(enrolled.world.subject("R-01-001"), "RENROL", "SCR", typed(1, "TYPO", ICF_DATE=(3, 11, 2026)))
    page = mona.get(VISIT).text
    changed = re.search(r'<tr class="is-changed">.*?</tr>', page, re.S)
    assert changed and page.count('class="is-changed"') == 1
    assert "3" in changed[0] and "was" in changed[0] and re.search(r"0?2/11/2026", changed[0])
    assert "Date de signature" in text(cora.get(VISIT)) and 'name="seen"' not in cora.get(VISIT).text, (
        "the site reads it and verifies nothing"
    )
    entry = mona.get(BASE + "/subjects/R-01-001/SCR/1/RENROL/1").text
    assert entry.count('class="sdv-mark changed"') == 1 and entry.count('class="sdv-mark verified"') >= 3
    assert clean(enrolled)


def test_a_page_that_is_stale_verifies_nothing(enrolled):
    mona = enrolled.client("mona")
    sent = {"seen": seen(mona)}
    enrolled.world.save(enrolled.world.subject("R-01-001"), "RENROL", "SCR", typed(1, "TYPO", ICF_DATE=(3, 11, 2026)))
    answer = mona.post(VISIT, sent)
    assert answer.status_code == 409 and 'role="alert"' in answer.text
    with enrolled.world.read() as tx:
        assert verifications.of_forms(tx, [form_id(enrolled)]) == {form_id(enrolled): {}}


def test_only_a_monitor_verifies_and_another_site_has_no_such_page(enrolled):
    token = seen(enrolled.client("mona"))
    for name, status in (("cora", 404), ("ivan", 404), ("dana", 403), ("sam", 403)):
        assert enrolled.client(name).post(VISIT, {"seen": token}).status_code in (403, status), name
    assert enrolled.client("olga").get(VISIT).status_code == 404
    assert enrolled.client("sam").get(VISIT).status_code in (403, 404)
    assert enrolled.client("mona").get(BASE + "/subjects/R-01-001/DSCR/1/verification").status_code == 404


def test_a_verification_is_taken_back_with_a_reason(enrolled):
    mona = enrolled.client("mona")
    mona.post(VISIT, {"seen": seen(mona)})
    value = f"{form_id(enrolled)}:ICF_DATE"
    assert 'id="back"' in mona.get(f"{VISIT}?back={value}").text
    assert mona.post(VISIT + "/back", {"value": value, "reason": " "}).status_code == 422
    assert mona.post(VISIT + "/back", {"value": "nonsense", "reason": "x"}).status_code == 422
    assert mona.post(VISIT + "/back", {"value": value, "reason": "Mauvais dossier"}).status_code == 303
    assert mona.get(VISIT).text.count('class="is-back"') == 1
    assert enrolled.client("cora").post(VISIT + "/back", {"value": value, "reason": "x"}).status_code in (403, 404)


def test_nothing_is_verified_under_a_lock_and_the_attempt_is_in_the_trail(enrolled):
    mona = enrolled.client("mona")
    token = seen(mona)
    with enrolled.world.write("dana") as tx:
        thing = lock.find(tx, enrolled.world.published, f"form/{form_id(enrolled)}")
        assert thing
        lock.lock(tx, thing, "finished")
    answer = mona.post(VISIT, {"seen": token})
    assert answer.status_code == 409 and "Date de signature" in text(answer)
    with enrolled.world.read() as tx:
        told = audit.history(tx.connection, "refusal", str(enrolled.world.subject("R-01-001").id))
    assert told and "mona" in {one.actor for one in told}


def test_coverage_is_told_by_site_and_by_subject_and_as_csv(enrolled):
    enrolled.world.enrol("recipient", "02", **CONSENT)
    mona = enrolled.client("mona")
    mona.post(VISIT, {"seen": seen(mona), f"x.{form_id(enrolled)}:ICF_VERSION": "1"})
    page = text(mona.get(BASE + "/verification"))
    assert "R-01-001" in page and "R-02-001" in page and "msc_ssc-2026" in page
    lines = mona.get(BASE + "/verification.csv").text.lstrip("\ufeff").split("\r\n")
    assert lines[1].startswith("01,R-01-001,6,5,0,1,") and lines[1].endswith(",83") and lines[2].startswith("02,R-02-001,6,0,0,6,0,0")
    olga = enrolled.client("olga")
    assert "R-01-001" not in text(olga.get(BASE + "/verification")) and "R-01-001" not in olga.get(BASE + "/verification.csv").text
    assert olga.get(BASE + "/verification?site=01").status_code == 404
    assert enrolled.client("sam").get(BASE + "/verification").status_code == 403
    by_visit = text(mona.get(BASE + "/subjects/R-01-001/verification"))
    assert "Sélection du receveur" in by_visit and "83" in by_visit


def test_what_somebody_may_not_read_is_neither_shown_nor_counted_nor_taken_back(enrolled):
    enrolled.world.enrol("donor", "01", DICF_DATE=(2, 11, 2026), DICF_VERSION="1", DICF_LANG="fr", DICF_SIGNED="Y")
    donor = enrolled.world.subject("D-01-001")
    enrolled.world.save(donor, "DSEROLOGY", "DSCR", typed(None, DSEROLOGY_DATE=(3, 11, 2026), HIV1="NEGATIVE"), name="dora")
    url = BASE + "/subjects/D-01-001/DSCR/1/verification?show=all"
    cora, mona = enrolled.client("cora"), enrolled.client("mona")
    assert "VIH 1" in text(mona.get(url)) and "VIH 1" not in text(cora.get(url))

    def beyond(browser: Browser) -> str:
        mine = next(line for line in browser.get(BASE + "/verification.csv").text.split("\r\n") if "D-01-001" in line)
        return mine.split(",")[-2]

    mona.post(url, {"seen": seen(mona, url)})
    assert int(beyond(mona)) > int(beyond(cora)), "what was verified of the donor’s tests is not even counted for who may not read them"
