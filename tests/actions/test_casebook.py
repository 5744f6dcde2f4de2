"""Casebooks on a real database: no record is missing, everything stands as it was then, and each reader gets the forms that are theirs."""

from __future__ import annotations

import hashlib
import json
import subprocess
from datetime import date, timedelta

import page  # page-validation
import pytest
from sqlalchemy import select

from tests.actions.screening import screen_donor
from tests.actions.test_sign_data import KEY, WEIGHING, signs, ward  # noqa: F401 (a fixture)
from tests.actions.world import NOW, World, typed
from trialcrf.actions import Impossible, enter
from trialcrf.actions.oversight import late_entry, review, verify
from trialcrf.actions.records import recognise, report
from trialcrf.actions.records.recognise import Sealed
from trialcrf.actions.records.report import Asked
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Address, Level, Locked
from trialcrf.core.packs.casebook_parts import Answered, Casebook
from trialcrf.external import seal
from trialcrf.external.language import Language
from trialcrf.jobs.work import draw_report
from trialcrf.store import audit, comments, forms, locks, queries, reports, sites
from trialcrf.store.audit import Who
from trialcrf.store.models import audit_record

LATER, EVENING = NOW + timedelta(hours=1), NOW + timedelta(hours=5)
DIARY = FormKey("WEIGH2", "DIARY")


@pytest.fixture
def database_kind() -> str:
    """Nothing here hangs on the kind of database: what is read is the trail."""
    return "sqlite"


def form_id(world: World, key: FormKey = DIARY) -> int:
    with world.read() as tx:
        found = forms.read(tx, world.subject(KEY).id, key)
    assert found
    return found.id


@pytest.fixture
def book(ward):  # noqa: F811
    """A casebook with everything in it: signed, changed because of a query, commented, verified, late, rows and forms in error, locked."""
    which, diary = ward.subject(KEY), form_id(ward)
    signs(ward, WEIGHING)
    with ward.write("mona", LATER) as tx:
        asked = review.ask(tx, which, DIARY, diary, Place("PINCHES", "DAYS", "1"), "Seven, says the diary on paper?")
        comments.add(tx, which, diary, Place("PINCHES", "DAYS", "1"), "Seen on paper.")
        sheets = verify.sheets(tx, ward.published, which, verify.Asked("WEIGH2"), lambda form: True, LATER)
    with ward.write("mona", LATER) as tx:
        verify.verify(tx, ward.published, which, verify.Asked("WEIGH2"), lambda form: True, verify.seen(sheets), {}, None, LATER)
    ward.save(which, "DIARY", "WEIGH2", typed(1, "SLIP", DAYS__1__PINCHES="7"), now=LATER + timedelta(minutes=5))
    with ward.write("mona", LATER + timedelta(minutes=9)) as tx:
        one = queries.find(tx, asked)
        assert one
        review.accept(tx, which.site, one, "Right.")
    for new in (True, False):  # A page sent twice says it once.
        with ward.write("cora", LATER + timedelta(minutes=10)) as tx:
            assert late_entry.mark(tx, which, DIARY, diary, date(2026, 11, 20), LATER) is new
    removed = enter.Typed(removed={("DAYS", "2"): "Twice."}, version=2)
    ward.save(which, "DIARY", "WEIGH2", removed, now=LATER + timedelta(minutes=20))
    ward.save(which, "SCALES", "WEIGH2", typed(None, CAME="Y", CAME_ON=(3, 3, 2026)), now=LATER + timedelta(minutes=30))
    with ward.write("cora", LATER + timedelta(minutes=40)) as tx:
        scales = forms.read(tx, which.id, FormKey("WEIGH2", "SCALES"))
        assert scales
        enter.mark_form_error(tx, which, scales, "Of somebody else.")
    with ward.write("dana", LATER + timedelta(minutes=50)) as tx:
        locks.move(tx, Address(Level.FORM, diary), which.site, which, which.site.study_id, which.site.chain, "lock", "Clean.")
    return ward


def casebook(world: World, at=EVENING, eyes: tuple[str, ...] = (), key: str = KEY) -> Casebook:
    with world.read() as tx:
        known = report.known(tx, world.study, at.date(), at)
        value = report.KINDS[report.CASEBOOK].value(tx, known, Asked(subject=key, eyes=eyes))
    assert isinstance(value, Casebook)
    return value


def answers(value: Casebook, form: str) -> dict[tuple[str, str], Answered]:
    sections = (section for visit in value.visits for one in visit.forms if one.oid == form for section in one.sections)
    return {(one.row, one.item): one for section in sections for one in section.answers}


