"""Records of the chain of cells made by hand, over the published study: a donor, two batches, a recipient, and what became of the bags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from trialcrf.core.cut import Cut
from trialcrf.core.definition.load import load
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.packs.accountability import accountability_report
from trialcrf.core.packs.batch import batch_summary
from trialcrf.core.packs.infusion import Attempt, infusion_record, reason
from trialcrf.core.packs.product import Signed
from trialcrf.core.packs.traceability import traceability
from trialcrf.core.wording import Message
from trialcrf.external.files import read_study

ROOT = Path(__file__).resolve().parents[2]
DI = "FR0001230000000123456"
KNOWN = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
CUT = Cut(date(2026, 11, 30), KNOWN, 3, "0f3a91c2e0d45b18" * 4, "7f3a91c2e0d45b18" * 4, "msc_ssc")


@cache
def cells_study() -> Study:
    """The published study with the parts of a Single European Code, which the sponsor has not given (A-36)."""
    study = load(read_study(ROOT / "trialcrf/studies/msc_ssc"))
    assert study.cells is not None
    return replace(study, cells=replace(study.cells, establishment="FR000123", product_code="E0000043"))


class Writing:
    """Writes the records of one subject. Every call is a form of its own, its rows under it."""

    number = 0

    def __init__(self, key: str, kind: str, enrolled_on: date = date(2026, 11, 1)) -> None:
        self._about = (len(key) + ord(key[0]) + int(key[-1]), key, "01", kind, enrolled_on)
        self.records: list[Recorded] = []

    def form(
        self, event: str, form: str, values: Mapping[str, str], *rows: Mapping[str, str], missing: Mapping[str, str] | None = None
    ) -> Writing:
        Writing.number += 1
        where = (Writing.number, event, 1, form, 1)
        self.records.append(Recorded(*where, "", dict(values), dict(missing or {})))
        self.records += [Recorded(*where, f"r{place}", dict(row)) for place, row in enumerate(rows, start=1)]
        return self

    def subject(self) -> SubjectRecord:
        return SubjectRecord(*self._about, tuple(self.records))


def bag(code: str, split: str, expires: str = "2026-12-31", cells: str = "80") -> dict[str, str]:
    return {
        "CTBAG": code, "CTSPLIT": split, "CTBAGCEL": cells, "CTBAGVOL": "50", "CTEXPDTC": expires, "CTFILDTC": "2026-11-20T16:00+01:00",
        "CTPLACE": "LAB_TANK",
    }  # fmt: skip


def move(code: str, kind: str, at: str, **more: str) -> dict[str, str]:
    return {"CTMVBAG": code, "CTMVKIND": kind, "CTMVDTC": f"2026-11-{at}+01:00", **more}


JUDGED = json.dumps(
    {
        "CD105": ["98", "met"],
        "CD73": ["<95", "not_met"],
        "HLADR": ["ND", "undetermined"],
        "TRILINEAGE": ["PASSED", "met"],
        "VIABILITY": ["92.5", "met"],
    }
)


def donor() -> SubjectRecord:
    return Writing("D-01-001", "donor").form("H0", "HARVEST", {"PRSTDAT": "2026-11-03T09:00+01:00", "BEREFID": DI}).subject()


def batch() -> SubjectRecord:
    made = Writing("B-01-001", "batch")
    made.form("MAKING", "BATCH", {"CTLOT": "LOT-1", "CTCULDTC": "2026-11-03"}, {"CTSRCDON": "D-01-001/H0/1/HARVEST/1"})
    made.form(
        "MAKING", "BATCHREC", {"CTPASSAG": "3", "CTPDL": "8.4", "CTVIABLE": "240"},
        {"CTPASNUM": "1", "CTPASDTC": "2026-11-10", "CTPASCNT": "41.5"},
        {"CTDEVDTC": "2026-11-12", "CTDEV": "Incubator at 36.2 °C for 20 minutes."},
        missing={"CTCRYDTC": "NA"},
    )  # fmt: skip
    made.form("MAKING", "QC", {"CTQCDTC": "2026-11-20", "CTVIAB": "92.5", "CTSTERFU": "PENDING", "CTENDO": "<0.25"})
    made.form("MAKING", "BAGS", {}, bag("LOT-1-A", "001"), bag("LOT-1-B", "002"), bag("LOT-1-C", "003", "2026-11-24"))
    made.form(
        "MAKING", "RELEASE",
        {
            "CTRELDEC": "CONDITIONAL", "CTRELDTC": "2026-11-21T10:00+01:00", "CTRELSPC": "BMMSC_2010_024041_78", "CTRELJDG": JUDGED,
            "CTRELWHY": "CD73 to be repeated.",
        },
    )  # fmt: skip
    temperatures = {"CTTMPLO": "-155", "CTTMPHI": "-148.5", "CTLOGGER": "LG-77"}
    made.form("STOCK", "MOVEMENT", move("LOT-1-A", "SHIPPED", "24T08:00", CTMVTO="WARD", **temperatures))
    made.form("STOCK", "MOVEMENT", move("LOT-1-A", "RECEIVED", "24T08:40", CTMVTO="WARD"))
    made.form("STOCK", "MOVEMENT", move("LOT-1-A", "THAWED", "24T09:10", CTMVVIA="88.5"))
    made.form("STOCK", "MOVEMENT", move("LOT-1-B", "RECEIVED", "25T09:00", CTMVTO="WARD"))  # never shipped
    told = {
        "CTINCDTC": "2026-11-26T12:30+01:00",
        "CTINCTXT": "Tank alarm for two hours.",
        "CTINCTLD": "Sponsor",
        "CTINCCON": "Bag blocked.",
    }
    made.form("INCIDENTS", "INCIDENT", {"CTINCKND": "COLD_CHAIN", "CTINCBAG": "LOT-1-B", "CTRECALL": "Y", **told})
    made.form("STOCK", "MOVEMENT", move("LOT-1-C", "DISCARDED", "29T09:00", CTMVWHY="Expired."))
    return made.subject()


def split_batch() -> SubjectRecord:
    """A batch made of the first one, whose bag has no expiry."""
    made = Writing("B-01-002", "batch").form("MAKING", "BATCH", {"CTLOT": "LOT-2"}, {"CTSRCLOT": "B-01-001"})
    return made.form("MAKING", "BAGS", {}, bag("LOT-2-A", "", "")).subject()


def reading(code: str, at: str, *values: str) -> dict[str, str]:
    names = ("SYSBP", "DIABP", "PULSE", "OXYSAT", "TEMP")
    return {"VSTPT": code, "CTVSDTC": f"2026-11-24T{at}+01:00", **dict(zip(names, values, strict=True))}


def recipient() -> SubjectRecord:
    made = Writing("R-01-001", "recipient").form("SCR", "RENROL", {"RFICDAT": "2026-11-02"})
    made.form(
        "D0", "BEDSIDE",
        {
            "CTCHKBAG": "LOT-1-A", "CTCHKDTC": "2026-11-24T09:20+01:00", "CTCHKSUB": "R-01-001", "CTCHKDON": DI, "CTCHKARM": "MSC1",
            "CTCHKBY1": "Cora Martin", "CTCHKBY2": "Ivan Petit", "CTCHKDV": "expired",
        },
    )  # fmt: skip
    made.form(
        "D0", "INFUSION",
        {
            "EXSTDAT": "2026-11-24T09:35+01:00", "EXENDAT": "2026-11-24T10:05+01:00", "ACTARM": "MSC1", "EXLOT": "LOT-1", "WEIGHT": "50",
            "EXDOSE": "70.8", "CTINFTOT": "80", "CTINFVIA": "88.5", "EXVAMT": "50",
            "CTPREMED": "Y", "CTPREMTX": "Paracetamol 1 g", "EXADJYN": "N",
        },
        {"CTINFBAG": "LOT-1-A"},
    )  # fmt: skip
    made.form(
        "D0", "INFVITALS", {},
        reading("M15", "09:20", "118", "72", "130", "97", "36.6"),
        reading("P0", "09:35", "120", "74", "84", "97", "36.7"),
        reading("P15", "09:58", "131", "82", "135", "93", "37.4"),
        {"VSTPT": "P30"},
    )  # fmt: skip
    event = {"AEDECOD": "Infusion related reaction", "AETERM": "Shivering", "AESTDAT": "2026-11-24", "AETOXGR": "2", "AESER": "N"}
    made.form("AE", "AE", event)
    return made.form("AE", "AE", {**event, "AEDECOD": "Cough", "AETERM": "Cough", "AESTDAT": "2026-11-10"}).subject()


@cache
def everyone() -> tuple[SubjectRecord, ...]:
    Writing.number = 0
    return batch(), split_batch(), donor(), recipient()


def form_of(key: str, alias: str) -> int:
    """The id of the first form of a subject that holds this alias."""
    return next(one.form_id for who in everyone() if who.key == key for one in who.records if alias in one.values)


def signed(form: int, meaning: str, name: str, role: str, at: datetime, said: Mapping[str, object] | None = None) -> Signed:
    return Signed((form,), meaning, name, Message(role), "Hospital", at, "5a" * 32, None, dict(said or {}))


RELEASED_AT, CHECKED_AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC), datetime(2026, 11, 24, 8, 20, tzinfo=UTC)


def releases() -> list[Signed]:
    one = signed(form_of("B-01-001", "CTRELDEC"), "release", "Quin Roux", "Qualified Person", RELEASED_AT)
    return [replace(one, changed_at=datetime(2026, 11, 28, 7, 0, tzinfo=UTC))]


def checks() -> list[Signed]:
    form = form_of("R-01-001", "CTCHKBAG")
    urgent = {"bag": "LOT-1-A", "reason": "No other bag in time."}
    return [
        signed(99, "emergency", "Ivan Petit", "Investigator", CHECKED_AT, urgent),
        signed(form, "bedside", "Cora Martin", "Coordinator", CHECKED_AT),
        signed(form, "bedside", "Ivan Petit", "Investigator", CHECKED_AT),
    ]


ATTEMPTS = (Attempt(datetime(2026, 11, 24, 8, 15, tzinfo=UTC), "LOT-1-A", (reason("wrong_donation"), reason("expired"))),)


def sampled(name: str) -> object:
    """The value that `reports/<name>/sample.json` was made from."""
    study, people = cells_study(), everyone()
    return {
        "batch": lambda: batch_summary(study, people, releases(), "B-01-001", CUT),
        "infusion": lambda: infusion_record(study, people, checks(), ATTEMPTS, "R-01-001", CUT),
        "dossier": lambda: traceability(study, people, "D-01-001", CUT),
        "accountability": lambda: accountability_report(study, people, CUT),
    }[name]()
