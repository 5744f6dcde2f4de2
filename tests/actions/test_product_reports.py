"""The documents of the cell product from an order to their values and pages: what was known then, who may have them, what is refused."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import replace
from io import BytesIO

import page  # page-validation
import pikepdf
import pytest

from tests.actions.cells_world import BAGS, LOT, Cells, cells_filling, later, open_cells
from tests.actions.world import NOW, typed
from trialcrf.actions import Impossible
from trialcrf.actions.cells import bedside
from trialcrf.actions.records import export, quality, report
from trialcrf.actions.safety import case_documents
from trialcrf.core.access import Actor, Grant, may
from trialcrf.core.packs.dsmb import DsmbReport
from trialcrf.store import reports, sites, subjects, worklists

ABOUT = {
    report.BATCH: report.Asked(subject="B-01-001"),
    report.INFUSION: report.Asked(subject="R-01-001"),
    report.DOSSIER: report.Asked(subject="D-01-001"),
    report.ACCOUNTABILITY: report.Asked(),
}


@pytest.fixture(scope="module")
def database_kind() -> str:
    """Nothing here hangs on the kind of database: what is read is the trail."""
    return "sqlite"


@pytest.fixture
def filling():
    return cells_filling()


@pytest.fixture
def cells(database_url):
    made = open_cells(database_url)
    yield made
    made.world.engine.dispose()


def value(cells: Cells, kind: str, moment=None, as_of=None, asked: report.Asked | None = None):
    at = moment or later(240)
    with cells.world.read() as tx:
        known = report.known(tx, cells.world.study, as_of or at.date(), at)
        return report.KINDS[kind].value(tx, known, asked or ABOUT[kind])


def treat(cells: Cells) -> None:
    """The first bag thawed, refused once, checked and given; the second one recalled."""
    record = {"REC_PASSAGE": "3", "REC_VIABLE": "160"}
    cells.world.save(cells.batch, "BATCHREC", "MAKING", typed(**record), name="lara", now=later(1))
    cells.move(BAGS[0], "THAWED", (21, 11, 2026, "10:10"), now=later(20), MOV_VIABILITY="88.5")
    sent = bedside.Sent(BAGS[0], cells.recipient.key, "FR0001230000000999999", "MSC1")
    with cells.world.write("cora", later(22)) as tx:
        bedside.record_stop(tx, cells.recipient, sent, ["wrong_donation"], ["cora", "ivan"])
    cells.check(now=later(25))
    boxes = {
        "INF_START": (21, 11, 2026, "10:35"), "INF_END": (21, 11, 2026, "11:05"), "INF_COHORT": "MSC1", "INF_BATCH": LOT,
        "INF_IDENTITY": "Y",
        "INF_WEIGHT": "62.4", "INF_TOTAL": "80", "INF_VIABILITY": "88.5", "INF_DOSE": "70.8", "INF_VOLUME": "50", "INF_PREMED": "N",
        "INF_BREAK": "N", "INFUSED__new1__INF_BAG": BAGS[0],
    }  # fmt: skip
    cells.world.save(cells.recipient, "INFUSION", "D0", typed(**boxes), now=later(150))
    told = {
        "INC_KIND": "COLD_CHAIN",
        "INC_AWARE": (21, 11, 2026, "12:30"),
        "INC_BAG": BAGS[1],
        "INC_TEXT": "Tank alarm.",
        "INC_RECALL": "Y",
    }
    cells.world.save(cells.batch, "INCIDENT", "INCIDENTS", typed(**told), now=later(200), name="quin")


def test_every_document_tells_what_was_known_then(cells):
    before = {kind: value(cells, kind, NOW) for kind in (report.BATCH, report.DOSSIER, report.ACCOUNTABILITY)}
    treat(cells)
    assert {kind: value(cells, kind, NOW) for kind in before} == before
    after = {kind: value(cells, kind) for kind in ABOUT}
    assert all(replace(after[kind], cut=before[kind].cut) != before[kind] for kind in before)
    batch = after[report.BATCH]
    assert [bag.recalled for bag in batch.bags] == [False, True] and len(batch.bags[0].moves) == 4
    (signed,) = batch.decisions[0].signed
    assert (signed.name, signed.role.msgid, signed.at, signed.changed_at) == ("Quin", "Qualified Person", NOW, None)
    record = after[report.INFUSION]
    assert [(one.at, one.bag, len(one.reasons)) for one in record.attempts] == [(later(22), BAGS[0], 1)]
    assert [one.name for one in record.checks[0].signed] == ["Cora", "Ivan"] and record.infusions[0].bags[0].minutes == 25
    assert (after[report.ACCOUNTABILITY].given, after[report.ACCOUNTABILITY].recalled) == (1, 1)
    assert [one.key for one in after[report.DOSSIER].things][-1] == "R-01-001"


def test_a_signature_says_when_what_it_covers_changed(cells):
    cells.world.save(cells.batch, "QC", "MAKING", typed(version=1, reason="TYPO", QC_FUNGI="NEGATIVE"), name="lara", now=later(60))
    (signed,) = value(cells, report.BATCH).decisions[0].signed
    assert signed.changed_at == later(60)
    assert value(cells, report.BATCH, later(59)).decisions[0].signed[0].changed_at is None


@pytest.mark.parametrize(
    ("kind", "subject", "said"),
    [
        (report.BATCH, "R-01-001", "not about"),
        (report.BATCH, "B-01-999", "no subject"),
        (report.INFUSION, "D-01-001", "not about"),
        (report.INFUSION, "", "Say which subject"),
        (report.DOSSIER, "X-1", "no subject"),
        (report.ACCOUNTABILITY, "B-01-001", "no single subject"),
    ],
)
def test_an_order_about_somebody_else_is_refused(cells, kind, subject, said):
    with cells.world.write("dana") as tx, pytest.raises(Impossible, match=said) as refused:
        report.order(tx, cells.world.published, "en", NOW.date(), None, "dana", kind=kind, subject=subject, why="Asked.")
    assert refused.value.field == "subject"


def test_an_order_is_archived_under_its_subject_and_value_of_reads_it_again(cells):
    with cells.world.write("dana") as tx:
        id_ = report.order(
            tx, cells.world.published, "fr", NOW.date(), None, "dana", kind=report.DOSSIER, subject="R-01-001", why="For the inspection."
        )
    with cells.world.read() as tx:
        ordered = reports.find(tx, id_)
        assert report.file_of(ordered).startswith("msc_ssc-dossier-R-01-001-2026-11-21-fr")
        with pytest.raises(Impossible, match="Nothing of the chain"):
            report.value_of(tx, ordered)  # nothing was given to this recipient yet


def test_who_may_read_reports_may_not_read_every_one_of_them():
    dana, sam = (Actor(1, role, grants=(Grant(role, "msc_ssc"),)) for role in ("data_manager", "sponsor"))
    verbs = {kind: report.KINDS[kind].verb for kind in ABOUT}
    assert verbs == {
        report.BATCH: "cell.read",
        report.INFUSION: "form.read",
        report.DOSSIER: "trace.read",
        report.ACCOUNTABILITY: "stock.read",
    }
    assert all(may(dana, verb, "msc_ssc") for verb in verbs.values() if verb)
    assert not may(sam, verbs[report.DOSSIER], "msc_ssc") and may(sam, verbs[report.BATCH], "msc_ssc")
    assert not may(sam, verbs[report.INFUSION], "msc_ssc"), "with the batch summary it would join a donor to a recipient"


def test_a_study_without_cells_or_blinded_has_no_such_report(cells):
    study = cells.world.published.study
    bare, blinded = replace(study, cells=None), replace(study, safety=replace(study.safety, blinded=True))
    assert all("no cell product" in report.KINDS[kind].refusal(bare).msgid for kind in ABOUT)
    assert [kind for kind in ABOUT if report.KINDS[kind].refusal(blinded) is not None] == [report.INFUSION]


def test_the_account_of_a_site_is_that_of_its_batches(cells):
    assert value(cells, report.ACCOUNTABILITY, asked=report.Asked(site="01")).filled == 2
    assert value(cells, report.ACCOUNTABILITY, asked=report.Asked(site="02")).filled == 0


# What other documents tell of the product


def test_batches_are_in_no_number_of_a_site(cells):
    def numbers(people_only: bool):
        study = cells.world.published.study
        types = tuple(replace(one, product=one.product and people_only) for one in study.subject_types)
        with cells.world.read() as tx:
            known = report.known(tx, study.oid, NOW.date(), NOW)
            seen = replace(study, subject_types=types)
            return (
                quality.of_sites(tx, seen, sites.all_of(tx, study.oid), NOW),
                quality.quality_report(tx, seen, known.upto, known.cut).sites,
            )

    for counted, with_batches in zip(numbers(True), numbers(False), strict=True):
        assert counted[0].subjects == 2 and with_batches[0].subjects == 3


def test_batches_are_exported_and_counted_as_no_subjects(cells, tmp_path):
    with cells.world.read() as tx:
        done = export.export_csv(tx, cells.world.study, {"form", "cell"}, None, tmp_path / "out", NOW)
        everybody = subjects.count(tx, cells.world.study)
        people = subjects.count(tx, cells.world.study, but=cells.world.published.study.products)
    assert (done.subjects, people, everybody) == (2, 2, 3)
    assert "B-01-001" in (tmp_path / "out" / "BATCH.csv").read_text(encoding="utf-8")


def test_what_the_laboratory_has_not_finished_waits_for_no_ward(cells):
    cells.world.save(cells.batch, "BATCHREC", "MAKING", typed(REC_PASSAGE="3"), name="lara", now=later(1))

    def waiting(*but: str) -> set[str]:
        with cells.world.read() as tx:
            _, found = worklists.unfinished(tx, sites.all_of(tx, cells.world.study), 100, but)
            return {one.key.form_oid for one in found}

    assert "BATCHREC" in waiting() and waiting(*cells.world.published.study.products) == waiting() - {"BATCHREC"}


def test_the_board_and_the_form_of_a_case_know_the_passage(cells):
    treat(cells)
    pack = value(cells, report.DSMB, asked=report.Asked())
    assert isinstance(pack, DsmbReport) and pack.safety.product is not None
    assert [(one.subject, one.passages, one.batches) for one in pack.safety.product.given] == [("R-01-001", ("3",), (LOT,))]
    with cells.world.read() as tx:
        told = case_documents.record_of(tx, cells.recipient)
        early = case_documents.record_of(tx, cells.recipient, report.known(tx, cells.world.study, NOW.date(), NOW).upto)
    assert [one.values["PASSAGE"] for one in told.records if "EXSTDAT" in one.values] == ["3"]
    assert list(early.all_of("PASSAGE")) == []


# On paper


LANGUAGE = {report.BATCH: "fr", report.INFUSION: "en", report.DOSSIER: "fr", report.ACCOUNTABILITY: "en"}
WORDS = {
    report.BATCH: ("D-01-001", "FR 000123 0000000123456", "92 %", "EudraCT 2010-024041-78", "Quin", LOT, "88,5", "Tank alarm."),
    report.INFUSION: ("Cora", "Ivan", "Refused attempts: 1", "+13.5%", "A-37", "70.8", "missed", "25"),
    report.DOSSIER: ("31 déc. 2129", "R-01-001", "B-01-001", BAGS[1], "1394/2007"),
    report.ACCOUNTABILITY: ("Bags of each batch", LOT, "recalled", "Laboratory, nitrogen tank"),
}


def test_each_document_is_drawn_tagged_and_tells_what_it_must(cells, tmp_path):
    treat(cells)
    for kind, language in LANGUAGE.items():
        drawn = report.drawing(value(cells, kind), language, kind, ABOUT[kind]).pdf
        for profile in ("ua1", "3a"):
            found = page.validate_pdf_bytes(drawn, profile=profile)
            assert found.is_compliant, (kind, [(failure.rule_id, failure.message) for failure in found.failures])
        with pikepdf.open(BytesIO(drawn)) as document:
            tags = Counter(str(one["/S"]) for one in document.objects if isinstance(one, pikepdf.Dictionary) and "/S" in one)
            assert str(document.Root.Lang) == language and tags["/Caption"] > 2 and tags["/TH"] > 9
            assert "data.json" in document.attachments
        (tmp_path / "drawn.pdf").write_bytes(drawn)
        done = subprocess.run(["pdftotext", "-layout", str(tmp_path / "drawn.pdf"), "-"], capture_output=True, text=True, check=True)
        text = re.sub(r"\s+", " ", done.stdout)
        assert [word for word in WORDS[kind] if word not in text] == [], kind
        assert ("R-01-001" in text) is (kind in (report.INFUSION, report.DOSSIER))
        assert ("D-01-001" in text) is (kind in (report.BATCH, report.DOSSIER))
