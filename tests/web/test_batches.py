"""Batches of cells on their pages: who sees which, what is told of their bags, and that whoever makes cells sees nothing of people."""

from __future__ import annotations

import re

import pytest

from tests.actions.cells_world import BAGS, DONATION, LOT, cells_filling, later
from tests.actions.world import typed
from tests.web.cells_site import BATCH, CELLS, DONOR, RECIPIENT, RELEASE, STUDY, CellsHouse, cells_house
from tests.web.site import ADMINISTRATOR, text
from trialcrf.actions import administer
from trialcrf.core.access import Grant
from trialcrf.store import accounts, forms


@pytest.fixture
def filling():
    return cells_filling()


@pytest.fixture
def house(databases, tmp_path):
    url = databases.fresh("sqlite", cells_filling())
    made = cells_house(url, tmp_path)
    yield made
    made.close()
    databases.drop(url)


def given(house: CellsHouse) -> None:
    """One bag is checked and infused, the other recalled."""
    house.cells.check()
    house.cells.infuse(BAGS[0], at=(21, 11, 2026, "10:10"), now=later(40))
    boxes = {"INC_KIND": "COLD_CHAIN", "INC_AWARE": (21, 11, 2026, "10:05"), "INC_BAG": BAGS[1], "INC_TEXT": "Alarm", "INC_RECALL": "Y"}
    house.world.save(house.cells.batch, "INCIDENT", "INCIDENTS", typed(**boxes), name="lara", now=later(50))


def addresses(house: CellsHouse, *names: str) -> dict[str, str]:
    """The form of each name, as its address."""
    found = {}
    with house.world.read() as tx:
        for key in (DONOR, RECIPIENT, "B-01-001"):
            for one in forms.all_of(tx, [house.world.subject(key).id]):
                at = one.key
                found[at.form_oid] = f"{STUDY}/subjects/{key}/{at.event_oid}/{at.event_repeat}/{at.form_oid}/{at.form_repeat}"
    return {name: found[name] for name in names} if names else found


# The list


def test_the_list_tells_state_bags_and_incidents(house):
    given(house)
    row = text(house.client("lara").get(CELLS)).partition(LOT)[2]
    assert re.search(r"^ (libéré|released) 2 1 1 1 \d 1 01", row), row


def test_the_list_holds_the_batches_of_ones_own_sites(house):
    assert "B-01-001" in house.client("quin").get(CELLS).text
    assert "B-01-001" not in house.client("olga").get(CELLS).text
    assert "B-01-001" not in house.client("quin").get(f"{CELLS}?site=02").text


def test_whoever_has_no_part_in_cells_sees_no_list(house):
    with house.world.write("trialcrf") as tx:
        account = administer.create_account(tx, ADMINISTRATOR, "Adam", "adam@example.org", "Hospital", "fr")
        accounts.give(tx, account, Grant("administrator", "*"))
    adam = house.client(ADMINISTRATOR)
    assert adam.get(CELLS).status_code == adam.get(BATCH).status_code == adam.get(RELEASE).status_code == 403


def test_only_the_laboratory_is_offered_a_new_batch(house):
    offered = f"{STUDY}/enrol/batch"
    assert offered in house.client("lara").get(CELLS).text
    assert offered not in house.client("cora").get(CELLS).text


# One batch


def test_a_batch_is_one_page_whichever_way_it_is_reached(house):
    lara = house.client("lara")
    assert lara.get(f"{STUDY}/subjects/B-01-001").headers["Location"] == BATCH
    assert house.client("cora").get(f"{STUDY}/subjects?kind=batch").headers["Location"] == CELLS
    assert "B-01-001" not in house.client("cora").get(f"{STUDY}/subjects").text


def test_the_page_tells_what_decides_and_every_movement_in_order(house):
    given(house)
    told = text(house.client("quin").get(BATCH))
    assert re.search(rf"(Rappel|Recalled)[^:]*{BAGS[1]}", told)
    assert DONATION in told
    first = told.partition(BAGS[0])[2]
    order = [first.index(word) for word in ("lara", "cora")]
    assert order == sorted(order)
    assert re.search(r"10:10", first)


def test_who_traces_reads_for_whom_and_nobody_else(house):
    given(house)
    assert RECIPIENT in house.client("quin").get(BATCH).text
    for name in ("lara", "sam", "cora"):
        assert RECIPIENT not in house.client(name).get(BATCH).text, name


def test_the_sponsor_reads_a_batch_and_opens_none_of_its_forms(house):
    page = house.client("sam").get(BATCH)
    assert page.status_code == 200
    assert LOT in page.text
    assert "/subjects/B-01-001/" not in page.text
    assert house.client("sam").get(addresses(house, "QC")["QC"]).status_code == 403


