"""The documents of the cell product and the product part of the board's pack: exact values from records made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.core.product_cases import ATTEMPTS, CUT, Writing, bag, batch, cells_study, checks, everyone, releases, sampled
from tests.plain_values import as_sample
from trialcrf.core.attached import attachments, plain
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.accountability import accountability_report
from trialcrf.core.packs.batch import batch_summary
from trialcrf.core.packs.dsmb import DsmbReport, board_pack
from trialcrf.core.packs.dsur import update
from trialcrf.core.packs.infusion import infusion_record
from trialcrf.core.packs.product import NoCells, kept_until, until
from trialcrf.core.packs.report import tabulate
from trialcrf.core.packs.sae import list_serious
from trialcrf.core.packs.traceability import traceability
from trialcrf.core.product.vitals import POINT_STATES, PointState
from trialcrf.core.safety.stopping import status
from trialcrf.core.wording import Message, Sayable, Words
from trialcrf.external.language import Language

REPORTS = Path(__file__).resolve().parents[2] / "reports"
DOCUMENTS = ("batch", "infusion", "dossier", "accountability")
ENGLISH = Language("en")


def say(said: Sayable | str) -> str:
    return ENGLISH.say(said)


def cut(as_of: date, known_at: datetime | None = None):
    return replace(CUT, as_of=as_of, known_at=known_at or CUT.known_at)


# A batch is no person


def absurd() -> SubjectRecord:
    """A batch in whose casebook somebody recorded a related death and a treatment: nothing of it is a person's."""
    event = {
        "AETERM": "Death",
        "AEDECOD": "Death NOS",
        "AESTDAT": "2026-11-24",
        "AETOXGR": "5",
        "AESER": "Y",
        "AESDTH": "Y",
        "AEOUT": "FATAL",
    }
    made = Writing("B-01-009", "batch").form("AE", "AE", {**event, "AESDTH": "Y", "AEOUT": "FATAL", "AERELPRD": "RELATED"})
    return made.form("SCR", "RENROL", {"RFICDAT": "2026-01-02"}).form("D0", "INFUSION", {"EXSTDAT": "2026-11-24T09:35+01:00"}).subject()


COUNTS = {
    "safety": tabulate,
    "serious events": lambda study, people, at: list_serious(study, people, (), at),
    "annual update": lambda study, people, at: update(study, people, (), at),
    "stopping rule": lambda study, people, at: status(study, people, at.as_of),
    "board": lambda study, people, at: board_without_product(board_pack(study, people, (), (), at, False)),
}


def board_without_product(pack: DsmbReport) -> DsmbReport:
    return replace(pack, safety=replace(pack.safety, product=None))


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS.keys())
def test_a_batch_is_in_no_count_of_people(count):
    people = [one for one in everyone() if not one.key.startswith("B-")]
    assert count(cells_study(), [*everyone(), absurd()], CUT) == count(cells_study(), people, CUT)


# The summary of a batch


def test_a_batch_tells_its_origin_its_passages_and_what_was_not_done():
    found = sampled("batch")
    assert [(say(one.kind), one.key, one.name) for one in found.origins] == [
        ("Donor", "D-01-001", ""),
        ("Donation", "D-01-001", "FR 000123 0000000123456"),
    ]
    blocks = {say(one.title): one for one in found.made}
    assert [[say(cell.answer) for cell in row.cells] for row in blocks["Passages"].rows] == [["1", "10 Nov 2026", "", "41.5", ""]]
    product = {say(one.label): (say(one.answer), one.unit) for one in blocks["Final product"].lines}
    assert product["Total viable cells"] == ("240", "10⁶") and product["Date of cryopreservation"][0] == "Not applicable"
    tests = {say(one.label): say(one.answer) for one in blocks["Microbiology"].lines}
    assert tests["Endotoxin"] == "< 0.25" and tests["Sterility, aerobic"] == ""  # insisted on, and not recorded
    assert "Endotoxin per kilogram of the recipient" not in tests
    assert (found.lot, say(found.state), say(found.recalled)) == ("LOT-1", "released conditionally", "bags: 1")


