"""Recorded answers as a document prints them, form by form: what a form asks decides what is printed, not this program."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef, Study
from trialcrf.core.facts import Recorded
from trialcrf.core.packs.dossier import on
from trialcrf.core.safety.event import said
from trialcrf.core.safety.measurement import number
from trialcrf.core.wording import Message, Sayable, Words

_NUMBERS = (DataType.INTEGER, DataType.DECIMAL, DataType.DERIVED)
_DAYS = (DataType.DATE, DataType.PARTIAL_DATE, DataType.DATETIME)


@dataclass(frozen=True, slots=True)
class Line:
    """One answer with what was asked; the answer is empty where nothing is recorded."""

    label: Words
    answer: Sayable
    unit: str


@dataclass(frozen=True, slots=True)
class Column:
    """What is asked in every row of a repeating group."""

    label: Words
    unit: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a repeating group."""

    cells: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One group of a form: lines, or where it repeats its rows. `recorded` is false where the form itself is not there."""

    form: Words
    title: Words
    recorded: bool
    repeating: bool
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    rows: tuple[Row, ...]


def told(study: Study, record: Recorded, alias: str) -> Sayable:
    """An answer to be printed: numbers and days are written in the reader's language, codes by their label, what is missing by its name."""
    form, text = study.form.get(record.form_oid), record.values.get(alias, "")
    item = form.with_alias(alias) if form and text else None
    if item is not None and item.type in _NUMBERS and (found := number(text)) is not None:
        return Message("%(sign)s%(value)s", {"sign": found[0] and f"{found[0]} ", "value": found[1]})
    if item is not None and item.type in _DAYS:
        return Message("%(value)s", {"value": on(text)})
    return said(study, record, alias)


def meant(study: Study, alias: str, text: str) -> Sayable:
    """A recorded text of this alias wherever it was asked: the label of its code, a number as one is written, else the text."""
    label = study.meaning(alias, text) if text else ""
    if isinstance(label, Words):
        return label
    form = next(study.forms_with(alias), None)
    item = form.with_alias(alias) if form else None
    if item is not None and item.type in _NUMBERS and (found := number(text)) is not None:
        return Message("%(sign)s%(value)s", {"sign": found[0] and f"{found[0]} ", "value": found[1]})
    return Words({"": label}) if label else Words()


def unit_of(study: Study, alias: str) -> str:
    form = next(study.forms_with(alias), None)
    item = form.with_alias(alias) if form else None
    return item.unit if item else ""


def blocks(study: Study, forms: Sequence[FormDef], records: Sequence[Recorded], but: Collection[str] = ()) -> Iterator[Block]:
    """The groups of these forms as they are recorded. Items without an alias, references and those named `but` are left out; of what was
    not answered only what the form insists on is printed, so that nobody takes a gap for a test that was not asked."""
    for form in forms:
        mine = [one for one in records if one.form_oid == form.oid]
        for group in form.groups:
            items = [one for one in group.items if one.aliases and one.type is not DataType.REFERENCE and not set(one.aliases) & set(but)]
            if items:
                yield _block(study, form, group, items, mine)


def _block(study: Study, form: FormDef, group: ItemGroupDef, items: Sequence[ItemDef], records: Sequence[Recorded]) -> Block:
    asked = [(one, one.aliases[-1]) for one in items]

    def has(record: Recorded) -> bool:
        return any(alias in record.values or alias in record.missing for _, alias in asked)

    if group.repeating:
        rows = [one for one in records if one.row and has(one)]
        made = tuple(Row(tuple(Line(item.label, told(study, one, alias), item.unit) for item, alias in asked)) for one in rows)
        return Block(form.label, group.label, bool(records), True, tuple(Column(one.label, one.unit) for one in items), (), made)
    lines = tuple(
        Line(item.label, told(study, one, alias), item.unit)
        for one in records
        if not one.row
        for item, alias in asked
        if (item.mandatory and item.when is None and group.when is None) or alias in one.values or alias in one.missing
    )
    return Block(form.label, group.label, bool(records), False, (), lines, ())
