"""Rows pasted from a spreadsheet into a repeating group: they become new rows in the boxes of the page, and nothing is saved yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from werkzeug.datastructures import MultiDict

from trialcrf.core.checks import Finding
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef, Severity
from trialcrf.core.document import Place
from trialcrf.core.outside.sheet import NoSheet, folded, pasted
from trialcrf.core.values import Raw, Unreadable, read
from trialcrf.core.wording import N_, Message
from trialcrf.web.forms.webform import PARTS, Posted, is_new

MOST_ROWS = 100
_DAY = re.compile(r"([0-9]{1,2}|UNK)[/.\-]([0-9]{1,2}|UNK)[/.\-]([0-9]{4})(?:[ T](.{1,12}))?", re.IGNORECASE)
_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[ T](.{1,12}))?")
_MONTH = re.compile(r"([0-9]{1,2})[/.\-]([0-9]{4})")


@dataclass(frozen=True, slots=True)
class Filled:
    """The page with the pasted rows in its boxes and what is wrong with their cells; or (`refused`) why the text is no rows at all."""

    posted: Posted
    findings: tuple[Finding, ...] = ()
    refused: Message | None = None


def fill(form: FormDef, posted: Posted, sent: MultiDict[str, str], zone: tzinfo) -> Filled | None:
    """What was pasted, as rows; None where nothing was. A text that waits in its box is never passed over, whatever was pressed."""
    groups = [group for group in form.groups if group.repeating]
    texts = {group.oid: text for group in groups if (text := sent.get(f"paste.{group.oid}", "")).strip()}
    if not texts:
        return Filled(posted) if sent.get("paste") else None
    findings: list[Finding] = []
    for group in groups:
        if group.oid not in texts:
            continue
        try:
            rows = list(_rows(group, texts[group.oid]))
        except NoSheet as refused:
            return Filled(replace(posted, pasted=texts), (), refused.message)
        posted = _put(posted, group, rows, findings, zone)
    return Filled(posted, tuple(findings))


def _rows(group: ItemGroupDef, text: str) -> Iterator[list[tuple[ItemDef, str]]]:
    """The rows of a text, each cell with its item: by the first line where it names items, else as on the page. Raises NoSheet."""
    asked = [item for item in group.items if item.type is not DataType.DERIVED]
    lines = list(pasted(text))
    named = [next((item for item in asked if folded(cell) in _names(item)), None) for cell in lines[0][1]] if lines else []
    headed = any(named) and all(item or not cell for item, cell in zip(named, lines[0][1], strict=True))
    columns: Sequence[ItemDef | None] = named if headed else asked
    if len(lines) - headed > MOST_ROWS:
        raise NoSheet(Message(N_("At most %(most)s rows at once."), {"most": str(MOST_ROWS)}))
    for line, cells in lines[1:] if headed else lines:
        if any(cells[len(columns) :]):
            params = {"line": str(line), "cells": str(len(cells)), "columns": str(len(columns))}
            raise NoSheet(Message(N_("Line %(line)s of what was pasted has %(cells)s cells, a row has %(columns)s."), params))
        yield [(item, cell) for item, cell in zip(columns, cells, strict=False) if item is not None and cell]


def _put(
    posted: Posted, group: ItemGroupDef, rows: Sequence[Sequence[tuple[ItemDef, str]]], findings: list[Finding], zone: tzinfo
) -> Posted:
    """The page with these rows after its own new ones; new ones in which nothing was typed are no rows."""
    raws = dict(posted.raws)
    typed = [row for row in posted.new_rows.get(group.oid, ()) if any((at.group, at.row) == (group.oid, row) for at in raws)]
    number = max((int(row[3:]) for row in typed if is_new(row)), default=0)
    for cells in rows:
        number += 1
        for item, cell in cells:
            place, raw = Place(item.oid, group.oid, f"new{number}"), _raw(item, cell)
            answer = read(item, raw, zone)
            if raw == Raw():
                params = {"text": cell[:80]}
                findings.append(Finding(place, Severity.HARD, "pasted", Message(N_("“%(text)s” is none of the answers offered."), params)))
            elif isinstance(answer, Unreadable):
                findings.append(Finding(place, Severity.HARD, "unreadable", answer.message))
            raws[place] = raw
        typed.append(f"new{number}")
    return replace(posted, raws=raws, present=frozenset(raws), new_rows={**posted.new_rows, group.oid: tuple(typed)})


def _raw(item: ItemDef, cell: str) -> Raw:
    """The boxes that a cell fills; none where a choice is not among those offered."""
    code = cell.strip().upper()
    if code in item.missing:
        return Raw({"missing": code})
    if item.type in PARTS:
        return Raw(_boxes(item, cell))
    offered: Mapping[str, str] | None = None
    if item.type is DataType.BOOLEAN:
        offered = {"y": "Y", "yes": "Y", "oui": "Y", "o": "Y", "1": "Y", "n": "N", "no": "N", "non": "N", "0": "N"}
    elif item.codelist is not None:
        each = item.codelist.items
        offered = {folded(one.code): one.code for one in each} | {
            folded(text): one.code for one in each for text in one.label.texts.values()
        }
    if offered is None:
        return Raw({"": cell})
    if item.type is DataType.MULTICHOICE:
        chosen = [offered.get(folded(one), "") for one in re.split(r"[|,]", cell)]
        return Raw({}, tuple(chosen)) if all(chosen) else Raw()
    found = offered.get(folded(cell), "")
    return Raw({"": found}) if found else Raw()


def _boxes(item: ItemDef, cell: str) -> dict[str, str]:
    """A day as its boxes (day/month/year, year-month-day, month/year or a year); what is none stands in the first box, to be corrected."""
    local, iso, month = _DAY.fullmatch(cell), _ISO.fullmatch(cell), _MONTH.fullmatch(cell)
    if local is not None:
        parts = {"d": local[1], "m": local[2], "y": local[3], "t": local[4] or ""}
    elif iso is not None:
        parts = {"d": iso[3], "m": iso[2], "y": iso[1], "t": iso[4] or ""}
    elif month is not None:
        parts = {"d": "UNK", "m": month[1], "y": month[2], "t": ""}
    elif len(cell) == 4 and cell.isdecimal():
        parts = {"d": "UNK", "m": "UNK", "y": cell, "t": ""}
    else:
        parts = {"d": cell, "m": "", "y": "", "t": ""}
    return {part: parts[part] for part in PARTS[item.type]}


def _names(item: ItemDef) -> set[str]:
    return {folded(text) for text in (item.oid, *item.label.texts.values())}
