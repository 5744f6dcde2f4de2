"""What one form holds: answers as canonical text, in one JSON document with rows that have ids of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

_TEXT = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an answer stands within its form: `row` is empty for an item outside repeating groups."""

    item: str
    group: str = ""
    row: str = ""

    def __str__(self) -> str:
        return f"{self.group}/{self.row}/{self.item}" if self.row else self.item

    @classmethod
    def parse(cls, text: str) -> Place:
        group, _, rest = text.rpartition("/")[0].partition("/") if "/" in text else ("", "", "")
        return cls(item=text.rpartition("/")[2], group=group, row=rest)


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded answer: a canonical text, or a missing code with its reason. Never blank: not yet entered is no Answer."""

    text: str = ""
    missing: str = ""
    note: str = ""

    def canonical(self) -> str:
        """The JSON text that is stored, audited and hashed."""
        if self.missing:
            return json.dumps({"missing": self.missing, "note": self.note}, ensure_ascii=False, sort_keys=True)
        return _TEXT.encode(self.text)

    @classmethod
    def from_plain(cls, plain: object) -> Answer:
        if isinstance(plain, dict):
            return cls(missing=str(plain["missing"]), note=str(plain.get("note", "")))
        return cls(text=str(plain))

    def plain(self) -> object:
        return {"missing": self.missing, "note": self.note} if self.missing else self.text


REDACTED = Answer(missing="REDACTED")
"""What stands where two persons erased a value that should never have been recorded. No page offers it, and nobody can type it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a repeating group. `error` is the reason it was marked entered in error; such a row leaves every count."""

    id: str
    items: Mapping[str, Answer] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """All answers of a form. Immutable: `with_answer` and `with_row` return a new one."""

    items: Mapping[str, Answer] = field(default_factory=dict)
    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)

    def at(self, place: Place) -> Answer | None:
        if not place.row:
            return self.items.get(place.item)
        row = self.row(place.group, place.row)
        return row.items.get(place.item) if row else None

    def row(self, group: str, row_id: str) -> Row | None:
        return next((row for row in self.rows.get(group, ()) if row.id == row_id), None)

    def places(self) -> Iterator[tuple[Place, Answer]]:
        """Every answer with its place, rows in error included."""
        for item, answer in self.items.items():
            yield Place(item), answer
        for group, rows in self.rows.items():
            for row in rows:
                for item, answer in row.items.items():
                    yield Place(item, group, row.id), answer

    def with_rows_named(self, names: Mapping[tuple[str, str], str]) -> Document:
        """The document with these rows (group, id) under other ids."""
        rows = self.rows.items()
        return replace(self, rows={oid: tuple(replace(row, id=names.get((oid, row.id), row.id)) for row in held) for oid, held in rows})

    def next_row(self, group: str) -> str:
        """The id of the next new row of the group: ids are counted up and never used again, rows in error included."""
        return str(1 + max((int(row.id) for row in self.rows.get(group, ()) if row.id.isdecimal()), default=0))

    def with_answer(self, place: Place, answer: Answer | None) -> Document:
        """The document with this answer (None removes it); a row that does not exist yet is added."""
        if not place.row:
            return replace(self, items=_put(self.items, place.item, answer))
        row = self.row(place.group, place.row) or Row(place.row)
        return self.with_row(place.group, replace(row, items=_put(row.items, place.item, answer)))

    def with_answers(self, answers: Mapping[Place, Answer | None]) -> Document:
        """The document with all these answers, as if `with_answer` had put them in one after the other."""
        items, after = dict(self.items), self
        for place, answer in answers.items():
            if place.row:
                after = after.with_answer(place, answer)
                continue
            items.pop(place.item, None)
            if answer is not None:
                items[place.item] = answer
        return replace(after, items=items)

    def with_row(self, group: str, row: Row) -> Document:
        rows = self.rows.get(group, ())
        known = any(old.id == row.id for old in rows)
        rows = tuple(row if old.id == row.id else old for old in rows) if known else tuple(sorted((*rows, row), key=row_order))
        return replace(self, rows={**self.rows, group: rows})

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces; equal documents have equal texts."""
        plain = {
            "items": {oid: answer.plain() for oid, answer in self.items.items()},
            "rows": {
                group: [{"id": row.id, "error": row.error, "items": {o: a.plain() for o, a in row.items.items()}} for row in rows]
                for group, rows in self.rows.items()
                if rows
            },
        }
        return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Document:
        plain = json.loads(text)
        return cls(
            items={oid: Answer.from_plain(value) for oid, value in plain["items"].items()},
            rows={
                group: tuple(
                    Row(row["id"], {oid: Answer.from_plain(value) for oid, value in row["items"].items()}, row["error"]) for row in rows
                )
                for group, rows in plain["rows"].items()
            },
        )


def row_order(row: Row) -> tuple[int, str]:
    """Rows stand in the order of their ids, which are counted up: so a document rebuilt from the trail has them in the same order."""
    return len(row.id), row.id


def _put(items: Mapping[str, Answer], oid: str, answer: Answer | None) -> Mapping[str, Answer]:
    kept = {key: value for key, value in items.items() if key != oid}
    return kept if answer is None else {**kept, oid: answer}


@dataclass(frozen=True, slots=True, order=True)
class FormKey:
    """The address of a form within a subject: which occasion, which form, and which of its repeats (counted from 1)."""

    event_oid: str
    form_oid: str
    event_repeat: int = 1
    form_repeat: int = 1