def test_another_site_does_not_know_the_batch(house):
    for address in (BATCH, RELEASE, f"{STUDY}/subjects/B-01-001", addresses(house, "QC")["QC"]):
        assert house.client("olga").get(address).status_code == 404, address


def test_a_person_has_no_page_among_the_batches_and_a_batch_none_among_people(house):
    cora = house.client("cora")
    for address in (f"{CELLS}/{RECIPIENT}", f"{CELLS}/{DONOR}/release"):
        assert cora.get(address).status_code == 404, address
    for page in ("card", "timeline", "eligibility"):
        assert cora.get(f"{STUDY}/subjects/B-01-001/{page}").status_code == 404, page


# Enrolling and recording


def test_the_laboratory_records_a_batch_of_a_donation_by_its_number(house):
    lara = house.client("lara")
    page = lara.get(f"{STUDY}/enrol/batch/01").text
    address = f"{DONOR}/H0/1/HARVEST/1"
    assert re.search(rf'<option value="{address}"[^>]*>{DONATION}', page)
    boxes = {"i.BAT_LOT": "LOT-2026-09", "i.BAT_CULTURE_START.d": "18", "i.BAT_CULTURE_START.m": "11", "i.BAT_CULTURE_START.y": "2026"}
    boxes |= {"r.ANCESTRY.new1.BAT_DONATION": address, "act": "save", "once": "a page", "version": "0"}
    present = ["BAT_LOT", "BAT_CULTURE_START", "ANCESTRY.new1.BAT_DONATION"]
    answer = lara.post(f"{STUDY}/enrol/batch/01", {**boxes, "p": present})
    assert answer.headers["Location"].startswith(f"{CELLS}/B-01-002"), text(answer)
    assert "LOT-2026-09" in lara.get(f"{CELLS}/B-01-002").text


@pytest.mark.parametrize(("name", "kind", "status"), [
    ("lara", "recipient/01", 403), ("lara", "recipient", 403), ("lara", "donor/01", 403), ("cora", "batch/01", 403), ("cora", "batch", 403),
    ("quin", "batch/01", 403), ("lara", "batch/02", 404), ("lara", "batch/01", 200), ("cora", "recipient/01", 200),
])  # fmt: skip
def test_everybody_enrols_what_is_theirs(house, name, kind, status):
    person = house.client(name)
    assert person.get(f"{STUDY}/enrol/{kind}").status_code == status
    if "/" in kind and status != 200:
        assert person.post(f"{STUDY}/enrol/{kind}", {"act": "save"}).status_code == status


def test_forms_of_a_batch_are_entered_by_those_whose_forms_they_are(house):
    at = addresses(house, "QC", "BAGS", "RELEASE")
    movement = f"{STUDY}/subjects/B-01-001/STOCK/1/MOVEMENT/1"
    sent = {"act": "save", "version": "1"}
    assert house.client("cora").post(at["QC"], sent).status_code == 403
    assert house.client("lara").post(at["RELEASE"], sent).status_code == 403
    assert 'name="act"' not in house.client("lara").get(at["RELEASE"]).text
    assert 'name="act"' in house.client("cora").get(movement).text
    assert 'name="act"' in house.client("lara").get(movement).text
    assert 'name="act"' in house.client("quin").get(movement).text
    assert house.client("mona").post(movement, {"act": "save"}).status_code == 403


def test_the_history_of_a_form_is_read_where_the_form_is(house):
    at = addresses(house, "QC", "HARVEST", "DSEROLOGY")
    lara, cora = house.client("lara"), house.client("cora")
    assert lara.get(at["QC"] + "/history").status_code == cora.get(at["QC"] + "/history").status_code == 200
    assert cora.get(at["HARVEST"] + "/history").status_code == 200
    assert lara.get(at["HARVEST"] + "/history").status_code == cora.get(at["DSEROLOGY"] + "/history").status_code == 404


def test_a_number_leads_to_a_form_that_may_be_read_and_to_no_other(house):
    with house.world.read() as tx:
        number = {one.key.form_oid: one.id for one in forms.all_of(tx, [house.cells.donor.id, house.cells.batch.id])}
    lara, cora = house.client("lara"), house.client("cora")
    at = {name: f"{STUDY}/forms/{number[name]}" for name in ("QC", "HARVEST", "DSEROLOGY")}
    assert lara.get(at["QC"]).headers["Location"] == addresses(house, "QC")["QC"]
    assert cora.get(at["HARVEST"]).status_code == 302
    assert lara.get(at["HARVEST"]).status_code == cora.get(at["DSEROLOGY"]).status_code == 404
    assert house.client("olga").get(at["QC"]).status_code == 404
    assert house.client("sam").get(at["QC"]).status_code == 403


