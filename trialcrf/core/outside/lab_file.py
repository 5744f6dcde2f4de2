"""A table of laboratory results: which column says what, which of the laboratory's codes is which item, and what each line would record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal

from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef, Study
from trialcrf.core.document import Answer
from trialcrf.core.outside.sheet import Sheet, SheetRow, Wrong, folded, is_formula
from trialcrf.core.results import RESULT, analyte_of, beside_of, units_of
from trialcrf.core.safety.grading import unit_key
from trialcrf.core.safety.units import converted, factor
from trialcrf.core.values import Raw, Unreadable, read
from trialcrf.core.wording import N_, Message, Words

SUBJECT, DAY, VISIT, ANALYTE, VALUE, UNIT, HIGH = "subject", "day", "visit", "analyte", "value", "unit", "high"
ROLES: Mapping[str, str] = {
    SUBJECT: N_("Subject"),
    DAY: N_("Day of the sample"),
    VISIT: N_("Visit"),
    ANALYTE: N_("Code of the analyte"),
    VALUE: N_("Value"),
    UNIT: N_("Unit"),
    HIGH: N_("Upper limit of normal"),
}
"""What a column can be. Either the day or the visit is needed, the unit unless a person says that all are the form's, the limit never."""

OF_THE_FORM = "form"
"""Chosen in place of a column of units: every value is in the unit that the form names."""

LEFT_OUT = "-"
"""Chosen for a code that is not taken over."""

_HEADINGS: Mapping[str, frozenset[str]] = {
    SUBJECT: frozenset(
        {"subject", "subjectid", "subjid", "usubjid", "participant", "patient", "sujet", "codepatient", "npatient", "nsujet", "identifiant"}
    ),
    DAY: frozenset({"date", "dateprelevement", "datedeprelevement", "dateduprelevement", "sampledate", "collectiondate", "lbdtc", "lbdat"}),
    VISIT: frozenset({"visit", "visite"}),
    ANALYTE: frozenset({"analyte", "analyse", "codeanalyse", "code", "test", "testcode", "lbtestcd", "parametre", "codeexamen", "examen"}),
    VALUE: frozenset({"value", "valeur", "result", "resultat", "lborres"}),
    UNIT: frozenset({"unit", "units", "unite", "unites", "lborresu"}),
    HIGH: frozenset({"upperlimit", "upperlimitofnormal", "limitesuperieure", "bornesuperieure", "bornesup", "normemax", "lbornrhi"}),
}
_ALSO: Mapping[str, frozenset[str]] = {
    "ALT": frozenset({"alat", "tgp", "gpt", "sgpt", "17426"}),
    "AST": frozenset({"asat", "tgo", "got", "sgot", "19208"}),
    "BILI": frozenset({"bilirubine", "bilirubinetotale", "bilt", "19752", "146316"}),
    "CD4": frozenset({"244673"}),
    "CREAT": frozenset({"creatinine", "crea", "21600", "146829"}),
    "CRP": frozenset({"proteinecreactive", "19885"}),
    "HCT": frozenset({"hematocrite", "hte", "45443"}),
    "HGB": frozenset({"hemoglobine", "hb", "7187"}),
    "NEUT": frozenset({"pnn", "neutrophiles", "polynucleairesneutrophiles", "7518"}),
    "PLAT": frozenset({"plaquettes", "plaq", "plt", "7773"}),
}
"""What laboratories call an analyte beside its SDTM code: their own abbreviations and the codes of LOINC. Proposed, never decided."""

_DAY = re.compile(r"([0-9]{1,2})[/.\-]([0-9]{1,2})[/.\-]([0-9]{4})(?:[ T][0-9:.]{4,12})?")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[ T][0-9:.+Z\-]{4,24})?")
_DATE = ItemDef("day", Words(), DataType.DATE)


