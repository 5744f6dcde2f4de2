"""A form definition made ready for checking, once: what each item is tested for, where each rule is judged, in which order items derive."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, tzinfo
from decimal import Decimal

from trialcrf.core.definition.model import Check, DataType, FormDef, ItemDef, ItemGroupDef, Range, Severity
from trialcrf.core.document import Place
from trialcrf.core.expr import Expr, Ref
from trialcrf.core.kleene import ends_of
from trialcrf.core.tree import FUNCTIONS, Call, Node, Reference
from trialcrf.core.typed import DateInterval, Span, Value
from trialcrf.core.values import fits
from trialcrf.core.wording import N_, Message

Said = tuple[Severity, str, Message]
Test = Callable[[str, Value, date, tzinfo], Said | None]
"""A test of one answer: its canonical text, its typed value, today at the site and the site's zone."""


@dataclass(frozen=True, slots=True)
class ItemPlan:
    """An item with its tests. `demanded` says that a blank is noted, `group` is empty unless the item stands in rows."""

    item: ItemDef
    group: str
    place: Place
    demanded: bool
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class GroupPlan:
    group: ItemGroupDef
    items: tuple[ItemPlan, ...]


@dataclass(frozen=True, slots=True)
class RulePlan:
    """A rule and the repeating group whose rows it is judged in; empty: once for the form."""

    check: Check
    group: str
    targets: tuple[ItemPlan, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    groups: tuple[GroupPlan, ...]
    items: Mapping[str, ItemPlan]
    rules: tuple[RulePlan, ...]
    derived: tuple[tuple[ItemPlan, ItemGroupDef], ...]


_PLANS: dict[int, tuple[weakref.ref[FormDef], Plan]] = {}


def plan_of(form: FormDef) -> Plan:
    """The plan of this very definition object, made at its first use and dropped with it."""
    key = id(form)
    known = _PLANS.get(key)
    if known is not None and known[0]() is form:
        return known[1]
    plan = _compiled(form)
    _PLANS[key] = (weakref.ref(form, lambda _: _PLANS.pop(key, None)), plan)
    return plan


def _compiled(form: FormDef) -> Plan:
    groups = tuple(
        GroupPlan(
            group,
            tuple(
                ItemPlan(
                    item,
                    group.oid if group.repeating else "",
                    Place(item.oid),
                    item.mandatory and item.type is not DataType.DERIVED,
                    tuple(_tests(item)),
                )
                for item in group.items
            ),
        )
        for group in form.groups
    )
    items = {each.item.oid: each for group in groups for each in group.items}
    rules = tuple(_rule(check, items) for check in form.checks)
    return Plan(groups, items, rules, tuple(_in_order_of_derivation(groups)))


def _rule(check: Check, items: Mapping[str, ItemPlan]) -> RulePlan:
    targets = tuple(items[oid] for oid in check.items if oid in items)
    # A column that only an aggregate reads, as in `sum(DOSE) <= TOTAL` told at TOTAL, is read whole and not row by row.
    scalars = [items[ref.item] for ref in _outside_aggregates(check.holds.tree) if not ref.form and ref.item in items]
    return RulePlan(check, next((each.group for each in (*targets, *scalars) if each.group), ""), targets)


def _outside_aggregates(node: Node) -> Iterator[Ref]:
    if isinstance(node, Reference):
        yield node.ref
    elif not (isinstance(node, Call) and FUNCTIONS[node.name].aggregate):
        for child in children(node):
            yield from _outside_aggregates(child)


def children(node: Node) -> Iterator[Node]:
    """The parts of a node of an expression."""
    for field in fields(node):  # type: ignore[arg-type]  # every node is a dataclass
        value = getattr(node, field.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (each for each in value if isinstance(each, Node))


def _in_order_of_derivation(groups: Iterable[GroupPlan]) -> list[tuple[ItemPlan, ItemGroupDef]]:
    """Derived items, each after those it reads, its conditions included. A cycle, which `load` refuses, ends in the form's order."""
    derived = {each.item.oid: (each, group.group) for group in groups for each in group.items if each.item.derive is not None}
    order: dict[str, tuple[ItemPlan, ItemGroupDef]] = {}
    begun: set[str] = set()

    def visit(oid: str) -> None:
        if oid in begun:
            return
        begun.add(oid)
        each, group = derived[oid]
        for expr in (each.item.derive, each.item.when, group.when):
            for name in sorted(ref.item for ref in _references(expr) if not ref.form and ref.item in derived):
                visit(name)
        order[oid] = derived[oid]

    for oid in derived:
        visit(oid)
    return list(order.values())


def _references(expr: Expr | None) -> frozenset[Ref]:
    return expr.references if expr is not None else frozenset()


def _tests(item: ItemDef) -> Iterator[Test]:
    if item.type is not DataType.DERIVED:
        yield _unreadable(item)
    if item.type in (DataType.CODELIST, DataType.MULTICHOICE):
        yield _codelist(item)
    if item.decimals is not None and item.type is not DataType.DERIVED:
        yield _decimals(item.decimals)
    if item.hard != Range() or item.soft != Range():
        yield _range(item)
    if item.not_future:
        yield _future


def _unreadable(item: ItemDef) -> Test:
    def test(text: str, value: Value, today: date, zone: tzinfo) -> Said | None:
        if fits(item, value):
            return None
        return Severity.HARD, "unreadable", Message(N_("%(text)s does not fit this question; enter it again."), {"text": text})

    return test


def _codelist(item: ItemDef) -> Test:
    codes = frozenset(each.code for each in item.codelist.items) if item.codelist else frozenset()

    def test(text: str, value: Value, today: date, zone: tzinfo) -> Said | None:
        unknown = () if text in codes else sorted(set(text.split("|") if isinstance(value, frozenset) else [text]) - codes)
        if not unknown:
            return None
        return Severity.HARD, "codelist", Message(N_("%(text)s is not one of the answers offered."), {"text": unknown[0]})

    return test


def _decimals(most: int) -> Test:
    def test(text: str, value: Value, today: date, zone: tzinfo) -> Said | None:
        if not isinstance(value, Decimal) or len(text.partition(".")[2]) <= most:
            return None
        if most == 0:
            return Severity.HARD, "decimals", Message(N_("%(value)s has decimals; a whole number is asked."), {"value": value})
        return Severity.HARD, "decimals", Message(N_("%(value)s has more than %(most)s decimals."), {"value": value, "most": most})

    return test


def _range(item: ItemDef) -> Test:
    hard, soft, unit = _bounds(item.hard), _bounds(item.soft), item.unit

    def test(text: str, value: Value, today: date, zone: tzinfo) -> Said | None:
        if not isinstance(value, Decimal | Span):
            return None
        shown = value if isinstance(value, Decimal) else text
        if not _within(value, hard):
            message = Message(
                N_("%(value)s is outside the possible range: %(range)s."), {"value": _measure(shown, unit), "range": _said(hard, unit)}
            )
            return Severity.HARD, "hard_range", message
        if not _within(value, soft):
            message = Message(
                N_("%(value)s is outside the expected range: %(range)s."), {"value": _measure(shown, unit), "range": _said(soft, unit)}
            )
            return Severity.SOFT, "soft_range", message
        return None

    return test


Bounds = tuple[Decimal | None, Decimal | None]


def _bounds(given: Range) -> Bounds:
    return Decimal(given.low) if given.low is not None else None, Decimal(given.high) if given.high is not None else None


def _within(value: Decimal | Span, bounds: Bounds) -> bool:
    """Whether the number lies between the bounds; one that is known only to lie on one side of a limit, whether it may."""
    low, high = bounds
    least, most = ends_of(value)
    return (low is None or most >= low) and (high is None or least <= high)


def _measure(value: Decimal | str | None, unit: str) -> object:
    return Message(N_("%(value)s %(unit)s"), {"value": value, "unit": unit}) if unit else value


def _said(bounds: Bounds, unit: str) -> Message:
    low, high = bounds
    if low is None:
        return Message(N_("at most %(high)s"), {"high": _measure(high, unit)})
    if high is None:
        return Message(N_("at least %(low)s"), {"low": _measure(low, unit)})
    return Message(N_("from %(low)s to %(high)s"), {"low": low, "high": _measure(high, unit)})


def _future(text: str, value: Value, today: date, zone: tzinfo) -> Said | None:
    if isinstance(value, DateInterval):
        first = value.earliest
    elif isinstance(value, datetime):
        first = value.astimezone(zone).date()
    else:
        return None
    if first <= today:
        return None
    return Severity.HARD, "future", Message(N_("This date is in the future; today is %(today)s."), {"today": today})
