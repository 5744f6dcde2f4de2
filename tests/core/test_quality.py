"""Site quality: counted by hand, only what was due, and nothing where nothing was."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.sample_study import STUDY, dosed, recorded, subject
from trialcrf.core.quality import Days, Seen, SeenEvent, SeenQuery, SeenVisit, SiteQuality, Visits, quality, seen_subject, together
from trialcrf.core.schedule import LEFT, OPEN, State, plan
from trialcrf.core.workflow import QueryState

AS_OF = date(2026, 6, 15)
DAY = timedelta(days=1)


def visit(course: str = OPEN, closes: date | None = AS_OF - DAY, held_on: str = "", entered: date | None = None) -> SeenVisit:
    return SeenVisit(course, closes - 10 * DAY if closes else None, closes, held_on, entered)


def counted(*visits: SeenVisit, as_of: date = AS_OF) -> Visits:
    return quality("01", "Paris", [Seen("person", visits=visits)], as_of, as_of).visits


def events(*told: SeenEvent) -> Days:
    return quality("01", "", [Seen("person", events=told)], AS_OF, AS_OF).event_to_entry


@pytest.mark.parametrize(
    ("closes", "overdue"), [(AS_OF - DAY, 1), (AS_OF, 0), (AS_OF + DAY, 0)], ids=["ended", "last day is today", "still open"]
)
def test_a_visit_that_waits_was_due_only_when_its_window_had_ended(closes, overdue):
    found = counted(visit(OPEN, closes))
    assert (found.overdue, found.due) == (overdue, overdue)


@pytest.mark.parametrize(("closes", "missed"), [(AS_OF - DAY, 1), (AS_OF, 1), (AS_OF + DAY, 0)])
def test_a_missed_visit_was_due_when_its_window_ended_by_the_day(closes, missed):
    assert counted(visit(State.MISSED, closes)) == Visits(missed=missed)


@pytest.mark.parametrize("state", [State.CANCELLED, State.NOT_APPLICABLE, State.NOT_PLANNABLE])
def test_what_belongs_to_nobody_is_in_no_count(state):
    assert counted(visit(state)) == Visits()
    assert counted(visit(state)).due == 0


def test_a_visit_without_a_window_was_never_due():
    assert counted(visit(State.DONE, None, "2026-06-01"), visit(State.MISSED, None)) == Visits()


def test_a_visit_done_before_its_window_ends_counts_and_one_dated_after_the_day_was_not_done_by_then():
    assert counted(visit(State.DONE, AS_OF + 5 * DAY, "2026-06-15")) == Visits(done=1)
    assert counted(visit(State.DONE, AS_OF + 5 * DAY, "2026-06-16")) == Visits()
    late = visit(State.DONE_OUT, AS_OF - DAY, "2026-06-16")
    assert counted(late) == Visits(overdue=1, overdue_by_type=(("person", 1),))
    assert counted(late, as_of=AS_OF + DAY) == Visits(done_out=1)


def test_a_visit_that_participation_left_behind_is_overdue_and_told_apart():
    assert counted(visit(LEFT), visit(OPEN)) == Visits(overdue=2, left=1, overdue_by_type=(("person", 2),))


def test_a_partial_date_that_may_lie_in_the_window_is_told_beside_the_visits_in_window():
    whole = SeenVisit(State.DONE, date(2026, 4, 1), date(2026, 5, 31), "2026-05", None)
    half = SeenVisit(State.DONE, date(2026, 4, 20), date(2026, 5, 10), "2026-05", None)
    assert counted(whole, half) == Visits(done=2, unsure=1)


def test_ten_visits_counted_by_hand():
    found = counted(
        *[visit(State.DONE, held_on="2026-06-10")] * 4,
        visit(State.DONE_OUT, held_on="2026-06-01"),
        visit(State.DONE_OUT, held_on="2026-06-02"),
        visit(State.MISSED),
        visit(OPEN),
        visit(OPEN, AS_OF),
        visit(State.CANCELLED),
    )
    assert (found.due, found.done, found.done_out, found.missed, found.overdue) == (8, 4, 2, 1, 1)


def test_days_to_entry_are_whole_days_with_median_and_maximum():
    visits = [
        visit(State.DONE, held_on="2026-06-01", entered=date(2026, 6, 1)),
        visit(State.DONE, held_on="2026-06-01", entered=date(2026, 6, 4)),
        visit(State.DONE, None, "2026-06-01T09:30", date(2026, 6, 11)),
    ]
    found = quality("01", "", [Seen("person", visits=visits)], AS_OF, AS_OF).to_entry
    assert (found.number, found.median, found.longest, found.not_assessable) == (3, Decimal(3), 10, 0)


def test_the_median_of_an_even_number_is_between_the_middle_two():
    found = events(*[SeenEvent("2026-06-01", date(2026, 6, day)) for day in (2, 3, 6, 15)])
    assert (found.median, found.longest) == (Decimal("3.5"), 14)


def test_what_cannot_be_assessed_is_counted_apart_and_is_in_no_median():
    entered = date(2026, 6, 10)
    found = events(
        SeenEvent("2026-06", entered), SeenEvent("", entered), SeenEvent("2026-06-11", entered), SeenEvent("2026-06-08", entered)
    )
    assert (found.number, found.median, found.not_assessable) == (1, Decimal(2), 3)


def test_what_happened_after_the_cut_off_is_not_in_the_delays():
    assert events(SeenEvent("2026-06-16", date(2026, 6, 20)), SeenEvent("2026-07", date(2026, 7, 20))) == Days()


def test_nothing_is_no_median_and_no_maximum():
    nothing = quality("01", "", [], AS_OF, AS_OF)
    assert (nothing.to_entry.median, nothing.to_entry.longest, nothing.visits.due) == (None, None, 0)


def test_queries_are_as_old_as_they_were_when_the_data_were_known():
    opened = [SeenQuery(QueryState.OPEN, AS_OF - days * DAY) for days in (0, 30, 31, 40)]
    answered = [SeenQuery(QueryState.ANSWERED, AS_OF - 5 * DAY)]
    found = quality("01", "", [Seen("person", queries=[*opened, *answered])], AS_OF - 100 * DAY, AS_OF)
    assert (found.opened.number, found.opened.median, found.opened.longest, found.opened.long) == (4, Decimal("30.5"), 40, 2)
    assert (found.answered.number, found.answered.longest) == (1, 5)


def test_subjects_enrolled_after_the_day_are_not_counted():
    assert quality("01", "", [Seen("person", [AS_OF, AS_OF + DAY])], AS_OF, AS_OF).subjects == 1


def test_the_whole_study_is_the_sum_of_its_sites_and_its_median_that_of_all():
    def one(site: str, *days: int) -> SiteQuality:
        told = [SeenEvent("2026-06-01", date(2026, 6, 1) + day * DAY) for day in days]
        return quality(site, "", [Seen("person", [AS_OF], [visit(OPEN)], told)], AS_OF, AS_OF)

    whole = together([one("01", 1, 1, 1), one("02", 9, 13)])
    assert (whole.site, whole.subjects, whole.visits.overdue, whole.visits.overdue_by_type) == ("", 2, 2, (("person", 2),))
    assert (whole.event_to_entry.median, whole.event_to_entry.longest) == (Decimal(1), 13)


@given(st.lists(st.integers(0, 60)), st.lists(st.integers(0, 60)))
def test_lots_of_any_size_give_the_same_numbers(one, other):
    def lot(days: list[int]) -> Seen:
        return Seen("person", events=[SeenEvent("2026-01-01", date(2026, 1, 1) + day * DAY) for day in days])

    assert quality("01", "", [lot(one), lot(other)], AS_OF, AS_OF) == quality("01", "", [lot(other + one)], AS_OF, AS_OF)


@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.sampled_from(["", "2026-03-01", "2026-03-20"]), st.sampled_from(["", "N"]))
def test_what_is_overdue_here_is_what_the_matrix_calls_overdue(as_of, held, missed):
    records = [dosed(), *([recorded("M1", SVSTDAT=held)] if held else []), *([recorded("M3", SVOCCUR=missed)] if missed else [])]
    record = subject(*records)
    found = quality("01", "", [seen_subject(STUDY, record, {1: date(2026, 1, 1)}, {})], as_of, as_of).visits
    states = [one.state for one in plan(STUDY, record, as_of) if not (one.on and one.on > as_of.isoformat())]
    assert found.overdue - (bool(held) and held > as_of.isoformat() and date(2026, 3, 3) < as_of) == states.count(State.OVERDUE)


def test_a_subject_is_seen_with_the_first_entry_of_each_visit_and_of_each_row():
    m1 = replace(recorded("M1", SVSTDAT="2026-03-01"), form_id=2)
    again = replace(recorded("M1", "SIGNS"), form_id=3)
    pains = [replace(recorded("AE", "AE", AETERM="x", AESTDAT="2026-02-01"), form_id=4, row=row) for row in ("1", "2")]
    forms = {1: date(2026, 2, 1), 2: date(2026, 3, 9), 3: date(2026, 3, 4), 4: date(2026, 2, 3)}
    seen = seen_subject(STUDY, subject(dosed(), m1, again, *pains), forms, {(4, "2"): date(2026, 4, 1)})
    assert [one.entered for one in seen.visits if one.held_on == "2026-03-01"] == [date(2026, 3, 4)]
    assert [one.entered for one in seen.events] == [date(2026, 2, 3), date(2026, 4, 1)]
    assert (seen.subject_type, seen.enrolled) == ("person", (date(2026, 1, 1),))