def said(parts) -> list[str]:
    return [Language("en").say(part) for part in parts]


def recorded(world: World, key: str) -> set[tuple[str, int]]:
    with world.read() as tx:
        rows = tx.read(select(audit_record.c.chain, audit_record.c.seq).where(audit_record.c.subject == key))
        return {(row.chain, row.seq) for row in rows}


def test_no_record_of_the_trail_that_names_the_subject_is_missing(book):
    value, told = casebook(book), recorded(book, KEY)
    assert {(one.chain, one.seq) for one in value.trail} == told and len(value.trail) == len(told) == value.figures.records > 30
    kinds = {"subject", "form", "query", "comment", "verification", "signature", "late_entry", "lock"}
    assert kinds <= {one.entity for one in value.trail}
    assert all(Language("fr").say(one.op) for one in value.trail)


def test_every_question_stands_with_its_answer_as_a_person_reads_it(book):
    value = casebook(book)
    welcome, diary = answers(value, "WELCOME"), answers(value, "DIARY")
    assert said(welcome["", "GENDER"].value) == ["Female"] and welcome["", "GENDER"].raw == '"F"'
    assert said(welcome["", "BORN"].value) == ["May 1980"]
    assert said(diary["1", "PINCHES"].value) == ["7"] and diary["1", "PINCHES"].changes == 1
    assert [(row, item) for row, item in diary] == [("1", "DAY"), ("1", "PINCHES"), ("2", "DAY"), ("2", "PINCHES"), ("", "PINCHES_ALL")]


def test_a_change_that_a_query_led_to_stands_with_reason_and_query(book):
    value = casebook(book)
    (one,) = [line for line in value.trail if line.raw_before and (line.entity, line.place) == ("form", "DAYS/1/PINCHES")]
    assert (said(one.before), said(one.after), said(one.reason)) == (["1"], ["7"], ["Slip of the key"])
    assert one.prompted_by.startswith("query/") and one.local == "2026-11-21 11:05:00+01:00" and one.actor == "cora"
    (thread,) = value.threads
    assert [said([query.said]) for query in thread.queries] == [["Seven, says the diary on paper?"]]
    assert [Language("en").say(query.state) for query in thread.queries] == ["closed"]
    assert "Seen on paper." in [part for line in thread.lines for part in line.said]


def test_signatures_verification_late_entry_errors_and_locks_stand_as_they_were_then(book):
    value = casebook(book)
    (signed,) = value.signatures
    assert not signed.valid and signed.name == "Ivan" and len(signed.covers) == 1
    diary = answers(value, "DIARY")
    assert not diary["1", "PINCHES"].verified and diary["1", "DAY"].verified.startswith("2026-11-21 11:00")
    (late,) = [part for visit in value.visits for part in visit.forms if part.late]
    assert (late.oid, late.late) == ("DIARY", ("2026-11-20",)) and said([late.lock]) == ["locked"]
    assert [row.reason for section in late.sections for row in section.in_error] == ["Twice."]
    (gone,) = [part for visit in value.visits for part in visit.forms if part.error]
    assert (gone.oid, gone.error) == ("SCALES", "Of somebody else.")
    assert [said([one.level, one.state]) for one in value.locks] == [["form", "locked"]]


def test_an_earlier_moment_tells_what_was_known_then(book):
    value = casebook(book, NOW)
    assert value.signatures[0].valid and not value.threads and not value.locks
    assert value.figures.records < casebook(book).figures.records and said(answers(value, "DIARY")["1", "PINCHES"].value) == ["1"]
    assert casebook(book, LATER) == casebook(book, LATER)


def test_a_casebook_has_no_cut_off_and_nobody_has_one_who_was_not_enrolled(book):
    with book.read() as tx:
        early = report.known(tx, book.study, date(2026, 1, 1), EVENING)
        with pytest.raises(Impossible):
            report.KINDS[report.CASEBOOK].value(tx, early, Asked(subject=KEY))
        known = report.known(tx, book.study, EVENING.date(), EVENING)
        for wrong in ("V9999.01", ""):
            with pytest.raises(Impossible):
                report.KINDS[report.CASEBOOK].value(tx, known, Asked(subject=wrong))