@dataclass(frozen=True, slots=True)
class Target:
    """An item that a result can be taken into, with what stands beside it: the item of its unit and that of its upper limit."""

    form: FormDef
    group: ItemGroupDef
    item: ItemDef
    analyte: str
    units: tuple[str, ...]
    unit_item: ItemDef | None
    high_item: ItemDef | None

    @property
    def code(self) -> str:
        return f"{self.form.oid}.{self.item.oid}"


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a person said of the table: the column of each role (its number), the item of each code, and the sign of its decimals."""

    columns: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, Target | None] = field(default_factory=dict)
    decimals: str = ","
    units_of_form: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a line of the table says. `day` is canonical or empty, `visit` as it is written; texts of values are canonical.

    `unit` is the code that is recorded beside the value (empty where the item has its own), `shown` the unit for reading; `said` is the
    value with its unit as the file has it where it was converted.
    """

    line: int
    subject: str
    day: str
    visit: str
    target: Target
    text: str
    unit: str
    shown: str
    said: str = ""
    high: str = ""


def targets(study: Study, may: Callable[[FormDef], bool]) -> tuple[Target, ...]:
    """The laboratory results of the forms that `may` be entered, in their order: numbers outside rows of forms that are filled once."""
    return tuple(
        Target(form, group, item, analyte_of(item), units_of(group, item), beside.get("LBORRESU"), beside.get("LBORNRHI"))
        for form in study.forms
        if not form.repeating and may(form)
        for group in form.groups
        if not group.repeating
        for item in group.items
        if RESULT in item.aliases and analyte_of(item) and item.type in (DataType.DECIMAL, DataType.INTEGER)
        for beside in (beside_of(group, item),)
    )


def guessed_columns(sheet: Sheet) -> dict[str, int]:
    """The column of each role as far as its heading says it; a column has one role, a role one column."""
    found: dict[str, int] = {}
    for number, heading in enumerate(sheet.heading):
        role = next((role for role, known in _HEADINGS.items() if folded(heading) in known), "")
        if role and role not in found:
            found[role] = number
    return found


def guessed_target(code: str, offered: Sequence[Target]) -> Target | None:
    """The item that a code names by its SDTM code, its OID, its label or a name of the trade; None where several could be meant."""
    said = folded(code)
    if not said:
        return None
    meant = [one for one in offered if said in _names(one)]
    return meant[0] if len(meant) == 1 else None


def _names(target: Target) -> set[str]:
    names = {folded(text) for text in (target.analyte, target.item.oid, target.code, *target.item.label.texts.values())}
    return names | _ALSO.get(target.analyte, frozenset())


def guessed_decimals(sheet: Sheet, columns: Mapping[str, int]) -> str:
    """The sign before the decimals: the one that more values have; a comma where none has any."""
    texts = [row.cells[columns[role]] for role in (VALUE, HIGH) if role in columns for row in sheet.rows]
    commas, points = (sum(sign in text for text in texts) for sign in ",.")
    return "." if points > commas else ","


def codes_of(sheet: Sheet, columns: Mapping[str, int]) -> dict[str, int]:
    """Every code of the table with how often it stands there, in order of appearance."""
    found: dict[str, int] = {}
    for row in sheet.rows if ANALYTE in columns else ():
        code = row.cells[columns[ANALYTE]]
        if code:
            found[code] = found.get(code, 0) + 1
    return found


def lacking(mapped: Mapped) -> tuple[str, ...]:
    """The roles without which no line can be read; of day and visit, the day stands for both."""
    needed = [SUBJECT, ANALYTE, VALUE] + ([] if mapped.units_of_form else [UNIT])
    if VISIT not in mapped.columns:
        needed.insert(1, DAY)
    return tuple(role for role in needed if role not in mapped.columns)


def read_rows(sheet: Sheet, mapped: Mapped) -> tuple[list[Reading], list[Wrong]]:
    """What every line says, and every problem at its line and column; lines of codes that are left out say nothing."""
    found: list[Reading] = []
    wrong = list(sheet.wrong)
    for row in sheet.rows:
        line = _Line(sheet, mapped, row)
        reading = line.read()
        wrong += line.wrong
        if reading is not None and not line.wrong:
            found.append(reading)
    return found, wrong


