"""What is found after a release: the incident opens by itself, bags are blocked, people are told, infusions are asked about."""

from __future__ import annotations

from datetime import date

import pytest

from tests.actions.cells_world import BAGS, LOT, Cells, cells_filling, later, make_batch, open_cells
from tests.actions.screening import put, screen_donor
from tests.actions.world import NOW, TRAINED, typed
from tests.mailbox import mailbox
from trialcrf.actions import Impossible, administer, enter
from trialcrf.actions.cells import gather, look_back
from trialcrf.actions.cells.bedside import Stopped
from trialcrf.actions.oversight import review
from trialcrf.core.document import FormKey
from trialcrf.core.product.bedside import Stop
from trialcrf.core.product.stock import BagState, Stock
from trialcrf.core.workflow import QueryState
from trialcrf.external.mail import Server
from trialcrf.jobs import WHO
from trialcrf.jobs.deliver import deliver
from trialcrf.store import forms, outbox, queries, query_lists, replay

ITEMS = ("QC_AEROBIC", "QC_ANAEROBIC", "QC_FUNGI")


@pytest.fixture
def filling():
    return cells_filling()


@pytest.fixture
def cells(database_url):
    made = open_cells(database_url)
    yield made
    with made.world.read() as tx:
        assert list(replay.differences(tx)) == []
    made.world.engine.dispose()


