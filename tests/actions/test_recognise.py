"""Recognising an archived report by its bytes; and the same order, drawn in another process after a hundred saves, is the same file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.actions.test_report import EVENING, MORNING, NOON, complain, order, volunteer
from tests.actions.world import ROOT, World, study_of, typed
from trialcrf.actions import Impossible
from trialcrf.actions.records import recognise, report
from trialcrf.actions.records.recognise import Standing
from trialcrf.store import reports
from trialcrf.store.models import report as report_table


@pytest.fixture
def database_kind() -> str:
    """Nothing here hangs on the kind of database."""
    return "sqlite"


def archive(world: World, made_id: int, folder) -> bytes:
    with world.read() as tx:
        ordered = reports.find(tx, made_id)
        value = report.value_of(tx, ordered)
    drawing = report.drawing(value, ordered.language, ordered.kind, report.asked_of(ordered))
    with world.write("trialcrf", NOON) as tx:
        assert report.keep(tx, ordered, value, report.keep_file(ordered, drawing, folder), drawing.annexes)
    return (folder / report.file_of(ordered)).read_bytes()


def found(world: World, content: bytes) -> recognise.Recognised:
    with world.read() as tx:
        return recognise.recognise(tx, content)


AGAIN = """
import sys
from trialcrf.actions.records import report
from trialcrf.store import reports
from trialcrf.store.transaction import open_engine, reading
with reading(open_engine(sys.argv[1])) as tx:
    ordered = reports.find(tx, int(sys.argv[2]))
    value = report.value_of(tx, ordered)
sys.stdout.buffer.write(report.drawing(value, ordered.language, ordered.kind, report.asked_of(ordered)).pdf)
"""


def test_a_file_is_recognised_and_drawn_again_alike_elsewhere_after_a_hundred_saves(salt, tmp_path, database_url):
    subject = volunteer(salt)
    complain(salt, subject, "Headache")
    made_id = order(salt, NOON, language="fr", why="  For the\nboard. ")
    content = archive(salt, made_id, tmp_path)
    said = found(salt, content)
    assert (said.standing, said.report.id, said.report.why, said.holds) == (Standing.ARCHIVED, made_id, "For the board.", True)
    for number in range(100):
        again = typed(number + 1, "SLIP", LIST__1__HOW_BAD=("AWFUL", "BIT")[number % 2])
        salt.save(subject, "COMPLAINTS", "WOES", again, now=EVENING + timedelta(minutes=number))
    strange = {"LC_ALL": "C", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Auckland", "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", AGAIN, database_url, str(made_id)]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **strange}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == content, "with its attachments, which are in it"
    assert found(salt, content).holds, "what came later is no part of its checkpoint"

    altered = content.replace(b"pdfuaid:part>1", b"pdfuaid:part>2", 1)
    assert altered != content
    said = found(salt, altered)
    assert (said.standing, said.report.id) == (Standing.ALTERED, made_id)
    foreign = content.replace(b'"study":"salt"', b'"study":"sugar"', 1)
    assert found(salt, foreign).standing is Standing.FOREIGN
    with salt.write("trialcrf", EVENING) as tx:
        tx.work(update(report_table).values(checkpoint="0" * 64))
    assert found(salt, content).holds is False


@pytest.mark.parametrize(
    "content",
    [b"", b"%PDF-1.7 of somebody", b"<dc:identifier>{}</dc:identifier>", b"<dc:identifier>[1]</dc:identifier>", b"\0" * 100],
)
def test_a_file_that_is_no_report_is_unknown_or_foreign(salt, content):
    said = found(salt, content)
    assert said.standing in (Standing.UNKNOWN, Standing.FOREIGN) and said.report is None
    assert said.sha256 == hashlib.sha256(content).hexdigest()


def test_an_annex_is_recognised_with_its_report(salt):
    made_id = order(salt, NOON)
    sha256 = hashlib.sha256(b"annex").hexdigest()
    with salt.write("trialcrf", NOON) as tx:
        reports.drawn(tx, made_id, 1, "c" * 64, "a" * 64, "x.pdf", "CTCAE 5.0", [reports.AnnexFile("listing.pdf", 300, sha256)])
    said = found(salt, b"annex")
    assert (said.standing, said.annex, said.report.id, said.report.dictionary) == (Standing.ARCHIVED, "listing.pdf", made_id, "CTCAE 5.0")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"why": " \n "}, "why"),
        ({"why": "x" * 501}, "why"),
        ({"kind": "nothing"}, "kind"),
        ({"kind": "quality", "site": "99"}, "site"),
        ({"site": "01"}, "site"),
        ({"subject": "01-0001"}, "subject"),
        ({"case_number": 1}, "case_number"),
    ],
)
def test_what_an_order_must_say_and_must_not(salt, wrong, field):
    with pytest.raises(Impossible) as refused:
        order(salt, **wrong)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("about", "asked", "field"),
    [
        (report.About.SUBJECT, report.Asked(), "subject"),
        (report.About.SUBJECT, report.Asked(subject="99-9999"), "subject"),
        (report.About.CASE, report.Asked(), "case_number"),
        (report.About.CASE, report.Asked(case_number=17), "case_number"),
    ],
)
def test_a_report_about_one_subject_or_case_must_name_one_that_exists(salt, about, asked, field):
    with salt.read() as tx, pytest.raises(Impossible) as refused:
        report.check_asked(tx, "salt", about, asked)
    assert refused.value.field == field


def test_the_program_itself_needs_no_reason_and_a_cancelled_order_is_never_archived(salt):
    made_id = order(salt, by="trialcrf", why="")
    with salt.write("sam", MORNING) as tx:
        assert reports.progressed(tx, made_id, 20, "tables")
        assert reports.cancelled(tx, made_id) and not reports.cancelled(tx, made_id)
    with salt.write("trialcrf", NOON) as tx:
        assert not reports.progressed(tx, made_id, 50, "pages")
        assert not reports.drawn(tx, made_id, 1, "c" * 64, "a" * 64, "x.pdf")
        reports.failed(tx, made_id, "late")
        assert (reports.find(tx, made_id).state, reports.waiting(tx, NOON)) == (reports.CANCELLED, [])


def test_the_file_names_what_it_is_about(salt):
    made_id = order(salt, NOON, kind="quality", site="01")
    with salt.read() as tx:
        one = reports.find(tx, made_id)
    assert report.file_of(one) == f"salt-quality-01-2026-11-21-en-{made_id}.pdf"
    assert report.Asked(case_number=7).parts == ("case7",)


def test_the_dictionaries_of_a_study_are_named_with_their_versions():
    from dataclasses import replace

    study = study_of("msc_ssc")
    named = replace(study, safety=replace(study.safety, ctcae="5.0", meddra="28.0"))
    assert report.dictionary_of(named) == "CTCAE 5.0; MedDRA 28.0"
    assert report.dictionary_of(replace(study, safety=None)) == ""
