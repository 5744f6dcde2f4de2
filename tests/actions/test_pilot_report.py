"""The safety report of the public pilot, read back from its PDF, against an independent count of the very tables imported."""

from __future__ import annotations

import csv
import random
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.actions.pilot import PILOT, STUDY, run, whole_pilot
from tests.actions.pilot_count import FLAWS, NAMES, NOT_SERIOUS, PARTIAL, SEVERITIES, Count, read
from tests.actions.printed import Printed, after, columns, grid, listing, rows
from tests.actions.world import NOW, World, filling, open_world
from tests.conftest import Databases
from trialcrf.actions.records import report
from trialcrf.external import annex, drawing, pdf

YESTERDAY = date(2026, 11, 20)
"""Long after everything that the pilot recorded."""

SHARE_NOTE = (
    "Subjects count once a line, in per cent of the column; E is the number of events."
    " All events recorded by the cut-off count, those before the first treatment included."
)
WORST_NOTE = "Subjects / events: a subject counts once a line, at the worst severity of the line; an event counts at its own."
NUMBER = r"\d{1,3}(?:,\d{3})*"
SHARE = rf"({NUMBER}(?: \(\d+\.\d%\))?) ({NUMBER})"
WORST = rf"({NUMBER}/{NUMBER}|0)"
DAY = r"\d{1,2} [A-Z][a-z]+ \d{4}"


class Drawn(NamedTuple):
    """A report as printed, and what it must be."""

    printed: Printed
    count: Count


def imported(databases: Databases, folder: Path) -> World:
    if folder == PILOT:
        return open_world(databases.fresh("sqlite", whole_pilot), STUDY)
    world = open_world(databases.fresh("sqlite", filling(STUDY)), STUDY)
    assert run(world, folder).refused == []
    return world


def drawn(world: World, folder: Path, as_of: date, file: Path) -> Drawn:
    """What `trialcrf report safety --as-of DATE --lang en --out FILE` draws, read back.

    A copy has everything inside. What is long in the pilot stands in annexes, as when the program draws it: they are compared below.
    """
    with world.read() as tx:
        report.check_cut(tx, STUDY, as_of, NOW, NOW)
        value = report.safety_report(tx, STUDY, as_of, NOW)
    file.write_bytes(drawing.draw("safety", value, "en").pdf if folder == PILOT else pdf.render("safety", value, "en"))
    return Drawn(Printed(file, whole=folder != PILOT), Count(folder, as_of))


def changed_copy(folder: Path, seed: int) -> Path:
    """The tables of 45 subjects, with rows dropped and values changed at random, so that every rule of the report has work."""
    chance = random.Random(seed)
    tables = {name: read(PILOT, name) for name in NAMES}
    people = chance.sample(sorted(row["USUBJID"] for row in tables["dm"]), 45)
    arms = {row["ACTARMCD"]: row["ACTARM"] for row in tables["dm"]}
    never_treated = people[:4]
    # No report reads the visits, and one before a first dose that was dropped would rightly be refused.
    tables["sv"] = []
    for name, dropped in {"ex": 0.12, "ae": 0.3, "ds": 0.12}.items():
        tables[name] = [row for row in tables[name] if row["USUBJID"] in people and chance.random() > dropped]
    tables["ex"] = [row for row in tables["ex"] if row["USUBJID"] not in never_treated]
    tables["dm"] = [row for row in tables["dm"] if row["USUBJID"] in people]
    for row in tables["dm"]:
        if chance.random() < 0.2:
            row["ACTARMCD"], row["ACTARM"] = chance.choice(sorted(arms.items()))
        if chance.random() < 0.1:
            row["DTHFL"], row["DTHDTC"] = "Y", chance.choice(["", "2013-11", "2014-09-30"])
    changes: list[tuple[float, Callable[[dict[str, str]], dict[str, str]]]] = [
        (0.25, lambda row: {"AESEV": chance.choice(SEVERITIES)}),
        (0.02, lambda row: {"AESEV": ""}),
        (0.05, lambda row: {"AESER": "Y"}),
        (0.05, lambda row: {chance.choice(["AESHOSP", "AESLIFE", "AESDISAB", "AESCONG", "AESDTH"]): "Y"}),
        (0.02, lambda row: {"AEOUT": "FATAL"}),
        (0.06, lambda row: {"AESTDTC": row["AESTDTC"][: chance.choice([0, 4, 7, 7])]}),
        (0.02, lambda row: {"AEENDTC": "2011-05-09"}),
        (0.02, lambda row: {"AEDECOD": f"{row['AEDECOD']} & <OTHER>"}),
    ]
    for row in tables["ae"]:
        for share, change in changes:
            row.update(change(row) if chance.random() < share else {})
        row["AETERM"] = row["AEDECOD"]
    folder.mkdir()
    for name, kept in tables.items():
        with (PILOT / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            heads = next(csv.reader(file))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, heads)
            writer.writeheader()
            writer.writerows({column: text or "NA" for column, text in row.items()} for row in kept)
    return folder


