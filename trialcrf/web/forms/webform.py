"""Study forms as a browser sends them: field names, and a reader compiled once per form definition.

Names of the fields of a study form (KEY is `ITEM`, or `GROUP.row.ITEM` within a row of a repeating group):

    p                       presence marker, one per drawn item, value KEY; it stands after the item's boxes
    i.ITEM[.part]           a box of an item outside rows; parts: none, d, m, y, t, missing, note
    r.GROUP.row.ITEM[.part] the same within a row; a row that is not stored yet is called new1, new2, ...
    why.KEY, why            why a saved value changes; `why` alone is for every change without a reason of its own
    ok.KEY.CHECK            the coded reason that confirms a value which a check doubts
    copied.ITEM             the form that the answer was copied from, by its id
    gone.GROUP.row          why a stored row is marked entered in error; blank keeps the row
    add, drop               buttons: one more row of GROUP; one row less, GROUP.newN (nothing was recorded of it)
    paste.GROUP             rows copied from a spreadsheet (`web/forms/pasting.py`); its button is `paste`, and saves nothing
    act                     button: save, next, update or copy (the last two draw the page again and save nothing)
    version, token          the version the page was drawn from; the token of the session
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from werkzeug.datastructures import MultiDict

from trialcrf.core.definition.model import DataType, FormDef, ItemDef
from trialcrf.core.document import Place
from trialcrf.core.values import Raw

ACTS = ("save", "next", "update", "copy", "add", "drop")
PARTS: Mapping[DataType, tuple[str, ...]] = {
    DataType.DATE: ("d", "m", "y"),
    DataType.PARTIAL_DATE: ("d", "m", "y"),
    DataType.DATETIME: ("d", "m", "y", "t"),
}
"""The boxes of the types that have several; every other type has one, named by the item alone."""
RADIOS_AT_MOST = 7
"""A longer list of codes is drawn as a drop-down box."""

AREA_FROM = 200
"""A text that may be longer than this is drawn as a box of several lines."""

_WIDGETS: Mapping[DataType, str] = {
    DataType.INTEGER: "number",
    DataType.DECIMAL: "number",
    DataType.BOOLEAN: "radios",
    DataType.MULTICHOICE: "checks",
    DataType.DATE: "date",
    DataType.PARTIAL_DATE: "date",
    DataType.DATETIME: "datetime",
    DataType.TIME: "time",
    DataType.REFERENCE: "reference",
    DataType.DERIVED: "derived",
}

_ROW = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NEW = re.compile(r"new[1-9][0-9]{0,2}")
_VERSION = re.compile(r"[0-9]{1,9}")

Sent = Mapping[str, list[str]]
RowKey = tuple[str, str]  # group OID, row id


@dataclass(frozen=True, slots=True)
class Posted:
    """What a browser sent for a form. A place that is not in `present` was not on the page: it keeps its value.

    `new_rows` are the rows to draw again that are not stored; those in which nothing was typed are in neither `raws` nor `present`.
    """

    raws: Mapping[Place, Raw] = field(default_factory=dict)
    present: frozenset[Place] = frozenset()
    gone: Mapping[RowKey, str] = field(default_factory=dict)
    reasons: Mapping[Place, str] = field(default_factory=dict)
    confirmations: Mapping[tuple[Place, str], str] = field(default_factory=dict)
    new_rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    copied: Mapping[Place, int] = field(default_factory=dict)
    reason: str = ""
    act: str = "save"
    adding: str = ""
    pasted: Mapping[str, str] = field(default_factory=dict)  # by group, a text that was no rows: it is drawn again
    version: int | None = None
    token: str = ""


def key_of(place: Place) -> str:
    """How a place is written in field names and markers."""
    return f"{place.group}.{place.row}.{place.item}" if place.row else place.item


def widget_of(item: ItemDef) -> str:
    """The macro that draws an item: text, area, number, date, datetime, time, radios, checks, select, reference or derived."""
    if item.type is DataType.CODELIST:
        return "select" if item.codelist is not None and len(item.codelist.items) > RADIOS_AT_MOST else "radios"
    if item.type is DataType.TEXT:
        return "area" if item.max_length > AREA_FROM and not item.dictionary else "text"
    return _WIDGETS[item.type]


def is_new(row: str) -> bool:
    """Whether this row id was given by the page: the row is not stored yet."""
    return _NEW.fullmatch(row) is not None


def answers(form: FormDef, posted: MultiDict[str, str]) -> Posted:
    """Read what was posted for this form. Fields that are not this form's are ignored; nothing is raised for any input."""
    return _reader_of(form).read(posted.to_dict(flat=False))


