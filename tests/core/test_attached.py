"""The data attached to a printed document: every table counted again, the same for the same value, and no cell lost."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from tests.core.safety_cases import CUT, invented_trial, study
from trialcrf.core.attached import DATA, Attachment, as_csv, attachments, plain, tables
from trialcrf.core.packs.report import SafetyReport, tabulate
from trialcrf.core.wording import Message, Words


def in_french(said: str | Message | Words) -> str:
    return said.in_("fr") if isinstance(said, Words) else said.msgid if isinstance(said, Message) else said


@pytest.fixture(scope="module")
def report() -> SafetyReport:
    return tabulate(study(), invented_trial(), CUT)


@pytest.fixture(scope="module")
def attached(report: SafetyReport) -> dict[str, Attachment]:
    return {one.name: one for one in attachments("safety", report, "fr", in_french)}


def rows(attachment: Attachment) -> list[dict[str, str]]:
    return list(csv.DictReader(attachment.content.decode().splitlines()))


def test_the_listing_has_a_line_an_event_with_the_words_of_the_language(report, attached):
    lines = rows(attached["listing.csv"])
    assert [line["event.subject"] for line in lines] == [line.event.subject for line in report.listing]
    assert [line["event.verbatim"] for line in lines] == [line.event.verbatim for line in report.listing]
    assert lines[0]["event.soc"] == in_french(report.listing[0].event.soc)


def test_the_counts_by_term_are_those_of_the_tables(report, attached):
    lines = rows(attached["events.classes.terms.csv"])
    terms = [(place, term) for place, soc in enumerate(report.events.classes, start=1) for term in soc.terms]
    assert [(int(line["events.classes"]), line["label"]) for line in lines] == [(place, in_french(term.label)) for place, term in terms]
    for line, (_, term) in zip(lines, terms, strict=True):
        for number, cell in enumerate(term.cells, start=1):
            assert (line[f"cells.{number}.events"], line[f"cells.{number}.subjects"]) == (str(cell.events), str(cell.subjects))
            worst = [line[f"cells.{number}.levels.{level}.subjects"] for level in range(1, len(report.levels) + 1)]
            assert worst == [str(count.subjects) for count in cell.levels]


def test_events_of_all_terms_add_up_to_the_first_page(report, attached):
    everybody = len(report.columns)
    assert sum(int(line[f"cells.{everybody}.events"]) for line in rows(attached["events.classes.terms.csv"])) == report.figures.events


def test_every_tuple_of_lines_has_its_file_and_the_value_is_whole(report, attached):
    whole = json.loads(attached[DATA].content)
    assert (whole["kind"], whole["language"], len(whole["report"]["listing"])) == ("safety", "fr", report.figures.events)
    names = {"columns", "levels", "enrolment", "exposure", "dispositions", "events.cells", "events.classes", "events.classes.terms"}
    names |= {"serious_listing", "deaths", "inconsistencies", "inconsistencies.lines", "listing"}
    assert {f"{name}.csv" for name in names} <= set(attached)


def test_equal_values_give_equal_bytes_in_whatever_order_their_mappings_came():
    first, second = Words({"fr": "a", "en": "b"}), Words({"en": "b", "fr": "a"})
    made = [attachments("x", _Sheet((_Line(first, 1, None, ()),)), "fr", in_french) for first in (first, second)]
    assert made[0] == made[1]


@dataclass(frozen=True)
class _Count:
    number: int


@dataclass(frozen=True)
class _Line:
    label: Words
    number: int
    on: date | None
    counts: tuple[_Count, ...]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sheet:
    lines: tuple[_Line, ...]


def test_cells_are_plain_quoted_where_they_must_and_empty_where_nothing_is():
    line = _Line(Words({"fr": 'dit "non", puis\nrien'}), 7, None, (_Count(1),), ("x", "y"))
    wider = _Line(Words({"fr": "z"}), 8, date(2026, 1, 5), (_Count(2), _Count(3)))
    (table,) = tables(_Sheet((line, wider)), in_french)
    assert as_csv(table).decode() == (
        'label,number,on,counts.1.number,counts.2.number,texts\r\n"dit ""non"", puis\nrien",7,,1,,x; y\r\nz,8,2026-01-05,2,3,\r\n'
    )


def test_moments_are_told_in_universal_time_and_decimals_exactly():
    at = datetime(2026, 11, 12, 9, tzinfo=timezone(timedelta(hours=1)))
    assert plain({"at": at, "dose": Decimal("2.90")}) == {"at": datetime(2026, 11, 12, 8, tzinfo=UTC).isoformat(), "dose": "2.90"}


def test_what_has_no_text_is_refused_and_not_guessed():
    with pytest.raises(TypeError, match="object"):
        plain(object())
