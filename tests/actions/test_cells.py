"""The chain of cells at work, on both databases: what a save must not contradict, what stands once, how a batch is released."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.actions.cells_world import BAGS, DONATION, LOT, Cells, cells_filling, later, make_batch, open_cells
from tests.actions.screening import screen_donor
from tests.actions.world import NOW, typed
from trialcrf.actions import Impossible, NotAllowed, enrol, enter
from trialcrf.actions.cells import release
from trialcrf.actions.cells.bedside import Stopped
from trialcrf.actions.cells.gather import chain_now
from trialcrf.actions.cells.release import Decided
from trialcrf.core.document import FormKey
from trialcrf.core.entry import Refused
from trialcrf.core.product.bedside import Stop
from trialcrf.core.product.identity import Kind, label
from trialcrf.core.product.stock import BagState
from trialcrf.core.signature import Standing
from trialcrf.core.workflow import QueryState
from trialcrf.store import forms, queries, replay, signatures
from trialcrf.store.subjects import Subject

MOVED = (21, 11, 2026, "08:00")


@pytest.fixture
def filling():
    return cells_filling()


@pytest.fixture
def cells(database_url):
    made = open_cells(database_url)
    yield made
    made.world.engine.dispose()


def refused(action: Callable[[], object]) -> dict[str, str]:
    """Item to the first check of its hard findings."""
    with pytest.raises(Refused) as caught:
        action()
    found: dict[str, str] = {}
    for one in caught.value.findings:
        found.setdefault(one.place.item, one.check)
    return found


def version(cells: Cells, subject: Subject, event: str, form: str, repeat: int = 1) -> int:
    with cells.world.read() as tx:
        stored = forms.read(tx, subject.id, FormKey(event, form, 1, repeat))
    assert stored
    return stored.version


def mark(cells: Cells, subject: Subject, event: str, form: str, repeat: int = 1, name: str = "lara") -> None:
    with cells.world.write(name) as tx:
        stored = forms.read(tx, subject.id, FormKey(event, form, 1, repeat))
        assert stored
        enter.mark_form_error(tx, subject, stored, "wrong batch")


def bag(cells: Cells, code: str = BAGS[0]):
    with cells.world.read() as tx:
        return chain_now(tx, cells.world.published.study).stock.bags[code]


def test_everything_stored_is_what_the_trail_tells(cells):
    cells.check()
    cells.infuse(BAGS[0])
    with cells.world.read() as tx:
        assert list(replay.differences(tx)) == []


# What stands once


def test_a_code_stands_once_in_the_study_and_again_once_its_form_was_in_error(cells):
    second = make_batch(cells.world, cells.donor, "LOT-2", ("X-1",))
    rows = {"BAG__new1__BAG_CODE": BAGS[0]}
    at = version(cells, second, "MAKING", "BAGS")
    assert refused(lambda: cells.world.save(second, "BAGS", "MAKING", typed(at, **rows), name="lara")) == {"BAG_CODE": "unique"}
    assert refused(lambda: make_batch(cells.world, cells.donor, LOT, ("X-2",))) == {"BAT_LOT": "unique"}
    twice = {"BAG__new1__BAG_CODE": "X-3", "BAG__new2__BAG_CODE": "X-3"}
    assert refused(lambda: cells.world.save(second, "BAGS", "MAKING", typed(at, **twice), name="lara")) == {"BAG_CODE": "unique"}
    mark(cells, second, "MAKING", "BAGS")
    third = make_batch(cells.world, cells.donor, "LOT-3", ("X-1",))
    with cells.world.read() as tx:
        assert chain_now(tx, cells.world.published.study).stock.bags["X-1"].batch == third.key
        assert list(replay.differences(tx)) == []


def test_a_row_in_error_gives_its_code_back(cells):
    second = make_batch(cells.world, cells.donor, "LOT-2", ("X-1", "X-2"))
    sent = typed(version(cells, second, "MAKING", "BAGS"))
    cells.world.save(second, "BAGS", "MAKING", enter.Typed(removed={("BAG", "1"): "TYPO"}, version=sent.version), name="lara")
    make_batch(cells.world, cells.donor, "LOT-3", ("X-1",))
    with pytest.raises(Refused):
        make_batch(cells.world, cells.donor, "LOT-4", ("X-2",))
    with cells.world.read() as tx:
        assert list(replay.differences(tx)) == []


def test_a_batch_in_error_gives_its_codes_back_unless_cells_are_traced_through_it(cells):
    second = make_batch(cells.world, cells.donor, "LOT-2", ("X-1",))
    with cells.world.write("lara") as tx:
        enrol.mark_subject_error(tx, second, "recorded twice")
    make_batch(cells.world, cells.donor, "LOT-2", ("X-1",))
    cells.check()
    for subject in (cells.batch, cells.donor, cells.recipient):
        with pytest.raises(Impossible), cells.world.write("lara") as tx:
            enrol.mark_subject_error(tx, subject, "a mistake")
    with cells.world.read() as tx:
        assert list(replay.differences(tx)) == []


def test_a_projection_that_is_not_what_the_documents_say_is_found(cells):
    with cells.world.engine.begin() as connection:
        connection.execute(text("DELETE FROM unique_code WHERE text = :code"), {"code": BAGS[0]})
    with cells.world.read() as tx:
        assert [one.entity for one in replay.differences(tx)] == ["unique_code"]


# Movements


def test_a_bag_moves_as_its_table_says_and_no_other_way(cells):
    cells.move(BAGS[0], "SHIPPED", MOVED, MOV_TO="HOSPITAL_PHARMACY", MOV_TEMP_LOW="-190", MOV_TEMP_HIGH="-150")
    assert (bag(cells).state, bag(cells).place) == (BagState.IN_TRANSIT, "HOSPITAL_PHARMACY")
    later_ = (21, 11, 2026, "08:30")
    assert refused(lambda: cells.move(BAGS[0], "SHIPPED", later_, 2, MOV_TO="WARD")) == {"MOV_BAG": "movement"}
    assert refused(lambda: cells.move(BAGS[0], "THAWED", later_, 2)) == {"MOV_BAG": "movement"}
    assert refused(lambda: cells.move("NO-SUCH", "MOVED", later_, 2)) == {"MOV_BAG": "bag"}
    second = make_batch(cells.world, cells.donor, "LOT-2", ("X-1",))
    assert refused(lambda: cells.world.save(second, "MOVEMENT", "STOCK", typed(MOV_BAG=BAGS[0], MOV_KIND="MOVED", MOV_AT=later_))) == {
        "MOV_BAG": "bag"
    }
    cells.move(BAGS[0], "RECEIVED", later_, 2, MOV_TO="HOSPITAL_PHARMACY", MOV_TEMP_LOW="-190", MOV_TEMP_HIGH="-150")
    assert bag(cells).state is BagState.STORED


def test_what_later_movements_stand_on_cannot_be_taken_away(cells):
    cells.move(BAGS[0], "SHIPPED", MOVED, MOV_TO="WARD")
    cells.move(BAGS[0], "RECEIVED", (21, 11, 2026, "08:30"), 2, MOV_TO="WARD")
    for event, form in (("STOCK", "MOVEMENT"), ("MAKING", "BAGS")):
        with pytest.raises(Impossible):
            mark(cells, cells.batch, event, form)
    sent = typed(version(cells, cells.batch, "STOCK", "MOVEMENT"), "TYPO", MOV_AT=(21, 11, 2026, "08:45"))
    assert refused(lambda: cells.world.save(cells.batch, "MOVEMENT", "STOCK", sent)) == {"MOV_BAG": "movement"}
    removed = enter.Typed(removed={("BAG", "1"): "TYPO"}, version=version(cells, cells.batch, "MAKING", "BAGS"))
    with pytest.raises(Refused):
        cells.world.save(cells.batch, "BAGS", "MAKING", removed, name="lara")
    mark(cells, cells.batch, "STOCK", "MOVEMENT", 2)
    assert bag(cells).state is BagState.IN_TRANSIT


def test_a_scan_becomes_the_code_it_names_and_a_wrong_one_is_told_at_the_field(cells):
    cells.move(label("msc_ssc", Kind.BAG, BAGS[0]), "MOVED", MOVED, MOV_TO="WARD")
    assert bag(cells).place == "WARD"
    wrong = [
        label("other", Kind.BAG, BAGS[1]),
        label("msc_ssc", Kind.WRISTBAND, "R-01-001"),
        label("msc_ssc", Kind.BAG, BAGS[1])[:-1] + "?",
        "FR0001230000000123456E00000430012026023",
        "fr0001230000000123456e000004300120260930",
        "FR0001230000000123456E000004300120260230",
    ]
    for scan in wrong:
        assert refused(lambda scan=scan: cells.move(scan, "MOVED", MOVED, 2, MOV_TO="WARD")) == {"MOV_BAG": "unreadable"}, scan


def test_a_donation_number_of_european_length_is_checked(cells):
    donor = screen_donor(cells.world)
    for number in ("fr0001230000000123456", "FR000123000000012345!"):
        sent = typed(HAR_START=(17, 11, 2026, "09:00"), HAR_DONATION=number)
        assert refused(lambda sent=sent: cells.world.save(donor, "HARVEST", "H0", sent))["HAR_DONATION"] == "unreadable"
    cells.world.save(donor, "HARVEST", "H0", typed(HAR_START=(17, 11, 2026, "09:00"), HAR_DONATION="LOCAL-7"))


# Ancestry


def test_a_batch_is_not_made_of_itself_over_any_number_of_steps(cells):
    def batch(lot: str, origin: str) -> Subject:
        return cells.world.enrol("batch", BAT_LOT=lot, ANCESTRY__new1__BAT_FROM=origin)

    second = batch("LOT-2", cells.batch.key)
    third = batch("LOT-3", second.key)
    sent = typed(version(cells, cells.batch, "MAKING", "BATCH"), ANCESTRY__new2__BAT_FROM=third.key)
    assert refused(lambda: cells.world.save(cells.batch, "BATCH", "MAKING", sent, name="lara")) == {"BAT_FROM": "circle"}
    assert "BAT_LOT" in refused(lambda: cells.world.enrol("batch", BAT_LOT="LOT-4")), "a batch has an origin"


def test_a_pool_of_two_donations_is_asked_for_its_number(cells):
    donor = screen_donor(cells.world)
    cells.world.save(donor, "HARVEST", "H0", typed(HAR_START=(17, 11, 2026, "09:00"), HAR_DONATION="LOCAL-7"))
    rows = {"ANCESTRY__new1__BAT_DONATION": "D-01-001/H0/1/HARVEST/1", "ANCESTRY__new2__BAT_DONATION": f"{donor.key}/H0/1/HARVEST/1"}
    pool = cells.world.enrol("batch", BAT_LOT="POOL", **rows)
    with cells.world.read() as tx:
        stored = forms.read(tx, pool.id, FormKey("MAKING", "BATCH"))
        assert stored
        assert [one.check for one in queries.of_form(tx, stored.id) if one.state is QueryState.OPEN] == ["POOL_NUMBERED"]


def test_a_donation_number_changes_after_release_only_as_a_documented_error(cells):
    def change(reason: str) -> None:
        sent = typed(version(cells, cells.donor, "H0", "HARVEST"), reason, HAR_DONATION="FR0001230000000123457")
        cells.world.save(cells.donor, "HARVEST", "H0", sent)

    assert refused(lambda: change("TYPO")) == {"HAR_DONATION": "donation_number"}
    change("DI_ERROR: the label was read back")
    with pytest.raises(Stopped) as stopped:
        cells.check()
    assert stopped.value.stops == (Stop.WRONG_DONATION,)
    cells.check(donation="FR0001230000000123457")


def test_before_any_release_a_donation_number_is_corrected_like_anything_else(cells):
    donor = screen_donor(cells.world)
    cells.world.save(donor, "HARVEST", "H0", typed(HAR_START=(17, 11, 2026, "09:00"), HAR_DONATION="LOCAL-7"))
    cells.world.save(donor, "HARVEST", "H0", typed(1, "TYPO", HAR_DONATION="LOCAL-8"))


# The infusion as it is recorded


def test_an_infusion_without_its_check_is_recorded_and_doubted(cells):
    cells.infuse(BAGS[0])
    with cells.world.read() as tx:
        stored = forms.read(tx, cells.recipient.id, FormKey("D0", "INFUSION"))
        assert stored
        checks = {one.check for one in queries.of_form(tx, stored.id) if one.place.item == "INF_BAG"}
    assert checks == {"bedside"}
    cells.check(BAGS[1])
    with cells.world.read() as tx:
        at = forms.read(tx, cells.recipient.id, FormKey("D0", "INFUSION"))
    cells.world.save(cells.recipient, "INFUSION", "D0", typed(at.version, INFUSED__new1__INF_BAG=BAGS[1]))
    with cells.world.read() as tx:
        assert {one.check for one in queries.of_form(tx, at.id) if one.place.item == "INF_BAG"} == {"bedside", "bedside_late"}
    assert bag(cells).state is BagState.INFUSED
    with pytest.raises(Stopped) as stopped:
        cells.check()
    assert stopped.value.stops == (Stop.USED,)


def test_a_bag_is_infused_once_whoever_records_it(cells):
    cells.check()
    cells.infuse(BAGS[0])
    other = cells.world.enrol(
        "recipient",
        ICF_DATE=(10, 11, 2026),
        ICF_VERSION="3.0",
        ICF_LANG="fr",
        ICF_SIGNED="Y",
        SEX_BIRTH="M",
        BIRTH_MONTH={"m": 4, "y": 1980},
    )
    assert refused(lambda: cells.infuse(BAGS[0], recipient=other))["INF_BAG"] in ("unique", "movement")
    assert refused(lambda: cells.infuse("NO-SUCH", recipient=other)) == {"INF_BAG": "bag"}


def test_a_withdrawn_check_frees_the_bag_and_no_check_of_an_infused_one_is_lost(cells):
    cells.check()
    mark(cells, cells.recipient, "D0", "BEDSIDE", name="ivan")
    assert bag(cells).state is BagState.STORED
    cells.check()
    assert bag(cells).recipient == cells.recipient.key


# Release


def test_a_batch_that_does_not_fulfil_its_specification_is_not_released(cells):
    changed = typed(version(cells, cells.batch, "MAKING", "QC"), "LATE", QC_VIABILITY="65")
    cells.world.save(cells.batch, "QC", "MAKING", changed, name="lara")
    for decision, why, field in (
        ("RELEASED", "", "decision"),
        ("CONDITIONAL", "", "why"),
        ("REJECTED", " ", "why"),
        ("MAYBE", "x", "decision"),
    ):
        with pytest.raises(Impossible) as caught:
            cells.release(decision, why)
        assert caught.value.field == field, decision
    with pytest.raises(Impossible) as caught:
        cells.release("REJECTED", "x", specification="NONE")
    assert caught.value.field == "specification"
    cells.release("REJECTED", "viability below 70 %", now=later(1))
    with pytest.raises(Stopped) as stopped:
        cells.check(now=later(2))
    assert stopped.value.stops == (Stop.REJECTED,)
    signed = cells.release("CONDITIONAL", "no other treatment; board informed", now=later(3))
    assert signed.said["criteria"]["VIABILITY"] == ["65", "not_met"] and signed.said["verdict"] == "not_met"
    cells.check(now=later(4))


def test_a_release_is_signed_over_the_record_and_void_once_a_result_changes(cells):
    with cells.world.read() as tx:
        (signed,) = signatures.all_of(tx, cells.batch.id, "release")
        assert signatures.standing(tx, signed).standing is Standing.VALID
    changed = typed(version(cells, cells.batch, "MAKING", "QC"), "LATE", QC_VIABILITY="91")
    cells.world.save(cells.batch, "QC", "MAKING", changed, name="lara")
    with cells.world.read() as tx:
        assert signatures.standing(tx, signed).standing is Standing.VOID


def test_nobody_signs_what_the_page_did_not_show_and_only_a_qualified_person_signs(cells):
    with cells.world.read() as tx:
        seen = release.review(tx, cells.world.published, cells.batch).seen
    changed = typed(version(cells, cells.batch, "MAKING", "QC"), "LATE", QC_VIABILITY="91")
    cells.world.save(cells.batch, "QC", "MAKING", changed, name="lara")
    sent = Decided("RELEASED", "BMMSC_2010_024041_78", "", seen)
    quin, lara = cells.person("quin"), cells.person("lara")
    with pytest.raises(Impossible), cells.world.write("quin") as tx:
        release.decide(tx, cells.world.published, cells.batch, quin.actor, quin.proof, sent, NOW)
    with cells.world.read() as tx:
        seen = release.review(tx, cells.world.published, cells.batch).seen
    with pytest.raises(NotAllowed), cells.world.write("lara") as tx:
        sent = Decided("RELEASED", "BMMSC_2010_024041_78", "", seen)
        release.decide(tx, cells.world.published, cells.batch, lara.actor, lara.proof, sent, NOW)


def test_a_decision_on_which_bags_were_given_is_not_taken_away(cells):
    cells.check()
    with pytest.raises(Impossible):
        mark(cells, cells.batch, "MAKING", "RELEASE", name="quin")


def test_the_donation_is_the_one_on_the_label(cells):
    with pytest.raises(Stopped) as stopped:
        cells.check(donation=DONATION[:-1] + "0")
    assert stopped.value.stops == (Stop.WRONG_DONATION,)


def test_nobody_gets_a_second_infusion_and_one_infusion_may_be_of_several_bags(cells):
    cells.check()
    cells.infuse(BAGS[0], at=(21, 11, 2026, "10:00"))
    cells.check(BAGS[1])
    mark(cells, cells.recipient, "D0", "BEDSIDE", 2, name="ivan")
    with pytest.raises(Stopped) as stopped:
        cells.check(BAGS[1], now=later(24 * 60))
    assert stopped.value.stops == (Stop.TREATED,) and stopped.value.overridable, "only an investigator's signed deviation"