def test_a_decision_stands_with_its_criteria_as_they_were_judged_and_its_signature():
    (one,) = sampled("batch").decisions
    assert [(say(line.label), say(line.condition), say(line.result), say(line.verdict)) for line in one.criteria] == [
        ("Viability", "≥ 70 %", "92.5", "met"),
        ("CD105", "≥ 95 %", "98", "met"),
        ("CD73", "≥ 95 %", "< 95", "not met"),
        ("HLA-DR", "≤ 20 %", "Not done", "undetermined"),
        ("Tri-lineage potency", "= Passed", "Passed", "met"),
    ]
    assert [line.counts for line in one.criteria] == [True, True, True, False, True]
    assert (say(one.decision), say(one.verdict), one.published, one.why) == (
        "Released conditionally",
        "not met",
        True,
        "CD73 to be repeated.",
    )
    assert [(sign.name, sign.changed_at.day) for sign in one.signed] == [("Quin Roux", 28)]
    others = [replace(releases()[0], forms=(999,), name="Somebody Else")]
    assert batch_summary(cells_study(), everyone(), others, "B-01-001", CUT).decisions[0].signed == ()


def test_bags_tell_their_code_their_movements_and_what_contradicts():
    one, other, third = sampled("batch").bags
    assert one.european == "FR 000123 0000000123456 E 0000043 001 20261231"
    assert [say(move.kind) for move in one.moves] == ["filled", "shipped", "received", "thawed", "checked at the bedside", "infused"]
    shipped = one.moves[1]
    assert (say(shipped.low), say(shipped.high), shipped.logger, say(shipped.to)) == ("-155", "-148.5", "LG-77", "Ward")
    assert say(one.moves[3].viability) == "88.5" and one.kept_until == date(2056, 12, 31)
    assert "cannot be received" in say(other.moves[1].flaw) and other.recalled and not one.recalled
    assert third.moves[1].why == "Expired." and not third.expired  # destroyed: nobody can give it any more


def test_a_bag_of_a_pool_carries_the_number_of_the_pool():
    pool = "FR0001230000000777777"
    pooled = Writing("B-01-003", "batch").form("MAKING", "BATCH", {"CTLOT": "LOT-3", "CTPOOLDI": pool}, {"CTSRCLOT": "B-01-001"})
    people = [*everyone(), pooled.form("MAKING", "BAGS", {}, bag("LOT-3-A", "001")).subject()]
    found = batch_summary(cells_study(), people, [], "B-01-003", CUT)
    assert found.bags[0].european.startswith("FR 000123 0000000777777") and found.pool == "FR 000123 0000000777777"
    assert [one.key for one in found.origins] == ["D-01-001", "D-01-001", "B-01-001"]


def test_a_summary_of_a_batch_names_no_recipient():
    assert "R-01" not in json.dumps(plain(sampled("batch"))) and "D-01-001" in json.dumps(plain(sampled("batch")))


# The record of an infusion


def test_an_infusion_tells_its_product_and_its_dose():
    (one,) = sampled("infusion").infusions
    (bag,) = one.bags
    assert (bag.code, bag.lot, bag.batch, bag.donations, bag.minutes) == ("LOT-1-A", "LOT-1", "B-01-001", ("FR 000123 0000000123456",), 25)
    told = one.dose
    assert (told.planned, told.viable, told.given, told.per_kg) == tuple(map(Decimal, ("50.0", "70.8", "70.8", "1.42")))
    assert (told.deviation, told.low, told.high, told.beyond) == (Decimal("0.4160"), Decimal("40.0"), Decimal("60.0"), True)
    assert (sampled("infusion").assumption, sampled("infusion").counts) == ("A-37", "viable")
    others = {say(line.label): say(line.answer) for block in one.others for line in block.lines}
    assert others["Premedication products and doses"] == "Paracetamol 1 g" and "Dose cohort" not in others
    assert "Reason and duration of the interruption" not in others  # asked only where it was interrupted


