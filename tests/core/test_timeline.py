"""The timeline: every planned visit once, a table that holds what the figure holds, days to scale, partial dates as what they may be."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.core.sample_study import STUDY, dosed, recorded, subject
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef, Study
from trialcrf.core.schedule import plan
from trialcrf.core.timeline import LEFT, RIGHT, Kind, Mark, Timeline, timeline
from trialcrf.core.wording import Message, Words

TODAY = date(2026, 6, 15)


def drawn(*records, today: date = TODAY, study: Study = STUDY) -> Timeline:
    record = subject(*records)
    return timeline(study, record, plan(study, record, today), today)


def woe(row: str = "1", **values: str):
    return replace(recorded("AE", "AE", **values), row=row)


def of_kind(line: Timeline, kind: Kind) -> list[Mark]:
    return [mark for mark in line.marks if mark.kind is kind]


def test_every_planned_visit_is_there_once_in_the_figure_or_in_the_list_below_it():
    for records in ((), (dosed(),), (dosed(), recorded("M1", SVSTDAT="2026-03-01"), recorded("M3", SVOCCUR="N"))):
        line = drawn(*records)
        told = [mark.what for mark in of_kind(line, Kind.VISIT)] + [one.what for one in line.undated]
        labels = [event.label for event in STUDY.events]
        assert sorted(map(str, told)) == sorted(map(str, labels))


def test_a_visit_has_its_window_its_actual_day_its_state_and_its_reason():
    (m1,) = [
        one for one in of_kind(drawn(dosed(), recorded("M1", SVSTDAT="2026-03-01")), Kind.VISIT) if one.what == STUDY.event["M1"].label
    ]
    assert (m1.window.first, m1.window.last) == (date(2026, 2, 26), date(2026, 3, 3))
    assert (m1.actual.first, m1.actual.last, m1.state, m1.word.msgid) == (date(2026, 3, 1), date(2026, 3, 1), "done", "done")
    assert m1.text[0].msgid.startswith("In the window")
    assert [said.msgid for said in m1.dates] == ["window %(opens)s to %(closes)s", "visit on %(day)s"]


def test_an_overdue_visit_says_by_how_many_days():
    words = [mark.word for mark in of_kind(drawn(dosed(), today=date(2026, 3, 5)), Kind.VISIT) if mark.state == "overdue"]
    assert words == [Message("overdue by %(days)s days", {"days": 2})]


def test_nothing_known_is_no_figure():
    line = drawn()
    assert line.marks == () and line.ticks == ()
    assert len(line.undated) == len(STUDY.events)


def test_days_are_drawn_to_scale_within_the_figure_and_no_bar_vanishes():
    line = drawn(dosed(), woe(AETERM="x", AESTDAT="2026-02-10", AEENDAT="2026-02-10"))
    bars = [bar for mark in line.marks for bar in mark.bars]
    assert all(bar.x >= LEFT and bar.x + bar.width <= RIGHT + 0.11 and bar.width >= 5 for bar in bars)
    wide = sorted((bar for bar in bars if bar.width > 5), key=lambda bar: bar.first)
    scale = {round(bar.width / ((bar.last - bar.first).days + 1), 1) for bar in wide}
    assert len(wide) >= 2 and len(scale) == 1
    days = sorted({(bar.first, bar.x) for bar in bars})
    assert [x for _, x in days] == sorted(x for _, x in days)


def test_every_mark_has_a_lane_of_its_own_from_top_to_bottom_inside_the_figure():
    line = drawn(dosed(), woe(AETERM="x", AESTDAT="2026-02-10"), recorded("END", DSDECOD="DEATH", DSSTDAT="2026-07-01"))
    lanes = [mark.y for mark in line.marks]
    assert lanes == sorted(set(lanes)) and lanes[-1] < line.height


def test_the_order_is_reference_days_visits_events_by_onset_the_end_today():
    late, early = woe("1", AETERM="late", AESTDAT="2026-04-01"), woe("2", AETERM="early", AESTDAT="2026-02-02")
    line = drawn(dosed(), late, early, recorded("END", DSDECOD="COMPLETED", DSSTDAT="2026-06-20"), today=date(2026, 6, 20))
    kinds = [mark.kind for mark in line.marks]
    assert kinds == sorted(kinds, key=[Kind.ANCHOR, Kind.VISIT, Kind.EVENT, Kind.ENDING, Kind.TODAY].index)
    assert [mark.what for mark in of_kind(line, Kind.EVENT)] == ["early", "late"]
    assert kinds.count(Kind.TODAY) == kinds.count(Kind.ENDING) == 1


def test_a_partial_date_is_drawn_as_all_the_days_that_it_may_be_and_says_so():
    line = drawn(dosed(), recorded("M1", SVSTDAT="2026-03"))
    m1 = next(mark for mark in of_kind(line, Kind.VISIT) if mark.what == STUDY.event["M1"].label)
    assert (m1.actual.first, m1.actual.last, m1.actual.partial) == (date(2026, 3, 1), date(2026, 3, 31), True)
    assert "(partial date)" in m1.dates[-1].params["day"].msgid
    assert line.partial and not drawn(dosed()).partial


def test_a_partial_reference_day_is_shown_and_anchors_nothing():
    line = drawn(dosed("2026-01"))
    (anchor,) = of_kind(line, Kind.ANCHOR)
    assert (anchor.actual.first, anchor.actual.last, anchor.actual.partial) == (date(2026, 1, 1), date(2026, 1, 31), True)
    assert "nothing is counted" in anchor.text[0].msgid
    assert line.counted_from is None


@pytest.mark.parametrize(
    ("values", "last", "open_end", "said"),
    [
        ({"AEENDAT": "2026-02-20"}, date(2026, 2, 20), False, []),
        ({}, TODAY, True, ["ongoing"]),
        ({"AEOUT": "NOT RECOVERED/NOT RESOLVED"}, TODAY, True, ["ongoing"]),
        ({"AEOUT": "RECOVERED/RESOLVED"}, date(2026, 2, 10), True, ["end not recorded"]),
    ],
)
def test_an_event_runs_to_its_end_or_to_today_while_it_goes_on(values, last, open_end, said):
    (mark,) = of_kind(drawn(dosed(), woe(AETERM="x", AESTDAT="2026-02-10", **values)), Kind.EVENT)
    assert (mark.actual.first, mark.actual.last, mark.actual.open_end) == (date(2026, 2, 10), last, open_end)
    assert [text.msgid for text in mark.text] == said


def test_an_ongoing_event_is_not_drawn_past_the_end_of_participation_and_long_after_it_there_is_no_today():
    line = drawn(dosed(), woe(AETERM="x", AESTDAT="2026-02-10"), recorded("END", DTHDAT="2026-03-01"), today=date(2030, 1, 1))
    assert of_kind(line, Kind.EVENT)[0].actual.last == date(2026, 3, 1)
    (end,) = of_kind(line, Kind.ENDING)
    assert (end.state, end.word.msgid, end.actual.first) == ("death", "death", date(2026, 3, 1))
    assert of_kind(line, Kind.TODAY) == []


def test_an_event_without_onset_and_an_end_without_day_are_told_below_the_figure():
    line = drawn(dosed(), woe(AETERM="x"), recorded("END", DSDECOD="WITHDRAWAL BY SUBJECT"))
    assert [one.what for one in line.undated if one.what == "x"] == ["x"]
    assert "Day unknown" in [one.why.msgid for one in line.undated]
    assert of_kind(line, Kind.ENDING) == of_kind(line, Kind.EVENT) == []


def test_severity_is_said_in_the_words_of_the_study_and_a_serious_event_is_called_so():
    from tests.core.safety_cases import study

    other = study()
    line = timeline(other, subject(woe(AETERM="x", AESTDAT="2026-02-10", AETOXGR="2"), kind="R"), (), TODAY)
    assert [(mark.state, mark.word) for mark in of_kind(line, Kind.EVENT)] == [("mild", Words({"fr": "Grade 2", "en": "Grade 2"}))]
    grave = woe(AETERM="x", AESTDAT="2026-02-10", AETOXGR="3", AESER="Y")
    (mark,) = of_kind(timeline(other, subject(grave, kind="R"), (), TODAY), Kind.EVENT)
    assert (mark.state, mark.word.msgid) == ("severe", "%(severity)s, serious")


def test_ticks_are_months_since_the_infusion_clamped_in_february():
    line = drawn(dosed("2028-01-31T10:00+01:00"), today=date(2028, 2, 10))
    ticks = {tick.label.params["month"]: tick.day for tick in line.ticks}
    assert (ticks["0"], ticks["1"], ticks["3"]) == (date(2028, 1, 31), date(2028, 2, 29), date(2028, 4, 30))
    assert line.counted_from == STUDY.anchors[0].label


def test_months_before_the_infusion_have_a_minus_sign_and_no_scale_has_too_many_ticks():
    for today in (TODAY, date(2030, 1, 1), date(2060, 1, 1)):
        line = drawn(dosed(), recorded("START", SVSTDAT="2025-11-01"), today=today)
        assert 4 <= len(line.ticks) <= 12
        assert [tick.x for tick in line.ticks] == sorted({tick.x for tick in line.ticks})
        if today == TODAY:
            assert [tick.label.params["month"] for tick in line.ticks][:4] == ["−2", "−1", "0", "1"]


def test_without_an_infusion_the_scale_shows_dates():
    line = drawn(recorded("START", SVSTDAT="2028-02-29"), today=date(2028, 3, 10))
    assert line.counted_from is None
    assert [tick.day for tick in line.ticks][:2] == [date(2028, 2, 29), date(2028, 3, 7)]
    far = drawn(recorded("START", SVSTDAT="2024-02-29"), today=date(2028, 3, 10))
    assert all(tick.day.day == 1 for tick in far.ticks) and 2 <= len(far.ticks) <= 12


def test_a_leap_day_is_a_day_of_its_own():
    def width(year: int) -> int:
        line = drawn(recorded("START", SVSTDAT=f"{year}-02-28"), today=date(year, 3, 1))
        first = next(mark for mark in line.marks if mark.kind is Kind.VISIT).bars[0]
        last = of_kind(line, Kind.TODAY)[0].bars[0]
        return round((last.x - first.x) / ((RIGHT - LEFT) / 15))

    assert (width(2028), width(2026)) == (2, 1)


def test_words_stand_where_there_is_room_for_them():
    line = drawn(dosed(), woe(AETERM="long", AESTDAT="2026-01-31"), today=date(2026, 5, 14))
    for mark in line.marks:
        left, right = min(bar.x for bar in mark.bars), max(bar.x + bar.width for bar in mark.bars)
        assert {"after": mark.word_x > right, "before": mark.word_x < left, "inside": left < mark.word_x < right}[mark.word_at]
    assert {mark.word_at for mark in line.marks} >= {"after", "inside"}


def test_the_day_after_is_a_little_further_right():
    one, two = (drawn(dosed(), today=TODAY + timedelta(days=more)) for more in (0, 1))
    assert of_kind(one, Kind.TODAY)[0].actual.last < of_kind(two, Kind.TODAY)[0].actual.last


def test_an_item_without_a_term_is_still_an_event():
    form = FormDef("AE", Words({"en": "ae"}), (ItemGroupDef("G", Words(), (ItemDef("T", Words(), DataType.TEXT, aliases=("AETERM",)),)),))
    line = drawn(dosed(), woe(AESTDAT="2026-02-10"), study=replace(STUDY, forms=(*STUDY.forms, form)))
    assert of_kind(line, Kind.EVENT)[0].what == Message("Term not recorded")