on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""For what the kind of database has no part in."""


def result(cells: Cells, item: str, text: str = "POSITIVE", name: str = "lara") -> None:
    with cells.world.read() as tx:
        stored = forms.read(tx, cells.batch.id, FormKey("MAKING", "QC"))
    cells.world.save(cells.batch, "QC", "MAKING", typed(stored.version, "LATE", **{item: text}), name=name)


def stock(cells: Cells) -> Stock:
    with cells.world.read() as tx:
        return gather.chain_now(tx, cells.world.published.study).stock


def given(cells: Cells) -> None:
    cells.check()
    cells.infuse(BAGS[0])


def asked(cells: Cells) -> list[queries.Query]:
    """The queries about an incident that stand open."""
    with cells.world.read() as tx:
        return [one for one in query_lists.all_of(tx, "msc_ssc", None, [QueryState.OPEN]) if one.check == "product_incident"]


def told(cells: Cells) -> list[str]:
    """To whom the mails of incidents go."""
    with cells.world.read() as tx:
        return sorted(one.username for one in outbox.all_of(tx) if one.kind == "incident")


@pytest.mark.parametrize("item", ITEMS)
def test_a_positive_sterility_after_release_opens_an_incident_with_a_recall_and_blocks_the_bags(cells, item):
    result(cells, item)
    (incident,) = stock(cells).batches[cells.batch.key].incidents
    assert (incident.kind, incident.recall, incident.bag) == ("STERILITY", True, "")
    with pytest.raises(Stopped) as refused:
        cells.check(BAGS[1])
    assert refused.value.stops == (Stop.RECALLED,)


@pytest.mark.parametrize("decision", [None, "REJECTED"])
def test_a_positive_result_before_any_release_opens_nothing(decision, databases):
    url = databases.fresh("sqlite", cells_filling(released=False))
    cells = open_cells(url)
    if decision:
        cells.release(decision, "Not good.")
    for item in ITEMS:
        result(cells, item)
    assert stock(cells).batches[cells.batch.key].incidents == ()
    assert told(cells) == []
    cells.world.engine.dispose()
    databases.drop(url)


@on_sqlite
def test_a_conditional_release_counts_as_a_release_and_one_incident_stands_for_one_result(cells):
    cells.release("CONDITIONAL", "Fungi pending.")
    result(cells, "QC_FUNGI")
    result(cells, "QC_VIABILITY", "91")
    assert len(stock(cells).batches[cells.batch.key].incidents) == 1
    result(cells, "QC_AEROBIC")
    assert len(stock(cells).batches[cells.batch.key].incidents) == 2


@on_sqlite
@pytest.mark.parametrize("text", ["NEGATIVE", "PENDING"])
def test_any_other_result_opens_nothing(cells, text):
    result(cells, "QC_FUNGI", text)
    assert stock(cells).batches[cells.batch.key].incidents == ()


@on_sqlite
def test_the_mails_go_to_qualified_person_sponsor_and_the_investigators_of_the_recipients(cells):
    with cells.world.write("trialcrf") as tx:
        for name, site in (("ines", "02"), ("noa", "02")):
            account_id = administer.create_account(tx, name, name.title(), f"{name}@example.org", "Hospital", "fr")
            administer.give_role(tx, account_id, "investigator" if name == "ines" else "coordinator", "msc_ssc", site, TRAINED)
    given(cells)
    result(cells, "QC_AEROBIC")
    assert told(cells) == ["ivan", "quin", "sam"]


@on_sqlite
def test_the_investigator_of_another_site_is_told_once_something_was_given_there(cells):
    with cells.world.write("trialcrf") as tx:
        account_id = administer.create_account(tx, "ines", "Ines", "ines@example.org", "Hospital", "fr")
        administer.give_role(tx, account_id, "investigator", "msc_ssc", "02", TRAINED)
    far = cells.world.enrol("recipient", "02", ICF_DATE=(2, 11, 2026))
    cells.infuse(BAGS[0], recipient=far, at=(20, 11, 2026, "22:00"))
    result(cells, "QC_AEROBIC")
    assert told(cells) == ["ines", "ivan", "quin", "sam"]


@on_sqlite
def test_the_letter_arrives_and_names_no_participant_and_no_result(cells):
    given(cells)
    result(cells, "QC_AEROBIC")
    with mailbox() as box:
        deliver(cells.world.engine, Server(box.url, "trialcrf@localhost"), "https://x", WHO, NOW, read_clock=lambda: NOW)
        letters = dict(box.taken)
    assert sorted(letters) == [f"{name}@example.org" for name in ("ivan", "quin", "sam")]
    for letter in letters.values():
        text = letter.get_body(("plain",)).get_content()
        assert f"https://x/studies/msc_ssc/cells/{cells.batch.key}" in text
        assert all(word not in text for word in ("R-01", "D-01", LOT, "POSITIVE", "Stérilité"))


def test_a_query_stands_at_the_infusion_and_survives_a_save_until_it_is_answered(cells):
    given(cells)
    assert asked(cells) == []
    result(cells, "QC_AEROBIC")
    (query,) = asked(cells)
    assert (query.subject, query.form_key.form_oid, query.place.item) == (cells.recipient.key, "INFUSION", "INF_BAG")
    save_again(cells)
    assert [one.id for one in asked(cells)] == [query.id]
    study = cells.world.published.study
    with cells.world.write() as tx:
        review.answer(tx, study, cells.recipient.site, queries.find(tx, query.id), study.confirmations.items[0].code, "no event")
    save_again(cells, "63")
    assert asked(cells) == []
    with cells.world.read() as tx:
        assert queries.find(tx, query.id).state is QueryState.ANSWERED


def save_again(cells: Cells, weight: str = "62") -> None:
    with cells.world.read() as tx:
        stored = forms.read(tx, cells.recipient.id, FormKey("D0", "INFUSION"))
    cells.world.save(cells.recipient, "INFUSION", "D0", typed(stored.version, "LATE", INF_WEIGHT=weight))


@on_sqlite
def test_an_incident_of_one_bag_asks_at_its_infusion_only(cells):
    cells.check()
    cells.check(BAGS[1], now=later(1))
    cells.infuse(*BAGS)
    said = {"INC_KIND": "BREAKAGE", "INC_AWARE": (21, 11, 2026, "09:00"), "INC_BAG": BAGS[1], "INC_TEXT": "Leak.", "INC_RECALL": "N"}
    cells.world.save(cells.batch, "INCIDENT", "INCIDENTS", typed(**said), name="lara")
    (query,) = asked(cells)
    with cells.world.read() as tx:
        assert forms.by_id(tx, query.form_id).document.at(query.place).text == BAGS[1]


@on_sqlite
def test_a_recall_blocks_the_bags_of_what_was_made_of_the_batch(cells):
    made = cells.world.enrol("batch", BAT_LOT="DERIVED", BAT_CULTURE_START=(18, 11, 2026), ANCESTRY__new1__BAT_FROM=cells.batch.key)
    row = {"CODE": "DERIVED-A", "CELLS": "80", "VOLUME": "50", "EXPIRY": (31, 12, 2026), "FILLED": (20, 11, 2026, "16:00"), "PLACE": "WARD"}
    cells.world.save(made, "BAGS", "MAKING", typed(**{f"BAG__new1__BAG_{name}": text for name, text in row.items()}), name="lara")
    result(cells, "QC_AEROBIC")
    with pytest.raises(Stopped) as refused:
        cells.check("DERIVED-A")
    assert Stop.RECALLED in refused.value.stops


# --- From the donor ---------------------------------------------------------------------------------------------------


def look(cells: Cells, day: date = date(2026, 11, 20), note: str = "Bags blocked.") -> None:
    with cells.world.write("quin") as tx:
        look_back.run(tx, cells.world.published, cells.donor, day, ["SPONSOR"], note, NOW)


def test_a_look_back_recalls_every_batch_at_once_and_a_second_one_of_the_day_makes_no_second_incident(cells):
    given(cells)
    look(cells)
    look(cells)
    (incident,) = stock(cells).batches[cells.batch.key].incidents
    assert (incident.kind, incident.recall, incident.at[:10]) == ("DONOR", True, "2026-11-20")
    assert {bag.recalled is not None for bag in stock(cells).bags.values()} == {True}
    assert stock(cells).bags[BAGS[0]].state is BagState.INFUSED
    assert told(cells) == ["ivan", "quin", "sam"]
    assert len(asked(cells)) == 1
    look(cells, date(2026, 11, 19))
    assert len(stock(cells).batches[cells.batch.key].incidents) == 2


@on_sqlite
def test_a_batch_that_is_recorded_later_is_recalled_by_running_it_again(cells):
    look(cells)
    later_one = make_batch(cells.world, cells.donor, "LATER", ("LATER-A",))
    look(cells)
    assert [len(stock(cells).batches[key].incidents) for key in (cells.batch.key, later_one.key)] == [1, 1]


@on_sqlite
def test_no_incident_says_whose_finding_it_is_or_what_was_found(cells):
    look(cells, note="Bags blocked.")
    with cells.world.read() as tx:
        (one,) = forms.all_of(tx, [cells.batch.id], ["INCIDENT"])
    said = str([answer.text for _, answer in one.document.places()])
    assert "Bags blocked." in said and "Promoteur" in said
    assert cells.donor.key not in said


@on_sqlite
def test_a_finding_of_tomorrow_or_at_somebody_without_a_donation_is_refused(cells):
    with pytest.raises(Impossible, match="future"):
        look(cells, date(2026, 11, 22))
    cells.donor = cells.recipient
    with pytest.raises(Impossible, match="No donation"):
        look(cells)
    assert stock(cells).batches[cells.batch.key].incidents == ()


# --- What the chain rests on ------------------------------------------------------------------------------------------


@on_sqlite
def test_a_harvest_that_a_batch_is_made_of_is_not_marked_in_error(cells):
    other = screen_donor(cells.world)
    put(cells.world, other, "HARVEST", "H0", HAR_START=(17, 11, 2026, "09:00"), HAR_DONATION="FR0001230000000777777")
    with cells.world.write() as tx:
        free, used = (forms.all_of(tx, [one.id], ["HARVEST"])[0] for one in (other, cells.donor))
        with pytest.raises(Impossible, match="traced through this form"):
            enter.mark_form_error(tx, cells.donor, used, "typed twice")
        enter.mark_form_error(tx, other, free, "typed twice")
