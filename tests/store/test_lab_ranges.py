"""Limits of the sites' laboratories: which hold on a day, for whom; overlaps refused; every change in the trail and replayed from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import text as sql

from tests.actions.world import World, make_world, study_of
from trialcrf.actions import Impossible
from trialcrf.actions.safety import keep_limits
from trialcrf.actions.safety.keep_limits import TypedLimits
from trialcrf.external.language import Language
from trialcrf.store import audit, lab_ranges, replay, sites
from trialcrf.store.lab_ranges import LabRange
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Unaudited

FIRST, LAST = date(2026, 1, 1), date(2026, 6, 30)


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = make_world(database_url)
    yield made
    made.engine.dispose()


def typed(**changed: object) -> TypedLimits:
    boxes: dict[str, object] = {
        "laboratory": "Central", "analyte": "NEUT", "unit": "10⁹/L", "sex": "", "low": "1,8", "high": "7.5", "valid_from": FIRST,
    }  # fmt: skip
    return TypedLimits(**{**boxes, **changed})  # type: ignore[arg-type]


def add(world: World, site: str = "01", **changed: object) -> int:
    with world.write("dana") as tx:
        at = sites.find(tx, "msc_ssc", site)
        assert at
        return keep_limits.add(tx, world.published.study, at, typed(**changed))


def act(world: World, what: str, one: int, *more: object) -> None:
    with world.write("dana") as tx:
        held, at = lab_ranges.find(tx, one), sites.find(tx, "msc_ssc", "01")
        getattr(keep_limits, what)(tx, at, held, *more)


def on(world: World, day: date, sex: str = "F", analyte: str = "NEUT") -> list[int]:
    with world.read() as tx:
        at = sites.find(tx, "msc_ssc", "01")
        assert at
        return [one.id for one in lab_ranges.in_force(tx, at.id, [analyte], sex) if one.on(day)]


def refused(world: World, **changed: object) -> str:
    with pytest.raises(Impossible) as problem:
        add(world, **changed)
    assert problem.value.field == "day"
    return Language("en").say(problem.value.message)


def test_limits_hold_from_their_first_day_to_their_last_and_for_whom_they_are(world: World) -> None:
    women = add(world, sex="F", valid_to=LAST)
    men = add(world, sex="M")
    later = add(world, sex="F", valid_from=date(2026, 7, 1), low="2")
    elsewhere = add(world, site="02")
    assert on(world, date(2025, 12, 31)) == []
    assert on(world, FIRST) == on(world, LAST) == [women]
    assert on(world, date(2026, 7, 1)) == [later]
    assert on(world, FIRST, "M") == [men]
    assert on(world, FIRST, "") == []
    assert elsewhere not in on(world, FIRST) and on(world, FIRST, analyte="PLAT") == []


def test_an_overlap_is_refused_in_words_and_an_ended_or_erroneous_line_gives_way(world: World) -> None:
    first = add(world)
    assert "overlap" in refused(world, valid_from=date(2026, 9, 1), sex="F")
    assert "1 Jan 2026 to no end" in refused(world, laboratory="  Central ")
    refused(world, unit="10^9/L")  # the same unit in other signs
    add(world, laboratory="Other")
    add(world, analyte="PLAT")
    add(world, valid_from=date(2025, 1, 1), valid_to=date(2025, 12, 31))
    act(world, "end", first, LAST)
    refused(world, valid_from=LAST)
    second = add(world, valid_from=date(2026, 7, 1))
    with pytest.raises(Impossible):
        act(world, "end", first, date(2026, 7, 1))
    act(world, "mark_error", second, "wrong sheet")
    act(world, "end", first, date(2026, 7, 1))
    assert first in on(world, date(2026, 7, 1)) and second not in on(world, date(2026, 7, 2))


def checked(**changed: object) -> LabRange:
    at = Site(1, 1, "msc_ssc", "01", "Paris", "Europe/Paris")
    return keep_limits.checked(study_of("msc_ssc"), at, typed(**changed))


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("laboratory", {"laboratory": "  "}), ("laboratory", {"laboratory": "x" * 81}), ("analyte", {"analyte": "NOPE"}),
        ("analyte", {"unit": "mg/dL"}), ("sex", {"sex": "X"}), ("low", {"low": "", "high": ""}), ("low", {"low": "8"}),
        ("low", {"low": "7.5"}), ("low", {"low": "-1"}), ("low", {"low": "about 2"}), ("high", {"low": "", "high": "0"}),
        ("day", {"valid_to": date(2025, 12, 31)}),
    ],
)  # fmt: skip
def test_bad_limits_are_refused_at_their_box(field: str, changed: dict[str, object]) -> None:
    with pytest.raises(Impossible) as problem:
        checked(**changed)
    assert problem.value.field == field


def test_one_limit_is_enough_and_zero_is_a_lower_limit() -> None:
    alone, zero = checked(low="", high="40", analyte="ALT", unit="U/L"), checked(low="0", high="5", analyte="CRP", unit="mg/L")
    assert [(one.low, one.high) for one in (alone, zero, checked(low="1,8"))] == [("", "40"), ("0", "5"), ("1.8", "7.5")]


def test_every_change_is_in_the_chain_of_the_site_and_the_stored_line_is_its_replay(world: World) -> None:
    one = add(world)
    act(world, "end", one, LAST)
    act(world, "mark_error", one, "wrong sheet")
    with world.read() as tx:
        told = audit.history(tx.connection, "lab_range", str(one))
        held = lab_ranges.find(tx, one)
        assert list(replay.differences(tx)) == []
    assert {past.chain for past in told} == {"msc_ssc/01"} and {past.actor for past in told} == {"dana"}
    assert [(past.op, past.place, past.new) for past in told[-2:]] == [("end", "valid_to", "2026-06-30"), ("error", "error", "wrong sheet")]
    assert told[-1].reason == "wrong sheet"
    assert held == LabRange(one, 1, "Central", "NEUT", "", "10⁹/L", "1.8", "7.5", FIRST, LAST, "wrong sheet")
    with pytest.raises(Impossible):
        act(world, "mark_error", one, "again")
    with pytest.raises(Impossible):
        act(world, "end", one, LAST)
    # Altered behind the trail it is found out, and the database itself lets nobody delete it.
    with world.write("dana") as tx, pytest.raises(Unaudited):
        tx.work(sql("UPDATE lab_range SET high = '9'"))
    with world.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE lab_range SET high = '9'")
    with world.read() as tx:
        assert [(each.entity, each.entity_id, each.place) for each in replay.differences(tx)] == [("lab_range", str(one), "high")]
    with pytest.raises(Exception, match="never be changed or deleted"), world.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("DELETE FROM lab_range")


def test_the_analytes_are_those_of_the_forms_with_every_unit() -> None:
    known = [(one.code, one.unit) for one in keep_limits.analytes_of(study_of("msc_ssc"))]
    assert ("NEUT", "10⁹/L") in known and ("CREAT", "umol/L") in known and ("CREAT", "mg/dL") in known
    assert len(known) == len(set(known)) and not any(code in ("SYSBP", "HCG") for code, _ in known)
