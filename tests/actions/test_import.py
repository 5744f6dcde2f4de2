"""Importing SDTM tables: every problem before anything is written, the same entry as people's, nothing twice, nothing lost."""

from __future__ import annotations

import csv
import os
import shutil
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.actions import pilot
from tests.actions.pilot import OUTCOMES, PILOT, ZONE, whole_pilot
from tests.actions.world import NOW, ROOT, open_world, study_of, typed
from tests.actions.world import filling as filling_of
from tests.conftest import KINDS
from trialcrf.actions import Impossible, enrol, enter, publish
from trialcrf.actions.importing import ImportProblems
from trialcrf.core import schedule
from trialcrf.core.definition.amendment import Amendment
from trialcrf.core.definition.source import in_english
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.lock import Address, Level, Locked
from trialcrf.core.wording import Words
from trialcrf.store import audit, forms, locks, plans, queries, replay, sites, subjects

SMALL = ROOT / "tests/data/sdtm"


def run(world, folder=SMALL, progress=lambda done, total: None, zone=ZONE):
    return pilot.run(world, folder, progress, zone)


@pytest.fixture
def filling(request, filling):
    return filling_of("cdisc_pilot") if "pilot_world" in request.fixturenames else filling


@pytest.fixture
def pilot_world(database_url):
    made = open_world(database_url, "cdisc_pilot")
    yield made
    made.engine.dispose()


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(SMALL, tmp_path / "sdtm"))


