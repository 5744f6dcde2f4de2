"""Numbers that are kept beside the head of a site's chain: never an old one, and counted anew only where something was recorded."""

from __future__ import annotations

import weakref
from datetime import timedelta

import pytest

from tests.actions.world import NOW, World, filling, open_world
from tests.bench.busiest import statements
from trialcrf.core.schedule import State
from trialcrf.store import counts, sites, subjects, tallies, visits
from trialcrf.store.sites import Site
from trialcrf.store.visits import Asked

CONSENT = {"ICF_DATE": ("2", "9", "2026"), "BIRTH_MONTH": {"m": "5", "y": "1979"}, "SEX_BIRTH": "F", "ICF_SIGNED": "Y"}


@pytest.fixture
def world(databases):
    url = databases.fresh("sqlite", filling())
    made = open_world(url)
    yield made
    made.engine.dispose()
    databases.drop(url)


def overdue(world: World, now=NOW) -> tuple[int, list[str]]:
    """The overdue visits of all sites, and what was asked of the database for the number."""
    with world.read() as tx:
        places = sites.all_of(tx, world.study)
        with statements(world.engine) as asked:
            found = visits.count(tx, Asked(places, now, 14, State.OVERDUE))
    return found, [one for one in asked if "FROM visit" in one]


def test_what_was_counted_stands_until_something_is_recorded_at_the_site(world):
    world.enrol("recipient", "01", **CONSENT)
    world.enrol("recipient", "02", **CONSENT)
    first, asked = overdue(world)
    assert (first, len(asked)) == (2, 2)  # It is not the same day in Paris and in Papeete.
    assert overdue(world) == (2, [])
    world.enrol("recipient", "01", **CONSENT)
    found, asked = overdue(world)
    assert (found, len(asked)) == (3, 1)
    # Another day is another count: what is not overdue yet becomes so without a record.
    assert overdue(world, NOW - timedelta(days=70))[0] == 0
    assert overdue(world) == (3, [])


def test_only_the_site_is_counted_where_something_was_recorded(world):
    asked_about: list[list[str]] = []

    def count(places: list[Site]) -> dict[int, int]:
        asked_about.append([one.code for one in places])
        return {one.id: len(asked_about) for one in places if one.code == "02"}

    def numbers() -> list[int]:
        with world.read() as tx:
            return tallies.of_sites(tx, sites.all_of(tx, world.study), "of this test", count, 0)

    for site in ("01", "02"):
        world.enrol("recipient", site, **CONSENT)
    assert (numbers(), numbers()) == ([0, 1], [0, 1])
    world.enrol("recipient", "02", **CONSENT)
    assert numbers() == [0, 2]
    assert asked_about == [["01", "02"], ["02"]]


class _Told:
    """Something that was counted, of which can be seen whether anybody still has it."""


def test_what_was_counted_before_is_not_remembered_beside_what_is_counted_now(world):
    """A value that was erased must not stay in the memory of a process that once counted it."""
    seen: list[weakref.ref[_Told]] = []

    def made() -> _Told:
        told = _Told()
        seen.append(weakref.ref(told))
        return told

    def look() -> None:
        with world.read() as tx:
            places = [one for one in sites.all_of(tx, world.study) if one.code == "01"]
            tallies.of_sites(tx, places, "one of this test", lambda some: {one.id: made() for one in some}, None)
            tallies.together(tx, places, "all of this test", made)

    world.enrol("recipient", "01", **CONSENT)
    look()
    assert [one() is not None for one in seen] == [True, True]
    world.enrol("recipient", "01", **CONSENT)
    look()
    assert [one() is not None for one in seen] == [False, False, True, True]


def test_what_is_made_of_several_sites_stands_until_something_is_recorded_at_one_of_them(world):
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return made[-1]

    def of(*codes: str) -> int:
        with world.read() as tx:
            places = [one for one in sites.all_of(tx, world.study) if one.code in codes]
            return tallies.together(tx, places, "of another test", make)

    for site in ("01", "02"):
        world.enrol("recipient", site, **CONSENT)
    assert (of("01", "02"), of("01", "02"), of("01")) == (0, 0, 1)
    world.enrol("recipient", "02", **CONSENT)
    assert (of("01", "02"), of("01")) == (2, 1)


def test_what_is_being_written_is_counted_each_time_and_another_database_has_numbers_of_its_own(world, databases):
    world.enrol("recipient", "01", **CONSENT)
    with world.read() as tx:
        assert sum(one.subjects for one in counts.enrolled(tx, sites.all_of(tx, world.study), ["recipient"])) == 1
    url = databases.fresh("sqlite", filling())
    other = open_world(url)
    with other.read() as tx:
        assert counts.enrolled(tx, sites.all_of(tx, other.study), ["recipient"]) == []
    other.engine.dispose()
    databases.drop(url)
    which = world.subject("R-01-001")
    with world.write() as tx:
        place = sites.find(tx, world.study, "01")
        assert place
        before = counts.enrolled(tx, [place], ["recipient"])
        subjects.mark_error(tx, which, "enrolled twice")
        assert (len(before), counts.enrolled(tx, [place], ["recipient"])) == (1, [])


def test_a_line_of_a_list_stands_until_something_is_recorded_at_its_site_or_the_day_there_is_over(world):
    drawn: list[list[str]] = []

    def look(now=NOW) -> dict[str, int]:
        with world.read() as tx:
            lines = {f"line of {one.code}": one for one in sites.all_of(tx, world.study) if one.code in ("01", "02")}
            return tallies.of_lines(
                tx, lines, "a list of this test", now, lambda some: drawn.append([*some]) or dict.fromkeys(some, len(drawn))
            )

    for site in ("01", "02"):
        world.enrol("recipient", site, **CONSENT)
    assert look() == look() == {"line of 01": 1, "line of 02": 1}
    world.enrol("recipient", "02", **CONSENT)
    assert look() == {"line of 01": 1, "line of 02": 2}
    # An hour later it is another day in Papeete, and the same one in Paris.
    assert look(NOW + timedelta(hours=1)) == {"line of 01": 1, "line of 02": 3}
    assert drawn == [["line of 01", "line of 02"], ["line of 02"], ["line of 02"]]


def test_a_transaction_that_writes_draws_each_time(world):
    world.enrol("recipient", "01", **CONSENT)
    drawn: list[int] = []
    for _ in range(2):
        with world.write("cora") as tx:
            (place,) = [one for one in sites.all_of(tx, world.study) if one.code == "01"]
            tallies.of_lines(tx, {1: place}, "written", NOW, lambda some: drawn.extend(some) or dict.fromkeys(some, ""))
    assert drawn == [1, 1]


def test_the_newest_are_kept_and_no_more_than_so_many(world, monkeypatch):
    monkeypatch.setattr(tallies, "_LINES", tallies._Kept(2))
    world.enrol("recipient", "01", **CONSENT)
    drawn: list[int] = []
    for wanted in ([1, 2], [2, 3], [2, 3], [1]):
        with world.read() as tx:
            (place,) = [one for one in sites.all_of(tx, world.study) if one.code == "01"]
            tallies.of_lines(tx, dict.fromkeys(wanted, place), "few", NOW, lambda some: drawn.extend(some) or dict.fromkeys(some, ""))
    assert drawn == [1, 2, 3, 1]