class _Line:
    """One line while it is read; `wrong` collects everything that is wrong with it."""

    def __init__(self, sheet: Sheet, mapped: Mapped, row: SheetRow) -> None:
        self.heading, self.mapped, self.row = sheet.heading, mapped, row
        self.wrong: list[Wrong] = []

    def read(self) -> Reading | None:
        code = self.cell(ANALYTE)
        if code not in self.mapped.codes:
            self.say(ANALYTE, Message(N_("The code of the analyte is missing.")))
            return None
        target = self.mapped.codes[code]
        if target is None:
            return None
        subject, day, visit = self.cell(SUBJECT), self.day(), self.cell(VISIT)
        if not subject:
            self.say(SUBJECT, Message(N_("The subject is missing.")))
        if not day and not visit and not self.wrong:
            self.say(DAY if DAY in self.mapped.columns else VISIT, Message(N_("The day or the visit is missing.")))
        into, by = self.unit(target)
        text, high = self.number(VALUE, target.item), ""
        if not text and not self.wrong:
            self.say(VALUE, Message(N_("There is no value.")))
        if target.high_item is not None and self.cell(HIGH):
            high = self.number(HIGH, target.high_item)
        if self.wrong or by is None:
            return None
        said = f"{self.cell(VALUE)} {self.cell(UNIT)}" if by != 1 else ""
        recorded = into if target.unit_item is not None and not target.item.unit else ""
        return Reading(
            self.row.line, subject, day, visit, target, converted(text, by, target.item.decimals), recorded, into, said,
            converted(high, by, target.high_item.decimals) if high and target.high_item else "",
        )  # fmt: skip

    def cell(self, role: str) -> str:
        """The cell of a role, empty where there is none; what a spreadsheet would compute is wrong wherever it stands."""
        number = self.mapped.columns.get(role)
        text = self.row.cells[number] if number is not None else ""
        if is_formula(text) and not any(one.column == self.heading[number or 0] for one in self.wrong):
            self.say(role, Message(N_("This is a formula, not a text or a number.")))
        return text

    def say(self, role: str, message: Message) -> None:
        number = self.mapped.columns.get(role)
        self.wrong.append(Wrong(self.row.line, self.heading[number] if number is not None else "", message))

    def day(self) -> str:
        text = self.cell(DAY)
        if not text:
            return ""
        iso, local = _ISO.fullmatch(text), _DAY.fullmatch(text)
        if iso is None and local is None:
            self.say(DAY, Message(N_("%(text)s is no date: write day/month/year, as 31/12/2026."), {"text": text[:40]}))
            return ""
        day, month, year = (iso[3], iso[2], iso[1]) if iso else (local[1], local[2], local[3]) if local else ("", "", "")
        answer = read(_DATE, Raw({"d": day, "m": month, "y": year}), UTC)
        if isinstance(answer, Unreadable):
            self.say(DAY, answer.message)
        return answer.text if isinstance(answer, Answer) else ""

    def unit(self, target: Target) -> tuple[str, Decimal | None]:
        """The unit in which the value is recorded, and what it is multiplied by for that."""
        written = self.cell(UNIT)
        if self.mapped.units_of_form or (not written and not target.units):
            if len(target.units) > 1:
                self.say(UNIT, Message(N_("The form has several units for this analyte: the file has to name it.")))
                return "", None
            return (target.units or ("",))[0], Decimal(1)
        if not written:
            self.say(UNIT, Message(N_("The unit is missing: it is never guessed.")))
            return "", None
        same = next((unit for unit in target.units if unit_key(unit) == unit_key(written)), "")
        known = [(same, Decimal(1))] if same else [(unit, by) for unit in target.units if (by := factor(target.analyte, written, unit))]
        if known:
            return known[0]
        params = {"unit": written[:40], "units": ", ".join(target.units)}
        self.say(UNIT, Message(N_("The unit “%(unit)s” is not known for this analyte, which is recorded in: %(units)s."), params))
        return "", None

    def number(self, role: str, item: ItemDef) -> str:
        """The canonical number of a cell. A sign that the file does not use for decimals is never taken for one: it may part thousands."""
        text = self.cell(role)
        other = "." if self.mapped.decimals == "," else ","
        if other in text:
            params = {"text": text[:40], "sign": self.mapped.decimals}
            self.say(role, Message(N_("%(text)s cannot be read: the decimals of this file stand behind “%(sign)s”."), params))
            return ""
        answer = read(item, Raw({"": text}), UTC)
        if isinstance(answer, Unreadable):
            self.say(role, answer.message)
        return answer.text if isinstance(answer, Answer) else ""


def occasions(study: Study, visit: str) -> Iterator[str]:
    """The visits that a cell names, by OID or label."""
    said = folded(visit)
    return (event.oid for event in study.events if said and said in {folded(event.oid), *map(folded, event.label.texts.values())})