def edit(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    before = path.read_text(encoding="utf-8")
    assert before.count(old) == 1, old
    path.write_text(before.replace(old, new), encoding="utf-8")


def size(world) -> dict[str, int]:
    with world.read() as tx:
        return {
            table: tx.read(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in ("subject", "form", "audit_record", "fact", "query")
        }


def document(world, key, event, form, repeat=1, event_repeat=1):
    with world.read() as tx:
        stored = forms.read(tx, subjects.find(tx, world.study, key).id, FormKey(event, form, event_repeat, repeat))
    return stored.document if stored else None


def problems_of(world, folder) -> list[tuple[str, int, str]]:
    with pytest.raises(ImportProblems) as raised:
        run(world, folder)
    return [(one.file, one.line, in_english(one.message)) for one in raised.value.problems]


def clean(world) -> None:
    with world.read() as tx:
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []


def test_every_row_becomes_a_form_of_its_subject_at_its_site(pilot_world):
    told = []
    outcome = run(pilot_world, progress=lambda done, total: told.append((done, total)))
    assert (outcome.subjects, outcome.subjects_new, outcome.forms_new, outcome.refused) == (3, 3, 3 + 3 + 9 + 3 + 4, [])
    assert told == [(1, 3), (2, 3), (3, 3)]
    with pilot_world.read() as tx:
        assert [one.key for one in subjects.all_of(tx, "cdisc_pilot")] == ["01-801-0001", "01-801-0002", "01-802-0001"]
        made = {one.code: one.zone_name for one in sites.all_of(tx, "cdisc_pilot")}
    assert made["801"] == made["802"] == ZONE
    clean(pilot_world)


def test_the_trail_names_the_program_importing_and_counts_every_record(pilot_world):
    outcome = run(pilot_world)
    with pilot_world.read() as tx:
        records = tx.read(text("SELECT actor, role, address FROM audit_record WHERE chain LIKE 'cdisc_pilot/80%'")).all()
    assert {row.actor for row in records} == {"trialcrf"}
    assert {row.role for row in records} == {"system"}
    assert "import cli" in {row.address for row in records}
    assert len(records) == outcome.records


def test_a_subject_is_enrolled_on_the_day_of_its_data_and_not_of_the_import(pilot_world):
    run(pilot_world)
    assert pilot_world.subject("01-801-0002").enrolled_on == date(2013, 3, 1)


def test_the_day_of_birth_does_not_come_in(pilot_world):
    run(pilot_world)
    born = [document(pilot_world, key, "V1", "DM").at(Place("BRTHDTC")) for key in ("01-801-0001", "01-801-0002", "01-802-0001")]
    assert born == [Answer("1940-03"), Answer("1938-11"), Answer("1945")]


def test_not_available_is_a_blank_and_no_missing_code(pilot_world):
    run(pilot_world)
    assert document(pilot_world, "01-801-0001", "EXPOSURE", "EX", 2).at(Place("EXENDTC")) is None
    assert document(pilot_world, "01-801-0001", "EVENTS", "AE", 2).at(Place("AEREL")) is None


def test_a_partial_onset_stays_partial_and_a_time_stands_beside_its_date(pilot_world):
    run(pilot_world)
    assert document(pilot_world, "01-801-0001", "EVENTS", "AE", 1).at(Place("AESTDTC")) == Answer("2013-03")
    assert document(pilot_world, "01-801-0002", "EVENTS", "AE", 1).at(Place("AESTDTC")) == Answer("2013")
    lab = document(pilot_world, "01-801-0001", "DISPOSITION", "DS", 2)
    assert (lab.at(Place("DSDTC")), lab.at(Place("DSTIM"))) == (Answer("2013-09-02"), Answer("11:45"))


def test_visits_go_to_their_number_and_unscheduled_ones_beside_them(pilot_world):
    run(pilot_world)
    days = {
        where: document(pilot_world, "01-801-0001", where[0], "SV", 1, where[1]).at(Place("SVSTDTC")).text
        for where in (("V3_5", 1), ("V9_1", 1), ("UNS", 1), ("UNS", 2))
    }
    assert days == {("V3_5", 1): "2013-03-16", ("V9_1", 1): "2013-06-09", ("UNS", 1): "2013-05-20", ("UNS", 2): "2013-06-12"}
    assert document(pilot_world, "01-801-0002", "V101", "SV") is not None


def test_an_event_not_serious_with_a_criterion_is_taken_as_it_is_and_asked_about(pilot_world):
    outcome = run(pilot_world)
    assert document(pilot_world, "01-801-0002", "EVENTS", "AE").at(Place("AESER")) == Answer("N")
    assert outcome.queries_opened == 1
    with pilot_world.read() as tx:
        stored = forms.read(tx, subjects.find(tx, "cdisc_pilot", "01-801-0002").id, FormKey("EVENTS", "AE"))
        assert [one.check for one in queries.of_form(tx, stored.id)] == ["AESER_CONSISTENT"]


def test_a_second_run_writes_nothing(pilot_world):
    first = run(pilot_world)
    before = size(pilot_world)
    second = run(pilot_world)
    assert size(pilot_world) == before
    assert (second.forms_same, second.forms_new, second.forms_changed, second.records) == (first.forms_new, 0, 0, 0)


def test_windows_move_with_a_later_delivery_and_the_trail_says_from_where_to_where_and_why(pilot_world, folder):
    run(pilot_world)
    subject = pilot_world.subject("01-801-0001")
    with pilot_world.read() as tx:
        assert plans.moves(tx, subject) == []  # nothing had been planned before, whatever the order of the rows
    edit(folder, "ex.csv", '3,"BASELINE","2013-03-04","2013-03-18"', '3,"BASELINE","2013-03-05","2013-03-18"')
    run(pilot_world, folder)
    with pilot_world.read() as tx:
        moved = plans.moves(tx, subject)
    assert {(one.reason, (one.now - one.was).days) for one in moved} == {("IMPORT", 1)}
    assert len(moved) == len({one.event_oid for one in moved}) > 5
    clean(pilot_world)


def test_a_changed_value_is_one_change_with_its_reason(pilot_world, folder):
    run(pilot_world)
    before = size(pilot_world)
    edit(
        folder,
        "ae.csv",
        '"SYNCOPE","SYNCOPE","SYNCOPE","NERVOUS SYSTEM DISORDERS","MODERATE"',
        '"SYNCOPE","SYNCOPE","SYNCOPE","NERVOUS SYSTEM DISORDERS","SEVERE"',
    )
    outcome = run(pilot_world, folder)
    assert (outcome.forms_changed, outcome.forms_new, outcome.records) == (1, 0, 1)
    assert size(pilot_world) == before | {"audit_record": before["audit_record"] + 1}
    with pilot_world.read() as tx:
        stored = forms.read(tx, subjects.find(tx, "cdisc_pilot", "01-801-0001").id, FormKey("EVENTS", "AE", 1, 2))
        last = audit.history(tx.connection, "form", str(stored.id), "AESEV")[-1]
    assert (last.old, last.new, last.reason) == ('"MODERATE"', '"SEVERE"', "IMPORT")
    clean(pilot_world)


def test_a_new_row_between_others_becomes_a_form_of_its_own_and_changes_no_other(pilot_world, folder):
    run(pilot_world)
    edit(
        folder,
        "sv.csv",
        '"CDISCPILOT01","01-801-0001",9.1,"WEEK',
        '"CDISCPILOT01","01-801-0001",9.15,"UNSCHEDULED 9.15",NA,"2013-06-01","2013-06-01"\n"CDISCPILOT01","01-801-0001",9.1,"WEEK',
    )
    outcome = run(pilot_world, folder)
    assert (outcome.forms_new, outcome.forms_changed) == (1, 0)
    assert document(pilot_world, "01-801-0001", "UNS", "SV", 1, 3).at(Place("VISITNUM")) == Answer("9.15")


def test_what_was_marked_entered_in_error_does_not_come_back(pilot_world):
    run(pilot_world)
    subject = pilot_world.subject("01-801-0001")
    with pilot_world.write() as tx:
        enter.mark_form_error(tx, subject, forms.read(tx, subject.id, FormKey("EVENTS", "AE", 1, 2)), "not hers")
        enter.mark_form_error(tx, subject, forms.read(tx, subject.id, FormKey("UNS", "SV", 2)), "not hers")
        enter.mark_form_error(tx, subject, forms.read(tx, subject.id, FormKey("V3_5", "SV")), "not hers")
    before = size(pilot_world)
    outcome = run(pilot_world)
    assert size(pilot_world) == before
    assert outcome.refused == []


def test_a_subject_marked_entered_in_error_is_left_alone_and_told(pilot_world):
    run(pilot_world)
    with pilot_world.write() as tx:
        enrol.mark_subject_error(tx, pilot_world.subject("01-802-0001"), "not of this study")
    before = size(pilot_world)
    outcome = run(pilot_world)
    assert size(pilot_world) == before
    assert [in_english(one.message).split(":")[0] for one in outcome.refused] == ["01-802-0001"]


def test_a_missing_code_that_a_site_gave_is_not_blanked(pilot_world):
    run(pilot_world)
    subject = pilot_world.subject("01-801-0001")
    pilot_world.save(subject, "EX", "EXPOSURE", typed(1, EXENDTC={"missing": "UNK"}), repeat=2)
    run(pilot_world)
    assert document(pilot_world, "01-801-0001", "EXPOSURE", "EX", 2).at(Place("EXENDTC")) == Answer(missing="UNK")


def test_what_is_locked_is_left_alone_told_and_tried_in_the_trail(pilot_world, folder):
    run(pilot_world)
    before = size(pilot_world)
    one = pilot_world.subject("01-801-0001")
    with pilot_world.write("dana") as tx:
        locks.move(tx, Address(Level.SUBJECT, one.id), one.site, one, one.site.study_id, one.site.chain, "lock", "End")
    assert run(pilot_world).refused == []  # It says what stands.
    with pilot_world.write("dana") as tx:
        locks.move(tx, Address(Level.STUDY, one.site.study_id), None, None, one.site.study_id, pilot_world.study, "lock", "End")
    with pytest.raises(Locked):
        run(pilot_world, folder)
    assert {name: size(pilot_world)[name] for name in ("subject", "form", "fact", "query")} == {
        name: before[name] for name in ("subject", "form", "fact", "query")
    }
    with pilot_world.read() as tx:
        (tried,) = audit.history(tx.connection, "refusal", f"study/{pilot_world.study}")
    assert (tried.prompted_by, tried.actor) == ("lock", "trialcrf")


BAD = [
    ("ae.csv", '"CDISCPILOT01","01-801-0002",1,"E01"', '"CDISCPILOT01","01-899-0001",1,"E01"', 4, "The subject 01-899-0001 is not in DM."),
    ("ae.csv", '"2013-03-20","2013-03-21"', '"2013-02-31","2013-03-21"', 3, "AESTDTC: There is no day 31/02/2013 in the calendar."),
    ("ae.csv", '"CARDIAC DISORDERS"', '"HEART"', 4, "AEBODSYS: HEART is not one of the answers offered."),
    (
        "ae.csv",
        '"CDISCPILOT01","01-801-0001",2,"E02"',
        '"CDISCPILOT01","01-801-0001",1,"E02"',
        3,
        "The row has the same key as the one in line 2: 01-801-0001 1.",
    ),
    (
        "ae.csv",
        '"CDISCPILOT01","01-801-0001",2,"E02"',
        '"CDISCPILOT01","01-801-0001",NA,"E02"',
        3,
        "AESEQ: a number is needed here, it tells the rows apart.",
    ),
    ("sv.csv", '3.5,"AMBUL ECG PLACEMENT"', '3,"AMBUL ECG PLACEMENT"', 4, "The row has the same key as the one in line 3: 01-801-0001 3."),
    ("sv.csv", '3.5,"AMBUL ECG PLACEMENT"', '77,"AMBUL ECG PLACEMENT"', 4, "The study has no visit for this row: 77 AMBUL ECG PLACEMENT."),
    ("sv.csv", '13,"2013-03-16"', '13,"2013-02-01"', 4, "SVSTDTC: "),
    (
        "dm.csv",
        '"01-801-0001","0001"',
        '"01-801-0001","0009"',
        2,
        "The identifier 01-801-0001 is not the one that site and number give: 01-801-0009.",
    ),
    (
        "dm.csv",
        '"01-802-0001","0001",NA,NA,NA,"802"',
        '"01-801-0001","0001",NA,NA,NA,"801"',
        4,
        "The subject 01-801-0001 stands here twice.",
    ),
    ("dm.csv", '"1938-11",74', '"1938-11",740', 3, "AGE: "),
    ("dm.csv", '"CDISCPILOT01","01-801-0002"', '"OTHER99","01-801-0002"', 3, "These are data of the study OTHER99, not of CDISCPILOT01."),
    ("dm.csv", '"DMDTC"\n', '"DMDAT"\n', 1, "The column DMDTC is missing."),
    ("dm.csv", ',"F","Pbo","Pbo","USA"', ',"F","Pbo","USA"', 2, "This row has 13 cells, the heading has 14."),
    ("ex.csv", '"XANOMELINE",54', '"XANOMELINE",5.4.1', 4, "EXDOSE: 5.4.1 has more than one decimal separator"),
    ("ds.csv", '"DEATH","DEATH"', '"DEATH,"DEATH"', 4, "This is no CSV: "),
]


@pytest.mark.parametrize(("name", "old", "new", "line", "said"), BAD, ids=[f"{one[0]} {one[4][:40]}" for one in BAD])
def test_a_bad_row_is_told_with_file_and_line_and_nothing_is_written(pilot_world, folder, name, old, new, line, said):
    edit(folder, name, old, new)
    before = size(pilot_world)
    found = problems_of(pilot_world, folder)
    assert any((file, at) == (name, line) and what.startswith(said) for file, at, what in found), found
    assert size(pilot_world) == before


def test_every_problem_is_told_at_once_in_order(pilot_world, folder):
    for name, old, new, _, _ in (BAD[0], BAD[1], BAD[6], BAD[14]):
        edit(folder, name, old, new)
    (folder / "ds.csv").unlink()
    assert [(file, line) for file, line, _ in problems_of(pilot_world, folder)] == [
        ("ae.csv", 3),
        ("ae.csv", 4),
        ("ds.csv", 1),
        ("ex.csv", 4),
        ("sv.csv", 4),
    ]


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (None, 1, "The file is missing."),
        (b"", 1, "The file is empty."),
        ("STUDYID,USUBJID\né,1\n".encode("latin-1"), 2, "The file is not in UTF-8."),
        (b"STUDYID\nx\x00\n", 2, "The file holds a NUL byte: it is no text."),
    ],
)
def test_a_file_that_cannot_be_read_is_told_alone_and_not_as_a_hundred_unknown_subjects(pilot_world, folder, content, line, said):
    (folder / "dm.csv").unlink()
    if content is not None:
        (folder / "dm.csv").write_bytes(content)
    assert problems_of(pilot_world, folder) == [("dm.csv", line, said)]