def test_what_a_donors_tests_found_is_in_no_casebook_of_those_who_may_not_read_it(world):
    donor = screen_donor(world)
    everything, mine = casebook(world, key=donor.key), casebook(world, eyes=("form", "link", "statement"), key=donor.key)
    assert answers(everything, "DSEROLOGY") and not answers(mine, "DSEROLOGY")
    assert (everything.partial, mine.partial) == (False, True)
    told = {(one.chain, one.seq) for one in everything.trail} - {(one.chain, one.seq) for one in mine.trail}
    assert mine.figures.withheld == len(told) > 5 and everything.figures.withheld == 0
    held = {one.id for visit in everything.visits for one in visit.forms if one.oid == "DSEROLOGY"}
    assert not [one for one in mine.trail if one.entity == "form" and int(one.entity_id) in held]
    assert "DSEROLOGY" not in json.dumps([one.raw_after for one in mine.trail])


def ordered(world: World, kind: str, at=EVENING, **asked) -> int:
    with world.write("ivan", at) as tx:
        made = report.order(tx, world.published, "en", at.date(), None, "ivan", kind=kind, why="Own copy.", eyes=("form",), **asked)
    assert made is not None
    return made


def test_the_casebooks_of_a_site_are_drawn_signed_and_recognised_after_the_database_is_locked(book, tmp_path):
    folder = tmp_path / "reports"
    with book.write("dana", EVENING) as tx:
        where = next(one for one in sites.all_of(tx, "salt") if one.code == "02")
        locks.move(tx, Address(Level.STUDY, where.study_id), None, None, where.study_id, "salt", "lock", "Clean.")
    with book.read() as tx:
        chains = audit.chains(tx.connection)
    made = ordered(book, report.CASEBOOKS, site="02")
    assert draw_report(book.engine, folder, Who.system(), made)
    with book.read() as tx:
        assert audit.chains(tx.connection) == chains  # making it appends nothing
        one = reports.find(tx, made)
    assert one and one.file and (one.state, one.eyes, [file.name for file in one.annexes]) == (
        reports.DRAWN, "form", ["casebook-V0001.02.pdf"],
    )  # fmt: skip
    inside = folder / report.folder_of_annexes(one.file) / "casebook-V0001.02.pdf"
    own = seal.public_key(tmp_path / seal.KEY_FILE)[1]
    for path, sha256, subject in ((folder / one.file, one.sha256, ""), (inside, one.annexes[0].sha256, "V0001.02")):
        content = path.read_bytes()
        worth, found = recognise.sealed(path.with_name(path.name + seal.ENDING).read_bytes(), own, hashlib.sha256(content).hexdigest())
        assert worth is Sealed.OURS and found and found.said["sha256"] == sha256
        assert (found.said["site"], found.said["subject"], found.said["checkpoint"]) == ("02", subject, one.checkpoint)
        for profile in ("ua1", "3a"):
            valid = page.validate_pdf_bytes(content, profile=profile)
            assert valid.is_compliant, [(failure.rule_id, failure.message) for failure in valid.failures]
        with book.read() as tx:
            assert recognise.recognise(tx, content).report == one
    listed = subprocess.run(["pdftotext", "-layout", str(folder / one.file), "-"], capture_output=True, text=True, check=True).stdout
    assert "V0001.02" in listed and "V0001.01" not in listed
    names = subprocess.run(["pdfdetach", "-list", str(inside)], capture_output=True, text=True, check=True).stdout
    assert "data.json" in names and "trail.csv" in names
    with book.read() as tx:
        assert recognise.again(tx, one)[1]


def test_a_casebook_drawn_for_other_eyes_says_that_it_is_another_file(book):
    with book.read() as tx:
        cut = report.known(tx, book.study, EVENING.date(), EVENING).cut
    told = {report.identity(cut, "casebook", "en", Asked(subject=KEY, eyes=eyes)) for eyes in ((), ("form",), ("donor", "form"))}
    assert len(told) == 3


def test_a_report_about_a_site_names_one(book):
    with pytest.raises(Impossible):
        ordered(book, report.CASEBOOKS)
    with pytest.raises(Impossible):
        ordered(book, report.CASEBOOKS, site="99")


def test_the_day_on_the_paper_is_not_still_to_come_and_nothing_is_said_of_what_is_locked(book):
    which, diary = book.subject(KEY), form_id(book)
    with book.write("cora", EVENING) as tx, pytest.raises(Impossible):
        late_entry.mark(tx, which, DIARY, diary, date(2026, 11, 22), EVENING)
    with book.write("cora", EVENING) as tx, pytest.raises(Locked):
        late_entry.mark(tx, which, DIARY, diary, date(2026, 11, 19), EVENING)
