"""A subject's forms as expressions of other forms and of criteria see them: the latest form that has an answer speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from trialcrf.core.definition.model import Study
from trialcrf.core.document import Answer, Document, FormKey
from trialcrf.core.expr import Ref
from trialcrf.core.typed import Value
from trialcrf.core.values import typed


class Held(Protocol):
    """A living form: where it stands and what it holds."""

    @property
    def key(self) -> FormKey: ...

    @property
    def document(self) -> Document: ...


@dataclass(frozen=True, slots=True)
class Found:
    """One answer that a name stands for, and the form that gave it; `row` is empty outside repeating groups."""

    ref: Ref
    key: FormKey
    answer: Answer
    row: str = ""


class Casebook:
    """Answers names of the shape FORM.ITEM and EVENT.FORM.ITEM. `forms_of` gives the living forms of one OID, oldest first."""

    def __init__(self, study: Study, forms_of: Callable[[str], Sequence[Held]]) -> None:
        self._study, self._forms_of = study, forms_of

    def value(self, ref: Ref) -> Value | tuple[Value, ...]:
        """The typed answer, a tuple over the living rows of a repeating group; None where nothing is entered."""
        form = self._study.form.get(ref.form)
        if form is None or ref.item not in form.items:
            return None
        group, item = form.items[ref.item]
        held = self._speaking(ref)
        if held is None:
            return () if group.repeating else None
        if group.repeating:
            return tuple(typed(item, row.items.get(ref.item)) for row in held.document.rows.get(group.oid, ()) if not row.error)
        return typed(item, held.document.items[ref.item])

    def found(self, ref: Ref) -> list[Found]:
        """The answers behind the value, with their places."""
        held = self._speaking(ref)
        if held is None:
            return []
        group = self._study.form[ref.form].items[ref.item][0]
        if not group.repeating:
            return [Found(ref, held.key, held.document.items[ref.item])]
        rows = [row for row in held.document.rows.get(group.oid, ()) if not row.error and ref.item in row.items]
        return [Found(ref, held.key, row.items[ref.item], row.id) for row in rows]

    def named(self, alias: str) -> Found | None:
        """The latest answer to an item of this alias outside repeating groups."""
        for form in self._study.forms_with(alias):
            item = form.with_alias(alias)
            assert item is not None
            found = self.found(Ref(item.oid, form.oid)) if not form.items[item.oid][0].repeating else []
            if found and found[0].answer.text:
                return found[0]
        return None

    def _speaking(self, ref: Ref) -> Held | None:
        form = self._study.form.get(ref.form)
        if form is None or ref.item not in form.items:
            return None
        group = form.items[ref.item][0]
        for held in reversed(self._forms_of(ref.form)):
            if ref.event and held.key.event_oid != ref.event:
                continue
            if ref.item in held.document.items or (group.repeating and held.document.rows.get(group.oid)):
                return held
        return None