@pytest.fixture(scope="module")
def trials(databases, tmp_path_factory) -> Iterator[Callable[[str], tuple[World, Path]]]:
    """The pilot itself and changed copies of it, each imported once, when it is first asked for."""
    if not PILOT.is_dir():
        pytest.skip("the CDISC pilot data do not stand beside this checkout (../shared/data/cdisc_pilot): its report is not compared")
    made: dict[str, tuple[World, Path]] = {}

    def trial(name: str) -> tuple[World, Path]:
        if name not in made:
            folder = PILOT if name == "pilot" else changed_copy(tmp_path_factory.mktemp("copies") / name, int(name))
            made[name] = imported(databases, folder), folder
        return made[name]

    yield trial
    for world, _ in made.values():
        world.engine.dispose()
        databases.drop(str(world.engine.url))


COPIES = {"a changed copy": ("1", YESTERDAY), "a changed copy, early": ("1", date(2013, 5, 13))}
CASES = {"the pilot": ("pilot", YESTERDAY), **COPIES}
of_copies = pytest.mark.parametrize("case", COPIES, indirect=True)
"""What is told of each event, for the cases that have everything inside."""


@pytest.fixture(scope="module", params=CASES)
def case(request, trials, tmp_path_factory) -> Drawn:
    name, as_of = CASES[request.param]
    return drawn(*trials(name), as_of, tmp_path_factory.mktemp("drawn") / "report.pdf")


@pytest.fixture
def printed(case) -> Printed:
    return case.printed


@pytest.fixture
def count(case) -> Count:
    return case.count


def test_the_first_page_prints_the_counts_and_what_was_left_out(printed, count):
    first = printed.sections["Summary"]
    contents = next(place for place, line in enumerate(first) if line.text.startswith("1 Summary ") and place)
    assert columns(first[1:contents]) == count.figures()
    assert count.left_out() in printed.text("Summary")


def test_enrolment_is_counted_by_site(printed, count):
    *table, total = printed.titled("Enrolment by site")
    found = rows(table, rf"(Subject) ({NUMBER}) ({NUMBER}) ({DAY}) ({DAY})")
    assert "Site Subjects Enrolled Treated First Last" in [line.text for line in table]
    assert [(row.label, *row.cells) for row in found] == count.enrolment()
    assert total.text == f"Total {len(count.people)} {len(count.treated)}"


def test_exposure_is_counted_by_actual_arm(printed, count):
    found = rows(printed.titled("Exposure by arm"), rf"({NUMBER}) ({NUMBER}) ({NUMBER}) (–|[\d.–]+ mg) (–|{DAY}) (–|{DAY})")
    assert [(row.label, *row.cells) for row in found] == count.exposure()


def test_the_ends_of_participation_are_counted(printed, count):
    found = grid(after("As recorded, by the cut-off; a subject counts once a line.", printed.titled("End of study")), f"({NUMBER})", 1)
    assert found.heads == count.heads(count.columns)
    assert [(row.label, row.cells) for row in found.rows] == count.endings()


@of_copies
def test_events_and_subjects_are_counted_by_class_term_and_arm(printed, count):
    found = grid(after(SHARE_NOTE, printed.titled("Adverse events by system organ class and term")), SHARE, 2)
    assert found.heads == count.heads(count.shown(count.events))
    assert found.below == ("Subjects", "E") * len(found.heads)
    assert found.lines == count.by_term(count.events)


@of_copies
def test_events_and_subjects_at_their_worst_are_counted_by_severity_and_arm(printed, count):
    levels = count.levels()
    tables = printed.all_titled("Subjects at their worst severity, and events by severity")
    grids = [grid(after(WORST_NOTE, table), " ".join([WORST] * levels), levels) for table in tables]
    assert sum((one.heads for one in grids), ()) == count.heads(count.shown(count.events))
    assert all(one.below == ("Mild", "Moderate", "Severe", "Notstated")[:levels] * len(one.heads) for one in grids)
    # Where the columns do not fit one table, each line goes on in the next.
    side_by_side = zip(*(one.lines for one in grids), strict=True)
    found = [(*parts[0][:2], sum((cells for _, _, cells in parts), ())) for parts in side_by_side]
    assert found == count.by_severity()


