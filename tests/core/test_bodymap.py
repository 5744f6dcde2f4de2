"""The sites of a body map and what they add up to, and which occasion was the one before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.core.sample_study import codes, item, words
from trialcrf.core.bodymap import GRADES, SITES, Tally, site_of, tally
from trialcrf.core.definition.load import load
from trialcrf.core.definition.model import DataType, EventType, FormDef, FormRef, ItemGroupDef, Study, StudyEventDef
from trialcrf.core.document import Answer, Document, FormKey
from trialcrf.core.previous import latest_before
from trialcrf.external.files import read_study

ROOT = Path(__file__).parents[2]
PLACES = ("MRSS_FACE", "MRSS_HAND_R", "MRSS_HAND_L")
SCORE = codes("SCORE", *GRADES)
SITED = ItemGroupDef(
    "SITES", words("sites"), tuple(item(place, DataType.CODELIST, codelist=SCORE, aliases=("QSORRES", place)) for place in PLACES)
)


def scored(**answers: str) -> Document:
    return Document({f"MRSS_{site}": Answer(missing="ND", note="x") if text == "ND" else Answer(text) for site, text in answers.items()})


def test_there_are_the_seventeen_sites_of_the_score_each_once() -> None:
    assert len(SITES) == 17
    study = load(read_study(ROOT / "trialcrf" / "studies" / "msc_ssc"))
    group = next(group for group in study.form["SKIN"].groups if group.oid == "SITES")
    assert group.layout == "body_map"
    assert [site_of(one) for one in group.items] == [one.oid.removeprefix("SKIN_") for one in group.items]
    assert {f"MRSS_{site_of(one)}" for one in group.items} == SITES


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"FACE": "0", "HAND_R": "0", "HAND_L": "0"}, Tally(0, 0, 3, 3)),
        ({"FACE": "3", "HAND_R": "2", "HAND_L": "1"}, Tally(6, 6, 3, 3)),
        ({"FACE": "3", "HAND_R": "2"}, Tally(None, 5, 2, 3)),
        ({"FACE": "3", "HAND_R": "ND", "HAND_L": "1"}, Tally(None, 4, 2, 3)),
        ({}, Tally(None, 0, 0, 3)),
    ],
)
def test_a_total_needs_every_site_and_is_never_prorated(answers: dict[str, str], said: Tally) -> None:
    assert tally(SITED, scored(**answers)) == said


@dataclass(frozen=True)
class Kept:
    key: FormKey
    document: Document


FORM = FormDef("F", words("form"), (ItemGroupDef("G", words("g"), (item("DAY", DataType.DATE),)),))


def event(oid: str, kind: EventType = EventType.SCHEDULED) -> StudyEventDef:
    return StudyEventDef(oid, words(oid), kind, ("person",), (FormRef("F"),), repeating=kind is EventType.UNSCHEDULED)


STUDY = Study(
    "s", words("s"), "p", ("en",), (), (), (*map(event, ("SCR", "M3", "M6")), event("UNS", EventType.UNSCHEDULED)), (FORM,),
    codes("R"), codes("C"),
)  # fmt: skip


def on(oid: str, day: str = "", repeat: int = 1) -> Kept:
    return Kept(FormKey(oid, "F", repeat), Document({"DAY": Answer(day)} if day else {}))


def before(here: Kept, *others: Kept, **visits: str) -> str:
    """The occasion before, with its repeat; visits give days by event."""
    found = latest_before(STUDY, here.key, here.document, others, {(oid, 1): day for oid, day in visits.items()})
    return f"{found.key.event_oid}{found.key.event_repeat}" if found else ""


def test_the_occasion_before_is_the_latest_that_is_earlier_by_day() -> None:
    one, two, three = on("SCR", "2026-01-05"), on("M3", "2026-04-02"), on("M6", "2026-07-01")
    assert before(three, three, two, one) == "M31"
    assert before(two, one, three) == "SCR1"
    assert before(one, two, three) == ""


def test_an_unscheduled_occasion_stands_where_its_day_puts_it() -> None:
    one, two, between = on("SCR", "2026-01-05"), on("M3", "2026-04-02"), on("UNS", "2026-02-20")
    assert before(two, one, between) == "UNS1"
    assert before(between, one, two) == "SCR1"
    assert before(on("UNS", "2026-03-01", 2), one, between) == "UNS1"


def test_the_day_of_the_visit_speaks_where_the_form_has_none_yet() -> None:
    assert before(on("M6"), on("M3", "2026-04-02"), on("UNS", "2026-05-01"), M6="2026-07-01") == "UNS1"
    assert before(on("M3"), on("SCR"), on("UNS", "2026-05-01"), M3="2026-04-02", SCR="2026-01-05") == "SCR1"


def test_without_a_day_and_on_one_day_the_order_of_the_visits_decides() -> None:
    assert before(on("M6"), on("SCR", "2026-01-05"), on("M3", "2026-04-02")) == "M31"
    assert before(on("M6", "2026-07-01"), on("SCR"), on("M3", "2026-04-02")) == "M31"
    assert before(on("M3", "2026-04-02"), on("SCR", "2026-04-02"), on("M6", "2026-04-02")) == "SCR1"
    assert before(on("M6"), on("SCR"), on("M3"), M6="2026-07") == "M31", "a month is no day"


def test_a_form_is_never_its_own_occasion_before() -> None:
    here = on("SCR", "2026-01-05")
    assert before(replace(here, document=Document({"DAY": Answer("2026-02-01")})), here) == ""
