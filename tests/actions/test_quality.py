"""Site quality on a real database: what the page counts is what the report prints, of that site alone, and again whatever came later."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.actions.world import World, typed
from trialcrf.actions import Impossible, enrol, enter
from trialcrf.actions.oversight import review
from trialcrf.actions.records import quality, report
from trialcrf.core.document import FormKey
from trialcrf.core.quality import QualityReport, SiteQuality
from trialcrf.core.workflow import QueryState
from trialcrf.store import definitions, forms, queries, query_lists, reports, sites

MORNING = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
EVENING = MORNING + timedelta(hours=10)
TODAY = date(2026, 11, 21)


def volunteer(world: World, site: str = "01", now: datetime = MORNING, drawn: tuple[int, int, int] = (2, 11, 2026)):
    """Somebody whose first weighing was due on 9 November (window from the 8th to the 11th), and the second is on 4 December."""
    one = world.enrol("volunteer", site, now=now, AGREED=(1, 11, 2026), BORN=("", 5, 1980), GENDER="F")
    world.save(one, "ALLOT", "LOTTERY", typed(DRAWN=drawn, TO="LOW"), now=now)
    return one


def weigh(world: World, one, day: tuple[object, ...], now: datetime = MORNING):
    return world.save(one, "SCALES", "WEIGH1", typed(CAME="Y", CAME_ON=day, KILOS="70"), now=now)


def complain(world: World, one, row: str, since: tuple[object, ...], now: datetime = MORNING, version: int | None = None):
    boxes = {"OUCH": "Headache", "WHERE": "HEAD", "HOW_BAD": "BIT", "SINCE": since, "HOW_IT_ENDED": "RECOVERED/RESOLVED", "GRAVE": "N"}
    told = typed(version, **{f"LIST__{row}__{oid}": value for oid, value in boxes.items()})
    return world.save(one, "COMPLAINTS", "WOES", told, now=now)


def page(world: World, now: datetime = MORNING) -> dict[str, SiteQuality]:
    with world.read() as tx:
        return {one.site: one for one in quality.of_sites(tx, world.published.study, sites.all_of(tx, world.study), now)}


def made(world: World, known_at: datetime = MORNING, as_of: date = TODAY, site: str = "") -> QualityReport:
    with world.read() as tx:
        return report.quality_report(tx, world.study, as_of, known_at, site)


@pytest.fixture
def busy(salt: World) -> World:
    """Site 01: one weighed in the window, one too late, another in the window, one not yet; 02: one who was not weighed."""
    weigh(salt, volunteer(salt), (10, 11, 2026))
    weigh(salt, volunteer(salt), (14, 11, 2026))
    weigh(salt, volunteer(salt), (11, 11, 2026))
    ill = volunteer(salt, drawn=(13, 11, 2026))
    complain(salt, ill, "new1", (5, 11, 2026))
    complain(salt, ill, "new1", ("UNK", 11, 2026), MORNING + timedelta(minutes=1), 1)
    volunteer(salt, "02")
    return salt


def test_the_numbers_of_a_site_are_those_counted_by_hand(busy):
    found = page(busy)["01"]
    # On 21 November the window of who was drawn on the 13th lasts until the 22nd: not due.
    assert (found.subjects, found.visits.due, found.visits.done, found.visits.unsure, found.visits.done_out) == (4, 3, 2, 0, 1)
    assert found.visits.overdue == 0
    # 4 enrolments (1 November), 4 draws (2 and 13), weighings on the 10th, 11th and 14th: all entered on the 21st.
    assert dict(found.to_entry.found) == {20: 4, 19: 3, 8: 1, 11: 1, 10: 1, 7: 1}
    assert (found.event_to_entry.found, found.event_to_entry.not_assessable) == (((16, 1),), 1)


def test_another_sites_subjects_are_not_counted(busy):
    other = page(busy)["02"]
    assert (other.subjects, other.visits.due, other.visits.overdue, other.visits.overdue_by_type) == (1, 1, 1, (("volunteer", 1),))
    assert made(busy, EVENING, site="02").sites == (replace(other, name="Papeete"),)
    assert [one.site for one in made(busy, EVENING).sites] == ["01", "02"]


def test_what_the_page_counts_is_what_the_trail_tells(busy):
    told = made(busy, EVENING, TODAY)
    assert {one.site: one for one in told.sites} == page(busy, EVENING)
    assert told.whole is not None and told.whole.subjects == 5
    assert made(busy, EVENING, site="01").whole is None


def test_a_row_added_later_has_a_first_entry_of_its_own(salt):
    ill = volunteer(salt)
    complain(salt, ill, "new1", (5, 11, 2026))
    later = MORNING + timedelta(days=4)
    complain(salt, ill, "new1", (20, 11, 2026), later, 1)
    assert page(salt, later)["01"].event_to_entry.found == ((5, 1), (16, 1))
    assert made(salt, later, date(2026, 11, 25), "01").sites[0].event_to_entry.found == ((5, 1), (16, 1))


def test_a_report_knows_what_was_known_then_and_nothing_since(busy):
    before = made(busy, EVENING)
    late = EVENING + timedelta(hours=1)
    weigh(busy, busy.subject("V0001.02"), (9, 11, 2026), late)
    volunteer(busy, "01", late)
    with busy.write("trialcrf", late) as tx:
        sites.create(tx, definitions.current(tx, busy.study).study_id, "03", "Lyon", "Europe/Paris")
        one = busy.subject("V0001.01")
        enter.mark_form_error(tx, one, forms.read(tx, one.id, FormKey("WEIGH1", "SCALES")), "another subject's")
        enrol.mark_subject_error(tx, busy.subject("V0002.01"), "twice")
    assert made(busy, EVENING) == before
    after = made(busy, late, date(2026, 11, 21))
    assert after != before
    assert {one.site: one for one in after.sites} == page(busy, late)


def test_queries_are_told_with_their_state_and_age_of_that_moment(salt):
    for _ in range(2):
        one = volunteer(salt)
        salt.save(one, "PLATE", "MEALS", typed(EATEN=(2, 11, 2026, "12:00"), GRAMS="20"), now=MORNING)
    with salt.read() as tx:
        waiting = query_lists.all_of(tx, "salt", None, [QueryState.OPEN])
    assert len(waiting) == 2
    later = MORNING + timedelta(days=40)
    with salt.write("cora", later) as tx:
        published = definitions.current(tx, "salt")
        review.answer(tx, published.study, one.site, queries.find(tx, waiting[0].id), "YES_REALLY", "")
    now = page(salt, later)["01"]
    assert (now.opened.number, now.answered.number, now.answered.found) == (len(waiting) - 1, 1, ((40, 1),))
    assert made(salt, later, site="01").sites[0] == replace(now, **_as_of(made(salt, later, site="01").sites[0]))
    then = made(salt, later - timedelta(days=1), site="01").sites[0]
    assert (then.opened.number, then.answered.number) == (len(waiting), 0)


def _as_of(one: SiteQuality) -> dict[str, object]:
    """What depends on the cut-off, which the page and this report do not share."""
    return {"visits": one.visits, "to_entry": one.to_entry, "event_to_entry": one.event_to_entry}


def test_the_numbers_of_the_page_are_those_of_the_drawn_report_and_the_same_order_gives_the_same_bytes(busy, tmp_path):
    with busy.write("sam", EVENING) as tx:
        published = definitions.current(tx, busy.study)
        number = report.order(tx, published, "en", TODAY, None, "sam", kind=report.QUALITY, site="01", why="For a test.")
    shown, drawings = page(busy, EVENING)["01"], []
    for _ in range(2):
        with busy.read() as tx:
            ordered = reports.find(tx, number)
            value = report.value_of(tx, ordered)
        drawings.append(report.draw(value, ordered.language, ordered.kind))
        if len(drawings) == 1:
            weigh(busy, busy.subject("V0004.01"), (20, 11, 2026), EVENING + timedelta(days=1))
    assert drawings[0] == drawings[1]
    assert report.file_of(ordered) == f"salt-quality-01-2026-11-21-en-{number}.pdf"
    (tmp_path / "quality.pdf").write_bytes(drawings[0])
    text = subprocess.run(["pdftotext", "-layout", tmp_path / "quality.pdf", "-"], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in text.splitlines() if line.split()[:2] == ["01", "Paris"]]
    assert lines[1][2:] == ["4", "3", "2/3", "0", "1/3", "0/3", "0/3", "0"]
    days = shown.to_entry
    assert lines[2][2:6] == [str(days.number), str(days.median), str(days.longest), "0"]
    assert lines[3][2:6] == ["0", "–", "–", "0"]
    assert "02 Papeete" not in text and "21 Nov 2026" in text and value.cut.checkpoint[:4] in text


def test_a_site_where_nothing_was_due_has_no_percentage(salt, tmp_path):
    volunteer(salt, drawn=(20, 11, 2026))
    (tmp_path / "quality.pdf").write_bytes(report.draw(made(salt, EVENING, site="01"), "en", report.QUALITY))
    text = subprocess.run(["pdftotext", "-layout", tmp_path / "quality.pdf", "-"], capture_output=True, text=True, check=True).stdout
    assert text.count("Nothing was due yet.") == 2
    assert not re.search(r"\d\s*%", text)


@pytest.mark.parametrize(
    ("kind", "site"),
    [(report.QUALITY, "09"), (report.SAFETY, "01"), ("weather", "")],
    ids=["no such site", "safety of one site", "no kind"],
)
def test_what_cannot_be_reported_is_refused_when_it_is_ordered(salt, kind, site):
    with pytest.raises(Impossible), salt.write("sam", EVENING) as tx:
        report.order(tx, definitions.current(tx, "salt"), "en", TODAY, None, "sam", kind=kind, site=site, why="For a test.")
    with salt.read() as tx:
        assert reports.all_of(tx, "salt") == []


def test_every_kind_of_report_has_its_document():
    from trialcrf.external import markup

    assert set(report.KINDS) <= set(markup.documents())


def test_subjects_are_read_in_lots(busy, monkeypatch):
    whole = page(busy)
    monkeypatch.setattr(quality, "AT_ONCE", 1)
    assert page(busy) == whole
