"""Source data verification by plan: which subjects are drawn, which values must be held against their sources, and how far that is."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from trialcrf.core.definition.model import DataType, FormDef, ItemDef
from trialcrf.core.definition.oversight import Oversight, SamplingRule
from trialcrf.core.document import Document, Place

_WHOLE = 2**64


def drawn(seed: str, subject_key: str, percent: int) -> bool:
    """Whether a subject is among the drawn share: decided by the SHA-256 of seed and key alone.

    So nobody chooses, every machine draws the same, further subjects leave those before them as they are, and a larger share holds
    every subject of a smaller one.
    """
    digest = hashlib.sha256(f"{seed}\n{subject_key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * 100 < percent * _WHOLE


def rules_for(plan: Oversight, subject_key: str) -> tuple[SamplingRule, ...]:
    """The rules of the plan that hold for this subject."""
    return tuple(rule for rule in plan.sampling if rule.percent >= 100 or drawn(plan.seed, subject_key, rule.percent))


def sampled(rules: Collection[SamplingRule], form_oid: str, item_oid: str) -> bool:
    """Whether one of these rules asks for this item of this form."""
    return any((not rule.forms or form_oid in rule.forms) and (not rule.items or f"{form_oid}.{item_oid}" in rule.items) for rule in rules)


def asks(rules: Collection[SamplingRule], form_oid: str) -> bool:
    """Whether one of these rules asks for anything of this form: others need not be read."""
    return any(
        (not rule.forms or form_oid in rule.forms) and (not rule.items or any(one.partition(".")[0] == form_oid for one in rule.items))
        for rule in rules
    )


def verifiable(item: ItemDef) -> bool:
    """A derived value is computed by the program: it has no source."""
    return item.type is not DataType.DERIVED


def recorded(form: FormDef, document: Document) -> Iterator[Place]:
    """Every recorded value that has a source, in the order of the form; rows in error left out."""
    for group in form.groups:
        items = [item for item in group.items if verifiable(item)]
        if not group.repeating:
            yield from (Place(item.oid) for item in items if item.oid in document.items)
            continue
        for row in document.rows.get(group.oid, ()):
            if not row.error:
                yield from (Place(item.oid, group.oid, row.id) for item in items if item.oid in row.items)


def required(rules: Collection[SamplingRule], form: FormDef, document: Document, held: Mapping[Place, bool]) -> frozenset[Place]:
    """What the plan asks to verify of a form: recorded values, and those that were verified and are blank by now.

    `held` is what was verified: True where it still stands, False where the value changed since.
    """
    gone = {place for place, stands in held.items() if not stands and not _in_error(document, place)}
    places = {*recorded(form, document), *(place for place in gone if place.item in form.items)}
    return frozenset(place for place in places if sampled(rules, form.oid, place.item))


def _in_error(document: Document, place: Place) -> bool:
    row = document.row(place.group, place.row) if place.row else None
    return bool(row and row.error)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far verification is, in values: asked by the plan, of these verified, of these changed since; and verified beyond the plan."""

    required: int = 0
    verified: int = 0
    changed: int = 0
    beyond: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            self.required + other.required, self.verified + other.verified, self.changed + other.changed, self.beyond + other.beyond
        )

    @property
    def left(self) -> int:
        """Values that still have to be verified; those that changed since are among them."""
        return self.required - self.verified

    @property
    def percent(self) -> int | None:
        """Verified of what is asked, rounded down: 100 is said of everything only. None where nothing is asked."""
        return 100 * self.verified // self.required if self.required else None


def coverage(rules: Collection[SamplingRule], form: FormDef, document: Document, held: Mapping[Place, bool]) -> Coverage:
    """What the plan asks of one form, and how far it is. A blank that was verified as blank is beyond what is counted."""
    asked = required(rules, form, document, held)
    standing = {place for place, stands in held.items() if stands}
    changed = {place for place, stands in held.items() if not stands}
    return Coverage(len(asked), len(asked & standing), len(asked & changed), len(standing - asked))
