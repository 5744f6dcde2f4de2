"""Donors, batches and recipients as their forms tell of them, for tests of the chain of cells: written down without any database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import count

from tests.actions.world import study_of
from trialcrf.core.facts import Recorded, SubjectRecord

STUDY = study_of("msc_ssc")
DAY = date(2026, 11, 1)


def at(hour: str, day: int = 20) -> str:
    return f"2026-11-{day:02d}T{hour}+01:00"


@dataclass
class Told:
    """Subjects with their forms; each form gets the next number, as a database gives it."""

    held: dict[str, list[Recorded]] = field(default_factory=dict)
    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)
    _numbers: object = field(default_factory=lambda: count(1))

    def form(
        self, key: str, kind: str, form: str, values: Mapping[str, str], repeat: int = 1, row: str = "", event: str = "E", id_: int = 0
    ) -> int:
        number = id_ or next(self._numbers)  # type: ignore[call-overload]
        site = key.split("-")[1]
        self.kinds.setdefault(key, (kind, site))
        self.held.setdefault(key, []).append(Recorded(number, event, 1, form, repeat, row, dict(values)))
        return int(number)

    def donation(self, donor: str, number: str = "", repeat: int = 1) -> str:
        told = {"PRSTDAT": at("09:00", 17)} | ({"BEREFID": number} if number else {})
        self.form(donor, "donor", "HARVEST", told, repeat, event="H0")
        return f"{donor}/H0/1/HARVEST/{repeat}"

    def batch(self, key: str, lot: str, donations: tuple[str, ...] = (), origins: tuple[str, ...] = (), pool: str = "") -> str:
        number = self.form(key, "batch", "BATCH", {"CTLOT": lot} | ({"CTPOOLDI": pool} if pool else {}))
        for row, where in enumerate(donations):
            self.form(key, "batch", "BATCH", {"CTSRCDON": where}, row=f"d{row}", id_=number)
        for row, origin in enumerate(origins):
            self.form(key, "batch", "BATCH", {"CTSRCLOT": origin}, row=f"b{row}", id_=number)
        return key

    def bag(self, batch: str, code: str, filled: str = at("10:00"), expires: str = "2026-12-31", place: str = "LAB_TANK") -> str:
        told = {"CTBAG": code, "CTEXPDTC": expires, "CTPLACE": place, "CTFILDTC": filled}
        self.form(batch, "batch", "BAGS", {name: text for name, text in told.items() if text}, row=f"r{code}")
        return code

    def move(self, batch: str, code: str, kind: str, when: str = "", to: str = "") -> int:
        told = {"CTMVBAG": code, "CTMVKIND": kind, "CTMVDTC": when, "CTMVTO": to}
        return self.form(batch, "batch", "MOVEMENT", {name: text for name, text in told.items() if text})

    def check(self, recipient: str, code: str, when: str = "") -> int:
        return self.form(recipient, "recipient", "BEDSIDE", {"CTCHKBAG": code} | ({"CTCHKDTC": when} if when else {}))

    def infuse(self, recipient: str, *codes: str, when: str = "") -> int:
        number = self.form(recipient, "recipient", "INFUSION", {"EXSTDAT": when} if when else {})
        for row, code in enumerate(codes):
            self.form(recipient, "recipient", "INFUSION", {"CTINFBAG": code}, row=str(row), id_=number)
        return number

    def release(self, batch: str, decision: str, when: str = at("12:00")) -> int:
        return self.form(batch, "batch", "RELEASE", {"CTRELDEC": decision, "CTRELDTC": when})

    def incident(self, batch: str, bag: str = "", recall: bool = True, kind: str = "COLD_CHAIN", when: str = at("13:00")) -> int:
        told = {"CTINCKND": kind, "CTINCDTC": when, "CTINCBAG": bag, "CTRECALL": "Y" if recall else "N"}
        return self.form(batch, "batch", "INCIDENT", {name: text for name, text in told.items() if text})

    @property
    def subjects(self) -> list[SubjectRecord]:
        return [
            SubjectRecord(number, key, self.kinds[key][1], self.kinds[key][0], DAY, tuple(records))
            for number, (key, records) in enumerate(self.held.items(), 1)
        ]


def plain_chain() -> Told:
    """One donor, one batch, two bags, one of them infused into one recipient."""
    told = Told()
    told.batch("B-01-001", "LOT-1", (told.donation("D-01-001", "FR0001230000000123456"),))
    told.bag("B-01-001", "LOT-1-A")
    told.bag("B-01-001", "LOT-1-B")
    told.release("B-01-001", "RELEASED")
    told.check("R-02-001", "LOT-1-A", at("14:00"))
    told.infuse("R-02-001", "LOT-1-A", when=at("15:00"))
    return told