def test_a_form_in_error_needs_who_may_enter_it(house):
    at = addresses(house, "QC")["QC"] + "/error"
    assert house.client("cora").post(at, {"reason": "not mine"}).status_code == 404
    assert house.client("lara").post(at, {"reason": "Entered twice"}).status_code == 303


def test_a_batch_is_marked_in_error_by_the_laboratory_and_not_where_cells_are_traced_through_it(house):
    lara, cora = house.client("lara"), house.client("cora")
    assert cora.post(f"{BATCH}/error", {"reason": "not mine"}).status_code == 403
    assert cora.post(f"{STUDY}/subjects/B-01-001/error", {"reason": "not mine"}).status_code == 404
    assert lara.post(f"{STUDY}/subjects/{RECIPIENT}/error", {"reason": "not mine"}).status_code == 404
    assert lara.post(f"{BATCH}/error", {"reason": " "}).status_code == 422
    assert lara.get(f"{BATCH}/error").status_code == 405
    house.cells.check()
    assert lara.post(f"{BATCH}/error", {"reason": "Wrong batch"}).status_code == 422
    assert "B-01-001" in lara.get(CELLS).text


def test_an_existing_bedside_check_is_read_on_its_own_form_page(house):
    house.cells.check()
    cora = house.client("cora")
    check = addresses(house, "BEDSIDE")["BEDSIDE"]
    page = cora.get(f"{STUDY}/subjects/{RECIPIENT}")
    assert check in page.text
    assert BAGS[0] in text(page)
    shown = cora.get(check)
    assert BAGS[0] in shown.text
    assert 'name="act"' not in shown.text
    assert cora.post(check, {"act": "save", "version": "1"}).status_code == 403


# Nothing of people


def walked(house: CellsHouse) -> list[str]:
    """Every address that is only read, filled with what there is: of the study, the batch, the donor and the recipient."""
    given(house)
    with house.world.read() as tx:
        numbers = {key: forms.all_of(tx, [house.world.subject(key).id]) for key in (DONOR, RECIPIENT, "B-01-001")}
    values = {"study": "msc_ssc", "site": "01", "event": "SCR", "kind": "recipient", "form": "VITALS"}
    found = []
    for rule in house.app.url_map.iter_rules():
        if (
            "GET" not in (rule.methods or ())
            or rule.endpoint in ("static", "health.healthz", "metrics.shown")
            or {"token", "invitation"} & rule.arguments
        ):
            continue
        for key, held in numbers.items() if rule.arguments & {"subject", "form_id"} else [("", [])]:
            for stored in held if rule.arguments & {"form", "form_id"} else held[:1] or [None]:
                asked = {name: values.get(name, 1) for name in rule.arguments} | ({"subject": key} if "subject" in rule.arguments else {})
                if stored is not None and "form" in rule.arguments:
                    at = stored.key
                    asked |= {"event": at.event_oid, "repeat": at.event_repeat, "form": at.form_oid, "n": at.form_repeat}
                if stored is not None and "form_id" in rule.arguments:
                    asked["form_id"] = stored.id
                with house.app.test_request_context():
                    found.append(house.app.url_for(rule.endpoint, **{name: asked[name] for name in rule.arguments}))
    return found


def test_whoever_makes_cells_sees_nothing_of_people(house):
    """EMA/INS/GCP/112288/2023, 6.6. What a donor's tests found, and whom a batch was given to: in no answer to the laboratory; to the
    Qualified Person the key of a recipient, where the chain is traced, and nothing else."""
    every = walked(house)
    lara, quin = house.client("lara"), house.client("quin")
    assert len(every) > 150
    traced = (BATCH, f"{STUDY}/trace", f"{STUDY}/inventory")
    opened = 0
    for address in every:
        for name, person in (("lara", lara), ("quin", quin)):
            answer = person.get(address)
            opened += answer.status_code == 200
            assert answer.status_code < 500, (name, address)
            people = f"/subjects/{RECIPIENT}" in address or f"/subjects/{DONOR}" in address
            looked_back = name == "quin" and address.endswith("/look-back")
            if people and not looked_back:
                assert answer.status_code in (403, 404), (name, address)
            if RECIPIENT not in address and not looked_back and (name == "lara" or not address.startswith(traced)):
                assert RECIPIENT not in answer.text, (name, address)
    assert opened > 30
    for address in (f"{STUDY}/subjects", f"{STUDY}/today", f"{STUDY}/queries", f"{STUDY}/calendar", f"{STUDY}/subjects.csv"):
        assert lara.get(address).status_code == quin.get(address).status_code == 403, address
    assert lara.get("/").headers["Location"] == CELLS
