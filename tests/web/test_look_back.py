"""The look-back on a page: what it reaches and for whom it is told, the recall behind a key typed again, and no word of what was found."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import select

from tests.actions.cells_world import make_batch
from tests.web.cells_site import cells_house
from tests.web.site import Browser, House, text
from tests.web.trace_site import FAR, STUDY, english, two_sites
from trialcrf.actions.cells import gather
from trialcrf.core.lock import Address, Level
from trialcrf.core.product.identity import Kind, label
from trialcrf.core.product.stock import Incident
from trialcrf.store import audit, forms, locks
from trialcrf.store.models import outbox

PAGE = f"{STUDY}/subjects/D-01-001/look-back"
GOOD = {"day": "20", "month": "11", "year": "2026", "note": "Bags blocked, letters sent.", "confirm": "D-01-001", "told": ["SPONSOR"]}


@pytest.fixture
def house(databases, tmp_path):
    url = databases.fresh("sqlite", two_sites())
    made = cells_house(url, tmp_path)
    yield made
    made.close()
    databases.drop(url)


@pytest.fixture
def each(database_url, tmp_path):
    made = cells_house(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def filling():
    return two_sites()


def incidents(house: House, batch: str = "B-01-001") -> tuple[Incident, ...]:
    with house.world.read() as tx:
        return gather.chain_now(tx, house.world.published.study).stock.batches[batch].incidents


def send(someone: Browser, page: str = PAGE, **changed: object):
    return someone.post(page, {**GOOD, **changed})


def facts(page: str) -> dict[str, str]:
    """The numbers on top, by what they count."""
    return dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page))


def test_the_page_counts_what_a_finding_reaches(house):
    make_batch(house.world, house.cells.donor, "SECOND", ("SECOND-A",))
    page = english(house, "quin").get(PAGE)
    assert facts(page.text) == {
        "Batches": "2", "Bags: On hand": "1", "Bags: In transit": "0", "Bags: Given": "2", "Bags: Discarded": "0",
        "Recipients who got one": "2", "Sites of recipients": "01, 02",
    }  # fmt: skip
    assert "What was found at the donor is the donor’s secret" in text(page)
    assert (text(page).count("not recalled yet"), text(page).count("not recalled")) == (2, 2 + 3)


def test_who_is_to_be_told_is_listed_with_its_source_to_be_verified(house):
    said = text(english(house, "quin").get(PAGE))
    for name in ("Sponsor", "Investigators of the recipients concerned", "Biovigilance officer", "Safety board"):
        assert name in said
    assert "Source: Décret 2016-1622 du 29 novembre 2016, to be verified" in said


def test_the_keys_of_recipients_are_told_only_to_who_may_trace(house):
    quin, dora = english(house, "quin").get(PAGE), english(house, "dora").get(PAGE)
    assert "R-01-001" in quin.text and FAR in quin.text
    assert "R-01-001" not in dora.text and FAR not in dora.text
    assert facts(dora.text)["Recipients who got one"] == "2"
    assert "Who the recipients are is told only to those who may read the trace." in text(dora)


def test_everything_is_recalled_at_once_and_the_page_shows_it(each):
    made = make_batch(each.world, each.cells.donor, "SECOND", ("SECOND-A",))
    dora = english(each, "dora")
    answer = send(dora)
    assert answer.status_code == 303
    page = dora.get(answer.headers["Location"])
    assert "Every batch that the finding reaches is recalled" in text(page)
    assert text(page).count("recalled: every bag is blocked") == 2 and text(page).count("finding of 20 Nov 2026") == 2
    assert "not recalled" not in text(page)
    for batch in ("B-01-001", made.key):
        assert [(one.kind, one.recall, one.at[:10]) for one in incidents(each, batch)] == [("DONOR", True, "2026-11-20")]


def test_sent_twice_for_one_day_it_is_one_incident(house):
    quin = english(house, "quin")
    assert [send(quin).status_code, send(quin).status_code] == [303, 303]
    assert len(incidents(house)) == 1


def test_the_key_may_be_scanned_from_the_label(house):
    assert send(english(house, "quin"), confirm=label("msc_ssc", Kind.WRISTBAND, "D-01-001")).status_code == 303
    assert len(incidents(house)) == 1


@pytest.mark.parametrize(
    ("wrong", "box"),
    [
        ({"confirm": "D-01-002"}, "confirm"),
        ({"confirm": ""}, "confirm"),
        ({"day": ""}, "day"),
        ({"day": "31"}, "day"),
        ({"year": "2126"}, "day"),
        ({"note": "  "}, "note"),
    ],
)
def test_what_cannot_be_run_is_told_at_its_box_and_nothing_is_done(house, wrong, box):
    answer = send(english(house, "quin"), **wrong)
    assert answer.status_code == 422
    assert f'id="error-{box}"' in answer.text and 'role="alert"' in answer.text
    assert 'value="SPONSOR" checked' in answer.text, "what was ticked is kept"
    assert incidents(house) == ()


def test_a_notice_that_is_not_offered_is_not_recorded(house):
    assert send(english(house, "quin"), told=["NOBODY", "BOARD"]).status_code == 303
    with house.world.read() as tx:
        (one,) = forms.all_of(tx, [house.cells.batch.id], ["INCIDENT"])
    assert [answer.text for place, answer in one.document.places() if place.item == "INC_TOLD"] == ["Comité de surveillance"]


def test_the_page_asks_nothing_about_what_was_found(house):
    page = english(house, "quin").get(PAGE).text.partition('<form class="in" method="post"')[2]
    asked = re.findall(r'name="([^"]+)"', page.partition("</form>")[0])
    assert sorted(set(asked)) == ["confirm", "day", "month", "note", "save_token", "token", "told", "year"]


def test_a_donor_without_a_donation_reaches_nothing(house):
    other = house.world.enrol("donor", "01", DICF_DATE=(10, 11, 2026))
    page = english(house, "quin").get(f"{STUDY}/subjects/{other.key}/look-back")
    assert "No donation of D-01-002 is recorded." in text(page)
    assert 'method="post" action="/studies/msc_ssc/subjects' not in page.text


@pytest.mark.parametrize("name", ["cora", "ivan", "mona", "dana", "sam", "lara"])
def test_nobody_else_may_run_or_read_it(house, name):
    someone = house.client(name)
    assert (someone.get(PAGE).status_code, send(someone).status_code) == (403, 403)
    assert incidents(house) == ()


def test_a_donor_of_another_site_a_recipient_and_a_batch_have_no_such_page(house):
    far = house.world.enrol("donor", "02", DICF_DATE=(10, 11, 2026))
    dora, quin = house.client("dora"), house.client("quin")
    assert dora.get(f"{STUDY}/subjects/{far.key}/look-back").status_code == 404
    for key in ("R-01-001", "B-01-001", "D-01-009"):
        assert quin.get(f"{STUDY}/subjects/{key}/look-back").status_code == 404
        assert send(quin, f"{STUDY}/subjects/{key}/look-back").status_code == 404


def test_reading_writes_nothing_and_without_the_token_nothing_is_run(house):
    quin = house.client("quin")
    with house.world.read() as tx:
        before = [one for one in audit.chains(tx.connection) if one[0] != "system"]
    quin.get(PAGE + "?day=20&month=11&year=2026&confirm=D-01-001&note=x")
    assert quin.post(PAGE, GOOD, token=None).status_code == 400
    with house.world.read() as tx:
        assert [one for one in audit.chains(tx.connection) if one[0] != "system"] == before


def test_the_page_of_the_donor_leads_there_for_who_may(house):
    page = f"{STUDY}/subjects/D-01-001"
    assert PAGE in house.client("dora").get(page).text
    assert PAGE not in house.client("cora").get(page).text


def test_a_batch_that_is_locked_is_told_by_mail_all_the_same(house):
    made = make_batch(house.world, house.cells.donor, "SECOND", ("SECOND-A",))
    with house.world.write("dana") as tx:
        address = Address(Level.SUBJECT, made.id)
        locks.move(tx, address, made.site, made, made.site.study_id, made.site.chain, "lock", "End of the trial")
    dora = english(house, "dora")
    answer = send(dora)
    page = text(dora.get(answer.headers["Location"]))
    assert "no incident could be recorded" in page
    assert f"no incident of {made.key} can be recorded" in page
    assert incidents(house, made.key) == ()
    assert len(incidents(house)) == 1
    with house.world.read() as tx:
        told = {json.loads(row.params)["batch"] for row in tx.read(select(outbox).where(outbox.c.kind == "incident"))}
        tried = audit.history(tx.connection, "refusal", str(made.id))
    assert told == {made.id, house.world.subject("B-01-001").id}
    assert [(past.prompted_by, past.actor) for past in tried] == [("lock", "dora")]
