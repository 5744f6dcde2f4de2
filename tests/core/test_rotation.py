"""Which backups stay: nights, weeks and months back, never without the last that was proved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.rotation import Keep, is_old, kept

LAST = datetime(2026, 12, 3, 2, 0, 5, tzinfo=UTC)
KEEP = Keep(nights=3, weeks=2, months=3)


def nights(count: int, proved: bool = True) -> list[tuple[datetime, bool]]:
    return [(LAST - timedelta(days=day), proved) for day in range(count)]


def test_of_a_year_of_nights_the_newest_of_each_night_week_and_month_stay():
    days = sorted(at.date().isoformat() for at in kept(nights(365), KEEP))
    assert days == ["2026-10-31", "2026-11-29", "2026-11-30", "2026-12-01", "2026-12-02", "2026-12-03"]


def test_the_defaults_keep_what_is_promised():
    assert len(kept(nights(1000), Keep())) == 14 + 5 + 10, "five weeks and ten months lie before the fourteen nights"


def test_the_last_proved_one_stays_however_old_it_is():
    old = (LAST - timedelta(days=900), True)
    assert old[0] in kept([*nights(40, proved=False), old], KEEP)


def test_of_one_night_the_proved_one_stays_and_the_newest_whatever_became_of_it():
    made = [(LAST, True), (LAST + timedelta(hours=1), False), (LAST + timedelta(hours=2), False)]
    assert kept(made, KEEP) == {LAST, LAST + timedelta(hours=2)}


@given(st.lists(st.tuples(st.integers(0, 1000).map(lambda hours: LAST - timedelta(hours=hours * 7)), st.booleans())))
def test_never_is_the_newest_or_the_newest_proved_one_removed(made):
    stays = kept(made, Keep(1, 0, 0))
    assert stays <= {at for at, _ in made}
    for some in (made, [one for one in made if one[1]]):
        assert not some or max(at for at, _ in some) in stays


def test_two_nights_are_the_limit_of_what_is_relied_on():
    assert is_old(None, LAST)
    assert not is_old(LAST - timedelta(days=2), LAST)
    assert is_old(LAST - timedelta(days=2, seconds=1), LAST)
