"""A small study made by hand, for the tests of pure rules: no file, no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from trialcrf.core.definition.codes import CodeList, CodeListItem
from trialcrf.core.definition.model import (
    Anchor,
    Check,
    DataType,
    EventType,
    FormDef,
    FormRef,
    ItemDef,
    ItemGroupDef,
    Offset,
    Range,
    Severity,
    Study,
    StudyEventDef,
    SubjectType,
    Window,
)
from trialcrf.core.expr import parse
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.wording import Words


def words(text: str) -> Words:
    return Words({"fr": text, "en": text})


def item(oid: str, kind: DataType = DataType.TEXT, **more: object) -> ItemDef:
    return replace(ItemDef(oid, words(oid.lower()), kind), **more)  # type: ignore[arg-type]


def codes(oid: str, *values: str) -> CodeList:
    return CodeList(oid, tuple(CodeListItem(value, words(value.lower())) for value in values))


VISIT = FormDef(
    "WHEN",
    words("visit"),
    (
        ItemGroupDef(
            "G",
            words("visit"),
            (
                item("HELD", DataType.CODELIST, codelist=codes("YN", "Y", "N"), aliases=("SVOCCUR",)),
                item("DAY", DataType.PARTIAL_DATE, aliases=("SVSTDAT",), when=parse("HELD = 'Y'"), mandatory=True),
                item("WHY", DataType.TEXT, aliases=("SVREASOC",), when=parse("HELD = 'N'")),
            ),
        ),
    ),
)

SIGNS = FormDef(
    "SIGNS",
    words("signs"),
    (
        ItemGroupDef(
            "G",
            words("signs"),
            (
                item("PULSE", DataType.INTEGER, hard=Range("20", "250"), soft=Range("40", "140"), missing=("ND",)),
                item("UPPER", DataType.INTEGER, mandatory=False),
                item("LOWER", DataType.INTEGER, mandatory=False),
                item("GAP", DataType.DERIVED, derive=parse("UPPER - LOWER"), mandatory=False),
            ),
        ),
        ItemGroupDef("DRUGS", words("drugs"), (item("DRUG"), item("DOSE", DataType.DECIMAL, soft=Range("0", "100"))), repeating=True),
    ),
    checks=(
        Check("ORDER", parse("LOWER < UPPER"), Severity.HARD, words("lower below upper"), ("LOWER",)),
        Check("NARROW", parse("UPPER - LOWER >= 20"), Severity.SOFT, words("narrow"), ("UPPER",)),
    ),
)

GIVEN = FormDef("GIVEN", words("given"), (ItemGroupDef("G", words("given"), (item("AT", DataType.DATETIME, aliases=("EXSTDAT",)),)),))


def event(oid: str, months: int | None = None, before: int = 0, after: int = 0, **more: object) -> StudyEventDef:
    made = StudyEventDef(
        oid,
        words(oid.lower()),
        EventType.SCHEDULED,
        ("person",),
        (FormRef("WHEN"), FormRef("SIGNS")),
        anchor="dose" if months is not None else "",
        target=Offset(months=months) if months is not None else None,
        window=Window(before, after),
    )
    return replace(made, **more)  # type: ignore[arg-type]


STUDY = Study(
    oid="small",
    title=words("small"),
    protocol="S-1",
    languages=("fr", "en"),
    subject_types=(SubjectType("person", words("person"), "P-{site}-{number:03d}", "START", "WHEN"),),
    anchors=(Anchor("dose", words("first dose"), "EXSTDAT"),),
    events=(
        event("START"),
        replace(event("DOSE"), forms=(FormRef("GIVEN"),), date_alias="EXSTDAT"),
        event("M1", 1, before=2, after=3),
        event("M3", 3, before=14, after=14),
    ),
    forms=(VISIT, SIGNS, GIVEN),
    reasons=codes("WHY", "ERROR", "SOURCE"),
    confirmations=codes("OK", "CHECKED", "KNOWN"),
)


def subject(*records: Recorded, kind: str = "person") -> SubjectRecord:
    return SubjectRecord(1, "P-01-001", "01", kind, date(2026, 1, 1), records)


def recorded(event_oid: str, form_oid: str = "WHEN", **values: str) -> Recorded:
    return Recorded(1, event_oid, 1, form_oid, 1, "", values)


def dosed(at: str = "2026-01-31T10:00+01:00") -> Recorded:
    return recorded("DOSE", "GIVEN", EXSTDAT=at)
