"""Calendar files: what is written is read back by a program that knows the standard, line by line as the standard wants it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from icalendar import Calendar

from trialcrf.external.ical import Entry, calendar

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
LONG = "Évaluation à distance ; suite, fin \\ reprise « deux »\nseconde ligne " * 3


def events(file: bytes):
    return Calendar.from_ical(file).walk("VEVENT")


def test_a_text_comes_back_as_it_was_written_however_long() -> None:
    (event,) = events(calendar("MSC", "about", [Entry("a@trialcrf", date(2026, 12, 7), LONG, LONG)], NOW))
    assert (str(event["summary"]), str(event["description"])) == (LONG, LONG)
    assert (str(event["uid"]), event["dtstamp"].dt) == ("a@trialcrf", NOW)


def test_lines_end_as_the_standard_says_and_none_is_longer_than_75_octets() -> None:
    file = calendar(LONG, LONG, [Entry("a@trialcrf", date(2026, 12, 7), LONG, LONG)], NOW)
    assert file.startswith(b"BEGIN:VCALENDAR\r\n")
    assert file.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in file.replace(b"\r\n", b"")
    assert max(len(line) for line in file.split(b"\r\n")) <= 75


@pytest.mark.parametrize("on", [date(2026, 3, 29), date(2026, 10, 25), date(2028, 2, 29), date(2026, 12, 31)])
def test_an_entry_is_one_whole_day_also_when_the_clocks_change(on: date) -> None:
    (event,) = events(calendar("MSC", "about", [Entry("a@trialcrf", on, "x", "y")], NOW))
    assert (event["dtstart"].dt, event["dtend"].dt) == (on, on + timedelta(days=1))
    assert not isinstance(event["dtstart"].dt, datetime)
    assert event["dtstart"].params["VALUE"] == event["dtend"].params["VALUE"] == "DATE"
    assert event["transp"] == "TRANSPARENT"


def test_a_calendar_of_nothing_is_a_calendar_with_its_name() -> None:
    made = Calendar.from_ical(calendar("MSC-SSc", "about", [], NOW))
    assert (made["version"], made["x-wr-calname"], made["method"], made.walk("VEVENT")) == ("2.0", "MSC-SSc", "PUBLISH", [])
    assert made["prodid"]
    assert made["refresh-interval"].dt == timedelta(hours=6)


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        calendar("MSC", "about", [], datetime(2026, 11, 22))  # noqa: DTZ001
