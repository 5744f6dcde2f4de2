"""Measured results as forms hold them: which analyte an item is, and which of its neighbours tell unit, limits, day and laboratory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef
from trialcrf.core.document import Answer, Document, Place
from trialcrf.core.previous import day_of
from trialcrf.core.typed import interval

RESULT = "LBORRES"
"""The CDASH name of a laboratory result, the only one that a laboratory has limits for."""

_RESULTS = frozenset({RESULT, "VSORRES", "REORRES"})
_UNIT, _LOW, _HIGH, _LABORATORY = "LBORRESU", "LBORNRLO", "LBORNRHI", "LBNAM"
_DATES = frozenset({DataType.DATE, DataType.PARTIAL_DATE, DataType.DATETIME})


@dataclass(frozen=True, slots=True)
class Result:
    """A recorded result with what the form itself tells of it. `day` is empty where the form has none; texts are canonical."""

    place: Place
    item: ItemDef
    analyte: str
    unit: str
    low: str
    high: str
    laboratory: str
    day: str

    @property
    def laboratory_result(self) -> bool:
        return RESULT in self.item.aliases


def analyte_of(item: ItemDef) -> str:
    """The SDTM test code of a result item: the alias beside LBORRES (VSORRES, REORRES); empty for every other item."""
    if not _RESULTS.intersection(item.aliases):
        return ""
    return next((alias for alias in item.aliases if alias not in _RESULTS), "")


def units_of(group: ItemGroupDef, item: ItemDef) -> tuple[str, ...]:
    """The units that an item can be recorded in: its own, or the codes of the unit item that belongs to it."""
    if item.unit:
        return (item.unit,)
    beside = beside_of(group, item).get(_UNIT)
    return tuple(code.code for code in beside.codelist.items) if beside is not None and beside.codelist else ()


def results(form: FormDef, document: Document) -> Iterator[Result]:
    """Every numeric result that is answered with a value, rows in error left out, in the order of the form."""
    of_form = day_of(form, document)
    named = next((item for _, item in form.items.values() if _LABORATORY in item.aliases), None)
    laboratory = _text(document.items.get(named.oid)) if named else ""
    for group in form.groups:
        rows: list[tuple[str, Mapping[str, Answer]]] = [("", document.items)]
        if group.repeating:
            rows = [(row.id, row.items) for row in document.rows.get(group.oid, ()) if not row.error]
        for row_id, answers in rows:
            for item in group.items:
                analyte = analyte_of(item)
                if not analyte or item.type not in (DataType.DECIMAL, DataType.INTEGER) or not _text(answers.get(item.oid)):
                    continue
                beside = {alias: _text(answers.get(one.oid)) for alias, one in beside_of(group, item).items()}
                place = Place(item.oid, group.oid, row_id) if row_id else Place(item.oid)
                day = (_row_day(group, answers) if row_id else "") or of_form
                yield Result(
                    place, item, analyte, item.unit or beside.get(_UNIT, ""), beside.get(_LOW, ""), beside.get(_HIGH, ""),
                    beside.get(_LABORATORY, "") or laboratory, day,
                )  # fmt: skip


def unit_text(unit: str) -> str:
    """A unit as it is read: what a code list writes without its Greek letter (umol/L) has it."""
    return "µ" + unit[1:] if unit.startswith(("umol", "ug/", "uL")) else unit


def exact_day(text: str) -> date | None:
    """The day of a canonical date or moment where all of it is known."""
    try:
        days = interval(text)
    except ValueError:
        return None
    return days.earliest if days.exact else None


def beside_of(group: ItemGroupDef, item: ItemDef) -> dict[str, ItemDef]:
    """The items between this result and the next one of its group, by what they tell of it: as they stand on paper, value first."""
    found: dict[str, ItemDef] = {}
    after = group.items[group.items.index(item) + 1 :]
    for one in after:
        if _RESULTS.intersection(one.aliases):
            break
        for alias in (_UNIT, _LOW, _HIGH, _LABORATORY):
            if alias in one.aliases:
                found.setdefault(alias, one)
    return found


def _row_day(group: ItemGroupDef, answers: Mapping[str, Answer]) -> str:
    dated = next((item for item in group.items if item.type in _DATES), None)
    return _text(answers.get(dated.oid)) if dated else ""


def _text(answer: Answer | None) -> str:
    return answer.text if answer is not None and not answer.missing else ""