def test_serious_events_are_those_recorded_as_serious(printed, count):
    if not count.serious:
        assert "No serious event was recorded by the cut-off." in printed.text("Serious adverse events")
        return
    found = grid(after(SHARE_NOTE, printed.titled("Serious adverse events by system organ class and term")), SHARE, 2)
    assert found.heads == count.heads(count.shown(count.serious))
    assert found.lines == count.by_term(count.serious)
    heads = ["Subject", "Arm", "Term", "Severity", "Criteria", "Onset (day)", "Relation", "Outcome"]
    assert listing(printed.titled("Serious adverse events, one by one"), heads) == count.serious_listing()


def test_deaths_are_told_with_everything_that_tells_of_them(printed, count):
    if not count.deaths():
        assert "No death was recorded by the cut-off." in printed.text("Deaths")
        return
    heads = ["Subject", "Site", "Arm", "Day of death (study day)", "Recorded as"]
    assert listing(printed.titled("Deaths by the cut-off"), heads) == count.deaths()


@of_copies
def test_every_inconsistency_is_listed_under_its_name_and_no_other(printed, count):
    expected = count.inconsistencies()
    # The tables between those of the deaths and the listing.
    titles = printed.titles()
    end = titles.index("All adverse events")
    assert titles[end - len(expected) : end] == [said for said, _ in expected]
    before = "Deaths by the cut-off" if count.deaths() else "Serious adverse events" if count.serious else "Treatment-emergent"
    assert before in titles[end - len(expected) - 1]
    heads = ["Subject", "Arm", "Term", "Severity", "Serious", "Criteria", "Onset, end", "Outcome"]
    for said, lines in expected:
        table = printed.titled(said)
        assert (table[0].text, listing(table, heads)) == (f"Events: {len(lines)}", lines)


@of_copies
def test_every_event_is_listed_in_order(printed, count):
    heads = ["Subject", "Arm", "System organ class", "Term", "Severity", "Serious", "Onset (day)", "End", "Outcome", "Relation"]
    assert listing(printed.titled("All adverse events"), heads) == count.listing()


@pytest.mark.parametrize("case", ["the pilot"], indirect=True)
def test_the_pilot_has_the_numbers_that_are_known_of_it(printed, count):
    assert count.heads(count.shown(count.events)) == (
        "Placebo n = 86",
        "Xanomeline Low Dose n = 96",
        "Xanomeline High Dose n = 72",
        "All treated n = 254",
    )
    assert count.by_term(count.events)[0][2][-2:] == ("225 (88.6%)", "1,191")
    assert count.figures() == [
        "254 treated subjects, of 306 enrolled",
        "1,191 events, subjects concerned: 225",
        "43 events of severity Severe or worse, subjects: 31",
        "3 serious events as recorded, subjects: 3",
        "3 deaths",
    ]
    assert [(said, len(lines)) for said, lines in count.inconsistencies()] == [(NOT_SERIOUS, 33), (PARTIAL, 26)]
    assert all("Results in death" in line[5] for line in count.inconsistencies()[0][1] if line[7] == "Fatal")


def test_the_copies_give_every_rule_of_the_report_something_to_count(trials):
    folders = {name: trials(name)[1] for name in ("1", "2")}
    counts = [Count(folders[name], as_of) for name, as_of in (*COPIES.values(), ("2", date(2013, 10, 25)))]
    assert all(40 <= len(read(folder, "dm")) <= 60 for folder in folders.values())
    assert {said for one in counts for said, _ in one.inconsistencies()} == set(FLAWS)
    assert all(one.serious and one.deaths() for one in counts)
    assert {one.levels() for one in counts} == {3, 4}
    assert any(row["USUBJID"] not in one.treated for one in counts for row in one.events)
    for early in counts[1:]:
        assert early.events and early.later
        # Something of every kind happens on the very day of the cut-off, and somebody already enrolled dies after it.
        assert all(any(row[on] == early.as_of for row in table) for table, on in early.on_days())
        assert any(row["DTHDTC"] > early.as_of for row in early.people.values())


def test_what_goes_into_annexes_is_counted_alike(trials, tmp_path):
    world, folder = trials("pilot")
    with world.read() as tx:
        value = report.safety_report(tx, STUDY, YESTERDAY, NOW)
    parts = annex.prepare("safety", value, "en").long
    texts = {}
    for name in ("events", "severity"):
        (part,) = parts[name]
        (tmp_path / part.name).write_bytes(annex.draw(part))
        done = subprocess.run(["pdftotext", "-raw", tmp_path / part.name, "-"], capture_output=True, text=True, check=True)
        texts[name] = " ".join(done.stdout.split())
    count = Count(folder, YESTERDAY)
    for name, lines in (("events", count.by_term(count.events)), ("severity", count.by_severity())):
        missing = [label for _, label, cells in lines if " ".join((label, *cells)) not in texts[name]]
        assert missing == []
    assert sum(part.rows for part in parts["listing"]) == len(count.listing())
