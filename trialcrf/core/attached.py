"""The data of a printed document, to be attached to it: the frozen value as JSON, and each of its tables as one CSV (RFC 4180, UTF-8).

What is written follows from the value alone, so equal values are equal bytes. A table is a tuple of dataclasses, at whatever depth; a
tuple of mere counts inside a line becomes columns of the line, numbered from 1, and any other tuple of dataclasses a table of its own,
whose first columns say by number which lines it belongs to.
"""

from __future__ import annotations

import csv
import json
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from trialcrf.core.wording import Message, Sayable, Words

FORMAT = 1
"""Written into the JSON. A change of its shape needs a new number."""

JSON, CSV = "application/json", "text/csv"
DATA = "data.json"
"""The name of the attachment with the whole value."""

Write = Callable[[str | Sayable], str]
"""How a text or a sentence is written into a cell: in the language of the document, and harmless to a spreadsheet."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to be attached. `description` is what a reader shows beside the name."""

    name: str
    media_type: str
    description: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is the path of the tuple in the value: `listing`, `events.classes.terms`."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def attachments(kind: str, value: object, language: str, write: Write) -> tuple[Attachment, ...]:
    """The value as `data.json`, then every table in the order of its fields; tables without a line are attached too, with their heading."""
    whole = {"format": FORMAT, "kind": kind, "language": language, "report": plain(value)}
    data = json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return (
        Attachment(DATA, JSON, kind, data),
        *(Attachment(f"{table.name}.csv", CSV, f"{kind}: {table.name}", as_csv(table)) for table in tables(value, write)),
    )


def plain(value: object) -> object:
    """As JSON values of the same shape: days and moments as ISO 8601 (moments in UTC), decimals as texts, words by their language."""
    if value is None or isinstance(value, bool | int | float | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, Words):
        return dict(value.texts)
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, Sequence | frozenset):
        return [plain(one) for one in (sorted(value, key=str) if isinstance(value, frozenset) else value)]
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in _names(type(value))}
    return _text(value)


def tables(value: object, write: Write) -> Iterator[Table]:
    """Every table of the value, from the outside in."""
    if not is_dataclass(value) or isinstance(value, type):
        return
    for name, kind in _fields(type(value)):
        yield from _tables(name, getattr(value, name), kind, write)


def as_csv(table: Table) -> bytes:
    written: list[str] = []
    csv.writer(_Sink(written), lineterminator="\r\n").writerows([table.columns, *table.rows])
    return "".join(written).encode()