def test_a_bag_that_was_thawed_too_long_is_marked():
    study = cells_study()
    strict = replace(study, cells=replace(study.cells, thaw_minutes=24))
    for limit, beyond in ((24, True), (25, False)):
        strict = replace(study, cells=replace(study.cells, thaw_minutes=limit))
        found = infusion_record(strict, everyone(), [], [], "R-01-001", CUT)
        assert found.infusions[0].bags[0].beyond is beyond


def test_a_bag_given_on_its_last_day_was_not_expired_and_the_day_after_it_was():
    for expiry, expired in (("2026-11-24", False), ("2026-11-23", True)):
        records = [replace(one, values={**one.values, "CTEXPDTC": expiry}) if "CTBAG" in one.values else one for one in batch().records]
        people = [replace(one, records=tuple(records)) if one.key == "B-01-001" else one for one in everyone()]
        assert infusion_record(cells_study(), people, [], [], "R-01-001", CUT).infusions[0].bags[0].expired is expired


def test_the_bedside_check_stands_with_its_emergency_and_its_refused_attempts():
    found = sampled("infusion")
    (one,) = found.checks
    assert (one.wristband, one.first, one.second) == ("R-01-001", "Cora Martin", "Ivan Petit")
    assert [say(each) for each in one.lifted] == ["This bag is expired, or has no expiry date."] and one.why == "No other bag in time."
    assert sorted(sign.meaning for sign in one.signed) == ["bedside", "bedside", "emergency"]
    assert [len(each.reasons) for each in found.attempts] == [2]
    before = infusion_record(cells_study(), everyone(), checks(), ATTEMPTS, "R-01-001", cut(date(2026, 11, 23)))
    assert (before.checks, before.attempts, before.infusions) == ((), (), ())


def test_vital_signs_say_which_readings_are_late_or_missed_and_which_values_stand_out():
    (one,) = sampled("infusion").infusions
    taken, late, not_done, missed, due, planned = (
        Message(POINT_STATES[state])
        for state in (PointState.TAKEN, PointState.LATE, PointState.NOT_DONE, PointState.MISSED, PointState.DUE, PointState.PLANNED)
    )
    assert [line.state for line in one.vitals] == [taken, taken, late, not_done, missed, missed, missed, missed]
    assert [line.off for line in one.vitals[:4]] == [0, 0, 8, None] and [line.grave for line in one.vitals] == [False] * 2 + [True] * 6
    outside = [
        (place, say(head.label))
        for place, line in enumerate(one.vitals)
        for head, each in zip(one.measures, line.measured, strict=True)
        if each.outside
    ]
    assert outside == [(2, "Pulse")]
    early = infusion_record(
        cells_study(), everyone(), [], [], "R-01-001", cut(date(2026, 11, 24), datetime(2026, 11, 24, 10, 0, tzinfo=UTC))
    )
    assert [line.state for line in early.infusions[0].vitals][4:] == [due, planned, planned, planned]
    study = cells_study()
    long = replace(study, cells=replace(study.cells, vitals=(0, 2000)))
    next_day = infusion_record(long, everyone(), [], [], "R-01-001", cut(date(2026, 11, 24)))
    assert next_day.infusions[0].vitals[1].state == planned  # known days later, and cut off before it was due
    (figure,) = sampled("infusion").drawings
    assert [row[1] for row in figure.rows] == [-15, 0, 23] and len(figure.spec["vconcat"]) == 5


def test_only_events_of_the_primary_window_follow_the_infusion():
    assert [say(one.term) for one in sampled("infusion").events] == ["Infusion related reaction"]


# The dossier


def test_a_dossier_goes_both_ways_and_says_how_long_it_is_kept():
    found = sampled("dossier")
    assert {one.key for one in found.things} == {"D-01-001", "B-01-001", "B-01-002", "LOT-1-A", "LOT-1-B", "LOT-1-C", "LOT-2-A", "R-01-001"}
    first, second = found.batches
    assert (first.expires, first.kept_until, first.bags, first.given) == (date(2026, 12, 31), date(2056, 12, 31), 3, 1)
    assert (second.expires, second.kept_until) == (None, None)  # a bag of it has no expiry
    assert ("LOT-1-A", "was infused into", "R-01-001", "2026-11-24T09:35+01:00") in [
        (one.source, say(one.how), one.target, one.at) for one in found.steps
    ]
    back = traceability(cells_study(), everyone(), "R-01-001", CUT)
    assert [(say(one.side), one.key) for one in back.things] == [
        ("comes before", "D-01-001"), ("comes before", "D-01-001"), ("comes before", "B-01-001"), ("comes before", "LOT-1-A"),
        ("asked for", "R-01-001"),
    ]  # fmt: skip
    assert [spot.name for spot in back.drawing.spots if spot.start] == [("R-01-001",)]
    given = [move for line in back.bags for move in line.moves if move.subject]
    assert [(say(move.kind), move.subject) for move in given] == [("checked at the bedside", "R-01-001"), ("infused", "R-01-001")]


