"""What follows a bedside check, on both databases: the infusion as it is proposed, its dose and clock, its readings, and a reaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from tests.actions.cells_world import BAGS, Cells, cells_filling, later, open_cells
from tests.actions.world import NOW, typed
from tests.conftest import Databases, Filling
from trialcrf.actions import Impossible, enter
from trialcrf.actions.cells import bedside, infusion, rules, vitals
from trialcrf.actions.cells.gather import chain_now
from trialcrf.actions.safety import take_over
from trialcrf.core.document import FormKey, Place
from trialcrf.core.entry import Refused
from trialcrf.store import forms, queries, replay


@pytest.fixture
def filling() -> Filling:
    return cells_filling()


@pytest.fixture
def each_cells(database_url: str) -> Iterator[Cells]:
    made = open_cells(database_url)
    yield made
    made.world.engine.dispose()


@pytest.fixture
def cells(databases: Databases) -> Iterator[Cells]:
    url = databases.fresh("sqlite", cells_filling())
    made = open_cells(url)
    yield made
    made.world.engine.dispose()
    databases.drop(url)


def propose(cells: Cells, language: str = "en", now: datetime = NOW) -> dict[str, str]:
    with cells.world.read() as tx:
        opened = enter.open_form(tx, cells.world.published, cells.recipient, FormKey("D0", "INFUSION"), now)
        found = infusion.proposed(tx, cells.recipient, opened, language)
    return {str(place): " ".join(raw.parts.values()) for place, raw in found.raws.items()} if found else {}


def test_the_infusion_is_proposed_from_the_bags_that_were_checked(each_cells: Cells) -> None:
    cells = each_cells
    assert propose(cells) == {}
    cells.move(BAGS[0], "THAWED", (21, 11, 2026, "09:40"), MOV_VIABILITY="85.5")
    assert propose(cells) == {}
    cells.check()
    wanted = {"INF_COHORT": "MSC1", "INF_BATCH": "LOT-2026-01", "INF_TOTAL": "80", "INF_VIABILITY": "85.5", "INFUSED/new1/INF_BAG": BAGS[0]}
    assert propose(cells) == wanted
    assert propose(cells, "fr")["INF_VIABILITY"] == "85,5"
    cells.check(BAGS[1], now=later(1))
    both = propose(cells)
    assert (both["INF_TOTAL"], both["INFUSED/new2/INF_BAG"]) == ("160", BAGS[1])
    assert "INF_VIABILITY" not in both  # the other bag was not thawed: they have none together


def test_what_the_infusion_says_already_is_left_and_only_a_further_bag_is_proposed(cells: Cells) -> None:
    cells.check()
    cells.infuse(BAGS[0], at=(21, 11, 2026, "10:00"))
    assert propose(cells) == {}
    cells.check(BAGS[1], now=later(1))
    assert propose(cells) == {"INF_BATCH": "LOT-2026-01", "INF_TOTAL": "80", "INFUSED/new1/INF_BAG": BAGS[1]}


def test_the_dose_is_by_the_weight_of_the_day_and_the_infusions_own_weight_first(cells: Cells) -> None:
    study = cells.world.published.study
    cells.move(BAGS[0], "THAWED", (21, 11, 2026, "09:40"), MOV_VIABILITY="78")
    cells.world.save(cells.recipient, "VITALS", "D0", typed(WT="62.4"))

    def given():
        with cells.world.read() as tx:
            bag = bedside.situation(tx, cells.world.published, cells.recipient, BAGS[0], "MSC1", NOW).bag
            return infusion.dose_of_bags(tx, study, cells.recipient, [bag], "MSC1")

    found = given()
    assert str(found.dose.planned) == "62.4" and found.volume == 50 and not found.short and found.assumption == "A-37"
    cells.world.save(cells.recipient, "INFUSION", "D0", typed(INF_WEIGHT="70", INF_COHORT="MSC1"))
    assert given().dose.weight == 70 and given().short


def test_a_weight_of_624_kg_is_refused_at_its_field(cells: Cells) -> None:
    with pytest.raises(Refused) as refused:
        cells.world.save(cells.recipient, "INFUSION", "D0", typed(INF_WEIGHT="624", INF_COHORT="MSC1"))
    assert {one.place.item for one in refused.value.findings} == {"INF_WEIGHT"}


def test_the_clock_runs_from_the_thaw_and_stops_at_the_start(cells: Cells) -> None:
    study = cells.world.published.study
    cells.move(BAGS[0], "THAWED", (21, 11, 2026, "09:40"), MOV_VIABILITY="85")
    cells.check()
    with cells.world.read() as tx:
        (running,) = infusion.clocks(tx, study, cells.recipient, later(17))
    assert (running.minutes, running.left, running.ended) == (37, None, False)
    cells.infuse(BAGS[0], at=(21, 11, 2026, "10:05"), now=later(6))
    with cells.world.read() as tx:
        (ended,) = infusion.clocks(tx, study, cells.recipient, later(200))
    assert (ended.minutes, ended.ended) == (25, True)


@pytest.mark.parametrize(("limit", "doubted"), [(0, False), (25, False), (24, True)])
def test_a_bag_that_was_thawed_too_long_is_doubted_at_the_infusion(cells: Cells, limit: int, doubted: bool) -> None:
    published = cells.world.published
    study = replace(published.study, cells=replace(published.study.cells, thaw_minutes=limit))
    cells.move(BAGS[0], "THAWED", (21, 11, 2026, "09:40"), MOV_VIABILITY="85")
    cells.check()
    cells.infuse(BAGS[0], at=(21, 11, 2026, "10:05"), now=later(6))
    with cells.world.read() as tx:
        stored = forms.read(tx, cells.recipient.id, FormKey("D0", "INFUSION"))
        assert stored
        held = chain_now(tx, study).stock
    found = {one.check for one in rules.infused(study, cells.recipient, study.form["INFUSION"], held, stored.document)}
    assert ("thaw" in found) is doubted


def test_a_reaction_begins_now_and_names_its_infusion_and_judges_nothing(cells: Cells) -> None:
    def reaction():
        with cells.world.read() as tx:
            key = take_over.begin(tx, cells.world.published, cells.recipient)
            opened = enter.open_form(tx, cells.world.published, cells.recipient, key, later(30))
            found = take_over.reaction(tx, cells.world.published, cells.recipient, opened, "en", later(30))
        return {place.item: " ".join(raw.parts.values()) for place, raw in found.raws.items()}

    assert reaction() == {"AE_ONSET": "21 11 2026", "AE_ONSET_TIME": "10:30"}
    cells.check()
    cells.infuse(BAGS[0], at=(21, 11, 2026, "10:05"), now=later(6))
    assert reaction() == {"AE_ONSET": "21 11 2026", "AE_ONSET_TIME": "10:30", "AE_INFUSION": "R-01-001/D0/1/INFUSION/1"}


def take(cells: Cells, point: str, now: datetime, name: str = "cora", **more: object) -> enter.Saved:
    sent = vitals.Sent(point, **{"values": {"IV_SBP": "120", "IV_DBP": "70"}, **more})
    with cells.world.write(name, now) as tx:
        return vitals.save(tx, cells.world.published, cells.recipient, sent, now)


def board(cells: Cells, now: datetime) -> vitals.Board:
    with cells.world.read() as tx:
        found = vitals.board(tx, cells.world.published, cells.recipient, now)
    assert found
    return found


def test_a_reading_is_a_row_of_the_form_at_the_time_of_the_site(each_cells: Cells) -> None:
    cells = each_cells
    with pytest.raises(Impossible):
        take(cells, "P0", NOW)  # only the start times it
    take(cells, "M15", NOW)
    cells.check()
    cells.infuse(BAGS[0], at=(21, 11, 2026, "10:05"), now=later(6))
    take(cells, "P15", later(24), clock="10:21")
    take(cells, "P30", later(40), values={"IV_SBP": "118", "IV_TEMP": "37,2"}, why="cuff lost")
    take(cells, "P60", later(70), values={}, why="in imaging", not_done=True)
    found = board(cells, later(71))
    assert [str(line.point.state) for line in found.lines[:5]] == ["late", "missed", "late", "late", "not_done"]
    assert [line.point.off for line in found.lines[:5]] == [10, None, 1, 5, None]
    row = found.lines[3].rows[0].items
    assert (row["IV_TEMP"].text, row["IV_PULSE"].missing, row["IV_PULSE"].note) == ("37.2", "ND", "cuff lost")
    assert {answer.missing for oid, answer in found.lines[4].rows[0].items.items() if oid != "IV_POINT"} == {"ND"}
    with cells.world.read() as tx:
        assert list(replay.differences(tx)) == []


def test_two_nurses_at_once_lose_nothing(each_cells: Cells) -> None:
    cells = each_cells
    take(cells, "M15", NOW)
    with pytest.raises(vitals.Overtaken) as overtaken:
        take(cells, "M15", later(1), "ivan", values={"IV_SBP": "140", "IV_DBP": "70"})
    assert overtaken.value.line.seen == ("1",)
    # The very same page again is what stands; a further reading is saved once its page knows the first.
    assert take(cells, "M15", later(1)).decision.empty
    take(cells, "M15", later(2), "ivan", values={"IV_SBP": "140", "IV_DBP": "70"}, seen=("1",))
    assert [row.items["IV_SBP"].text for row in board(cells, later(3)).lines[0].rows] == ["120", "140"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"values": {}}, "IV_SBP"),
        ({"values": {}, "not_done": True}, "why"),
        ({"not_done": True, "why": "x"}, "why"),
        ({"clock": "25:00"}, "at"),
    ],
)
def test_a_reading_that_says_nothing_or_both_is_refused_at_its_box(cells: Cells, more: dict[str, object], field: str) -> None:
    with pytest.raises(Impossible) as refused:
        take(cells, "M15", NOW, **more)
    assert refused.value.field == field
    assert board(cells, NOW).stored is None


def test_hard_and_soft_findings_of_a_reading_are_those_of_its_form(cells: Cells) -> None:
    with pytest.raises(Refused) as refused:
        take(cells, "M15", NOW, values={"IV_SBP": "70", "IV_DBP": "90", "IV_SPO2": "999"})
    assert {one.place for one in refused.value.findings} == {Place(item, "POINTS", "new1") for item in ("IV_DBP", "IV_SPO2")}
    saved = take(cells, "M15", NOW, values={"IV_PULSE": "140"})
    with cells.world.read() as tx:
        assert {(one.place.item, one.check) for one in queries.of_form(tx, saved.form_id)} == {("IV_PULSE", "soft_range")}


def test_a_point_that_is_not_planned_is_nobodys(cells: Cells) -> None:
    for point in ("P7", "", "M15\x00"):
        with pytest.raises(Impossible):
            take(cells, point, NOW)
    with cells.world.read() as tx:
        assert vitals.board(tx, cells.world.published, cells.donor, NOW) is None
