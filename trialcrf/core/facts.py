"""What the program understands of a form: its answers by SDTM/CDASH alias, whatever the study calls its items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Answer, Document, FormKey, Place

UNDERSTOOD = frozenset(
    {
        "SVSTDAT", "SVOCCUR", "SVREASOC",
        "BRTHDAT", "SEX", "RFICDAT", "RECONDAT", "RANDDT", "ACTARM", "EXSTDAT", "EXENDAT", "EXDOSE", "EXLOT", "PRSTDAT",
        "AETERM", "AEDECOD", "AEBODSYS", "AETOXGR", "AESEV", "AESTDAT", "AEENDAT", "AEOUT", "AEREL", "AEACN",
        "AESTTIM", "AESPEC", "AECGRADE", "AECDAT", "AEAWARE", "AEBIOVIG", "AELNKEX", "AELNKCM", "AELNKLB",
        "AERELPRD", "AERELEXC", "AERELINF", "AERELPRE", "AERELHAR", "AERELCM", "AERELDIS", "AERELOTH",
        "AESER", "AESDTH", "AESLIFE", "AESHOSP", "AESDISAB", "AESCONG", "AESMIE", "AESCAN", "AESOD",
        "DSDECOD", "DSSTDAT", "DTHDAT", "DTHFL", "RSUBJID", "SREL", "DVREFID",
        "BEREFID", "CTLOT", "CTSRCDON", "CTSRCLOT", "CTPOOLDI",
        "CTBAG", "CTSPLIT", "CTBAGCEL", "CTBAGVOL", "CTEXPDTC", "CTFILDTC", "CTPLACE",
        "CTRELDEC", "CTRELDTC", "CTRELSPC",
        "CTMVBAG", "CTMVKIND", "CTMVDTC", "CTMVTO", "CTMVVIA",
        "CTINCKND", "CTINCDTC", "CTINCBAG", "CTRECALL",
        "CTSTERAE", "CTSTERAN", "CTSTERFU",
        "CTCHKBAG", "CTCHKDTC", "CTINFBAG", "CTINFTOT", "CTINFVIA",
    }
)  # fmt: skip
"""The SDTM/CDASH variable names that schedule, safety, lists and mails look for; others are only exported."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One understood answer of a form: a projection row."""

    alias: str
    item: str
    group: str
    row: str
    text: str
    missing: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """The understood answers of one form, or of one row of it, by alias. Forms and rows in error never come here."""

    form_id: int
    event_oid: str
    event_repeat: int
    form_oid: str
    form_repeat: int
    row: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """A subject with all that the program understands of its forms: what schedule and safety read."""

    id: int
    key: str
    site: str
    subject_type: str
    enrolled_on: date
    records: tuple[Recorded, ...] = ()

    def all_of(self, alias: str) -> Iterator[str]:
        return (record.values[alias] for record in self.records if alias in record.values)

    def first(self, alias: str) -> str | None:
        return next(self.all_of(alias), None)


def understood(study: Study) -> frozenset[str]:
    """The aliases that are projected in this study: those of the program, and those that its visits are counted from and dated by."""
    return UNDERSTOOD.union((anchor.alias for anchor in study.anchors), (event.date_alias for event in study.events))


def project(study: Study, form: FormDef, document: Document, more: frozenset[str] = frozenset()) -> tuple[Fact, ...]:
    """The understood answers of a document, rows in error left out. Pure, so the projection can always be rebuilt.

    `more` are other aliases that the caller asks for: reports read measurements that are projected nowhere. `LBORNRHI.ALT` is the
    LBORNRHI that belongs to ALT: the one between ALT and the next result of the form.
    """
    facts: list[Fact] = []
    wanted = understood(study)
    owned = _owned(form, more)

    def note(oid: str, answer: Answer, group: str = "", row: str = "") -> None:
        if oid in form.items:
            for alias in form.items[oid][1].aliases:
                if alias in wanted or alias in more:
                    facts.append(Fact(alias, oid, group, row, answer.text, answer.missing))
            if oid in owned:
                facts.append(Fact(owned[oid], oid, group, row, answer.text, answer.missing))

    for oid, answer in sorted(document.items.items()):
        note(oid, answer)
    for group, rows in sorted(document.rows.items()):
        for row in rows:
            if not row.error:
                for oid, answer in sorted(row.items.items()):
                    note(oid, answer, group, row.id)
    return tuple(facts)


@dataclass(frozen=True, slots=True, order=True)
class UniqueCode:
    """An answer that stands once in a study: `item` is FORM.ITEM."""

    item: str
    text: str
    place: Place


def unique_codes(form: FormDef, document: Document) -> tuple[UniqueCode, ...]:
    """The answers of a document that no other form of the study may give; rows in error and missing codes are none. Pure, as `project`."""
    asked = {oid for oid, (_, item) in form.items.items() if item.unique}
    if not asked:
        return ()
    dead = {(group, row.id) for group, rows in document.rows.items() for row in rows if row.error}
    return tuple(
        UniqueCode(f"{form.oid}.{place.item}", answer.text, place)
        for place, answer in document.places()
        if place.item in asked and answer.text and (place.group, place.row) not in dead
    )


def people(study: Study, subjects: Iterable[SubjectRecord]) -> list[SubjectRecord]:
    """Those of them who are people: a batch of a product is in no count of subjects."""
    return [one for one in subjects if not study.is_product(one.subject_type)]


def _owned(form: FormDef, more: frozenset[str]) -> Mapping[str, str]:
    """The items that tell something of the result before them, such as its limit, by OID: what of `more` they are."""
    found: dict[str, str] = {}
    results: tuple[str, ...] = ()
    for oid, (_, item) in form.items.items() if any("." in alias for alias in more) else ():
        if any(alias.endswith("ORRES") for alias in item.aliases):
            results = item.aliases
        names = (f"{alias}.{result}" for alias in item.aliases for result in results)
        found.update((oid, name) for name in names if name in more)
    return found


def recorded(form_id: int, key: FormKey, facts: Iterable[Fact]) -> Iterator[Recorded]:
    """The facts of one form as the rules read them: the form itself first, then each row that has any."""
    where = (form_id, key.event_oid, key.event_repeat, key.form_oid, key.form_repeat)
    values: dict[str, dict[str, str]] = {"": {}}
    missing: dict[str, dict[str, str]] = {"": {}}
    for one in facts:
        for held in (values, missing):
            held.setdefault(one.row, {})
        (missing if one.missing else values)[one.row][one.alias] = one.missing or one.text
    return (Recorded(*where, row, values[row], missing[row]) for row in values)