def test_a_dossier_too_large_to_be_drawn_has_its_tables():
    many = batch()
    rows = [
        replace(one, row=f"x{place}", values={**one.values, "CTBAG": f"LOT-1-{place}"})
        for place in range(13)
        for one in many.records
        if one.values.get("CTBAG") == "LOT-1-C"
    ]
    people = [replace(many, records=(*many.records, *rows)) if one.key == many.key else one for one in everyone()]
    found = traceability(cells_study(), people, "B-01-001", CUT)
    assert found.drawing is None and len(found.bags) == 16 + 1


def test_no_day_is_told_for_a_batch_of_which_one_bag_has_no_expiry():
    made = Writing("B-01-004", "batch").form("MAKING", "BATCH", {"CTLOT": "LOT-4"}, {"CTSRCLOT": "B-01-001"})
    people = [*everyone(), made.form("MAKING", "BAGS", {}, bag("LOT-4-A", "001"), bag("LOT-4-B", "002", "")).subject()]
    told = {one.key: one.kept_until for one in traceability(cells_study(), people, "D-01-001", CUT).batches}
    assert told == {"B-01-001": date(2056, 12, 31), "B-01-002": None, "B-01-004": None}


def test_data_are_kept_thirty_years_and_a_leap_day_not_a_day_less():
    assert [kept_until(one) for one in (date(2026, 12, 31), date(2028, 2, 29), date(2026, 2, 28))] == [
        date(2056, 12, 31), date(2058, 3, 1), date(2056, 2, 28),
    ]  # fmt: skip


# The account


def test_the_account_is_reconciled_by_batch_and_place():
    found = sampled("accountability")
    assert [(one.key, one.filled, one.on_hand, one.in_transit, one.given, one.discarded, one.difference) for one in found.batches] == [
        ("B-01-001", 3, 1, 0, 1, 1, 0),
        ("B-01-002", 1, 1, 0, 0, 0, 0),
    ]
    assert (found.filled, found.on_hand, found.given, found.discarded, found.difference) == (4, 2, 1, 1, 0)
    assert [(say(one.place), say(one.state), one.codes) for one in found.places] == [
        ("Laboratory, nitrogen tank", "in stock", ("LOT-1-B", "LOT-2-A")),
        ("Laboratory, nitrogen tank", "discarded", ("LOT-1-C",)),
        ("Ward", "infused", ("LOT-1-A",)),
    ]
    assert [(one.bag, one.batch) for one in found.doubts] == [("LOT-1-B", "B-01-001")]
    assert {one.code: (one.expired, one.recalled) for one in found.bags}["LOT-2-A"] == (True, False)  # without an expiry: not to be given
    assert "R-01" not in json.dumps(plain(found)) and "D-01" not in json.dumps(plain(found))


def test_an_account_ends_with_its_day():
    found = accountability_report(cells_study(), everyone(), cut(date(2026, 11, 24)))
    assert (found.on_hand, found.given, found.discarded, found.doubts) == (3, 1, 0, ())
    assert accountability_report(cells_study(), everyone(), cut(date(2026, 11, 19))).filled == 0
    for as_of, expired in ((24, {"LOT-2-A"}), (25, {"LOT-2-A", "LOT-1-C"})):
        found = accountability_report(cells_study(), everyone(), cut(date(2026, 11, as_of)))
        assert {one.code for one in found.bags if one.expired} == expired
    assert accountability_report(cells_study(), everyone(), CUT, "02").batches == ()


