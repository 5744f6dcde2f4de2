"""Beginning a form from what is recorded elsewhere: boxes are proposed; a person reads, completes and saves, nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Answer, Place
from trialcrf.core.values import Raw, read
from trialcrf.core.wording import Message
from trialcrf.store.subjects import Subject


@dataclass(frozen=True, slots=True)
class Prefill:
    """The boxes that are proposed for a form, in words what they come from (`told`, and `beside` at each field), and the forms that were
    read for them: whoever may not read these is not told."""

    raws: Mapping[Place, Raw]
    told: Message
    beside: Message
    reads: tuple[FormDef, ...] = ()

    @property
    def new_rows(self) -> Mapping[str, tuple[str, ...]]:
        """The rows that are not stored, by group."""
        found: dict[str, dict[str, None]] = {}
        for place in self.raws:
            if place.row:
                found.setdefault(place.group, {})[place.row] = None
        return {group: tuple(rows) for group, rows in found.items()}


def boxes(form: FormDef, texts: Mapping[str, str], language: str, subject: Subject) -> dict[Place, Raw]:
    """The boxes of the form that show these texts, by alias; a text that its item would not take, or has no item for, is left out."""
    found: dict[Place, Raw] = {}
    for alias, text in texts.items():
        item = form.with_alias(alias)
        if item is not None and not form.items[item.oid][0].repeating:
            found |= _box(form, Place(item.oid), text, language, subject)
    return found


def rows(form: FormDef, alias: str, texts: Iterable[str], language: str, subject: Subject) -> dict[Place, Raw]:
    """New rows of the repeating group that asks this, one for each text; what its item would not take is left out."""
    item = form.with_alias(alias)
    group = form.items[item.oid][0] if item is not None else None
    found: dict[Place, Raw] = {}
    if item is not None and group is not None and group.repeating:
        for number, text in enumerate(texts, 1):
            found |= _box(form, Place(item.oid, group.oid, f"new{number}"), text, language, subject)
    return found


def _box(form: FormDef, place: Place, text: str, language: str, subject: Subject) -> dict[Place, Raw]:
    item = form.items[place.item][1]
    if not text.strip():
        return {}
    raw = raw_of(item, Answer(" ".join(text.split())), language, subject.site.zone)
    return {place: raw} if isinstance(read(item, raw, subject.site.zone), Answer) else {}