def test_an_unknown_time_zone_and_an_unknown_study_are_refused(pilot_world):
    with pytest.raises(Impossible, match="time zone"):
        run(pilot_world, zone="New York")
    pilot_world.study = "nowhere"
    with pytest.raises(Impossible, match="no such study"):
        run(pilot_world)


def test_a_study_that_asks_other_things_is_not_imported_into(world):
    with pytest.raises(Impossible, match="not made for"):
        run(world)


# The whole public data set, where it stands beside the checkout.


def table(name: str) -> list[dict[str, str]]:
    with (PILOT / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


WHOLE_ON = KINDS if os.environ.get("TRIALCRF_PILOT") else KINDS[:1]
"""The whole of it takes minutes on each database; the made-up tables come into both."""


@pytest.fixture(scope="module", params=WHOLE_ON)
def imported(request, databases):
    if not PILOT.is_dir():
        pytest.skip(
            "the CDISC pilot data do not stand beside this checkout (../shared/data/cdisc_pilot): the made-up tables stand for them"
        )
    url = databases.fresh(request.param, whole_pilot)
    world = open_world(url, "cdisc_pilot")
    yield world, OUTCOMES[request.param]
    world.engine.dispose()
    databases.drop(url)


def test_the_pilot_comes_in_whole(imported):
    world, outcome = imported
    assert outcome.refused == []
    assert outcome.forms_new == sum(len(table(name)) for name in ("dm", "ex", "sv", "ae", "ds"))
    with world.read() as tx:
        people = subjects.records(tx, subjects.all_of(tx, "cdisc_pilot"))
    treated = [one for one in people if any(one.all_of("EXSTDAT"))]
    assert (len(people), len(treated)) == (len(table("dm")), len({row["USUBJID"] for row in table("ex")})) == (306, 254)
    arms = Counter(one.first("ACTARM") for one in people)
    assert arms == Counter(row["ACTARMCD"] for row in table("dm"))


def test_the_pilots_events_are_counted_as_the_tables_count_them(imported):
    world, _ = imported
    with world.read() as tx:
        people = subjects.records(tx, subjects.all_of(tx, "cdisc_pilot"))
    events = [(one.key, record.values) for one in people for record in one.records if "AETERM" in record.values]
    rows = table("ae")
    assert (len(events), len({key for key, _ in events})) == (len(rows), len({row["USUBJID"] for row in rows})) == (1191, 225)
    assert sum(values["AESER"] == "Y" for _, values in events) == sum(row["AESER"] == "Y" for row in rows) == 3
    assert Counter((key, values["AESTDAT"], values["AESEV"]) for key, values in events) == Counter(
        (row["USUBJID"], row["AESTDTC"], row["AESEV"]) for row in rows
    )
    assert sum(len(values["AESTDAT"]) < 10 for _, values in events) == 26


def test_the_pilots_contradictory_events_are_asked_about_and_no_other(imported):
    _, outcome = imported
    criteria = ("AESCONG", "AESDISAB", "AESDTH", "AESHOSP", "AESLIFE")
    wanted = sum((row["AESER"] == "Y") != any(row[one] == "Y" for one in criteria) for row in table("ae"))
    assert outcome.queries_opened == wanted == 33


def test_the_pilots_visits_have_the_days_of_the_tables(imported):
    world, _ = imported
    with world.read() as tx:
        found = subjects.all_of(tx, "cdisc_pilot")
        plans = [schedule.plan(world.published.study, one, NOW.date()) for one in subjects.records(tx, found)]
    done = Counter(visit.event.oid for plan in plans for visit in plan if visit.on)
    rows = [row for row in table("sv") if not row["VISIT"].startswith("UNSCHEDULED") and row["VISITNUM"] != "101"]
    assert done == Counter("V" + row["VISITNUM"].replace(".", "_") for row in rows)


def test_the_pilots_trail_is_whole(imported):
    clean(imported[0])


@pytest.mark.parametrize("imported", ["sqlite"], indirect=True)
def test_a_second_run_over_the_pilot_writes_nothing(imported):
    world, outcome = imported
    before = size(world)
    again = run(world, PILOT)
    assert size(world) == before
    assert (again.forms_same, again.records, again.refused) == (outcome.forms_new, 0, [])


def test_a_version_that_is_not_approved_at_a_site_is_not_filled_there(pilot_world):
    later = replace(study_of("cdisc_pilot"), amendment=Amendment(Words({"fr": "Amendement 1", "en": "Amendment 1"})))
    with pilot_world.write("trialcrf") as tx:
        second, _ = publish.publish(tx, later)
    outcome = run(pilot_world)
    assert (outcome.subjects_new, outcome.refused) == (3, [])
    with pilot_world.read() as tx:
        filled = tx.read(text("SELECT DISTINCT definition_id FROM form")).scalars().all()
        assert len(filled) == 1 and filled != [second.id]
    clean(pilot_world)


def test_nothing_is_imported_where_no_version_is_released(pilot_world):
    first = replace(study_of("cdisc_pilot"), oid="other_pilot", amendment=Amendment(Words({"fr": "Version 1", "en": "Version 1"})))
    with pilot_world.write("trialcrf") as tx:
        publish.publish(tx, first)
    there = replace(pilot_world, study="other_pilot")
    outcome = run(there)
    assert outcome.subjects_new == 0 and {in_english(one.message).split(": ", 1)[1] for one in outcome.refused} == {
        "No version of the study is released to site 801 yet.", "No version of the study is released to site 802 yet.",
    }  # fmt: skip
    clean(there)
