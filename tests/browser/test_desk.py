"""What may happen at a nurse's desk in the middle of a form: every fault once and short, and the visit with two of its forms (`make faults`
lets the network be away for five minutes, kills twenty browsers, and enters the whole visit on two screens)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.program import Program
from tests.faults import visit
from tests.faults.desk import FAULTS, PLANTED, Desk, try_fault
from tests.faults.nurse import hire


@pytest.fixture(scope="module")
def desk(program: Program, chromium: Browser) -> Iterator[Desk]:
    hire(program)
    at = Desk(program, chromium)
    yield at
    at.leave()


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != PLANTED])
def test_no_character_is_lost_and_none_is_typed_twice(desk: Desk, fault: str) -> None:
    """But for the last key before the browser was killed: see decision 0031, "What remains"."""
    tallies = list(try_fault(desk, fault))
    assert [one.line() for one in tallies if not one.held or one.stored != one.typed] == []
    assert all(one.typed > 60 for one in tallies)


def test_where_nothing_is_kept_the_same_count_finds_what_a_killed_browser_loses(desk: Desk) -> None:
    (tally,) = try_fault(desk, PLANTED)
    assert tally.lost == tally.twice > 30


def test_a_visit_goes_on_by_keyboard_through_the_end_of_a_session_and_a_server_that_dies(desk: Desk) -> None:
    try:
        entry = visit.enter(desk, "tablet", visit.FORMS[:2])
    finally:
        desk.leave()
    assert (entry.wrong, entry.hidden) == ([], [])
    assert entry.items >= 10