def test_what_is_later_is_left_out_with_its_rows_and_what_has_no_day_stays():
    (one,) = until([everyone()[3]], date(2026, 11, 23))
    assert {record.form_oid for record in one.records} == {"RENROL", "INFVITALS", "AE"}
    assert [record.values.get("VSTPT") for record in one.records if record.form_oid == "INFVITALS"] == [None, "P30"]


# Refusals, samples, attachments


@pytest.mark.parametrize(
    ("make", "key", "said"),
    [
        (lambda study, key: batch_summary(study, everyone(), [], key, CUT), "R-01-001", "no batch"),
        (lambda study, key: infusion_record(study, everyone(), [], [], key, CUT), "D-01-001", "no recipient"),
        (lambda study, key: traceability(study, everyone(), key, CUT), "D-01-999", "Nothing"),
    ],
)
def test_a_subject_of_another_kind_is_refused_in_plain_words(make, key, said):
    with pytest.raises(NoCells) as refused:
        make(cells_study(), key)
    assert said in say(refused.value.message) and key in say(refused.value.message)
    with pytest.raises(NoCells, match="no cell product"):
        make(replace(cells_study(), cells=None), key)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_sample_is_what_its_value_says(name):
    assert (REPORTS / name / "sample.json").read_text(encoding="utf-8") == as_sample(sampled(name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_can_be_attached_as_tables(name):
    data, *tables = attachments(name, sampled(name), "en", lambda said: say(said) if isinstance(said, Message | Words) else said)
    names = {one.name for one in tables}
    assert json.loads(data.content)["kind"] == name and "vconcat" not in data.content.decode() and "outline" not in data.content.decode()
    wanted = {"batch": "bags.moves.csv", "infusion": "infusions.vitals.csv", "dossier": "things.csv", "accountability": "batches.csv"}[name]
    assert wanted in names


# The board


def board(blinded: bool = False, closed: bool = False, as_of: date = CUT.as_of):
    study = cells_study()
    seen = replace(study, safety=replace(study.safety, blinded=blinded))
    return board_pack(seen, everyone(), (), (), cut(as_of), closed).safety.product


def test_the_board_reads_dose_viability_and_passage_of_every_recipient():
    (line,) = board().given
    assert (line.subject, line.batches, line.passages, line.dose.viability) == ("R-01-001", ("LOT-1",), ("3",), Decimal("88.5"))
    assert (line.dose.planned, line.dose.given, line.dose.beyond) == (Decimal("50.0"), Decimal("70.8"), True)
    (watch,) = board().watched
    assert (watch.planned, watch.taken, watch.late, watch.not_done, watch.missed) == (8, 2, 1, 1, 4)
    (outside,) = board().outside
    assert (say(outside.measure.label), say(outside.answer), outside.measure.high) == ("Pulse", "135", "130")
    assert [(say(one.kind), one.recall) for one in board().incidents] == [("Breach of the cold chain", True)]
    before = board(as_of=date(2026, 11, 23))
    assert (before.given, before.watched, before.incidents) == ((), (), ())


def test_a_board_that_may_not_see_arms_reads_nothing_that_tells_one():
    seen = board(blinded=True)
    text = json.dumps(plain(seen))
    assert seen.hidden and seen.given == () and seen.watched[0].missed == 4
    assert all(word not in text for word in ("LOT-1", "B-01-001", "70.8", "Tank alarm", "1×10", "MSC1"))
    assert board(blinded=True, closed=True).given and not board(blinded=True, closed=True).hidden


def test_a_study_without_cells_has_no_such_part():
    study = replace(cells_study(), cells=None)
    assert board_pack(study, [one for one in everyone() if one.key[0] in "RD"], (), (), CUT, False).safety.product is None


def test_an_infusion_without_recorded_bags_finds_its_batch_by_the_number_that_was_written():
    whole = [replace(one, records=tuple(each for each in one.records if "CTINFBAG" not in each.values)) for one in everyone()]
    (line,) = board_pack(cells_study(), whole, (), (), CUT, False).safety.product.given
    assert (line.batches, line.passages) == (("LOT-1",), ("3",))
