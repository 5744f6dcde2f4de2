"""The registers of a study as they are printed: assumptions, codelists and instruments, each line with what uses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trialcrf.core.checkplan import children
from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.expr import Expr
from trialcrf.core.instruments import INSTRUMENTS, Instrument
from trialcrf.core.tree import Call, Node
from trialcrf.core.wording import N_, Message, Words

STATES: Mapping[str, str] = {"proposed": N_("to be confirmed"), "confirmed": N_("confirmed")}
NAMED_ALIKE = 7
"""An instrument without functions is the study's where a form, a codelist or an item is named by the first letters of its name."""


@dataclass(frozen=True, slots=True)
class AssumptionLine:
    """`used_by` names the visits, criteria and parameters that rest on this reading."""

    id: str
    state: Message
    confirmed: bool
    question: Words
    reading: Words
    why: Words
    by: str
    on: str
    used_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListLine:
    oid: str
    codes: tuple[tuple[str, Words], ...]
    used_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstrumentLine:
    oid: str
    label: Message
    source: str
    licence: Message
    verified: bool
    note: Message
    functions: tuple[str, ...]


def in_order(study: Study) -> Iterator[FormDef]:
    """The forms in the order in which the visits ask for them first, then those that no visit asks for."""
    asked = [ref.form_oid for event in study.events for ref in event.forms if ref.form_oid in study.form]
    return (study.form[oid] for oid in dict.fromkeys([*asked, *study.form]))


def assumptions(study: Study) -> Iterator[AssumptionLine]:
    """Every assumption in the order of the study, with what rests on it."""
    users: dict[str, list[str]] = {}
    resting = [(event.oid, event.assumptions) for event in study.events]
    resting += [(each.oid, each.assumptions) for each in study.parameters]
    resting += [(each.id, each.assumptions) for definition in study.eligibility for each in definition.criteria]
    for name, named in resting:
        for key in named:
            users.setdefault(key, []).append(name)
    for key, each in study.assumptions.items():
        state, confirmed = Message(STATES[each.state]), each.state == "confirmed"
        yield AssumptionLine(
            key, state, confirmed, each.question, each.reading, each.why, each.by, each.on, tuple(dict.fromkeys(users.get(key, ())))
        )  # fmt: skip


def codelists(study: Study) -> Iterator[ListLine]:
    """Every list that a question or the program uses, by name."""
    lists: dict[str, CodeList] = {}
    users: dict[str, list[str]] = {}
    for form in in_order(study):
        for _, item in form.items.values():
            if item.codelist is not None:
                lists[item.codelist.oid] = item.codelist
                users.setdefault(item.codelist.oid, []).append(f"{form.oid}.{item.oid}")
    for each in (study.reasons, study.confirmations):
        lists.setdefault(each.oid, each)
    for oid in sorted(lists):
        yield ListLine(oid, tuple((each.code, each.label) for each in lists[oid].items), tuple(users.get(oid, ())))


def instruments(study: Study) -> Iterator[InstrumentLine]:
    """Every instrument whose functions the study calls, and those without functions that its names tell of."""
    called = {name for expr in _expressions(study) for name in _calls(expr.tree)}
    named = {form.oid for form in study.forms} | {oid for form in study.forms for oid in form.items}
    named |= {item.codelist.oid for form in study.forms for _, item in form.items.values() if item.codelist}
    for each in INSTRUMENTS.values():
        functions = tuple(name for name in each.scores if name in called)
        if functions or (not each.scores and _named_alike(each, named)):
            label, licence, note = Message(each.label), Message(each.licence), Message(each.note)
            yield InstrumentLine(each.oid, label, each.source, licence, each.verified, note, functions)


def _named_alike(instrument: Instrument, names: set[str]) -> bool:
    return any(name.casefold().startswith(instrument.oid[:NAMED_ALIKE]) for name in names)


def _expressions(study: Study) -> Iterator[Expr]:
    for form in study.forms:
        found = [expr for group, item in form.items.values() for expr in (group.when, item.when, item.derive)]
        yield from (expr for expr in [*found, *(check.holds for check in form.checks)] if expr is not None)
    for definition in study.eligibility:
        values = [expr for each in definition.inputs for expr in (each.value, each.dated, each.until)]
        yield from (expr for expr in [*values, *(each.rule for each in definition.criteria)] if expr is not None)


def _calls(node: Node) -> Iterator[str]:
    if isinstance(node, Call):
        yield node.name
    for each in children(node):
        yield from _calls(each)