class _Reader:
    """Reads posts of one form; everything that depends on the definition alone is worked out once."""

    def __init__(self, form: FormDef) -> None:
        self.single: dict[str, tuple[Place, _ReadItem]] = {}
        self.rows: dict[str, dict[str, _ReadItem]] = {}
        for group in form.groups:
            asked = {item.oid: _read_item(item) for item in group.items if item.type is not DataType.DERIVED}
            if group.repeating:
                self.rows[group.oid] = asked
            else:
                self.single.update({oid: (Place(oid), read) for oid, read in asked.items()})

    def read(self, sent: Sent) -> Posted:
        add, drop = _first(sent, "add"), _first(sent, "drop")
        raws: dict[Place, Raw] = {}
        typed_in: set[RowKey] = set()
        new: dict[RowKey, None] = {}
        for marker in sent.get("p", ()):
            found = self.single.get(marker)
            if found is not None:
                place, read = found
                raw = read(sent, "i." + marker)
            else:
                in_row = self._in_row(marker)
                if in_row is None or (drop and marker.startswith(drop + ".")):
                    continue
                place, read = in_row
                raw = read(sent, "r." + marker)
                if _NEW.fullmatch(place.row):
                    new[place.group, place.row] = None
            if raw is None:
                continue
            raws[place] = raw
            if place.row and not raw.blank:
                typed_in.add((place.group, place.row))
        raws = {place: raw for place, raw in raws.items() if (place.group, place.row) not in new or (place.group, place.row) in typed_in}
        if add in self.rows:
            new[add, f"new{1 + max((int(row[3:]) for group, row in new if group == add), default=0)}"] = None
        version = _first(sent, "version")
        why = _first(sent, "why")
        reasons, confirmations, gone = self._said(sent)
        return Posted(
            raws=raws,
            present=frozenset(raws),
            gone=gone,
            reasons={place: reasons.get(place) or why for place in raws if reasons.get(place) or why},
            confirmations={said: code for said, code in confirmations.items() if said[0] in raws},
            new_rows=_by_group(new),
            copied=self._copied(sent, raws),
            reason=why,
            act="add" if add in self.rows else "drop" if drop else _first(sent, "act") if _first(sent, "act") in ACTS else "save",
            adding=add if add in self.rows else "",
            version=int(version) if _VERSION.fullmatch(version) else None,
            token=_first(sent, "token"),
        )

    def _copied(self, sent: Sent, raws: Mapping[Place, Raw]) -> dict[Place, int]:
        """The forms that answers were copied from, as the page says."""
        told = ((place, _first(sent, f"copied.{oid}")) for oid, (place, _) in self.single.items() if place in raws)
        return {place: int(text) for place, text in told if _VERSION.fullmatch(text)}

    def _in_row(self, key: str) -> tuple[Place, _ReadItem] | None:
        group, _, rest = key.partition(".")
        row, _, item = rest.partition(".")
        read = self.rows.get(group, {}).get(item)
        return (Place(item, group, row), read) if read is not None and _ROW.fullmatch(row) else None

    def _place(self, key: str) -> Place | None:
        found = self.single.get(key) or self._in_row(key)
        return found[0] if found else None

    def _said(self, sent: Sent) -> tuple[dict[Place, str], dict[tuple[Place, str], str], dict[RowKey, str]]:
        """Reasons of changes, confirmations and removals: the fields a person fills only now and then."""
        reasons: dict[Place, str] = {}
        confirmations: dict[tuple[Place, str], str] = {}
        gone: dict[RowKey, str] = {}
        for name, values in sent.items():
            if not name.startswith(("why.", "ok.", "gone.")):
                continue
            value = values[0]
            if not value:
                continue
            if name.startswith("why."):
                place = self._place(name[4:])
                if place is not None:
                    reasons[place] = value
            elif name.startswith("ok."):
                key, _, check = name[3:].rpartition(".")
                place = self._place(key)
                if place is not None and check:
                    confirmations[place, check] = value
            elif name.startswith("gone."):
                group, _, row = name[5:].partition(".")
                if group in self.rows and _ROW.fullmatch(row) and not _NEW.fullmatch(row):
                    gone[group, row] = value
        return reasons, confirmations, gone


_ReadItem = Callable[[Sent, str], Raw | None]


def _read_item(item: ItemDef) -> _ReadItem:
    """A function from what was sent and the item's field name to its Raw; None where the browser sent no box of it."""
    coded = bool(item.missing)
    if widget_of(item) in ("radios", "checks"):
        # A browser sends nothing at all for a set in which nothing is chosen, so here the marker alone speaks.

        def choices(sent: Sent, name: str) -> Raw | None:
            chosen = sent.get(name)
            if item.type is not DataType.MULTICHOICE:
                parts = {"": chosen[0]} if chosen else {}
                return Raw(_coded(parts, sent, name) if coded else parts)
            parts = _coded({}, sent, name) if coded else {}
            return Raw(parts, tuple(code for code in chosen or () if code))

        return choices

    boxes = tuple((part, "." + part if part else "") for part in PARTS.get(item.type, ("",)))

    def typed(sent: Sent, name: str) -> Raw | None:
        parts = {part: sent[name + suffix][0] for part, suffix in boxes if name + suffix in sent}
        if not parts:
            return None
        return Raw(_coded(parts, sent, name) if coded else parts)

    return typed


def _coded(parts: dict[str, str], sent: Sent, name: str) -> dict[str, str]:
    for part in ("missing", "note"):
        values = sent.get(f"{name}.{part}")
        if values and values[0]:
            parts[part] = values[0]
    return parts


def _first(sent: Sent, name: str) -> str:
    values = sent.get(name)
    return values[0] if values else ""


def _by_group(rows: Mapping[RowKey, None]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for group, row in rows:
        found[group] = (*found.get(group, ()), row)
    return found


_READERS: dict[int, tuple[Any, _Reader]] = {}


def _reader_of(form: FormDef) -> _Reader:
    # A definition holds mappings and so has no hash; it is frozen, so its identity serves as key for as long as it lives.
    known = _READERS.get(id(form))
    if known is not None and known[0]() is form:
        return known[1]
    reader = _Reader(form)
    key = id(form)
    _READERS[key] = (ref(form, lambda _: _READERS.pop(key, None)), reader)
    return reader
