"""Planned visits as rows: always what the rule makes of the records, found by state on the day of each site, with a trail of what moved."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text, update

from tests.actions import screening
from tests.actions.world import NOW, World, open_world, typed
from tests.actions.world import filling as filling_of
from trialcrf.actions import enrol, enter
from trialcrf.actions.publish import plan_where_missing, publish
from trialcrf.core import schedule
from trialcrf.core.document import FormKey
from trialcrf.core.schedule import LEFT, OPEN, State
from trialcrf.store import audit, definitions, forms, replay, sites, subjects, visits
from trialcrf.store.models import visit as table
from trialcrf.store.visits import Asked

CONSENT = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip
LATE = datetime(2027, 6, 1, 9, tzinfo=UTC)


@pytest.fixture
def filling(request):
    return filling_of() if "world" in request.fixturenames else None


@pytest.fixture
def world(database_url):
    made = open_world(database_url)
    yield made
    made.engine.dispose()


def recipient(world: World, site: str = "01"):
    return world.enrol("recipient", site, now=datetime(2026, 11, 2, 22, tzinfo=UTC), **CONSENT)


def infuse(world: World, one, day: tuple[int, int, int], version: int | None = None, reason: str = "") -> None:
    boxes = {"INF_START": (*day, "10:00")} | ({} if version else {"INF_COHORT": "MSC1", "INF_BATCH": "B1"})
    now = datetime(day[2], day[1], day[0], 20, tzinfo=UTC)
    world.save(one, "INFUSION", "D0", typed(version, reason, **boxes), now=max(now, NOW))


def asked(world: World, now: datetime, state: State | None = None, **more) -> Asked:
    with world.read() as tx:
        study = definitions.current(tx, world.study)
        return Asked(sites.all_of(tx, world.study), now, study.study.due_soon, state, **more)


def listed(world: World, now: datetime, state: State, **more) -> list[tuple[str, str]]:
    with world.read() as tx:
        return [(one.subject.key, one.event_oid) for one in visits.all_of(tx, asked(world, now, state, **more))]


def by_rule(world: World, now: datetime, state: State) -> set[tuple[str, str]]:
    with world.read() as tx:
        study = definitions.current(tx, world.study).study
        everyone = subjects.all_of(tx, world.study)
        records = zip(everyone, subjects.records(tx, everyone), strict=True)
        return {
            (one.key, found.event.oid)
            for one, record in records
            for found in schedule.plan(study, record, one.site.today(now))
            if found.state is state
        }


@pytest.fixture
def populated(world):
    first, second = recipient(world), recipient(world, "02")
    world.enrol("donor", "01", now=datetime(2026, 11, 12, 22, tzinfo=UTC), **screening.DONOR)
    infuse(world, first, (10, 11, 2026))
    infuse(world, second, (15, 11, 2026))
    world.save(first, "FVISIT", "D1", typed(None, VIS_DONE="Y", VIS_DATE=(11, 11, 2026)))
    world.save(first, "FVISIT", "D3", typed(None, VIS_DONE="N", VIS_WHY="SUBJECT"))
    world.save(second, "DEATH", "DEATH", typed(None, DEATH_DATE=(20, 11, 2026)))
    return world


@pytest.mark.parametrize("state", list(State))
def test_every_list_holds_exactly_what_the_rule_says_on_every_day(populated, state):
    for days in (-25, -1, 0, 3, 40, 90, 400, 900):
        now = NOW + timedelta(days=days)
        found = listed(populated, now, state)
        assert len(found) == len(set(found))
        assert set(found) == by_rule(populated, now, state), (state, days)
        with populated.read() as tx:
            assert visits.count(tx, asked(populated, now, state)) == len(found)
            for top in (1, 3):  # The top of a list is kept by site.
                some = visits.all_of(tx, asked(populated, now, state), 0, top)
                assert [(one.subject.key, one.event_oid) for one in some] == found[:top], (state, days)


def test_the_day_is_that_of_each_site(world):
    with world.write("trialcrf") as tx:
        study = tx.read(text("SELECT id FROM study WHERE oid = 'msc_ssc'")).scalar_one()
        sites.create(tx, study, "03", "Elsewhere", "Pacific/Auckland")
    one = world.enrol("recipient", "03", now=datetime(2026, 11, 2, 22, tzinfo=UTC), **CONSENT)
    # Screening ends on 30 November; in Auckland the next day begins at noon here.
    before, after = datetime(2026, 11, 30, 10, 59, tzinfo=UTC), datetime(2026, 11, 30, 11, 1, tzinfo=UTC)
    assert (one.key, "SCR") in listed(world, before, State.DUE) and (one.key, "SCR") not in listed(world, before, State.OVERDUE)
    assert (one.key, "SCR") in listed(world, after, State.OVERDUE)


def test_longest_overdue_first_and_only_those_that_are_late_by_more(populated):
    found = listed(populated, LATE, State.OVERDUE)
    with populated.read() as tx:
        lines = visits.all_of(tx, asked(populated, LATE, State.OVERDUE))
    assert lines == sorted(lines, key=lambda one: (one.course == LEFT, one.closes))
    assert {one.course for one in lines} == {OPEN, LEFT}, "those who take part no more come last"
    late_by = (LATE.date() - lines[1].closes).days
    assert listed(populated, LATE, State.OVERDUE, late_by=late_by) == [
        key for key, one in zip(found, lines, strict=True) if (LATE.date() - one.closes).days > late_by
    ]


def test_re_dating_the_infusion_moves_every_window_and_the_trail_says_from_where_to_where_and_why(world):
    one = recipient(world)
    infuse(world, one, (10, 11, 2026))
    with world.read() as tx:
        assert [past for past in audit.history(tx.connection, "subject", str(one.id)) if past.op == "replan"] == []
    infuse(world, one, (12, 11, 2026), 1, "TYPO: read the wrong line")
    with world.read() as tx:
        moved = {past.place: past for past in audit.history(tx.connection, "subject", str(one.id)) if past.op == "replan"}
        targets = {line.event_oid: line.target for line in visits.all_of(tx, asked(world, NOW))}
    assert targets["M3"] == date(2027, 2, 12)
    assert moved["visit/M3"].new == '{"from": "2027-02-10", "to": "2027-02-12"}'
    assert {past.reason for past in moved.values()} == {"TYPO: read the wrong line"}
    assert {place.partition("/")[2] for place in moved} == {
        "BAS",
        "D1",
        "D2",
        "D3",
        "D7",
        "D10",
        "M1",
        "M3",
        "M6",
        "M9",
        "M12",
        "M18",
        "M24",
    }
    with world.read() as tx:
        assert list(replay.differences(tx)) == []


def test_an_infusion_marked_in_error_takes_its_windows_away_again(world):
    one = recipient(world)
    infuse(world, one, (10, 11, 2026))
    assert (one.key, "M3") in listed(world, LATE, State.OVERDUE)
    with world.write() as tx:
        enter.mark_form_error(tx, one, forms.read(tx, one.id, FormKey("D0", "INFUSION")), "another patient")
    assert (one.key, "M3") in listed(world, LATE, State.NOT_PLANNABLE)


def test_a_subject_in_error_is_in_no_list(world):
    one = recipient(world)
    with world.write() as tx:
        enrol.mark_subject_error(tx, one, "enrolled twice")
    assert listed(world, LATE, State.OVERDUE) == []


def test_a_new_version_plans_everybody_anew(world):
    one = recipient(world)
    infuse(world, one, (10, 11, 2026))
    with world.write("trialcrf") as tx:
        study = definitions.current(tx, "msc_ssc").study
        events = tuple(replace(each, window=replace(each.window, after=100)) if each.oid == "M3" else each for each in study.events)
        publish(tx, replace(study, events=events))
    with world.read() as tx:
        closes = {line.event_oid: line.closes for line in visits.all_of(tx, asked(world, NOW))}
        assert list(replay.differences(tx)) == []
    assert closes["M3"] == date(2027, 2, 10) + timedelta(days=100)


def test_a_row_that_somebody_changed_is_found(world):
    one = recipient(world)
    with world.write("trialcrf") as tx:
        tx.work(update(table).where(table.c.subject_id == one.id, table.c.event_oid == "SCR").values(closes=date(2030, 1, 1)))
    with world.read() as tx:
        assert [(d.entity, d.entity_id, d.place) for d in replay.differences(tx)] == [("visit", str(one.id), "SCR")] * 2


def test_subjects_of_a_database_without_rows_are_planned_at_the_start(world):
    recipient(world)
    with world.write("trialcrf") as tx:
        tx.work(text("DELETE FROM visit"))
    with world.write("trialcrf") as tx:
        assert plan_where_missing(tx) == 1
        assert plan_where_missing(tx) == 0
    with world.read() as tx:
        assert list(replay.differences(tx)) == []


def test_two_people_who_save_dates_of_one_subject_at_once_leave_rows_that_know_both(world):
    one = recipient(world)
    infuse(world, one, (10, 11, 2026))
    gate, wrong = threading.Barrier(2), []

    def save(event: str, day: int) -> None:
        gate.wait()
        try:
            world.save(one, "FVISIT", event, typed(None, VIS_DONE="Y", VIS_DATE=(day, 11, 2026)))
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=save, args=args) for args in (("D1", 11), ("D2", 12))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    with world.read() as tx:
        assert list(replay.differences(tx)) == []
    assert {(one.key, "D1"), (one.key, "D2")} <= set(listed(world, NOW, State.DONE))


def test_a_scan_in_lots_meets_every_visit_once(populated):
    with populated.read() as tx:
        everything = [(line.subject.id, line.event_oid) for lot in visits.each(tx, asked(populated, NOW), 3) for line in lot]
        assert everything == sorted(everything)
        assert len(everything) == visits.count(tx, asked(populated, NOW))


def test_a_calendar_holds_windows_that_touch_the_month_and_visits_that_were_held_in_it(populated):
    with populated.read() as tx:
        found = {
            (line.subject.key, line.event_oid) for line in visits.between(tx, asked(populated, NOW), date(2026, 11, 1), date(2026, 11, 11))
        }
    assert ("R-01-001", "D1") in found  # held on the 11th
    assert ("R-01-001", "D2") not in found  # the 12th
    assert ("R-01-001", "M1") not in found


def test_subjects_are_ordered_by_what_is_asked(populated):
    with populated.read() as tx:
        by_key = [one.key for one in visits.subjects_matching(tx, asked(populated, LATE))]
        overdue = visits.subjects_matching(tx, asked(populated, LATE, State.OVERDUE, subject_type="recipient"), "overdue")
        assert by_key == sorted(by_key)
        first = {
            one.key: min(line.closes for line in visits.all_of(tx, asked(populated, LATE)) if line.subject.key == one.key and line.closes)
            for one in overdue
        }
        assert visits.count_subjects(tx, asked(populated, LATE, State.OVERDUE, subject_type="recipient")) == len(overdue) == len(first)
        assert [one.key for one in visits.subjects_matching(tx, asked(populated, LATE, cohort="MSC1"))] == ["R-01-001", "R-02-001"]
        assert visits.subjects_matching(tx, asked(populated, LATE, cohort="MSC2")) == []


def test_all_subjects_of_a_kind_in_pages_are_those_of_the_list_each_once(populated):
    """What asks for no visit is read from the keys that are kept, page by page; a subject in error is on none of them."""
    for site in ("01", "02", "01"):
        wrong = recipient(populated, site)
    with populated.write() as tx:
        enrol.mark_subject_error(tx, wrong, "enrolled twice")
    with populated.read() as tx:
        plain = asked(populated, LATE, subject_type="recipient")
        every = sorted(one.key for one in subjects.all_of(tx, "msc_ssc", None, "recipient"))
        assert len(every) == 4
        pages = [visits.subjects_matching(tx, plain, "key", start, 2) for start in range(0, len(every) + 2, 2)]
        assert [one.key for page in pages for one in page] == every
        assert [one.key for one in visits.subjects_matching(tx, plain)] == every
        assert {one.site.code for one in visits.subjects_matching(tx, replace(plain, places=plain.places[:1]))} == {"01"}


def test_a_save_that_was_begun_under_the_version_before_plans_under_the_one_in_force(world):
    one = recipient(world)
    before = world.published
    events = tuple(replace(each, window=replace(each.window, after=100)) if each.oid == "M3" else each for each in before.study.events)
    with world.write("trialcrf") as tx:
        publish(tx, replace(before.study, events=events))
    sent = typed(None, INF_COHORT="MSC1", INF_BATCH="B1", INF_START=(10, 11, 2026, "10:00"))
    with world.write() as tx:
        enter.save_form(tx, before, one, FormKey("D0", "INFUSION"), sent, NOW)
    with world.read() as tx:
        assert list(replay.differences(tx)) == []
