"""How long somebody waits: nothing for the first failures, then longer each time, never for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.throttle import ADDRESS, ELSEWHERE, HERE, Failures, wait_until

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LIMITS = (HERE, ADDRESS, ELSEWHERE)


@pytest.mark.parametrize(("failures", "minutes"), [(4, None), (5, 1), (6, 2), (7, 4), (8, 8), (10, 32), (11, 60), (4000, 60)])
def test_from_one_address_the_wait_doubles_up_to_an_hour(failures, minutes):
    found = wait_until(HERE, Failures(failures, AT))
    assert found == (None if minutes is None else AT + timedelta(minutes=minutes))


@pytest.mark.parametrize("limit", LIMITS)
@given(count=st.integers(0, 10**9))
def test_a_wait_never_shrinks_with_more_failures_and_always_ends(limit, count):
    fewer, more = (wait_until(limit, Failures(number, AT)) or AT for number in (count, count + 1))
    assert AT <= fewer <= more <= AT + limit.longest <= AT + timedelta(hours=1)


@pytest.mark.parametrize("limit", LIMITS)
def test_who_never_failed_does_not_wait(limit):
    assert wait_until(limit, Failures(0, None)) is None
