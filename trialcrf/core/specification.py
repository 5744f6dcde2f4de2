"""The study specification as one frozen value: what a definition asks, when, of whom, and by which rules, ready to be printed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from trialcrf.core import reminder
from trialcrf.core.access import ROLES
from trialcrf.core.definition.canonical import canonical
from trialcrf.core.definition.criteria import Criterion, CriterionKind, EligibilityDef, InputDef, InputType
from trialcrf.core.definition.model import (
    EventType,
    FormDef,
    ItemDef,
    Offset,
    Range,
    Reminders,
    Severity,
    Study,
    StudyEventDef,
    SubjectType,
)
from trialcrf.core.explain import written
from trialcrf.core.expr import Expr
from trialcrf.core.product.identity import SAID, Kind
from trialcrf.core.registers import AssumptionLine, InstrumentLine, ListLine, assumptions, codelists, in_order, instruments
from trialcrf.core.wording import N_, Message, Sayable, Words

EVENT_TYPES: Mapping[EventType, str] = {
    EventType.SCHEDULED: N_("scheduled"),
    EventType.UNSCHEDULED: N_("unscheduled"),
    EventType.COMMON: N_("at any time"),
}
SEVERITIES: Mapping[Severity, str] = {
    Severity.HARD: N_("stops the save"),
    Severity.SOFT: N_("opens a query"),
    Severity.NOTE: N_("informs"),
}
ACCESSES: Mapping[str, str] = {
    "form": N_("general"),
    "link": N_("donor and recipient"),
    "donor": N_("donor results"),
    "statement": N_("signed statement"),
    "cell": N_("cell laboratory"),
    "stock": N_("stock of bags"),
    "release": N_("signed release"),
}
"""Who reads a form, by the pair of verbs that guards it."""
IDENTITIES: Mapping[str, str] = {
    "donation": SAID[Kind.DONATION],
    "batch": SAID[Kind.BATCH],
    "bag": SAID[Kind.BAG],
    "subject": SAID[Kind.WRISTBAND],
}
"""What the code in an identity field names."""
KINDS: Mapping[CriterionKind, str] = {
    CriterionKind.INCLUSION: N_("inclusion"),
    CriterionKind.EXCLUSION: N_("exclusion"),
    CriterionKind.ROUTE: N_("route (part of an inclusion)"),
}
INPUT_TYPES: Mapping[InputType, str] = {
    InputType.NUMBER: N_("number"),
    InputType.BOOLEAN: N_("yes or no"),
    InputType.CODE: N_("code"),
    InputType.BOUNDS: N_("number between two bounds"),
}

DELIVERIES: Mapping[str, str] = {
    "each": N_("Unless its reader chose a weekly digest, every reminder is a mail of its own."),
    "weekly": N_("Unless its reader chose otherwise, reminders are gathered into a weekly digest."),
}
WEEKDAYS = (N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"), N_("Saturday"), N_("Sunday"))


@dataclass(frozen=True, slots=True)
class Edition:
    """Which definition is printed: `sha256` is that of its canonical text, by which a published version is known."""

    study: str
    title: Words
    protocol: str
    sha256: str


@dataclass(frozen=True, slots=True)
class FormLine:
    oid: str
    label: Words
    asked: int
    computed: int
    checks: int
    repeating: bool
    access: Message
    visits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VisitLine:
    """A visit; `target` and `window` are empty texts where it has none."""

    oid: str
    label: Words
    type: Message
    repeating: bool
    anchor: Sayable | str
    target: Sayable | str
    window: Sayable | str
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The visits of one kind of subject, and its forms by visit: each mark is "must", "may" or empty, in the order of the visits."""

    label: Words
    key: str
    visits: tuple[VisitLine, ...]
    marks: tuple[tuple[FormLine, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class CheckLine:
    oid: str
    severity: Message
    message: Words
    rule: str
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemLine:
    """A question that the program computes, or that has ranges or a condition."""

    oid: str
    label: Words
    unit: str
    hard: Sayable | str
    soft: Sayable | str
    condition: str
    rule: str


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A question whose answer is a code: what the code names (empty: nothing that is labelled), and whether it stands once in the study."""

    oid: str
    label: Words
    names: Sayable | str
    once: bool


@dataclass(frozen=True, slots=True)
class FormRules:
    """The rules of one form: its checks, its computed questions, its ranges and conditions, its codes."""

    oid: str
    label: Words
    checks: tuple[CheckLine, ...]
    computed: tuple[ItemLine, ...]
    bounded: tuple[ItemLine, ...]
    codes: tuple[CodeLine, ...] = ()


@dataclass(frozen=True, slots=True)
class CriterionLine:
    id: str
    kind: Message
    clause: Words
    rule: str
    inputs: tuple[str, ...]
    assumptions: tuple[str, ...]
    note: Words


@dataclass(frozen=True, slots=True)
class InputLine:
    oid: str
    label: Words
    type: Message
    unit: str
    codes: tuple[str, ...]
    value: str
    dated: str
    valid: str
    until: str


@dataclass(frozen=True, slots=True)
class Eligibility:
    label: Words
    consent: str
    inclusion: str
    criteria: tuple[CriterionLine, ...]
    inputs: tuple[InputLine, ...]


@dataclass(frozen=True, slots=True)
class ParameterLine:
    oid: str
    label: Words
    value: Message
    used_by: tuple[str, ...]
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReminderLine:
    """Who is written to about a visit, when, and what the study says to them; `single`: never gathered into a digest."""

    oid: str
    when: Message
    roles: tuple[Message, ...]
    text: Words
    single: bool


@dataclass(frozen=True, slots=True)
class Reminding:
    """`rules` are the sentences that hold for every step."""

    steps: tuple[ReminderLine, ...]
    rules: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Specification:
    """Everything the document prints; nothing in it tells when it was made."""

    edition: Edition
    languages: tuple[str, ...]
    forms: tuple[FormLine, ...]
    anchors: tuple[tuple[str, Words, str], ...]
    plans: tuple[Plan, ...]
    reminding: Reminding
    rules: tuple[FormRules, ...]
    eligibility: tuple[Eligibility, ...]
    parameters: tuple[ParameterLine, ...]
    assumptions: tuple[AssumptionLine, ...]
    codelists: tuple[ListLine, ...]
    instruments: tuple[InstrumentLine, ...]


def edition(study: Study) -> Edition:
    return Edition(study.oid, study.title, study.protocol, hashlib.sha256(canonical(study).encode()).hexdigest())


def specification(study: Study) -> Specification:
    """The specification of a definition. Equal definitions give equal values."""
    forms = {form.oid: _form_line(study, form) for form in in_order(study)}
    return Specification(
        edition=edition(study),
        languages=study.languages,
        forms=tuple(forms.values()),
        anchors=tuple((each.oid, each.label, each.alias) for each in study.anchors),
        plans=tuple(_plan(study, kind, forms) for kind in study.subject_types),
        reminding=_reminding(study.reminders),
        rules=tuple(rules for form in in_order(study) if (rules := _rules(form)).checks or rules.computed or rules.bounded or rules.codes),
        eligibility=tuple(_eligibility(study, each) for each in study.eligibility),
        parameters=tuple(_parameters(study)),
        assumptions=tuple(assumptions(study)),
        codelists=tuple(codelists(study)),
        instruments=tuple(instruments(study)),
    )


def spoken_range(bounds: Range) -> Message | str:
    """Inclusive bounds in words; an empty text where nothing is bounded."""
    low = Decimal(bounds.low) if bounds.low is not None else None
    high = Decimal(bounds.high) if bounds.high is not None else None
    if low is not None and high is not None:
        return Message(N_("%(low)s to %(high)s"), {"low": low, "high": high})
    if low is not None:
        return Message(N_("at least %(low)s"), {"low": low})
    return Message(N_("at most %(high)s"), {"high": high}) if high is not None else ""


def _form_line(study: Study, form: FormDef) -> FormLine:
    computed = sum(item.derive is not None for _, item in form.items.values())
    visits = tuple(event.oid for event in study.events if any(ref.form_oid == form.oid for ref in event.forms))
    access = Message(ACCESSES[form.access])
    return FormLine(form.oid, form.label, len(form.items) - computed, computed, len(form.checks), form.repeating, access, visits)


def _plan(study: Study, kind: SubjectType, forms: Mapping[str, FormLine]) -> Plan:
    events = tuple(study.events_for(kind.oid))
    marks = {oid: tuple(_mark(event, oid) for event in events) for oid in forms}
    lines = tuple((forms[oid], row) for oid, row in marks.items() if any(row))
    return Plan(kind.label, kind.key, tuple(_visit_line(study, event) for event in events), lines)


def _mark(event: StudyEventDef, form_oid: str) -> str:
    ref = next((ref for ref in event.forms if ref.form_oid == form_oid), None)
    return "" if ref is None else "must" if ref.mandatory else "may"


def _visit_line(study: Study, event: StudyEventDef) -> VisitLine:
    anchor = next((each.label for each in study.anchors if each.oid == event.anchor), "")
    window: Sayable | str = ""
    if event.target is not None:
        window = Message(N_("−%(before)s / +%(after)s d"), {"before": event.window.before, "after": event.window.after})
    target = _offset(event.target) if event.target is not None else ""
    kind = Message(EVENT_TYPES[event.type])
    return VisitLine(event.oid, event.label, kind, event.repeating, anchor if target else "", target, window, event.assumptions)


def _offset(offset: Offset) -> Message:
    months, days = _signed(offset.months), _signed(offset.days)
    if offset.months and offset.days:
        return Message(N_("%(months)s mo %(days)s d"), {"months": months, "days": days})
    if offset.months:
        return Message(N_("%(months)s mo"), {"months": months})
    return Message(N_("%(days)s d"), {"days": days})


def _signed(number: int) -> str:
    return f"+{number}" if number > 0 else f"−{-number}" if number else "0"


def _reminding(reminders: Reminders) -> Reminding:
    lines = tuple(
        ReminderLine(step.oid, reminder.said(step), tuple(Message(ROLES.get(role, role)) for role in step.roles), step.text, step.single)
        for step in reminder.by_gravity(reminders.steps)
    )
    rules = [Message(DELIVERIES[reminders.delivery])]
    digest = {"day": Message(WEEKDAYS[reminders.digest_day]), "at": reminders.digest_at}
    rules.append(Message(N_("The digest goes on %(day)s at %(at)s, site time."), digest))
    if reminders.quiet_from:
        quiet = {"start": reminders.quiet_from, "end": reminders.quiet_to}
        rules.append(Message(N_("From %(start)s to %(end)s, site time, no reminder goes: it waits."), quiet))
    return Reminding(lines, tuple(rules))


def _rules(form: FormDef) -> FormRules:
    checks = tuple(
        CheckLine(each.oid, Message(SEVERITIES[each.severity]), each.message, written(each.holds.tree), each.items) for each in form.checks
    )
    lines = [(item, _item_line(item)) for _, item in form.items.values()]
    computed = tuple(line for item, line in lines if item.derive is not None)
    bounded = tuple(line for item, line in lines if item.derive is None and (line.hard or line.soft or line.condition))
    codes = tuple(_code_line(item) for item, _ in lines if item.identity or item.unique)
    return FormRules(form.oid, form.label, checks, computed, bounded, codes)


def _code_line(item: ItemDef) -> CodeLine:
    return CodeLine(item.oid, item.label, Message(IDENTITIES[item.identity]) if item.identity else "", item.unique)


def _item_line(item: ItemDef) -> ItemLine:
    return ItemLine(item.oid, item.label, item.unit, spoken_range(item.hard), spoken_range(item.soft), _text(item.when), _text(item.derive))


def _text(expr: Expr | None) -> str:
    return written(expr.tree) if expr is not None else ""


def _eligibility(study: Study, definition: EligibilityDef) -> Eligibility:
    label = study.subject_type[definition.subject_type].label
    return Eligibility(
        label,
        _text(definition.consent),
        _text(definition.inclusion),
        tuple(_criterion(definition, each) for each in definition.criteria),
        tuple(_input(each) for each in definition.inputs),
    )


def _criterion(definition: EligibilityDef, criterion: Criterion) -> CriterionLine:
    named = {ref.item for ref in criterion.rule.references}
    inputs = tuple(oid for oid in definition.input if oid in named)
    kind = Message(KINDS[criterion.kind])
    return CriterionLine(criterion.id, kind, criterion.clause, _text(criterion.rule), inputs, criterion.assumptions, criterion.note)


def _input(each: InputDef) -> InputLine:
    kind = Message(INPUT_TYPES[each.type])
    return InputLine(
        each.oid, each.label, kind, each.unit, each.codes, _text(each.value), _text(each.dated), each.valid, _text(each.until)
    )  # fmt: skip


def _parameters(study: Study) -> Iterator[ParameterLine]:
    for each in study.parameters:
        said = N_("%(number)s d") if each.unit == "day" else N_("%(number)s mo")
        users = dict.fromkeys(one.oid for definition in study.eligibility for one in definition.inputs if one.valid == each.oid)
        yield ParameterLine(each.oid, each.label, Message(said, {"number": each.value}), tuple(users), each.assumptions)
