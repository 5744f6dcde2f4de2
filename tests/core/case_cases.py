"""Cases made up for the tests of the ledger and of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from trialcrf.core.definition.codes import CodeList, CodeListItem
from trialcrf.core.definition.safety import Obligation, ReferenceSafety, SafetySettings
from trialcrf.core.safety.case import Case, CaseEntry, Facts, Kind
from trialcrf.core.wording import Words

PARIS = ZoneInfo("Europe/Paris")
OPENED = datetime(2026, 2, 26, 10, 0, tzinfo=PARIS)
"""The awareness of the vectors (clinical reference, E.6)."""

GRAVE = Facts("recipient", "Anaphylaxis", "4", "2026-02-25", life_threatening=True, related=True)
OTHER = Facts("recipient", "Fever", "3", "2026-02-25", related=True)


def duty(oid: str, concerns: str, starts: str, sender: str = "sponsor", **more: Any) -> Obligation:
    return Obligation(oid, Words({"en": oid}), concerns, starts, sender, Words({"en": "Authority"}), **more)


SITE = duty("SITE", "serious", "site_awareness", "investigator", hours=24)
SEVEN = duty("SEVEN", "susar_fatal", "day_zero", days=7)
FIFTEEN = duty("FIFTEEN", "susar", "day_zero", days=15)
WORSE = duty("WORSE", "susar_fatal", "worsening", days=7)
MORE = duty("MORE", "susar_fatal", "submission", days=8, after="SEVEN")
DONOR = duty("DONOR", "serious", "day_zero", at_once=True, subject_types=("donor",))
BIOVIGILANCE = duty("BIOVIGILANCE", "biovigilance", "day_zero", "investigator", at_once=True)
ALL = (SITE, SEVEN, FIFTEEN, WORSE, MORE, DONOR, BIOVIGILANCE)


def settings(*duties: Obligation, references: tuple[ReferenceSafety, ...] = (), regime: str = "") -> SafetySettings:
    grades = CodeList("GRADE", tuple(CodeListItem(str(number), Words({"en": str(number)})) for number in range(1, 6)))
    return SafetySettings("recipient", "AETOXGR", grades, "3", regime=regime, obligations=duties or ALL, reference_safety=references)


def case(*lines: tuple[Any, ...], opened: datetime = OPENED) -> Case:
    """A case with these lines after the first: (kind, content, moment or hours since opening, role)."""
    entries = [CaseEntry(1, Kind.OPENED, opened, "cora", "Cora", "coordinator", "Hospital", {"aware": ""})]
    for kind, content, *more in lines:
        at = more[0] if more else opened
        at = at if isinstance(at, datetime) else opened + timedelta(hours=at)
        role = more[1] if len(more) > 1 else "sponsor"
        entries.append(CaseEntry(len(entries) + 1, kind, at.astimezone(UTC), "sam", "Sam", role, "Sponsor", content))
    return Case(1, 1, "S", "01", "R-01-001", 7, "", opened, tuple(entries))


def sent(oid: str, at: datetime, role: str = "sponsor") -> tuple[Any, ...]:
    return (Kind.SUBMITTED, {"obligation": oid, "version": 1, "to": "x", "at": at.astimezone(UTC).isoformat(), "reference": ""}, at, role)