class _Sink:
    def __init__(self, written: list[str]) -> None:
        self.write = written.append


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a table with the numbers of the lines that it is inside of, the outermost first."""

    inside: tuple[int, ...]
    value: Any


def _tables(name: str, value: Any, kind: _Kind, write: Write) -> Iterator[Table]:
    if kind.one is not None and value is not None:
        for inner, inner_kind in _fields(kind.one):
            yield from _tables(f"{name}.{inner}", getattr(value, inner), inner_kind, write)
    elif kind.many is not None:
        yield from _table(name, (), kind.many, [_Line((), one) for one in value], write)


def _table(name: str, around: tuple[str, ...], line: type, lines: Sequence[_Line], write: Write) -> Iterator[Table]:
    widths: dict[str, int] = {}
    for one in lines:
        _widen(widths, "", line, one.value)
    columns = (*around, *_columns(widths, "", line))
    rows = tuple((*map(str, one.inside), *_cells(widths, "", line, one.value, write)) for one in lines)
    yield Table(name, columns, rows)
    for inner, child in _children(line, ()):
        inside = [_Line((*one.inside, number), each) for number, one in enumerate(lines, start=1) for each in _at(one.value, inner)]
        yield from _table(".".join((name, *inner)), (*around, name), child, inside, write)


def _children(kind: type, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type]]:
    """The tuples inside a line that are tables of their own."""
    for name, field in _fields(kind):
        if field.one is not None:
            yield from _children(field.one, (*path, name))
        elif field.many is not None and not field.counts:
            yield (*path, name), field.many


def _at(value: Any, path: tuple[str, ...]) -> Sequence[Any]:
    for name in path:
        value = getattr(value, name) if value is not None else ()
    found: Sequence[Any] = value
    return found


def _widen(widths: dict[str, int], path: str, kind: type, value: Any) -> None:
    """How many numbered columns each tuple of counts needs: as many as its longest."""
    if value is None:
        return
    for name, field in _fields(kind):
        inner = getattr(value, name)
        if field.one is not None:
            _widen(widths, f"{path}{name}.", field.one, inner)
        elif field.counts and field.many is not None:
            widths[f"{path}{name}"] = max(widths.get(f"{path}{name}", 0), len(inner))
            for number, one in enumerate(inner, start=1):
                _widen(widths, f"{path}{name}.{number}.", field.many, one)


def _columns(widths: Mapping[str, int], path: str, kind: type) -> Iterator[str]:
    for name, field in _fields(kind):
        if field.one is not None:
            yield from _columns(widths, f"{path}{name}.", field.one)
        elif field.many is None:
            yield f"{path}{name}"
        elif field.counts:
            for number in range(1, widths.get(f"{path}{name}", 0) + 1):
                yield from _columns(widths, f"{path}{name}.{number}.", field.many)


def _cells(widths: Mapping[str, int], path: str, kind: type, value: Any, write: Write) -> Iterator[str]:
    for name, field in _fields(kind):
        inner = None if value is None else getattr(value, name)
        if field.one is not None:
            yield from _cells(widths, f"{path}{name}.", field.one, inner, write)
        elif field.many is None:
            yield _cell(inner, write)
        elif field.counts:
            for number in range(1, widths.get(f"{path}{name}", 0) + 1):
                one = inner[number - 1] if inner is not None and number <= len(inner) else None
                yield from _cells(widths, f"{path}{name}.{number}.", field.many, one, write)


def _cell(value: object, write: Write) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | Message | Words):
        return write(value)
    if isinstance(value, Mapping):
        return write("; ".join(f"{name}: {_cell(one, write)}" for name, one in value.items()))
    if isinstance(value, tuple | list | frozenset):
        return "; ".join(_cell(one, write) for one in (sorted(value, key=str) if isinstance(value, frozenset) else value))
    return _text(value)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no text in an attachment")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a field holds: one dataclass, many of them (mere `counts`: numbers and no text), or neither, which is one cell."""

    one: type | None = None
    many: type | None = None
    counts: bool = False


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in _told(kind))


def _told(kind: type) -> Iterator[Field[Any]]:
    """The fields of a value that are data. What only draws says so: `metadata={"attached": False}`."""
    return (field for field in fields(kind) if field.metadata.get("attached", True))


@cache
def _fields(kind: type) -> tuple[tuple[str, _Kind], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, _kind(hints[field.name])) for field in _told(kind))


def _kind(hint: Any) -> _Kind:
    hint = _without_none(hint)
    if _is_line(hint):
        return _Kind(one=hint)
    if get_origin(hint) in (tuple, list, Sequence) and get_args(hint) and _is_line(get_args(hint)[0]):
        inner: type = get_args(hint)[0]
        return _Kind(many=inner, counts=_are_counts(inner))
    return _Kind()


def _are_counts(kind: type) -> bool:
    hints = [_without_none(hint) for hint in get_type_hints(kind).values()]
    inner = [get_args(hint)[0] if get_origin(hint) is tuple else hint for hint in hints]
    return all(hint in (int, float, Decimal) or (_is_line(hint) and _are_counts(hint)) for hint in inner)


def _is_line(hint: Any) -> bool:
    return isinstance(hint, type) and is_dataclass(hint) and hint not in (Message, Words)


def _without_none(hint: Any) -> Any:
    """The type of a value that may be absent."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    given = [one for one in get_args(hint) if one is not type(None)]
    return given[0] if len(given) == 1 else hint
