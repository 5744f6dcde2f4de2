"""A study as canonical JSON and back: the text that is published, hashed and read again at run time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from trialcrf.core.definition.codes import CodeList, CodeListItem
from trialcrf.core.definition.model import Study
from trialcrf.core.expr import Expr, parse
from trialcrf.core.wording import Words

FORMAT = 3
"""Written into every canonical text. A change of meaning of an attribute needs a new number and a reader for the old one.

In format 1 an assumption was its reading alone. Until format 2 reminders were a list of days overdue, each with its roles.
"""


def canonical(study: Study) -> str:
    """Canonical JSON: sorted keys, no spaces; equal studies have equal texts. The SHA-256 of it is a version's hash.

    Attributes at their default are left out, so that an attribute added later with a default leaves every hash as it is.
    For the same reason the default of an attribute never changes: it would change what published versions mean.
    """
    lists: dict[str, CodeList] = {}
    plain = _plain(study, lists)
    codes = {oid: [[item.code, dict(item.label.texts)] for item in lists[oid].items] for oid in lists}
    return json.dumps({"format": FORMAT, "study": plain, "codelists": codes}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def from_canonical(text: str) -> Study:
    """The study of a canonical text: the exact inverse of `canonical`. Raises ValueError for a text of another format."""
    whole = json.loads(text)
    if whole.get("format") not in (1, 2, FORMAT):
        raise ValueError(f"canonical format {whole.get('format')!r} is unknown")
    if whole["format"] == 1:
        read = whole["study"].get("assumptions", {})
        whole["study"]["assumptions"] = {name: {"question": {}, "reading": reading} for name, reading in read.items()}
    if whole["format"] <= 2:
        whole["study"]["reminders"] = {"steps": [_overdue_step(**step) for step in whole["study"].get("reminders", [])]}
    languages = tuple(whole["study"]["languages"])
    lists = {
        oid: CodeList(oid, tuple(CodeListItem(code, _words(label, languages)) for code, label in items))
        for oid, items in whole["codelists"].items()
    }
    study = _Rebuilding(languages, lists).value(whole["study"], Study)
    assert isinstance(study, Study)
    return study


def _overdue_step(days_overdue: int, roles: list[str]) -> dict[str, object]:
    """A reminder of formats 1 and 2 as a step; what its mail says is left to the program, as it was then."""
    return {"oid": f"OVERDUE{days_overdue}", "when": "overdue", "days": days_overdue, "roles": roles, "text": {}}


def _plain(value: object, lists: dict[str, CodeList]) -> object:
    if isinstance(value, CodeList):
        if lists.setdefault(value.oid, value) != value:
            raise ValueError(f"two codelists are named {value.oid}")
        return value.oid
    if isinstance(value, Words):
        return dict(value.texts)
    if isinstance(value, Expr):
        return value.text
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(each, lists) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each, lists) for key, each in value.items()}
    if is_dataclass(value):
        named = ((each, getattr(value, each.name)) for each in fields(value))
        return {each.name: _plain(found, lists) for each, found in named if found != _default(each)}
    return value


def _default(attribute: Field[Any]) -> object:
    """The default of an attribute, or MISSING (which equals nothing) where it has none."""
    return attribute.default_factory() if attribute.default_factory is not MISSING else attribute.default


def _words(texts: Mapping[str, str], languages: tuple[str, ...]) -> Words:
    """In the order of the study's languages: `Words.in_` falls back on the first."""
    return Words({language: texts[language] for language in languages if language in texts})


class _Rebuilding:
    """Plain JSON values back to the values of the model, by the model's own type hints."""

    def __init__(self, languages: tuple[str, ...], lists: Mapping[str, CodeList]) -> None:
        self.languages, self.lists = languages, lists
        self.hints: dict[str, Mapping[str, Any]] = {}

    def value(self, plain: Any, kind: Any) -> Any:
        if get_origin(kind) in (Union, UnionType):
            kind = next(each for each in get_args(kind) if each is not type(None))
        if get_origin(kind) is tuple:
            return tuple(self.value(each, get_args(kind)[0]) for each in plain)
        if get_origin(kind) is not None:  # the only mapping of the model: assumption to words
            return {key: self.value(each, get_args(kind)[1]) for key, each in plain.items()}
        if kind is CodeList:
            return self.lists[plain]
        if kind is Words:
            return _words(plain, self.languages)
        if kind is Expr:
            return parse(plain)
        if issubclass(kind, Enum):
            return kind(plain)
        if not is_dataclass(kind):
            return plain
        make = cast("Callable[..., object]", kind)
        if str(kind) not in self.hints:
            self.hints[str(kind)] = get_type_hints(make)
        hints = self.hints[str(kind)]
        return make(**{name: self.value(each, hints[name]) for name, each in plain.items()})
